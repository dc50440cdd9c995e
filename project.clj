(defn beside [file] ; this one
  (slurp (clojure.java.io/file (.getParent (.getAbsoluteFile (clojure.java.io/file *file*))) file)))

(defn options [engine] ; bin/engines has them
  (vec (next (first (for [line (re-seq #"(?m)^[a-z].*" (beside "bin/engines"))
                          :let [words (re-seq #"\S+" line)]
                          :when (= engine (first words))]
                      words)))))

(def version ; pom.xml, the core's, has it
  (second (re-find #"(?s)<artifactId>greenlet-core</artifactId>.*?<version>(.+?)</version>" (beside "pom.xml"))))

;; The JAR has Clojure alone and depends on greenlet-core, which Maven builds. A clone compiles java-src itself: Leiningen resolves
;; dependencies before all else, and nothing need be installed yet. So the profile published has the dependency, and only these
;; tasks take it. install is bin/install, which installs both, and does without the profile dev that these aliases are in.
(def publishing
  (into {"install" ["with-profile" "bin-install" "run" "-m" "clojure.main"
                    "-e" "(-> (ProcessBuilder. [\"bin/install\"]) .inheritIO .start .waitFor System/exit)"]}
        (for [task ["jar" "pom" "uberjar" "deploy"]]
          [task ["with-profile" "provided,published" task]])))

(defproject greenlet-clj/greenlet-clj version
  :description "Greenlets for Clojure and Java: coroutines with a stack of their own"
  :license {:name "EPL-2.0" :url "https://www.eclipse.org/legal/epl-2.0/"}
  :dependencies []
  :source-paths ["src"]
  :resource-paths ["resources"]
  :java-source-paths ["java-src/greenlet"] ; not module-info.java: this JAR is for the class path
  :test-paths ["test/clojure"]
  :target-path "target/lein"
  :pom-location "target/lein/" ; pom.xml beside this file is the core's
  :javac-options ["--release" "21" "-Xlint:all"]
  :jar-exclusions [#"\.java$" #"\.class$"]
  :filespecs [{:type :fn, :fn (fn [project] {:type :bytes, :path "META-INF/LICENSE"
                                             :bytes (slurp (str (:root project) "/LICENSE"))})}]
  :manifest {"Implementation-Title" "greenlet-clj", "Implementation-Version" ~version}
  :test-selectors {:default #(not-any? % (cond-> [:window :programs :consumers :bench :repl] ; suites of their own, see bin/test
                                           (not= "continuation" (System/getProperty "greenlet.engine")) (conj :continuation)))
                   :light #(not-any? % [:window :programs :consumers :bench :repl :continuation :heavy])
                   :programs :programs, :consumers :consumers, :bench :bench, :repl :repl, :random :random}
  :global-vars {*warn-on-reflection* true}
  :profiles {:provided {:dependencies [[org.clojure/clojure "1.12.6"]
                                       [org.jspecify/jspecify "1.0.1"]]}
             :test {:jvm-opts ["-Djava.awt.headless=true"]}
             :dev {:dependencies [[org.clojure/test.check "1.1.3"]
                                  [org.clojure/core.async "1.9.865"]
                                  [com.h2database/h2 "2.3.232"] ; for examples, as the next four
                                  [org.postgresql/postgresql "42.7.14"]
                                  [org.knowm.xchart/xchart "3.8.8"]
                                  [org.clojure/data.json "2.5.1"]
                                  [org.apache.httpcomponents.core5/httpcore5 "5.4.4"]
                                  [io.netty/netty-transport "4.2.20.Final"]] ; for doc/network.md
                   :source-paths ["examples" "journal/src"]
                   :java-source-paths ["journal/java-src/greenlet"] ; a JAR of its own, which bin/install makes
                   :test-paths ["journal/test/clojure"]
                   :aliases ~publishing}
             :published ^:leaky {:dependencies [[greenlet-clj/greenlet-core ~version]]
                                 :java-source-paths ^:replace []}
             :bin-install {:eval-in :leiningen, :prep-tasks ^:replace [], :global-vars ^:replace {}}
             :virtual-thread {:jvm-opts ~(options "virtual-thread")}
             :virtual-thread-carried {:jvm-opts ~(options "virtual-thread-carried")}
             :continuation {:jvm-opts ~(options "continuation")}
             :cooperative {:jvm-opts ["-Dgreenlet.test.cooperative=true"]} ; hubs in the tests of hubs
             :repl {:jvm-opts ~(filterv #(re-find #"^--" %) (options "continuation"))} ; the fastest that works is chosen
             :prepared {:prep-tasks ^:replace []} ; bin/test has compiled, once
             :many {:jvm-opts ["-Dgreenlet.random.factor=50"]} ; times as many random cases
             :tools-deps {:dependencies [[org.clojure/tools.deps "0.24.1523"]]}
             :async-1.6 {:dependencies [[org.clojure/core.async "1.6.681"]]}
             :1.11 {:dependencies [[org.clojure/clojure "1.11.4"]]}
             :1.12 {:dependencies [[org.clojure/clojure "1.12.6"]]}
             :1.13 {:dependencies [[org.clojure/clojure "1.13.0-alpha6"]]}})
