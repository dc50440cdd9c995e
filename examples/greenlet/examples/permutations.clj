(ns greenlet.examples.permutations
  "The permutations of a collection: a recursion that yields whenever nothing is left to choose from.
  `lein run -m greenlet.examples.permutations abc` prints them."
  (:require [clojure.string :as str]
            [greenlet.core :refer [generator yield!]]))

(set! *warn-on-reflection* true)

(defn- permute [chosen left]
  (if (empty? left)
    (yield! chosen)
    (dotimes [i (count left)]
      (permute (conj chosen (nth left i))
               (into (subvec left 0 i) (subvec left (inc i)))))))

(defn permutations
  "A generator of the permutations of `coll`, as vectors; in the order of their elements' places in `coll`."
  [coll]
  (let [all (vec coll)]
    (generator (permute [] all))))

(defn -main
  ([] (-main "abc"))
  ([word] (run! #(println (str/join %)) (permutations word))))
