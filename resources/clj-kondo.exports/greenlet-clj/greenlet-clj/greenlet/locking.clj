(ns greenlet.locking
  "Finds switches inside `locking`: a greenlet that is suspended there keeps the monitor, and another one of its thread
  that asks for it waits for ever."
  (:require [clj-kondo.hooks-api :as api]))

(def ^:private switches
  {'greenlet.core '#{switch! throw! yield! yield-all! yield-to!}
   'greenlet.tasklet '#{schedule! schedule-remove! run-all! run-now! switch! throw! kill!
                        send! receive! send-exception! send-sequence!}
   'greenlet.hub '#{acquire! await! holding join joinall kill! killall offload put! result sleep! take! wait with-resource}
   'greenlet.hub.sync '#{acquire! holding put! take!}
   'greenlet.hub.pool '#{with-resource}
   'greenlet.async '#{<! >! alts! alt!}})

;; What stands inside these runs when somebody calls it, by then perhaps outside the lock.
(def ^:private later
  '#{[greenlet.core glet] [greenlet.core greenlet] [greenlet.core generator] [greenlet.core generator*]
     [greenlet.tasklet tasklet] [greenlet.tasklet tasklet*]
     [greenlet.hub spawn] [greenlet.hub spawn-later] [greenlet.hub spawn-in] [greenlet.hub.pool spawn-in]
     [greenlet.async go] [greenlet.async go-loop] [greenlet.async go*]
     [clojure.core fn] [clojure.core fn*] [clojure.core delay] [clojure.core future] [clojure.core lazy-seq]})

(defn- var-of [node]
  (when (and (api/token-node? node) (symbol? (api/sexpr node)))
    (let [{:keys [ns name]} (api/resolve {:name (api/sexpr node)})]
      [ns name])))

(defn- switch? [node]
  (let [[ns name] (var-of node)]
    (contains? (get switches ns) name)))

(defn- later? [node]
  (or (= :fn (api/tag node))
      (contains? later (var-of (first (:children node))))))

(defn- switches-in [node]
  (cond
    (switch? node) [node]
    (later? node) nil
    :else (mapcat switches-in (:children node))))

(defn check [{:keys [node]}]
  (doseq [switch (mapcat switches-in (drop 2 (:children node)))]
    (api/reg-finding!
     (assoc (meta switch)
            :type :greenlet/switch-in-locking
            :message (str (api/sexpr switch) " inside locking: the greenlet is suspended with the monitor held")))))
