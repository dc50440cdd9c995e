(ns greenlet.generator-test
  "Generators: what a body may do, and reducing them, on the consumer's own stack. greenlet.seq-test pulls."
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [clojure.test.check.clojure-test :refer [defspec]]
            [clojure.test.check.generators :as gen]
            [clojure.test.check.properties :as prop]
            [greenlet.core :refer [current dead? generator generator* glet parent switch! yield! yield-all!]]
            [greenlet.poison :as poison]
            [greenlet.random :refer [times]]
            [greenlet.watchdog :as watchdog :refer [on-each-root thrown-by trace]])
  (:import (greenlet GreenletExit)
           (java.util ArrayList Arrays Collections)
           (java.util.function Consumer)
           (java.util.stream Stream StreamSupport)))

(set! *warn-on-reflection* true)

(defn- elements-of
  "A generator of the elements of `coll`."
  [coll]
  (generator (run! yield! coll)))

(defn- consumer ^Consumer [f]
  (reify Consumer (accept [_ x] (f x))))

(defn- both-ways
  "The elements of `g` reduced and pulled, which have to be the same."
  [g]
  (let [pushed (into [] g)
        pulled (vec (seq g))]
    (is (= pushed pulled))
    pulled))

;; Reducing

(deftest reduce-with-and-without-init
  (on-each-root
   (is (= [0 1 2] (reduce conj [] (elements-of (range 3)))))
   (is (= 10 (reduce + (elements-of (range 5)))))
   (is (= 7 (reduce + 7 (generator))))
   (testing "without init: f is called with nothing for no elements, not at all for one"
     (is (= 0 (reduce + (generator))))
     (is (= :none (reduce (fn ([] :none) ([_ _] :wrong)) (generator))))
     (is (= :one (reduce (fn [_ _] :wrong) (generator (yield! :one)))))
     (is (nil? (reduce (fn [_ _] :wrong) (generator (yield! nil))))))
   (testing "nil and false"
     (is (= [nil false nil] (reduce conj [] (elements-of [nil false nil]))))
     (is (= [nil false] (reduce vector (elements-of [nil false])))))
   (testing "an accumulator of nil or false"
     (is (nil? (reduce (fn [_ _] nil) 1 (elements-of (range 3)))))
     (is (false? (reduce (fn [_ _] false) nil (elements-of (range 3))))))))

(deftest reduced-at-each-position
  (on-each-root
   (doseq [stop (range 1 6)]
     (let [log (trace)
           g (generator (try (dotimes [i 5] (log i) (yield! i)) (finally (log :unwound))))]
       (is (= (range stop)
              (poison/reduce-with conj [] (fn [rf init]
                                            (reduce (fn [acc x] (let [r (rf acc x)] (if (= x (dec stop)) (reduced r) r))) init g)))))
       (is (= (conj (vec (range stop)) :unwound) @log))))
   (testing "without init"
     (doseq [stop (range 1 5)]
       (is (= (range (inc stop))
              (reduce (fn [acc x] (let [r (conj (if (vector? acc) acc [acc]) x)] (if (= x stop) (reduced r) r)))
                      (elements-of (range 5)))))))
   (testing "a reduced that was reduced before is the accumulator"
     (is (reduced? (reduce (fn [_ _] (reduced (reduced 1))) nil (elements-of [1])))))))

