(ns consumer.order
  (:require [greenlet.journal :as journal]))

(defn order []
  [(journal/receive! :item) (journal/step! :charge (constantly :charged))])

(defn -main []
  (with-open [store (journal/memory)]
    (journal/start! store "order" order)
    (journal/send! store "order" :item :tea)
    (println (journal/result store "order"))))
