(ns greenlet.reducible-test
  "Everything that can be reduced, by every transducer of clojure.core, up to every position: with a reducing function that
  finds out who breaks the rules, and no step of the body more than a vector would have to be asked for."
  (:require [clojure.test :refer [deftest is testing]]
            [clojure.test.check.clojure-test :refer [defspec]]
            [clojure.test.check.generators :as gen]
            [clojure.test.check.properties :as prop]
            [greenlet.core :refer [cursor gen-seq generator merge-sorted next! yield! yield-all! yield-to! zip]]
            [greenlet.generator :as generator]
            [greenlet.poison :as poison]
            [greenlet.test :refer [no-leaks]]
            [greenlet.random :refer [times]]
            [greenlet.watchdog :refer [on-each-root]])
  (:import (clojure.lang IReduce)))

(set! *warn-on-reflection* true)

;; The reducing function that finds out

(deftest the-poisoned-function-finds-misuse
  (letfn [(misuse [part f] (is (thrown-with-msg? AssertionError part (f))))]
    (testing "in transduce"
      (is (= [1 2] (poison/transduce-with conj #(transduce (take 2) % [1 2 3]))))
      (misuse #"no completion" #(poison/transduce-with conj (fn [rf] (reduce rf (rf) [1]))))
      (misuse #"after completion" #(poison/transduce-with conj (fn [rf] (rf (rf (rf) 1)) (rf (rf) 1))))
      (misuse #"stale" #(poison/transduce-with conj (fn [rf] (let [a (rf)] (rf a 1) (rf (rf a 2))))))
      (misuse #"stale" #(poison/transduce-with conj (fn [rf] (let [a (rf)] (rf a 1) (rf a)))))
      (misuse #"after reduced"
              #(poison/transduce-with (fn ([] 0) ([_ x] (reduced x))) (fn [rf] (rf @(rf @(rf (rf) 1) 2))))))
    (testing "in reduce"
      (is (= [1 2] (poison/reduce-with conj [] #(reduce %1 %2 [1 2]))))
      (misuse #"nobody asked for" #(poison/reduce-with conj [] (fn [rf init] (rf init))))
      (misuse #"not the last" #(poison/reduce-with conj [] (fn [rf init] (rf init 1) init))))))

;; What can be reduced

(def ^:private eager
  "Those that unwind what they begin, when they end early: each from a function of no arguments that yields the elements."
  {"generator"                #(generator (%))
   "generator in Java"        #(generator/recipe (generator (%)))
   "with options"             #(generator :chunk 3 :confined true (%))
   "eduction"                 #(eduction identity (generator (%)))
   "yield-all!"               #(generator (yield-all! (generator (yield-all! (generator (%))))))
   "run! yield!"              #(generator (run! yield! (generator (run! yield! (generator (%))))))
   "yield-to!"                #(let [elements %] (generator :as outer (run! (fn [x] (yield-to! outer x)) (generator (elements)))))
   "yield-to! from further in" #(let [elements %] (generator :as outer (dorun (generator (run! (fn [x] (yield-to! outer x)) (generator (elements)))))))
   "zip"                      #(eduction (map first) (zip (generator (%)) (range)))
   "zip, as the last"         #(eduction (map peek) (zip (range) (generator (%))))
   "merge-sorted"             #(merge-sorted (constantly 0) [(generator (%)) (generator)])})

(def ^:private lazy
  "Those that stay half way when they end early."
  {"seq"                      #(seq (generator (%)))
   "rest of a seq"            #(let [elements %] (rest (seq (generator (yield! :head) (elements)))))
   "confined seq"             #(gen-seq (generator (%)) {:confined true})
   "lazy seq over a seq"      #(map identity (generator (%)))
   "sequence"                 #(sequence (generator (%)))
   "yield-all! of a seq"      #(let [elements %] (generator (yield-all! (seq (generator (elements))))))
   "eduction of a seq"        #(eduction identity (seq (generator (%))))
   "cursor"                   #(cursor (generator (%)))
   "cursor, from its second on" #(let [elements %] (doto (cursor (generator (yield! :head) (elements))) next!))
   "yield-all! of a cursor"   #(let [elements %] (generator (yield-all! (cursor (generator (elements))))))})

(def ^:private ahead
  "Those whose body runs ahead."
  {"chunked seq"              #(gen-seq (generator (%)) {:chunk 3})
   "chunked, confined seq"    #(gen-seq (generator (%)) {:chunk 3, :confined true})
   "chunked cursor"           #(cursor (generator (%)) {:chunk 3})
   "transduced sequence"      #(sequence (map identity) (generator (%)))
   "seq of one in Java"       #(seq (generator/recipe (generator (%))))
   "iterator-seq"             #(let [^Iterable g (generator (%))] (iterator-seq (.iterator g)))
   "realised seq"             #(doall (seq (generator (%))))
   "seq realised half way"    #(let [s (seq (generator (%)))] (nth s 2 nil) s)})

(def ^:private reducibles (merge eager lazy ahead))

(defn- counted
  "What `make` makes of the elements of `v`, and an atom with the number of them that its body has come to."
  [make v]
  (let [steps (atom 0)]
    [(make #(doseq [x v] (swap! steps inc) (yield! x))) steps]))

(defn- asked
  "A reducible of the elements of `v` that does as little as it can, and an atom with the number that it was asked for."
  [v]
  (let [steps (atom 0)
        step! (fn [x] (swap! steps inc) x)
        from (fn [f init left]
               (loop [acc init, [x & more :as left] (seq left)]
                 (if left
                   (let [acc (f acc (step! x))]
                     (if (reduced? acc) @acc (recur acc more)))
                   acc)))]
    [(reify IReduce
       (reduce [_ f init] (from f init v))
       (reduce [_ f] (if (seq v) (from f (step! (first v)) (rest v)) (f))))
     steps]))

;; By what

(def ^:private transducers
  (cond->
   {`map [(map inc)], `mapcat [(mapcat #(range (mod % 4))) (mapcat #(generator (run! yield! (range (mod % 4)))))], `filter [(filter even?)]
    `remove [(remove even?)], `take [(take 0) (take 1) (take 3)], `take-while [(take-while #(< % 5))], `take-nth [(take-nth 2)]
    `drop [(drop 2)], `drop-while [(drop-while #(< % 5))], `replace [(replace {1 :one, 2 :two})], `partition-by [(partition-by #(quot % 3))]
    `partition-all [(partition-all 3)], `keep [(keep #(when (odd? %) %))], `keep-indexed [(keep-indexed #(when (odd? %1) %2))]
    `map-indexed [(map-indexed vector)], `distinct [(distinct)], `interpose [(interpose :x)], `dedupe [(dedupe)], `random-sample [(random-sample 1.0)]
    `cat [(comp (map list) cat) (comp (map #(generator (yield! %) (yield! %))) cat)], `halt-when [(halt-when #{5} vector)]}
   (resolve 'clojure.core/partitionv-all) ; new in Clojure 1.12
   (assoc `partitionv-all [(@(resolve 'clojure.core/partitionv-all) 3)])))

(deftest no-transducer-is-missing
  (is (= (into #{} (keep (fn [[name v]]
                           (when (re-find #"(?i)transducer" (str (:doc (meta v)))) (symbol "clojure.core" (str name)))))
               (ns-publics 'clojure.core))
         (into `#{eduction into sequence} (keys transducers)))))

(defn- stopping
  "`rf`, which has enough with its `n`th step."
  [n rf]
  (let [calls (atom 0)]
    (fn
      ([] :none)
      ([acc x]
       (let [r (rf acc x)]
         (if (= n (swap! calls inc)) (ensure-reduced r) r))))))

;; All of it

(defn- wrong
  "Where `(reducer kind-of-reducible)` is not as for `v` itself: its result, the steps taken for it, or what is left
  suspended. A map from the kind to what is, and what should be."
  [reducibles v reducer]
  (let [[reference needed] (asked v)
        expected [(reducer reference) @needed]]
    (into {}
          (keep (fn [[kind make]]
                  (let [check (if (eager kind) #(no-leaks (%)) #(%))
                        got (check #(let [[coll steps] (counted make v)]
                                      [(reducer coll) @steps]))]
                    (when-not (if (ahead kind) (= (first got) (first expected)) (= got expected))
                      [kind {:got got, :expected expected}]))))
          reducibles)))

(def ^:private inputs
  (gen/vector gen/nat 0 8))

(defspec ^:random reduced-at-each-position (times 50)
  (prop/for-all [v inputs]
                (every? (fn [n]
                          (and (= {} (wrong reducibles v (fn [coll] (poison/reduce-with conj [] #(reduce (stopping n %1) %2 coll)))))
                               (= {} (wrong (dissoc reducibles "eduction" "zip" "zip, as the last" "eduction of a seq") ; an eduction needs an init
                                     v (fn [coll] (reduce (stopping n vector) coll))))))
                        (range 1 (+ 2 (count v))))))

(defspec ^:random every-transducer-up-to-each-position (times 50)
  (prop/for-all [v inputs
                 xform (gen/elements (mapcat val transducers))]
                (every? (fn [n]
                          (every? (fn [xform] (= {} (wrong reducibles v (fn [coll] (poison/transduce-with conj #(transduce xform % coll))))))
                                  [(comp xform (take n)) (comp (take n) xform)]))
                        (range (+ 2 (count v))))))

(deftest every-transducer-over-everything
  (on-each-root
   (doseq [[name xforms] transducers, xform xforms, v [[] [1] (vec (range 20)) [5 5 9 1 1 2 9 9 3]]]
     (testing name
       (is (= {} (wrong reducibles v (fn [coll] (poison/transduce-with conj #(transduce xform % coll))))))
       (is (= {} (wrong reducibles v (fn [coll] (transduce xform (completing conj set) [] coll)))) "with a completion of its own")))))

(deftest halting-without-a-function
  (on-each-root
   (doseq [v [[] [1 9 2] (vec (range 20))]]
     (is (= {} (wrong reducibles v #(transduce (halt-when #{9}) conj %)))))))

(defspec ^:random any-composition (times 100)
  (prop/for-all [v inputs
                 xforms (gen/vector (gen/elements [(map inc) (filter even?) (mapcat #(range (mod % 3))) (take 5) (take-while #(< % 20))
                                                   (drop 2) (drop-while odd?) (take-nth 2) (distinct) (dedupe) (map-indexed +)
                                                   (comp (partition-all 2) cat) (comp (partition-by odd?) cat)])
                                    0 5)]
                (let [xform (apply comp identity xforms)]
                  (and (= {} (wrong reducibles v (fn [coll] (poison/transduce-with conj #(transduce xform % coll)))))
                       (= (sequence xform v) (sequence xform (generator (run! yield! v))))))))