(deftest what-is-built-on-reduce
  (on-each-root
   (let [g (elements-of [3 1 2 3])]
     (is (= [3 1 2 3] (into [] g) (vec g) (mapv identity g) (seq g) (vec (to-array (vec g)))))
     (is (= #{1 2 3} (into #{} g) (set g)))
     (is (= {3 2, 1 1, 2 1} (frequencies g)))
     (is (= {true [3 1 3], false [2]} (group-by odd? g)))
     (is (= [1 2 3 3] (sort g)))
     (is (= [4 2 3 4] (mapv inc g) (into [] (map inc) g)))
     (is (= [3 1 3] (filterv odd? g)))
     (is (= 9 (transduce identity + g) (apply + g) (reduce + g)))
     (is (= 3 (apply max g)))
     (is (= "3123" (transduce (map str) str g) (str/join g)))
     (is (= [0 3 4 6] (take 4 (reductions + 0 g))))
     (is (= [3 :x 1 :x 2 :x 3] (into [] (interpose :x) g)))
     (is (= {:a 1} (into {} (generator (yield! [:a 1])))))
     (is (= 3 (some #{3} g)))
     (is (every? pos? g))
     (let [log (trace)]
       (is (nil? (run! log g)))
       (is (= [3 1 2 3] @log)))
     (is (= [[3 1] [2 3]] (into [] (partition-all 2) g)))
     (let [all (ArrayList.)]
       (.forEach ^Iterable g (consumer #(.add all %)))
       (is (= [3 1 2 3] all)))
     (testing "each time afresh"
       (let [runs (atom 0)
             g (generator (swap! runs inc) (yield! 1))]
         (is (= [[1] [1] [1]] (repeatedly 3 #(into [] g))))
         (is (= 3 @runs)))))))

;; Trees

(def ^:private trees
  "Nested vectors of numbers, up to 12 deep."
  (gen/sized (fn [size]
               (letfn [(tree [depth]
                         (if (zero? depth)
                           gen/nat
                           (gen/frequency [[2 gen/nat]
                                           [1 (gen/let [n (gen/choose 0 2), ts (gen/vector (tree (dec depth)) n)] ts)]
                                           [1 (gen/fmap vector (tree (dec depth)))]])))]
                 (gen/let [depth (gen/choose 0 (min 12 size)), t (tree depth)] t)))))

(defn- walk [t] (if (coll? t) (run! walk t) (yield! t)))

(defn- leaves [t] (if (coll? t) (generator (run! #(yield-all! (leaves %)) t)) (generator (yield! t))))

(defn- fringe [t] (remove coll? (tree-seq coll? seq t)))

(defspec ^:heavy ^:random a-fringe-by-recursive-yields-is-that-of-tree-seq (times 10000)
  (prop/for-all [t trees]
                (let [g (generator (walk t))
                      expected (fringe t)]
                  (= expected (into [] g) (vec (seq g)) (into [] (leaves t))))))

(defn- same-fringe? [& ts]
  (apply = (map #(or (seq (generator (walk %))) ()) ts)))

(deftest same-fringe
  (on-each-root
   (is (same-fringe? [1 [2 [3]]] [[[1] 2] 3] [1 2 3] '(1 (2) (((3))))))
   (is (not (same-fringe? [1 [2 3]] [1 [3 2]])))
   (is (not (same-fringe? [1 2] [1 2 3])))
   (is (same-fringe? [] [[[]]]))
   (testing "stops at the first difference"
     (let [steps (atom 0)
           counted (fn [t] (generator ((fn walk [t] (if (coll? t) (run! walk t) (do (swap! steps inc) (yield! t)))) t)))]
       (is (not (= (seq (counted [1 [2 3 4 5]])) (seq (counted [9 [2 3 4 5]])))))
       (is (= 2 @steps))))))

;; The ledger's generators

(deftest consumer-and-producer-interleave
  (on-each-root
   (let [log (trace)
         g (generator (dotimes [i 5] (log [:make i]) (yield! i)))]
     (dotimes [_ 3]
       (doseq [x g] (log [:use x])))
     (is (= (apply concat (repeat 3 (mapcat (fn [i] [[:make i] [:use i]]) (range 5)))) @log)))))

(defn- permutations [coll]
  (generator
   ((fn permute [done left]
      (if (empty? left)
        (yield! done)
        (doseq [x left] (permute (conj done x) (disj left x)))))
    [] (into (sorted-set) coll))))

(deftest permutations-by-recursion
  (on-each-root
   (is (= [[1 2 3] [1 3 2] [2 1 3] [2 3 1] [3 1 2] [3 2 1]] (both-ways (permutations [1 2 3]))))
   (let [four (both-ways (permutations (range 4)))]
     (is (= 24 (count four) (count (set four))))
     (testing "two in lock-step"
       (is (= (map vector four (rseq four))
              (map vector (permutations (range 4)) (rseq (vec (permutations (range 4)))))))
       (is (every? true? (map = (permutations (range 4)) (permutations (range 4)))))))))

(deftest lock-step-of-two
  (on-each-root
   (let [log (trace)
         named (fn [name] (generator (dotimes [i 3] (log [name i]) (yield! [name i]))))]
     (doseq [[a b] (map vector (named :a) (named :b))] (log [a b]))
     (is (= (mapcat (fn [i] [[:a i] [:b i] [[:a i] [:b i]]]) (range 3)) @log)))))

(deftest yields-from-nested-helpers-interleave-as-direct-ones-do
  (on-each-root
   (let [events (fn [make]
                  (let [log (trace)]
                    (doseq [x (make log)] (log [:use x]))
                    @log))
         helper (fn [x] ((fn [x] ((fn [x] (yield! x)) x)) x))]
     (is (= (events (fn [log] (generator (doseq [i [1 2 3]] (log [:make i]) (yield! i)))))
            (events (fn [log] (generator (doseq [i [1 2 3]] (log [:make i]) (helper i)))))
            (events (fn [log] (map (fn [i] (log [:make i]) i) (list 1 2 3)))))))))

(deftest nested-generators
  (on-each-root
   (letfn [(by-loop [n] (generator (when (pos? n) (doseq [x (by-loop (dec n))] (yield! x)) (yield! n))))
           (by-reduce [n] (generator (when (pos? n) (run! yield! (by-reduce (dec n))) (yield! n))))
           (by-yield-all [n] (generator (when (pos? n) (yield-all! (by-yield-all (dec n))) (yield! n))))
           (hanoi [n a b c] (generator (when (pos? n) (yield-all! (hanoi (dec n) a c b)) (yield! [a c]) (yield-all! (hanoi (dec n) b a c)))))]
     (doseq [g [(by-loop 5) (by-reduce 5) (by-yield-all 5)]]
       (is (= [1 2 3 4 5] (both-ways g))))
     (is (= (range 1 101) (both-ways (by-yield-all 100))))
     (is (= (range 1 41) (both-ways (by-reduce 40))))
     (is (= 127 (count (both-ways (hanoi 7 :a :b :c))))))))

;; What a body may call

(deftest yield-from-within-what-is-called
  (on-each-root
   (testing "functions that take functions"
     (is (= [0 1 2] (both-ways (generator (run! yield! (range 3))))))
     (is (= [0 1 2] (both-ways (generator (dorun (map yield! (list 0 1 2)))))))
     (is (= [0 1 2] (both-ways (generator (mapv yield! (range 3))))))
     (is (= [0 1 2] (both-ways (generator (doseq [x (range 3)] (yield! x))))))
     (is (= [:a 1] (both-ways (generator (doseq [[k v] {:a 1}] (yield! k) (yield! v))))))
     (is (= [1 2 3] (both-ways (generator (reduce (fn [_ x] (yield! x)) nil [1 2 3])))))
     (is (= [1 2] (both-ways (generator (swap! (atom 0) (fn [_] (yield! 1) (yield! 2))))))))
   (testing "a comparator"
     (let [compared (both-ways (generator (yield! (vec (sort (fn [a b] (yield! :compared) (compare a b)) [3 1 2])))))]
       (is (= [1 2 3] (peek compared)))
       (is (every? #{:compared} (pop compared)))))
   (testing "Java's"
     (is (= [1 2 3] (both-ways (generator (.forEach (Stream/of (object-array [1 2 3])) (consumer yield!))))))
     (is (= [1 2 3] (both-ways (generator (.forEach (Arrays/asList (object-array [1 2 3])) (consumer yield!))))))
     (is (= [3 1 2] (both-ways (generator (.forEachRemaining (.iterator (ArrayList. [3 1 2])) (consumer yield!)))))))
   (testing "the value of a yield is nil here"
     (is (= [1 nil] (both-ways (generator (yield! (yield! 1)))))))
   (testing "yield-all! of anything that can be reduced"
     (is (= [0 1 :a nil \b [:k 1] 5 6]
            (both-ways (generator (yield-all! (range 2)) (yield-all! [:a nil]) (yield-all! nil) (yield-all! "b") (yield-all! {:k 1})
                                  (yield-all! (eduction (map inc) [4 5])))))))
   (testing "its own stack may be deep"
     (letfn [(deep [n] (if (zero? n) (yield! :bottom) (do (deep (dec n)) (when (zero? (mod n 100)) (yield! n)))))]
       (is (= (into [:bottom] (range 100 401 100)) (both-ways (generator (deep 400)))))))))

(deftest a-body-runs-as-part-of-whoever-traverses
  (on-each-root
   (let [main (current)
         me (generator (yield! (current)))
         g (glet [] [(reduce (fn [_ x] x) nil me) (first (seq me)) (current)])]
     (is (= [main] (both-ways me)))
     (is (apply = (switch! g)))
     (testing "a switch in the body suspends the traversal"
       (let [out (generator (yield! 1) (yield! (switch! main :out)) (yield! 3))]
         (doseq [traverse [#(into [] out) #(vec (seq out)) #(vec (iterator-seq (.iterator ^Iterable out)))]]
           (let [g (glet [] (traverse))]
             (is (= :out (switch! g)))
             (is (= [1 2 3] (switch! g 2)))
             (is (dead? g))))))
     (testing "a greenlet that it makes has it for its parent, and yields to it"
       (let [g (generator (let [child (glet [] (yield! :to-parent) :result)]
                            (yield! [(= (current) (parent child)) (switch! child) (switch! child)])))]
         (is (= [[true :to-parent :result]] (both-ways g))))))))

;; Ends

(deftest early-end-runs-finally
  (on-each-root
   (let [log (trace)
         g (generator
            (try
              (try (yield! 1) (finally (log :inner)))
              (catch Exception _ (log :wrong))
              (finally (log :outer))))]
     (is (= 1 (reduce (fn [_ x] (reduced x)) nil g)))
     (is (= [1] (into [] (take 1) g)))
     (is (= 1 (first (eduction g))))
     (is (= [:inner :outer :inner :outer] (take 4 @log))))
   (testing "through the generators that are on the way"
     (let [log (trace)
           around (fn [name g] (generator (try (yield-all! g) (finally (log name)))))
           g (around :outer (around :inner (elements-of (range))))]
       (is (= [0 1] (into [] (take 2) g)))
       (is (= [:inner :outer] @log))))
   (testing "what leaves the body then does not matter to the consumer, unless it is another exception"
     (is (= 1 (reduce (fn [_ x] (reduced x)) nil (generator (try (yield! 1) (catch GreenletExit _ :swallowed))))))
     (is (thrown-with-msg? Exception #"while unwinding"
                           (reduce (fn [_ x] (reduced x)) nil
                                   (generator (try (yield! 1) (finally (throw (Exception. "while unwinding")))))))))))

(deftest a-body-that-yields-while-being-closed-is-told-again
  (on-each-root
   (let [log (trace)
         g (generator
            (try
              (yield! 1)
              (catch GreenletExit e
                (log :told)
                (let [again (thrown-by (yield! 2))]
                  (log [:again (identical? e (ex-cause again))]))
                (log [:and-again (instance? GreenletExit (thrown-by (yield! 3)))]))))]
     (is (= [1] (reduce (fn [acc x] (reduced (conj acc x))) [] g)))
     (is (= [:told [:again true] [:and-again true]] @log)))))

(deftest exceptions-of-the-body
  (on-each-root
   (doseq [e [(ex-info "body" {}) (java.io.IOException. "checked") (AssertionError. "error")]]
     (let [log (trace)
           g (generator (yield! 1) (yield! 2) (throw e))]
       (is (identical? e (thrown-by (reduce #(log %2) nil g))))
       (is (= [1 2] @log))))
   (testing "with the body's frames"
     (let [e (thrown-by (reduce + (generator (walk [1 [2]]) (throw (ex-info "here" {})))))]
       (is (some #(re-find #"generator_test" (.getClassName ^StackTraceElement %)) (.getStackTrace ^Throwable e)))))
   (testing "come out of every traversal"
     (let [g (generator (throw (ex-info "each" {})))]
       (dotimes [_ 2] (is (thrown-with-msg? Exception #"each" (reduce + g))))))
   (testing "a GreenletExit of the body's own is one, too"
     (is (instance? GreenletExit (thrown-by (reduce + (generator (yield! 1) (throw (GreenletExit.))))))))))

(deftest exceptions-of-the-reducing-function
  (on-each-root
   (let [log (trace)
         e (ex-info "step" {})
         g (generator (try (yield! 1) (catch Exception _ (log :wrong)) (finally (log :unwound))) (log :wrong))]
     (is (identical? e (thrown-by (reduce (fn [_ _] (throw e)) nil g))))
     (is (= [:unwound] @log) "the body sees the end of its traversal, not the consumer's exception"))))

(deftest infinite-and-empty
  (on-each-root
   (is (= (range 10) (into [] (take 10) (elements-of (range)))))
   (is (= 45 (reduce (fn [acc x] (if (= x 10) (reduced acc) (+ acc x))) 0 (generator (loop [i 0] (yield! i) (recur (inc i)))))))
   (is (= [] (both-ways (generator)) (both-ways (generator nil)) (both-ways (generator nil :ignored))))
   (is (= [1] (both-ways (generator* (fn [] (yield! 1))))))))

(deftest a-generator-is-not-shared-state
  (testing "many threads traverse one at once, each its own run"
    (let [g (elements-of (range 1000))]
      (doseq [virtual [false true]]
        (is (= (repeat 16 499500) (watchdog/call-in-threads {:virtual virtual} (repeat 16 #(reduce + g)))))))
    (let [nested (generator (yield! 1) (yield-all! (generator (yield! 2) (yield-all! (generator (yield! 3))))))]
      (is (= (repeat 16 [1 2 3]) (watchdog/call-in-threads (repeat 16 #(both-ways nested))))))))

(deftest a-generator-that-traverses-itself
  (on-each-root
   (let [g (promise)]
     (deliver g (generator (yield! 1) (when (< (count (.getStackTrace (Thread/currentThread))) 1) (yield! :never))))
     (is (= [1 1 2] (both-ways (generator (yield-all! @g) (run! yield! @g) (yield! 2)))))
     (letfn [(self [n] (generator (yield! n) (when (pos? n) (run! yield! (self (dec n))))))]
       (is (= [3 2 1 0] (both-ways (self 3))))))))

(deftest streams-of-a-generator
  (on-each-root
   (let [log (trace)
         g (generator (try (run! yield! (range)) (finally (log :unwound))))
         stream #(StreamSupport/stream (.spliterator ^Iterable %) false)]
     (is (= [0 1 2] (vec (.toArray ^Stream (.limit ^Stream (stream g) 3)))))
     (is (= 6 (reduce + (.toArray ^Stream (stream (elements-of (range 4)))))))
     (is (= [] (vec (.toArray ^Stream (stream (generator))))))
     (is (= (Collections/emptyList) @log) "a stream that is only forgotten unwinds nothing"))))
