(ns greenlet.consumers-test
  "What users do with what is built. The JARs are those that `lein install` puts, from a clone, into an empty local repository."
  (:require [clojure.java.io :as io]
            [clojure.set :as set]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing use-fixtures]]
            [greenlet.process :refer [delete-tree in-env jdk-tool printed prints refuses run temp-dir]])
  (:import (java.io File)
           (java.util.jar JarFile)))

(set! *warn-on-reflection* true)

(def ^:private version
  (second (re-find #"<version>(.+?)</version>" (slurp "pom.xml"))))

;; A user's machine, made once for all tests

(def ^:private ^:dynamic ^File *dir* nil)

(defn- copied
  "A copy of `files` in the new directory `name`."
  [name & files]
  (let [dir (io/file *dir* name)]
    (.mkdirs dir)
    (prints [] (concat ["cp" "-r"] files [dir]))
    dir))

(defn- clone [name]
  (copied name "LICENSE" "bin" "build.clj" "deps.edn" "examples" "java-src" "journal" "pom.xml" "project.clj" "resources" "src"))

(defn- files-in [dir]
  (.listFiles (io/file dir)))

(defn- lein [dir repository & tasks]
  (apply in-env dir "lein_" "" "update-in" ":" "assoc" ":local-repo" (pr-str (str repository)) "--" tasks))

(defn- new-machine []
  (let [home (io/file *dir* "home")
        repository (doto (io/file home ".m2/repository") .mkdirs)
        clone (clone "clone")]
    {:repository repository
     :compiled (run (lein clone repository "do" "javac," "classpath") :seconds 900)
     :installed (run ["lein" "install"] :dir clone, :env {"HOME" home}, :seconds 900)}))

(def ^:private ^:dynamic *machine* nil)

(use-fixtures :once
  (fn [run-tests]
    (binding [*dir* (temp-dir)]
      (try
        (binding [*machine* (delay (new-machine))] (run-tests))
        (finally (delete-tree *dir*))))))

(defn- jar ^File [artifact]
  (io/file (:repository @*machine*) "greenlet-clj" artifact version (str artifact "-" version ".jar")))

(deftest ^:consumers where-nothing-is-installed-a-clone-compiles-java-itself
  (is (not (str/includes? (:out (printed [] (:compiled @*machine*))) "greenlet-core"))))

(deftest ^:consumers lein-install-installs-all-jars
  (let [{:keys [err]} (printed [] (:installed @*machine*))]
    (is (str/includes? err (str "installed greenlet-core, greenlet-clj and greenlet-journal " version " in "))))
  (doseq [artifact ["greenlet-core" "greenlet-clj" "greenlet-journal"]]
    (is (.isFile (jar artifact)))))

;; The JARs

(defn- entries [jar]
  (with-open [jar (JarFile. (io/file jar))]
    (set (map str (enumeration-seq (.entries jar))))))

(defn- attributes [^JarFile jar]
  (into {} (for [[k v] (.getMainAttributes (.getManifest jar))] [(str k) v])))

(deftest ^:consumers each-jar-has-its-part
  (is (set/subset? #{"greenlet/core.clj" "greenlet/generator.clj" "greenlet/hub.clj" "greenlet/tasklet.clj" "greenlet/bridge.clj"
                     "greenlet/test.clj" "greenlet/repl.clj" "greenlet/trace.clj" "clj-kondo.exports/greenlet-clj/greenlet-clj/config.edn"}
                   (entries (jar "greenlet-clj"))))
  (is (= [] (filter #(re-find #"\.(class|java)$" %) (entries (jar "greenlet-clj")))))
  (is (= [] (filter #(re-find #"\.clj|^clj" %) (entries (jar "greenlet-core"))))))

(deftest ^:consumers the-journal-has-java-and-clojure-and-depends-on-the-core-alone
  (is (set/subset? #{"greenlet/journal.clj" "greenlet/journal/Host.class" "module-info.class"} (entries (jar "greenlet-journal"))))
  (is (= [] (filter #(re-find #"^greenlet/(?!journal)." %) (entries (jar "greenlet-journal")))))
  (is (= [] (filter #(re-find #"journal" %) (mapcat (comp entries jar) ["greenlet-core" "greenlet-clj"])))))

(deftest ^:consumers each-jar-says-what-it-is
  (doseq [artifact ["greenlet-clj" "greenlet-core" "greenlet-journal"]]
    (with-open [jar (JarFile. (jar artifact))]
      (is (= {"Implementation-Title" artifact, "Implementation-Version" version}
             (select-keys (attributes jar) ["Implementation-Title" "Implementation-Version"])))
      (is (= (slurp "LICENSE") (slurp (.getInputStream jar (.getEntry jar "META-INF/LICENSE"))))))))

(deftest ^:consumers the-version-is-named-where-users-read-it
  (doseq [[file before after] [["README.md" "[greenlet-clj \"" "\"]"]
                               ["README.md" "greenlet-clj:greenlet-core:" "`"]
                               ["examples/java/pom.xml" "<greenlet.version>" "</greenlet.version>"]
                               ["journal/pom.xml" "<version>" "</version> <!--"]
                               ["test/consumer/leiningen/project.clj" "[greenlet-clj \"" "\"]"]
                               ["test/consumer/journal/project.clj" "greenlet-clj/greenlet-journal \"" "\"]"]]]
    (is (str/includes? (slurp file) (str before version after)) (str file "; pom.xml has the version"))))

;; Clojure

(def ^:private greeting "[1 2] (3 4) 42")

(defn- jars-of [class-path]
  (filter #(str/ends-with? % ".jar") (str/split class-path #":")))

(defn- artifact [jar]
  (let [name (.getName (io/file jar))]
    (if (str/starts-with? name "greenlet") name (str/replace name #"-\d[^-]*\.jar$" ""))))

(deftest ^:consumers leiningen
  (let [project (apply copied "leiningen" (files-in "test/consumer/leiningen"))
        {:keys [out]} (prints [greeting] (lein project (:repository @*machine*) "do" "run," "classpath") :seconds 600)
        jars (jars-of (last (str/split-lines out)))]
    (testing "the class path has greenlet-clj, greenlet-core, Clojure and nothing else"
      (is (= ["clojure" "core.specs.alpha" (str "greenlet-clj-" version ".jar") (str "greenlet-core-" version ".jar") "spec.alpha"]
             (sort (map artifact jars)))))
    (testing "and each class of greenlet once"
      (let [classes (filter #(re-find #"^greenlet/.*\.class$" %) (mapcat entries jars))]
        (is (seq classes))
        (is (= [] (for [[class n] (frequencies classes) :when (< 1 n)] class)))))))

(deftest ^:consumers leiningen-with-a-journal
  (let [project (apply copied "journal" (files-in "test/consumer/journal"))
        {:keys [out]} (prints ["[:tea :charged]"] (lein project (:repository @*machine*) "do" "run," "classpath") :seconds 600)]
    (is (= #{(str "greenlet-clj-" version ".jar") (str "greenlet-core-" version ".jar") (str "greenlet-journal-" version ".jar")}
           (set (filter #(str/starts-with? % "greenlet") (map artifact (jars-of (last (str/split-lines out))))))))))

(deftest ^:consumers deps-edn
  (let [library (clone "greenlet-clj")
        project (apply copied "deps" (files-in "test/consumer/deps"))
        prepare (.getAbsoluteFile (io/file "test/consumer/prepare.clj"))
        {:keys [out]} (prints [] (in-env library "lein_" ",+tools-deps" "run" "-m" "clojure.main" prepare project) :seconds 600)]
    (copied "deps" "test/consumer/journal/src")
    (doseq [[main printed] {"consumer.main" greeting, "consumer.order" "[:tea :charged]"}]
      (prints [printed] [(jdk-tool "java") "-cp" (str/trim out) "clojure.main" "-m" main] :dir project))))

;; Java

(def ^:private examples
  (sort (filter #(str/ends-with? % ".java") (map str (files-in "examples/java/examples")))))

(defn- promises [example]
  (map second (re-seq #"(?m).*// prints (.*)" (slurp example))))

(defn- options [class]
  (when (= class "Dialogs") ; for the event thread, with and without modules
    ["-Djava.awt.headless=true" "--add-exports=java.base/jdk.internal.vm=ALL-UNNAMED,greenlet"]))

(defn- keep-promises
  "Each example prints what its comments say."
  [in-package & java-options]
  (doseq [example examples
          :let [class (str/replace (.getName (io/file example)) ".java" "")
                command (concat [(jdk-tool "java")] (options class) java-options [(str in-package class)])]]
    (is (= (promises example) (str/split-lines (:out (prints [] command)))) example)))

(defn- compiled [name path-option & files]
  (let [out (io/file *dir* name)]
    (prints [] (concat [(jdk-tool "javac") "-Werror" "-Xlint:all" "-d" out path-option (jar "greenlet-core")] files))
    (str (jar "greenlet-core") ":" out)))

(deftest ^:consumers class-path
  (let [path (apply compiled "class-path" "-classpath" examples)]
    (keep-promises "examples." "-cp" path)
    (refuses 2 "it needs the engine continuation"
             [(jdk-tool "java") "-Dgreenlet.engine=virtual-thread" "-cp" path "examples.Dialogs"])))

(deftest ^:consumers module-path
  (let [path (apply compiled "module-path" "--module-path" "examples/java/module-info.java" examples)]
    (keep-promises "--module=examples/examples." "--module-path" path)))

(deftest ^:consumers a-journal-without-clojure
  (doseq [[option main files] [["-classpath" "consumer.Order" []]
                               ["--module-path" "--module=consumer/consumer.Order" ["test/consumer/java/module-info.java"]]]
          :let [path (str (jar "greenlet-core") ":" (jar "greenlet-journal"))
                out (io/file *dir* (str "java-journal" option))]]
    (prints [] (concat [(jdk-tool "javac") "-Werror" "-Xlint:all" "-d" out option path "test/consumer/java/consumer/Order.java"] files))
    (prints ["tea, charged"] [(jdk-tool "java") option (str path ":" out) main])))

(deftest ^:consumers maven
  (let [project (apply copied "maven" (files-in "examples/java"))]
    (prints [] (in-env project "mvn_" "-q" (str "-Dmaven.repo.local=" (:repository @*machine*)) "clean" "compile") :seconds 900)
    (keep-promises "examples." "-cp" (str (jar "greenlet-core") ":" (io/file project "target/classes")))))
