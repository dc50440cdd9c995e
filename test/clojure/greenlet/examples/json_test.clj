(ns greenlet.examples.json-test
  (:require [clojure.data.json :as data-json]
            [clojure.java.io :as io]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [clojure.test.check.clojure-test :refer [defspec]]
            [clojure.test.check.generators :as gen]
            [clojure.test.check.properties :as prop]
            [greenlet.core :as g]
            [greenlet.examples.json :as example :refer [parse values]]
            [greenlet.random :refer [times]]
            [greenlet.test :refer [no-leaks]]
            [greenlet.watchdog :refer [on-each-root thrown-by]])
  (:import (java.io File StringReader)))

(set! *warn-on-reflection* true)

(def ^:private ways [nil {:chunk 1} {:chunk 3} {:chunk 256}])

(deftest values-of-every-kind
  (on-each-root
   (doseq [options ways]
     (is (= {"a" [1 -2.5 1e3 true false nil] "b" {} "c" [] "d" "\" \\ / \b\f\n\r\t é" "e" 123456789012345678901234567890N}
            (parse (str " {\"a\": [1, -2.5, 1E+3, true, false, null], \"b\": {}, \"c\": [ ], \"d\": \"\\\" \\\\ \\/ \\b\\f\\n\\r\\t \\u00e9\","
                        "\n\"e\": 123456789012345678901234567890}")
                   options)))
     (is (= 7 (parse "7" options)))
     (is (= [1 "two" [3]] (into [] (values (StringReader. "1 \"two\"\n[3]") options)))))))

(def ^:private json-values
  (gen/recursive-gen (fn [v] (gen/one-of [(gen/vector v) (gen/map gen/string v)]))
                     (gen/one-of [gen/string gen/large-integer (gen/double* {:NaN? false, :infinite? false}) gen/boolean (gen/return nil)])))

(defspec ^:random what-data-json-writes-is-read (times 300)
  (prop/for-all [v json-values]
                (let [text (data-json/write-str v)]
                  (= (data-json/read-str text) (parse text) (parse text nil)))))

(deftest errors-tell-where
  (on-each-root
   (doseq [[text at message] [["" 0 "one value"] ["1 2" 3 "one value"] ["[1" 2 "unexpected :end"] ["[1,]" 3 "unexpected :close-array"]
                              ["{\"a\" 1}" 5 "unexpected 1"] ["{1: 2}" 1 "unexpected 1"] ["[\"abc" 5 "end within a string"]
                              ["[01]" 1 "not a number: 01"] ["nul" 0 "unknown word nul"] ["[1, $]" 4 "unknown character $"]
                              ["\"\\q\"" 2 "unknown escape"] ["[1 \"b\"]" 3 "unexpected \"b\""]]
           options ways]
     (let [e (thrown-by (no-leaks (parse text options)))]
       (is (= {:at at} (ex-data e)) text)
       (is (str/starts-with? (str (ex-message e)) message))))))

(deftest the-file-is-open-while-it-is-read
  (on-each-root
   (let [closed (atom 0)
         reader #(proxy [StringReader] ["1 2 3 4"] (close [] (swap! closed inc)))]
     (doseq [options ways]
       (reset! closed 0)
       (is (= [1 2] (no-leaks (into [] (take 2) (values (reader) options)))))
       (is (pos? @closed))))))

(deftest a-large-file
  (let [file (File/createTempFile "records" ".json")]
    (try
      (example/write-records! file 300000)
      (let [by-others (mapv data-json/read-str (line-seq (io/reader file)))]
        (is (< 1000 (count by-others)))
        (is (= by-others (into [] (values file {:chunk 256})))))
      (testing "the report"
        (let [out (with-out-str (is (example/report file)))]
          (is (re-find #"(?s)300\.\d|0\.3 MB, on the engine" out))
          (is (re-find #"tokens in chunks of 256 +\d" out))
          (is (re-find #"tokens one by one +\d.*times as long as in chunks" out))
          (is (re-find #"data\.json +\d" out))
          (is (str/includes? out "all have read the same"))
          (is (str/includes? out (g/engine)))))
      (finally (.delete file)))))
