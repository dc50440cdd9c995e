(ns greenlet.examples.pictures
  "Sequence diagrams of the tour's five programs and of a program of a hub, as greenlet.trace records them; `bin/pictures` draws them."
  (:require [clojure.java.io :as io]
            [greenlet.core :as g]
            [greenlet.examples.tour :as tour]
            [greenlet.hub :as hub]
            [greenlet.trace :as trace])
  (:import (java.nio.file Path)))

(set! *warn-on-reflection* true)

(defn- silently [f]
  (binding [*out* (java.io.StringWriter.)] (f)))

(defn- recorded [f]
  (:trace (trace/traced* {:values true} #(silently f))))

(defn- walk []
  (dorun (take 3 (tour/sources (Path/of "src/greenlet/hub" (make-array String 0))))))

(defn- fringes []
  (= (seq (g/generator (tour/fringe g/yield! [[1 2] 3])))
     (seq (g/generator (tour/fringe g/yield! [1 [2 :other]])))))

(defn- dialogue []
  (let [d (g/greenlet tour/dialogue {:name "dialogue"})]
    (g/switch! d)
    (run! #(g/switch! d %) "tea\nquit\ny\n")))

(defn- exception []
  (let [a (g/greenlet tour/average {:name "average"})]
    (try (g/switch! a []) (catch ArithmeticException _ nil))))

(defn- end []
  (let [guarded (g/greenlet tour/guarded {:name "guarded"})]
    (g/switch! guarded)
    (g/throw! guarded)))

(defn- kitchen
  "A program of a hub: two cooks, one stove, orders from a queue."
  []
  (let [traced (atom nil)]
    (hub/run :time :virtual
      (hub/join
       (hub/spawn {:name "waiter"}
                  (fn []
                    (let [orders (hub/queue {:name "orders"}), stove (hub/lock {:name "stove"})
                          t (trace/start! {:hub (hub/hub)})
                          cook #(when-let [minutes (hub/take! orders)]
                                  (hub/holding stove (hub/sleep! minutes))
                                  (recur))
                          cooks (mapv #(hub/spawn {:name %} cook) ["Ann" "Bob"])]
                      (run! #(hub/put! orders %) [5 3])
                      (hub/sleep! 1)
                      (hub/close! orders)
                      (run! hub/join cooks)
                      (reset! traced (trace/stop! t)))))))
    @traced))

(def ^:private pictures
  {"walk" #(recorded walk)
   "fringes" #(recorded fringes)
   "dialogue" #(recorded dialogue)
   "exception" #(recorded exception)
   "end" #(recorded end)
   "kitchen" kitchen})

(defn sources
  "The PlantUML of each picture, by its name."
  []
  (into (sorted-map) (map (fn [[name draw]] [name (trace/plantuml (draw))])) pictures))

(defn -main [folder]
  (doseq [[name source] (sources)]
    (let [file (io/file folder (str name ".puml"))]
      (io/make-parents file)
      (spit file source))))
