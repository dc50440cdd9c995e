(ns greenlet.examples.same-fringe-test
  (:require [clojure.test :refer [deftest is testing]]
            [clojure.test.check.clojure-test :refer [defspec]]
            [clojure.test.check.generators :as gen]
            [clojure.test.check.properties :as prop]
            [greenlet.examples.same-fringe :as example :refer [same-fringe?]]
            [greenlet.test :refer [no-leaks]]
            [greenlet.random :refer [times]]
            [greenlet.watchdog :refer [on-each-root]]))

(def ^:private trees
  (gen/recursive-gen gen/vector (gen/choose 0 3)))

(defspec ^:random as-flatten-has-it (times 300)
  (prop/for-all [a trees, b trees]
                (no-leaks
                 (and (= (= (flatten [a]) (flatten [b])) (same-fringe? a b))
                      (same-fringe? a (flatten [a]))
                      (same-fringe? [[] (list b) []] [[b]])))))

(defn- counted
  "A tree whose leaves are those of `coll`, one below another, and an atom with the number of leaves that were looked at."
  [coll]
  (let [seen (atom 0)]
    [((fn tree [[leaf & more]] (lazy-seq (swap! seen inc) [leaf (if more (tree more) [])])) coll)
     seen]))

(deftest no-further-than-the-first-difference
  (on-each-root
   (doseq [n (range 1 20)]
     (let [[a seen-a] (counted (range))
           [b seen-b] (counted (concat (range (dec n)) [:other] (range)))]
       (is (false? (no-leaks (same-fringe? a b))))
       (is (= [n n] [@seen-a @seen-b]))))
   (testing "the one ends where the other goes on"
     (let [[a seen] (counted (range))]
       (is (not (same-fringe? a [0 [1] 2])))
       (is (= 4 @seen))))))

(deftest the-program
  (is (= "true\nfalse\n" (with-out-str (example/-main "[1 [2 3]]" "[[1 2] 3]") (example/-main "[1]" "[1 2]")))))
