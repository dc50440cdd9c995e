(ns greenlet.bench
  "What the benchmarks run that is written in Clojure."
  (:require [greenlet.core :refer [generator yield!]])
  (:import (greenlet.bench Tree)))

(set! *warn-on-reflection* true)

(def ^Tree perfect (Tree/PERFECT))

(defn- check [sum]
  (when-not (== sum (Tree/SUM))
    (throw (AssertionError. (str "the elements add up to " sum)))))

(defn- walk [^Tree t]
  (when t
    (walk (.-left t))
    (yield! (.-value t))
    (walk (.-right t))))

(def ^:private tree (generator (walk perfect)))
(def ^:private flat (generator (dotimes [i Tree/SIZE] (yield! (inc i)))))

(defn- add [^long sum ^long x] (+ sum x))

(defn- sum-seq [s]
  (loop [s (seq s), sum 0]
    (if s
      (recur (next s) (+ sum (long (first s))))
      sum)))

(defn reduce-tree [] (check (reduce add 0 tree)))
(defn reduce-flat [] (check (reduce add 0 flat)))
(defn seq-tree [] (check (sum-seq tree)))
(defn seq-flat [] (check (sum-seq flat)))
