(ns greenlet.examples.queueing
  "A queue with one server, M/M/1, simulated in virtual time: customers come at random and stay for a random time. The mean time
  that they wait is compared with the formula of the textbooks, and drawn; `bin/queueing` runs it."
  (:require [clojure.java.io :as io]
            [greenlet.hub :refer [holding now run semaphore sleep! spawn wait]])
  (:import (java.util List SplittableRandom)
           (org.knowm.xchart VectorGraphicsEncoder VectorGraphicsEncoder$VectorGraphicsFormat XYChart
                             XYSeries$XYSeriesRenderStyle)
           (org.knowm.xchart.style.markers SeriesMarkers)))

(set! *warn-on-reflection* true)

;; The model. The server serves one customer a second on average; the unit is the second.

(defn- exponential [^SplittableRandom random mean]
  (* (double mean) (- (Math/log (- 1.0 (.nextDouble random))))))

(defn waiting-times
  "How long each of `n` customers has waited, who come so often that the server is busy for the part `utilisation` of the time."
  [random utilisation n]
  (let [waits (double-array n)
        server (semaphore 1)
        customer (fn [i service-time]
                   (let [arrival (now)]
                     (holding server
                       (aset waits i (- (double (now)) (double arrival)))
                       (sleep! service-time))))]
    (run :time :virtual
      (dotimes [i n]
        (sleep! (exponential random (/ 1 utilisation)))
        (spawn customer i (exponential random 1)))
      (wait))
    waits))

(defn mean-wait
  "The formula: ρ / (μ - λ), where λ customers come and μ could be served a second, and ρ is λ / μ."
  [utilisation]
  (/ utilisation (- 1 utilisation)))

;; The experiment. Customers of one run wait together; so the runs are the independent samples.

(def ^:private runs 10)
(def ^:private customers 10000)
(def ^:private first-customers 1000) ; who find an empty shop, and are not counted
(def ^:private t-quantile 4.781)     ; Student's, 9 degrees of freedom, 99.9 % between it and its negative

(defn- mean [xs]
  (/ (double (reduce + xs)) (count xs)))

(defn estimate
  "The mean wait at `utilisation`, and half the width of the interval that has the true one in it with a probability of 99.9 %."
  [^SplittableRandom random utilisation]
  (let [means (vec (repeatedly runs #(mean (drop first-customers (waiting-times (.split random) utilisation customers)))))
        m (mean means)
        variance (/ (double (reduce + (map #(let [d (- (double %) m)] (* d d)) means))) (dec runs))]
    {:utilisation utilisation
     :mean m
     :error (* t-quantile (Math/sqrt (/ variance runs)))
     :formula (mean-wait utilisation)}))

(defn experiment
  "The estimates for utilisations from 0.1 to 0.9: the same for the same `seed`."
  [seed]
  (let [random (SplittableRandom. seed)]
    (mapv #(estimate random (/ % 10.0)) (range 1 10))))

(defn agrees?
  "Whether the interval of the estimate has the formula's value in it."
  [{:keys [mean error formula]}]
  (<= (Math/abs (- (double mean) (double formula))) (double error)))

;; The report

(defn draw
  "Writes the estimates, with their intervals, and the formula's curve to `file`, as SVG."
  [estimates file]
  (let [chart (doto (XYChart. 640 400)
                (.setTitle "M/M/1: mean waiting time")
                (.setXAxisTitle "utilisation of the server")
                (.setYAxisTitle "in mean service times"))
        curve (range 0.05 0.91 0.01)
        column #(mapv (comp double %) estimates)]
    (doto (.addSeries chart "formula" ^List (vec curve) ^List (mapv mean-wait curve))
      (.setMarker SeriesMarkers/NONE))
    (doto (.addSeries chart "simulated" ^List (column :utilisation) ^List (column :mean) ^List (column :error))
      (.setXYSeriesRenderStyle XYSeries$XYSeriesRenderStyle/Scatter))
    (with-open [out (io/output-stream file)]
      (VectorGraphicsEncoder/saveVectorGraphic chart out VectorGraphicsEncoder$VectorGraphicsFormat/SVG))))

(defn report
  "Runs the experiment, prints what came out, and draws it if there is a `file`. Whether all of it agrees with the formula."
  [seed file]
  (println (format "M/M/1, %d runs of %,d customers each for every line, seed %d; times in mean service times." runs customers seed))
  (println "utilisation  mean wait, 99.9 %    formula")
  (let [estimates (experiment seed)]
    (doseq [{:keys [utilisation mean error formula] :as e} estimates]
      (println (format "%11.1f  %6.3f ± %6.3f   %10.3f%s" utilisation mean error formula (if (agrees? e) "" "   NOT within the interval"))))
    (when file
      (draw estimates file)
      (println "drawn:" (str file)))
    (every? agrees? estimates)))

(defn -main [& [seed file]]
  (System/setProperty "java.awt.headless" "true")
  (let [agrees (report (Long/parseLong (or seed "1")) file)]
    (shutdown-agents)
    (when-not agrees (System/exit 1))))
