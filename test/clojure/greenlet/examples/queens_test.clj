(ns greenlet.examples.queens-test
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is]]
            [greenlet.core :refer [cursor next!]]
            [greenlet.examples.queens :as example :refer [queens]]
            [greenlet.test :refer [no-leaks]]
            [greenlet.watchdog :refer [on-each-root]]))

(defn- attacks? [[row column] [other-row other-column]]
  (or (= row other-row)
      (= column other-column)
      (= (abs (- row other-row)) (abs (- column other-column)))))

(defn- solution? [n board]
  (let [places (map-indexed vector board)]
    (and (= n (count board))
         (every? #(< -1 % n) board)
         (not-any? true? (for [a places, b places :when (not= a b)] (attacks? a b))))))

(deftest all-solutions
  (on-each-root
   (is (= [1 1 0 0 2 10 4 40 92] (map #(count (into #{} (queens %))) (range 9))))
   (doseq [n (range 9)]
     (let [all (into [] (queens n))]
       (is (every? #(solution? n %) all))
       (is (= all (or (seq (queens n)) [])) "pushed and pulled the same")))
   (is (= [0 4 7 5 2 6 1 3] (first (queens 8))))
   (is (= [[0 4 7 5 2 6 1 3] [0 5 7 2 6 3 1 4]] (no-leaks (with-open [c (cursor (queens 8))] [(next! c) (next! c)]))))))

(deftest the-program
  (is (= [". Q . ." ". . . Q" "Q . . ." ". . Q ." "2 solutions"] (str/split-lines (with-out-str (example/-main "4")))))
  (is (= "92 solutions" (last (str/split-lines (with-out-str (example/-main)))))))
