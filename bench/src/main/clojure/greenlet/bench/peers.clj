(ns greenlet.bench.peers
  "What Clojure has for generators without this library: lazy seqs, and the go blocks of core.async."
  (:require [clojure.core.async :refer [<! <!! >! chan close! go]])
  (:import (greenlet.bench Tree)))

(set! *warn-on-reflection* true)

;; Lazy seqs

(defn flat [size]
  (letfn [(from [^long i] (lazy-seq (when (<= i (long size)) (cons i (from (inc i))))))]
    (from 1)))

(defn in-order
  ([t] (in-order t nil))
  ([^Tree t more]
   (lazy-seq
    (if t
      (in-order (.-left t) (cons (.-value t) (in-order (.-right t) more)))
      more))))

(defn in-order-by-concat [^Tree t]
  (lazy-seq
   (when t
     (concat (in-order-by-concat (.-left t))
             (cons (.-value t) (in-order-by-concat (.-right t)))))))

(defn pre-order-by-tree-seq [t]
  (map (fn [^Tree t] (.-value t))
       (tree-seq (fn [^Tree t] (.-left t)) ; perfect: a node has both or none
                 (fn [^Tree t] [(.-left t) (.-right t)])
                 t)))

;; Go blocks. A go block cannot give anything from within a call: each call is a go block of its own, which is waited for.

(defn go-flat [size buffer]
  (let [out (chan buffer)]
    (go (loop [i 1]
          (when (<= i (long size))
            (>! out i)
            (recur (inc i))))
        (close! out))
    out))

(defn- go-walk [^Tree t out]
  (go (when t
        (<! (go-walk (.-left t) out))
        (>! out (.-value t))
        (<! (go-walk (.-right t) out)))))

(defn go-in-order [t buffer]
  (let [out (chan buffer)]
    (go (<! (go-walk t out))
        (close! out))
    out))

(defn sum-by-takes [channel]
  (loop [sum 0]
    (if-some [x (<!! channel)]
      (recur (+ sum (long x)))
      sum)))
