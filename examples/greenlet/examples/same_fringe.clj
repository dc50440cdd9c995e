(ns greenlet.examples.same-fringe
  "Do two trees of different shape have the same leaves in the same order? Two walks, each a plain recursion, take turns,
  and stop at the first difference. `lein run -m greenlet.examples.same-fringe '[1 [2 3]]' '[[1 2] 3]'` prints true."
  (:require [clojure.edn :as edn]
            [greenlet.core :refer [cursor generator next! yield!]]))

(set! *warn-on-reflection* true)

(defn- walk [tree]
  (if (sequential? tree)
    (run! walk tree)
    (yield! tree)))

(defn same-fringe?
  "Whether the leaves of trees `a` and `b`, nested sequential collections, are equal and in the same order."
  [a b]
  (with-open [a (cursor (generator (walk a)))
              b (cursor (generator (walk b)))]
    (loop []
      (let [leaf (next! a ::end)]
        (and (= leaf (next! b ::end))
             (or (= leaf ::end)
                 (recur)))))))

(defn -main
  ([] (-main "[1 [2 3]]" "[[1 2] 3]"))
  ([a b] (println (same-fringe? (edn/read-string a) (edn/read-string b)))))
