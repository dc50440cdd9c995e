(ns greenlet.abandonment-test
  "What becomes of a traversal that is left half way: one that is only forgotten is collected with its body's stack, and
  nothing in it runs (G1); one that is ended unwinds, once (G2). For each kind of traversal."
  (:require [clojure.test :refer [deftest is testing]]
            [greenlet.core :refer [cursor gen-seq generator merge-sorted next! peek! send! throw! yield! yield-all! yield-to! zip]]
            [greenlet.generator :as generator]
            [greenlet.test :refer [no-leaks]]
            [greenlet.watchdog :as watchdog :refer [on-each-root thrown-by trace]])
  (:import (greenlet GreenletExit)
           (java.lang.ref WeakReference)
           (java.util.function Consumer)
           (java.util.stream Stream)))

(set! *warn-on-reflection* true)

(defn- stream-of ^Stream [g]
  (.stream (generator/recipe g)))

(def ^:private half-way
  "Each begins a traversal of a generator without end, and returns what holds it."
  {"seq"                  #(doto (seq %) (nth 3))
   "rest of a seq"        #(rest (rest (seq %)))
   "confined seq"         #(doto (gen-seq % {:confined true}) (nth 3))
   "chunked seq"          #(doto (gen-seq % {:chunk 4}) (nth 6))
   "chunked confined seq" #(doto (gen-seq % {:chunk 4, :confined true}) (nth 6))
   "lazy seq"             #(doto (map vector %) (nth 3))
   "reduced seq"          #(doto (seq %) (->> (into [] (take 3))))
   "sequence"             #(doto (sequence (map vector) %) first)
   "eduction's iterator"  #(let [^Iterable e (eduction (map vector) %)] (doto (.iterator e) .next))
   "cursor"               #(doto (cursor %) next!)
   "chunked cursor"       #(doto (cursor % {:chunk 4}) next!)
   "cursor, peeked"       #(doto (cursor %) peek!)
   "cursor, sent to"      #(doto (cursor %) next! (send! :sent))
   "cursor, reduced"      #(doto (cursor %) (->> (into [] (take 3))))
   "iterator"             #(doto (.iterator ^Iterable %) .next)
   "stream's iterator"    #(doto (.iterator (stream-of %)) .next)
   "stream's spliterator" #(doto (.spliterator ^Iterable %) (.tryAdvance (reify Consumer (accept [_ _]))))
   "zip"                  #(doto (seq (zip % %)) (nth 3))
   "merge-sorted"         #(doto (cursor (merge-sorted (constantly 0) [% %])) next!)
   "yield-all!"           #(doto (seq (generator (yield-all! (generator (yield-all! %))))) (nth 3))
   "nested seqs"          #(doto (seq (generator (run! yield! (seq %)))) (nth 3))
   "yield-to!"            #(let [g %] (doto (seq (generator :as outer (doseq [x g] (yield-to! outer x)))) (nth 3)))})

(defn- left
  "References to what only the body's stack refers to, of each body that `begin` has begun; what holds the traversal; and
  a trace of what ran in `finally`."
  [begin]
  (let [log (trace)
        refs (atom [])
        g (generator
           (let [on-stack (Object.)]
             (swap! refs conj (WeakReference. on-stack))
             (try
               (run! yield! (range))
               (finally (log [:unwound (some? on-stack)])))))]
    [(begin g) refs log]))

(defn- live [refs]
  (remove nil? (map (fn [^WeakReference r] (.get r)) @refs)))

(defn- left-of-each-kind
  "A map from the kind to what `left` returns."
  []
  (update-vals half-way left))

(defn- forgotten
  "The same, without what holds the traversals."
  []
  (update-vals (left-of-each-kind) (fn [[_ refs log]] [refs log])))

(defn- are-collected [forgotten]
  (watchdog/eventually #(every? (fn [[refs]] (empty? (live refs))) (vals forgotten)))
  (doseq [[kind [_ log]] forgotten]
    (is (= [] @log) kind)))

(deftest g1-what-is-forgotten-is-collected-and-nothing-runs
  (on-each-root
   (are-collected (forgotten))))

(deftest g1-what-a-thread-left-behind-is-collected
  (doseq [virtual [false true]]
    (are-collected (watchdog/call-in-thread {:virtual virtual} forgotten))))

(deftest what-is-held-stays
  (on-each-root
   (let [all (left-of-each-kind)]
     (System/gc)
     (doseq [[kind [_ refs log]] all]
       (testing kind
         (is (pos? (count @refs)))
         (is (= (count @refs) (count (live refs))))
         (is (= [] @log))))
     (is (every? (comp some? first) (vals all))))))

(def ^:private ended
  "Each ends a traversal early, one of the ways there are, or comes to its end by an exception."
  {"reduce"                   #(reduce (fn [n _] (if (= n 3) (reduced n) (inc n))) 0 %)
   "reduce without init"      #(reduce (fn [_ x] (if (= x 3) (reduced x) x)) %)
   "transduce"                #(transduce (take 3) + %)
   "into"                     #(into [] (take-while (fn [x] (< x 3))) %)
   "eduction"                 #(into [] (eduction (take 3) %))
   "run!"                     #(run! (fn [x] (when (= x 3) (throw (Exception. "of the consumer")))) %)
   "some, reduced"            #(reduce (fn [_ x] (when (= x 3) (reduced true))) nil %)
   "Java's forEach"           #(.forEach ^Iterable % (reify Consumer (accept [_ x] (when (= x 3) (throw (Exception. "of the consumer"))))))
   "Java's forEachWhile"      #(.forEachWhile (generator/recipe %) (reify java.util.function.Predicate (test [_ x] (< (long x) 3))))
   "with-open"                #(with-open [c (cursor %)] (next! c))
   "with-open, peeked"        #(with-open [c (cursor %)] (peek! c))
   "with-open, reduced"       #(with-open [c (cursor %)] (into [] (take 3) c))
   "with-open and exception"  #(with-open [c (cursor %)] (next! c) (throw (Exception. "of the consumer")))
   "exit thrown in"           #(let [c (cursor %)] (next! c) (throw! c (GreenletExit.)))
   "exception thrown in"      #(let [c (cursor %)] (next! c) (throw! c (Exception. "of the consumer")))
   "shared cursor, elsewhere" #(let [c (.sharedCursor (generator/recipe %))] (.next c) (watchdog/in-thread (.close c)))
   "stream"                   #(with-open [s (stream-of %)] (.findFirst s))
   "stream, limited"          #(with-open [s (stream-of %)] (.toArray (.limit s 3)))
   "stream's iterator"        #(with-open [s (stream-of %)] (.next (.iterator s)))
   "zip"                      #(into [] (take 3) (zip [:a :b :c :d] %))
   "zip, the other ends"      #(into [] (zip [:a] %))
   "merge-sorted"             #(into [] (take 3) (merge-sorted [% [1 2 3]]))
   "yield-all!"               #(into [] (take 3) (generator (yield-all! (generator (yield-all! %)))))
   "nested cursors"           #(with-open [c (cursor (generator (with-open [inner (cursor %)] (yield-all! inner))))] (next! c))
   "yield-to!"                #(let [g %] (into [] (take 3) (generator :as outer (run! (fn [x] (yield-to! outer x)) g))))})

(deftest g2-what-is-ended-unwinds-once
  (on-each-root
   (doseq [[kind end] ended]
     (testing kind
       (let [log (trace)
             g (generator (try (run! yield! (range)) (finally (log :unwound))))
             thrown (thrown-by (no-leaks (end g)))]
         (is (contains? #{nil "of the consumer"} (when-not (instance? GreenletExit thrown) (ex-message thrown))))
         (is (= [:unwound] @log)))))))
