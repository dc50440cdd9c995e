(ns greenlet.generator
  "Generators as Clojure sequences; `greenlet.core` is the way in."
  (:require [clojure.core.protocols :refer [CollReduce]])
  (:import (clojure.lang ChunkBuffer Cons IDeref IHashEq IObj IPending IReduce ISeq LazySeq RT Reduced SeqIterator Seqable Sequential)
           (greenlet Cursor Generator$Returning Greenlet GreenletExit Headroom)
           (java.io Writer)
           (java.lang.invoke VarHandle)
           (java.util ArrayList Comparator List PriorityQueue)
           (java.util.concurrent.locks ReentrantLock)
           (java.util.function Predicate)))

(set! *warn-on-reflection* true)

;; Push: reduce on the consumer's own stack

(deftype Sink [f ^:unsynchronized-mutable acc]
  Predicate
  (test [_ x]
    (let [r (f acc x)]
      (if (reduced? r)
        (do (set! acc (.deref ^Reduced r)) false)
        (do (set! acc r) true))))
  IDeref
  (deref [_] acc))

(defn- push [^greenlet.Generator g f init]
  (let [sink (Sink. f init)]
    (.forEachWhile g sink)
    @sink))

(defn- push-from-first [g f]
  (let [r (push g #(if (identical? %1 ::none) %2 (f %1 %2)) ::none)]
    (if (identical? r ::none) (f) r)))

;; Pull: a cursor

(defn cursor
  "See `greenlet.core/cursor`; `chunk` may be nil."
  ^Cursor [^greenlet.Generator g chunk]
  (if chunk (.cursor g (int chunk)) (.cursor g)))

(defn- shared-cursor ^Cursor [^greenlet.Generator g chunk]
  (if chunk (.sharedCursor g (int chunk)) (.sharedCursor g)))

;; Pull: a seq. A walk is one run of the body; a cell is one of its elements, or of its chunks, or the end. Cells are realised
;; in their order, each once, by whichever thread asks first; the lock of the walk sees to that.

(definterface Turn
  (enter [])
  (leave []))

(defn- root [^Greenlet g]
  (if-let [p (.parent g)] (recur p) g))

(defn- refuse-if-own
  "The pull of another thread comes to its end by itself; that of a greenlet of this thread cannot while we wait."
  [puller me]
  (when (and puller (identical? (root puller) (root me)))
    (throw (IllegalStateException.
            (str me " cannot ask for the next element of a generator's seq: " puller " has asked for it, and the"
                 " body is running or has switched away; let it come to its next yield! first")))))

;; `puller` may be read without the lock to detect this thread's own greenlets, because only this thread stores those. A confined
;; walk has no lock: its cursor refuses whoever would have to wait.
(deftype Walk [^Cursor cursor chunked ^ReentrantLock lock ^:unsynchronized-mutable puller]
  Turn
  (enter [_]
    (when lock
      (let [me (Greenlet/current)]
        (when (or (.isHeldByCurrentThread lock) (not (.tryLock lock)))
          (refuse-if-own puller me)
          (.lock lock))
        (set! puller me))))
  (leave [_]
    (when lock
      (set! puller nil)
      (.unlock lock))))

(defn- walk [g {:keys [chunk confined]}]
  (if confined
    (Walk. (cursor g chunk) (some? chunk) nil nil)
    (Walk. (shared-cursor g chunk) (some? chunk) (ReentrantLock.) nil)))

(defn- failure [^Throwable thrown]
  (if (instance? GreenletExit thrown) ; would end whoever asks next, quietly
    (IllegalStateException. "the body of a generator's seq was ended by a GreenletExit, before its end" thrown)
    thrown))

(definterface Link
  (fill [walk])
  (pull [walk])
  (outcome [])
  (realise []))

(declare as-cons reduce-cells)

;; What a cell is realised as; ::end where neither. Their fields are final, so whoever sees one sees what is in it.
(deftype Element [value more])
(deftype Failure [thrown])

(defn- next-chunk
  "All that the cursor has at hand."
  [^Cursor cursor]
  (Headroom/require) ; lest an overflow lose some
  (let [n (.available cursor)
        chunk (ChunkBuffer. n)]
    (dotimes [_ n] (.add chunk (.next cursor)))
    (.chunk chunk)))

(defn- over? [^Cursor cursor]
  (try
    (.result cursor)
    true
    (catch RuntimeException _ false))) ; another thread, or too early

;; Its one field is never null, because two that are null are zeroed with AVX-512 where the processor has it, and the next
;; switch then takes longer than all the rest of an element: doc/performance.md has the figures.
(deftype Cell [^:unsynchronized-mutable walk-or-outcome]
  Link
  (fill [_ w] ; in the lock, if the walk has one
    (let [it walk-or-outcome
          ^Cursor cursor (.-cursor ^Walk w)]
      (if (identical? w it)
        (try
          (set! walk-or-outcome (if (.hasNext cursor)
                                  (let [more (Cell. w) ; first: an element that has been taken must not be lost
                                        x (if (.-chunked ^Walk w) (next-chunk cursor) (.next cursor))]
                                    (Element. x more))
                                  ::end))
          (catch Throwable t
            (when (over? cursor) ; else the call was refused
              (set! walk-or-outcome (Failure. t)))
            (throw t)))
        it)))
  (pull [this w]
    (.enter ^Walk w)
    (try
      (.fill this w)
      (finally (.leave ^Walk w))))
  (outcome [this] ; read once: without the lock, a second read might be of an older one
    (let [it walk-or-outcome]
      (if (instance? Walk it) (.pull this it) it)))
  (realise [this]
    (let [it (.outcome this)]
      (cond
        (instance? Element it) it
        (instance? Failure it) (throw (failure (.-thrown ^Failure it))))))

  ISeq
  (seq [this] (when (.realise this) this))
  (first [this] (when-let [^Element it (.realise this)] (.-value it)))
  (more [this] (if-let [^Element it (.realise this)] (.-more it) ()))
  (next [this] (when-let [^Element it (.realise this)] (.seq ^Cell (.-more it))))
  (cons [this x] (Cons. x this))
  (count [this] (reduce-cells this (fn [^long n _] (inc n)) 0))
  (empty [_] ())
  (equiv [this other]
    (if-let [s (as-cons this)]
      (.equiv ^Cons s other)
      (and (or (sequential? other) (instance? List other)) (nil? (seq other)))))
  Sequential
  IReduce
  (reduce [this f] (if-let [^Element it (.realise this)] (reduce-cells (.-more it) f (.-value it)) (f)))
  (reduce [this f init] (reduce-cells this f init))
  IPending
  (isRealized [_]
    (VarHandle/acquireFence) ; lest a loop that waits for it read the field but once
    (not (instance? Walk walk-or-outcome)))
  IObj
  (meta [_] nil)
  (withMeta [this m] (with-meta (or (as-cons this) ()) m))
  IHashEq
  (hasheq [this] (hash-ordered-coll this))

  Object
  (toString [this] (str "generator-seq@" (Integer/toHexString (System/identityHashCode this)))) ; realises nothing
  (hashCode [this] (let [^Object all (or (as-cons this) ())] (.hashCode all)))
  (equals [this other]
    (if-let [s (as-cons this)]
      (.equals ^Object s other)
      (.equals () other)))

  List
  (iterator [this] (SeqIterator. (.seq this)))
  (size [this] (.count this))
  (isEmpty [this] (nil? (.seq this)))
  (contains [this x] (.contains ^List (vec this) x))
  (toArray [this] (RT/seqToArray (.seq this)))
  (^objects toArray [this ^objects a] (RT/seqToPassedArray (.seq this) a))
  (containsAll [this c] (.containsAll ^List (vec this) c))
  (get [this i] (nth this i))
  (indexOf [this x] (.indexOf ^List (vec this) x))
  (lastIndexOf [this x] (.lastIndexOf (ArrayList. ^List this) x)) ; by Java's equals, as LazySeq's
  (listIterator [this] (.listIterator ^List (vec this)))
  (listIterator [this i] (.listIterator ^List (vec this) i))
  (subList [this from to] (.subList ^List (vec this) from to))
  (add [_ _] (throw (UnsupportedOperationException.)))
  (add [_ _ _] (throw (UnsupportedOperationException.)))
  (addAll [_ _] (throw (UnsupportedOperationException.)))
  (addAll [_ _ _] (throw (UnsupportedOperationException.)))
  (clear [_] (throw (UnsupportedOperationException.)))
  (^boolean remove [_ ^Object _x] (throw (UnsupportedOperationException.)))
  (^Object remove [_ ^int _i] (throw (UnsupportedOperationException.)))
  (removeAll [_ _] (throw (UnsupportedOperationException.)))
  (retainAll [_ _] (throw (UnsupportedOperationException.)))
  (set [_ _ _] (throw (UnsupportedOperationException.))))

(defn- as-cons [^Cell cell]
  (when-let [^Element it (.realise cell)]
    (Cons. (.-value it) (.-more it))))

(defn- reduce-cells
  "Cell after cell, each realised when its turn has come; no lock is held while `f` runs, and the cells before are let go."
  [cell f init]
  (loop [^Cell cell cell, acc init]
    (if-let [^Element it (.realise cell)]
      (let [acc (f acc (.-value it))]
        (if (reduced? acc)
          (.deref ^Reduced acc)
          (recur (.-more it) acc)))
      acc)))

;; The recipe

;; Not by lazy-seq: where an exception ended it, that would be over when it is asked again, as its function has let go of the cells.
(defn- concat-chunks [cells]
  (LazySeq. (fn []
              (when-let [s (seq cells)]
                (chunk-cons (first s) (concat-chunks (rest s)))))))

(defn seq-of
  "See `greenlet.core/gen-seq`."
  [g options]
  (let [cells (Cell. (walk g options))]
    (if (:chunk options)
      (seq (concat-chunks cells))
      (.seq cells))))

(deftype Generator [^greenlet.Generator recipe options]
  Seqable
  (seq [_] (seq-of recipe options))
  Sequential
  IReduce
  (reduce [_ f init] (push recipe f init))
  (reduce [_ f] (push-from-first recipe f))
  Iterable
  (iterator [_] (.iterator recipe))
  (spliterator [_] (.spliterator recipe))
  (forEach [_ consumer] (.forEach recipe consumer))
  Object
  (toString [_] (str recipe)))

(defn recipe
  "The core's generator behind one of Clojure's or Java's, or nil for anything else."
  ^greenlet.Generator [g]
  (cond
    (instance? Generator g) (.-recipe ^Generator g)
    (instance? greenlet.Generator g) g))

(defn of-recipe
  "The core's generator as one of Clojure's."
  [^greenlet.Generator recipe]
  (Generator. recipe nil))

(defn- reduce-cursor
  "What is left of it; an early end leaves it as it is then."
  [^Cursor c f init]
  (loop [acc init]
    (if (.hasNext c)
      (let [acc (f acc (.next c))]
        (if (reduced? acc) (.deref ^Reduced acc) (recur acc)))
      acc)))

(extend-protocol CollReduce
  greenlet.Generator
  (coll-reduce
    ([g f] (push-from-first g f))
    ([g f init] (push g f init)))
  Cursor
  (coll-reduce
    ([c f] (if (.hasNext c) (reduce-cursor c f (.next c)) (f)))
    ([c f init] (reduce-cursor c f init))))

(defn generator
  "A generator whose body is a call of `f`; `options` are those of its seqs."
  [f options]
  (Generator. (greenlet.Generator/returning (reify Generator$Returning (run [_ _] (f)))) options))

(defn yield-all!
  "See `greenlet.core/yield-all!`."
  [coll]
  (if-let [g (recipe coll)]
    (greenlet.Generator/yieldAll g)
    (run! #(greenlet.Generator/yield %) coll)))

;; Composition

(defn- cursor-of ^Cursor [coll]
  (.cursor (or (recipe coll)
               (recipe (generator #(run! (fn [x] (greenlet.Generator/yield x)) coll) nil)))))

(defn- with-cursors
  "The value of `(f cursors)`, of all `colls`; whatever happens, all are closed."
  [colls f & cursors]
  (if (seq colls)
    (with-open [c (cursor-of (last colls))]
      (apply with-cursors (butlast colls) f c cursors))
    (f (vec cursors))))

(defn zip
  "See `greenlet.core/zip`."
  [colls]
  (generator
   (fn []
     (with-cursors colls
       (fn [cursors]
         (while (and (seq cursors) (every? #(.hasNext ^Cursor %) cursors))
           (greenlet.Generator/yield (mapv #(.next ^Cursor %) cursors))))))
   nil))

(defn merge-sorted
  "See `greenlet.core/merge-sorted`."
  [^Comparator order colls]
  (generator
   (fn []
     (with-cursors colls
       (fn [cursors]
         (let [waiting (PriorityQueue. (inc (count cursors))
                                       ^Comparator (fn [[^Cursor a i] [^Cursor b j]]
                                                     (let [by-head (.compare order (.peek a) (.peek b))]
                                                       (if (zero? by-head) (compare i j) by-head))))
               wait! (fn [[^Cursor c :as entry]] (when (.hasNext c) (.add waiting entry)))]
           (run! wait! (map vector cursors (range)))
           (while (not (.isEmpty waiting))
             (let [[^Cursor c :as least] (.poll waiting)]
               (greenlet.Generator/yield (.next c))
               (wait! least)))))))
   nil))

(defmethod print-method Generator [^Generator g ^Writer w]
  (.write w (str "#<" g ": each traversal runs it afresh, as (seq g) or (reduce f init g)>")))

(defmethod print-method Cursor [^Cursor c ^Writer w]
  (.write w (str "#<" c ": (next! c) takes the next element>")))
