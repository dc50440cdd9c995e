(ns greenlet.examples.permutations-test
  (:require [clojure.test :refer [deftest is]]
            [clojure.test.check.clojure-test :refer [defspec]]
            [clojure.test.check.generators :as gen]
            [clojure.test.check.properties :as prop]
            [greenlet.examples.permutations :as example :refer [permutations]]
            [greenlet.test :refer [no-leaks]]
            [greenlet.random :refer [times]]
            [greenlet.watchdog :refer [on-each-root]]))

(defn- reference
  "Those of the places first, in their order; then the elements."
  [v]
  (letfn [(of [places] (if (empty? places)
                         [[]]
                         (for [p places, more (of (disj places p))] (cons p more))))]
    (map #(mapv v %) (of (into (sorted-set) (range (count v)))))))

(deftest all-of-them-in-order
  (on-each-root
   (is (= [[]] (into [] (permutations []))))
   (is (= [[1 2 3] [1 3 2] [2 1 3] [2 3 1] [3 1 2] [3 2 1]] (into [] (permutations [1 2 3])) (seq (permutations '(1 2 3)))))
   (is (= 5040 (count (into #{} (permutations (range 7))))))
   (is (= [0 1 2] (take 3 (first (permutations (range 100))))) "as far as asked for")
   (is (= 3 (count (no-leaks (into [] (take 3) (permutations (range 100)))))))))

(defspec ^:random as-the-reference-has-them (times 100)
  (prop/for-all [v (gen/vector gen/small-integer 0 5)]
                (= (reference v) (into [] (permutations v)) (seq (permutations v)))))

(deftest the-program
  (is (= "ab\nba\n" (with-out-str (example/-main "ab")))))
