(ns greenlet.conformance-test
  "The suite of greenlet programs, and the runner that runs them."
  (:require [clojure.edn :as edn]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [greenlet.conformance :as conformance])
  (:import (java.io File)))

(set! *warn-on-reflection* true)

(def ^:private suite "test/conformance/programs.edn")

(def ^:private small
  {:id 1
   :traced true
   :scripts {0 '[[:new 1] [:switch 1 5] [:throw 1 :exit]], 1 '[[:log 7] [:return 8]]}
   :trace [[:trace :switch 0 1] [:start 1 [5]] [:log 1 7] [:end 1 8] [:trace :switch 1 0] [:got 0 8]
           [:trace :switch 0 0] [:got 0 :exit] [:end 0 nil]]})

(deftest every-program-leaves-its-trace
  (let [programs (edn/read-string (slurp suite))]
    (is (= 400 (count programs)))
    (is (= [] (vec (keep conformance/check programs))))))

(deftest a-difference-is-reported
  (testing "none"
    (is (nil? (conformance/check small))))
  (testing "an event that is another one"
    (is (= (str "program 1 differs at event 2:\n"
                "  expected [[:log 1 9] [:end 1 8] [:trace :switch 1 0] [:got 0 8] [:trace :switch 0 0] [:got 0 :exit] [:end 0 nil]]\n"
                "  got      [[:log 1 7] [:end 1 8] [:trace :switch 1 0] [:got 0 8] [:trace :switch 0 0] [:got 0 :exit] [:end 0 nil]]")
           (conformance/check (assoc-in small [:trace 2] [:log 1 9])))))
  (testing "an event too few"
    (is (str/includes? (conformance/check (update small :trace pop)) "differs at event 8")))
  (testing "an event too many"
    (is (str/includes? (conformance/check (update small :trace conj [:log 0 1])) "differs at event 9")))
  (testing "an operation that does not exist"
    (is (some? (conformance/check (assoc-in small [:scripts 0] '[[:jump 1]]))))))

(defn- programs-in [^String text]
  (let [file (File/createTempFile "programs" ".edn")]
    (try
      (spit file text)
      (#'conformance/programs (.getPath file))
      (finally (.delete file)))))

(deftest a-file-of-programs
  (testing "is read"
    (is (= [small] (programs-in (pr-str [small])))))
  (testing "is refused where it is something else, with the reason"
    (is (thrown-with-msg? Exception #"no such file: nowhere.edn" (#'conformance/programs "nowhere.edn")))
    (is (thrown-with-msg? Exception #"is not EDN" (programs-in "[{:scripts")))
    (is (thrown-with-msg? Exception #"is not a vector of programs" (programs-in "{:scripts {}}")))
    (is (thrown-with-msg? Exception #"is not a vector of programs" (programs-in "[{:id 1 :scripts {}}]")))))
