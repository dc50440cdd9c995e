(ns greenlet.ledgers-test
  "Each test that a ledger in doc/ledgers names is there."
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is testing]])
  (:import (java.io File)))

(set! *warn-on-reflection* true)

(defn- files [^String folder ^String ending]
  (filter #(str/ends-with? (.getName ^File %) ending) (file-seq (File. folder))))

(defn- methods-of
  "The tests of a class, which is a file, and of the one that it extends."
  [^File file]
  (let [code (slurp file)
        parent (second (re-find #"(?m)^class \w+ extends (\w+Test) " code))]
    (concat (map second (re-seq #"(?m)^  void (\w+)\(" code))
            (when parent (methods-of (File. (.getParent file) (str parent ".java")))))))

(def ^:private java-tests
  "As `Class.method`."
  (set (for [^File file (files "test/java" "Test.java")
             method (methods-of file)]
         (str (str/replace (.getName file) ".java" "") "." method))))

(def ^:private clojure-tests
  "As `namespace` and as `namespace/test`."
  (set (for [^File file (files "test/clojure" "_test.clj")
             :let [code (slurp file)
                   space (second (re-find #"(?m)^\(ns ([\w.-]+)" code))]
             test (cons nil (map second (re-seq #"(?m)^\(def(?:test|spec) (?:\^\S+ )*([^\s()]+)" code)))]
         (if test (str space "/" test) space))))

(defn- rows
  "What is promised, and the cells that say who holds it."
  [^File ledger]
  (for [line (str/split-lines (slurp ledger))
        :let [[_ theirs ours] (re-matches #"\| (`.+?) \| (.+) \|" line)]
        :when theirs]
    [theirs (str/split ours #" \| ")]))

(defn- named
  "The tests that are named in a cell."
  [cell]
  (map second (re-seq #"`([A-Z]\w*Test\.\w+|greenlet\.[\w.-]+-test(?:/[^`]+)?)`" cell)))

(deftest each-test-of-a-ledger-is-there
  (is (contains? java-tests "KillTest.everyStage"))
  (is (contains? java-tests "CooperativeDatabaseClientsTest.cursors") "which it inherits")
  (is (contains? clojure-tests "greenlet.ledgers-test/each-test-of-a-ledger-is-there"))
  (is (= ["ATest.b" "greenlet.a-test" "greenlet.a-test/b!"] (named "`ATest.b`, `Hub.run`; `greenlet.a-test`: `greenlet.a-test/b!`")))
  (doseq [^File ledger (files "doc/ledgers" ".md")]
    (testing (.getPath ledger)
      (is (seq (rows ledger)))
      (doseq [[theirs cells] (rows ledger), ours cells]
        (testing theirs
          (is (or (seq (named ours)) (str/starts-with? ours "does not apply: ")) "a test, or the reason why there is none")
          (is (= [] (remove (some-fn java-tests clojure-tests) (named ours)))))))))
