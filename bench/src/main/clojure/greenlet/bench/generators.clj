(ns greenlet.bench.generators
  "Generators written in Clojure, and what goes through any collection of ints."
  (:require [greenlet.core :refer [cursor gen-seq generator next! yield!]])
  (:import (greenlet.bench Tree)))

(set! *warn-on-reflection* true)

(defn flat [size]
  (generator (dotimes [i size] (yield! (inc i)))))

(defn- walk [^Tree t]
  (when t
    (walk (.-left t))
    (yield! (.-value t))
    (walk (.-right t))))

(defn in-order [t]
  (generator (walk t)))

(defn- add [^long sum ^long x] (+ sum x))

(defn sum-by-reduce [coll]
  (reduce add 0 coll))

(defn sum-by-seq [coll]
  (loop [s (seq coll), sum 0]
    (if s
      (recur (next s) (+ sum (long (first s))))
      sum)))

(defn sum-by-cursor
  "In chunks."
  [g]
  (with-open [c (cursor g {:chunk 32})]
    (loop [sum 0]
      (if-let [x (next! c)]
        (recur (+ sum (long x)))
        sum))))

(defn confined [g] (gen-seq g {:confined true}))

(defn chunked [g] (gen-seq g {:chunk 32}))
