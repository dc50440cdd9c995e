(ns greenlet.ledgers-test
  "Each test that a ledger in doc/ledgers names is there."
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is testing]])
  (:import (java.io File)))

(set! *warn-on-reflection* true)

(defn- files [^String folder ^String ending]
  (filter #(str/ends-with? (.getName ^File %) ending) (file-seq (File. folder))))

(def ^:private java-tests
  "As `Class.method`."
  (set (for [^File file (files "test/java" "Test.java")
             [_ method] (re-seq #"(?m)^  void (\w+)\(" (slurp file))]
         (str (str/replace (.getName file) ".java" "") "." method))))

(def ^:private clojure-tests
  "As `namespace` and as `namespace/test`."
  (set (for [^File file (files "test/clojure" "_test.clj")
             :let [code (slurp file)
                   space (second (re-find #"(?m)^\(ns ([\w.-]+)" code))]
             test (cons nil (map second (re-seq #"(?m)^\(def(?:test|spec) (?:\^\S+ )*([^\s()]+)" code)))]
         (if test (str space "/" test) space))))

(defn- rows [^File ledger]
  (for [line (str/split-lines (slurp ledger))
        :let [[_ theirs ours] (re-matches #"\| (`.+?) \| (.+) \|" line)]
        :when theirs]
    [theirs ours]))

(defn- named
  "The tests that are named in a cell."
  [cell]
  (map second (re-seq #"`([A-Z]\w*Test\.\w+|greenlet\.[\w.-]+-test(?:/[^`]+)?)`" cell)))

(deftest each-test-of-a-ledger-is-there
  (is (contains? java-tests "KillTest.everyStage"))
  (is (contains? clojure-tests "greenlet.ledgers-test/each-test-of-a-ledger-is-there"))
  (is (= ["ATest.b" "greenlet.a-test" "greenlet.a-test/b!"] (named "`ATest.b`, `Hub.run`; `greenlet.a-test`: `greenlet.a-test/b!`")))
  (doseq [^File ledger (files "doc/ledgers" ".md")]
    (testing (.getPath ledger)
      (is (seq (rows ledger)))
      (doseq [[theirs ours] (rows ledger)]
        (testing theirs
          (is (or (seq (named ours)) (str/starts-with? ours "does not apply: ")) "a test, or the reason why there is none")
          (is (= [] (remove (some-fn java-tests clojure-tests) (named ours)))))))))
