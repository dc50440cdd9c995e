(ns greenlet.examples.queens
  "The eight queens: a search by plain recursion that yields each solution it comes to, and goes on searching if another one
  is asked for. `lein run -m greenlet.examples.queens 8` prints the first one, and how many there are."
  (:require [clojure.string :as str]
            [greenlet.core :refer [generator yield!]]))

(set! *warn-on-reflection* true)

(defn- safe? [board column]
  (let [row (count board)]
    (not-any? (fn [other]
                (let [distance (- row other)
                      shift (- column (nth board other))]
                  (or (zero? shift) (= distance (abs shift)))))
              (range row))))

(defn- place [board n]
  (if (= n (count board))
    (yield! board)
    (doseq [column (range n) :when (safe? board column)]
      (place (conj board column) n))))

(defn queens
  "A generator of all ways to put `n` queens on a board of `n` rows and columns so that none attacks another: vectors of the
  column of the queen in each row."
  [n]
  (generator (place [] n)))

(defn- picture [board]
  (str/join "\n" (for [column board]
                   (str/join " " (for [i (range (count board))] (if (= i column) "Q" "."))))))

(defn -main
  ([] (-main "8"))
  ([n] (let [all (queens (parse-long n))]
         (println (some-> (first all) picture))
         (println (reduce (fn [sum _] (inc sum)) 0 all) "solutions"))))
