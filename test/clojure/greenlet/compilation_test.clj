(ns greenlet.compilation-test
  "Every namespace, compiled ahead of time, and the Java classes beside it."
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [clojure.test :refer [deftest is]])
  (:import (java.io File)
           (java.nio.file Files)
           (java.nio.file.attribute FileAttribute)))

(defn- names-below [^File dir]
  (let [root (.toPath dir)]
    (for [^File f (file-seq dir) :when (.isFile f)]
      (str (.relativize root (.toPath f))))))

(def ^:private namespaces
  (sort (for [file (names-below (io/file "src")) :when (str/ends-with? file ".clj")]
          (-> file (str/replace #"\.clj$" "") (str/replace "/" ".") (str/replace "_" "-")))))

(defn- compile-into
  "What the compiler says that went wrong."
  [^File dir]
  (let [java    (str (System/getProperty "java.home") "/bin/java")
        options ["-cp" (str dir File/pathSeparator (System/getProperty "java.class.path")) (str "-Dclojure.compile.path=" dir)]
        command (concat [java] options ["clojure.lang.Compile"] namespaces)
        process (.. (ProcessBuilder. ^java.util.List (vec command)) (redirectErrorStream true) start)
        said    (slurp (.getInputStream process))]
    (when-not (zero? (.waitFor process)) said)))

(defn- differing-in-case-alone [paths]
  (->> (distinct paths) (group-by str/lower-case) vals (filter #(< 1 (count %)))))

;; On a disk that does not tell upper case from lower case, one of two such files would take the other's place.
(deftest ^:heavy no-two-class-files-differ-in-case-alone
  (is (= [["a/B.class" "a/b.class"]] (differing-in-case-alone ["a/B.class" "a/b.class" "a/c.class" "a/c.class"])))
  (when (= "continuation" (System/getProperty "greenlet.engine")) ; no engine makes a difference: once is enough
    (let [dir (.toFile (Files/createTempDirectory "compiled" (make-array FileAttribute 0)))]
      (try
        (is (nil? (compile-into dir)))
        (let [compiled (filter #(str/starts-with? % "greenlet/") (names-below dir))]
          (is (some #{"greenlet/hub__init.class"} compiled))
          (is (empty? (differing-in-case-alone (concat compiled (names-below (io/file "target/lein/classes")))))))
        (finally (run! #(.delete ^File %) (reverse (file-seq dir))))))))
