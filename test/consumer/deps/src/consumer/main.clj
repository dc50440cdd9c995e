(ns consumer.main
  (:require [greenlet.core :refer [generator glet switch! yield!]]))

(defn -main []
  (prn (into [] (generator (run! yield! [1 2])))
       (seq (generator (run! yield! [3 4])))
       (switch! (glet [x y] (* x y)) 6 7)))
