(ns greenlet.seq-test
  "Generators pulled: as Clojure seqs, which are lazy to the step, cached and shared, and as iterators."
  (:require [clojure.test :refer [deftest is testing]]
            [clojure.test.check.clojure-test :refer [defspec]]
            [clojure.test.check.generators :as gen]
            [clojure.test.check.properties :as prop]
            [greenlet.core :refer [current cursor gen-seq generator glet next! parent peek! result send! switch! throw! yield!]]
            [greenlet.random :refer [times]]
            [greenlet.watchdog :as watchdog :refer [in-thread on-each-root thrown-by trace]])
  (:import (greenlet GreenletExit)
           (java.lang WrongThreadException)
           (java.lang.ref WeakReference)
           (java.util ArrayList Iterator LinkedList List NoSuchElementException)
           (java.util.stream StreamSupport)))

(set! *warn-on-reflection* true)

(defn- elements-of
  "A generator of the elements of `coll`."
  [coll]
  (generator (run! yield! coll)))

(defn- counted
  "A generator of 0 to n - 1, and an atom with the number of elements that its body has begun to make."
  [n]
  (let [steps (atom 0)]
    [(generator (dotimes [i n] (swap! steps inc) (yield! i))) steps]))

(defn- iterator-of ^Iterator [g]
  (.iterator ^Iterable g))

;; Laziness

(def ^:private steps-of
  "What is asked of a generator of 100 elements → how many steps its body takes for it."
  [["nothing" (fn [_]) 0]
   ["seq" seq 1]
   ["first" first 1]
   ["rest" rest 1]
   ["rest of rest" #(rest (rest %)) 2]
   ["next" next 2]
   ["second" second 2]
   ["nth" #(nth (seq %) 4) 5]
   ["nth where there is none" #(nth (seq %) 100 :none) 100]
   ["take 0" #(doall (take 0 %)) 0]
   ["take, not asked for" #(take 3 %) 0]
   ["take" #(doall (take 3 %)) 3]
   ["take-while" #(doall (take-while (fn [x] (< x 3)) %)) 4]
   ["drop-while" #(first (drop-while (fn [x] (< x 3)) %)) 4]
   ["drop, not asked for" #(drop 3 %) 0]
   ["drop" #(first (drop 3 %)) 4]
   ["nthrest" #(first (nthrest (seq %) 3)) 4]
   ["map, not asked for" #(map inc %) 0]
   ["map" #(first (map inc %)) 1]
   ["map, two" #(second (map inc %)) 2]
   ["filter" #(first (filter odd? %)) 2]
   ["filter, two" #(second (filter odd? %)) 4]
   ["mapcat" #(first (mapcat list %)) 4] ; apply concat looks four ahead
   ["sequence" #(first (sequence %)) 1]
   ["sequence, transduced" #(first (sequence (map inc) %)) 33] ; Clojure fills a chunk of 32 and looks for the next
   ["eduction as a seq" #(first (seq (eduction (map inc) %))) 33]
   ["eduction, reduced" #(into [] (eduction (map inc) (take 3) %)) 3]
   ["iterator-seq" #(first (iterator-seq (iterator-of %))) 33]
   ["an iterator" #(iterator-of %) 0]
   ["an iterator's hasNext" #(.hasNext (iterator-of %)) 1]
   ["an iterator's next" #(.next (iterator-of %)) 1]
   ["a cursor" cursor 0]
   ["a stream's limit" #(.toArray (.limit (StreamSupport/stream (.spliterator ^Iterable %) false) 3)) 3]
   ["a chunked seq" #(first (gen-seq % {:chunk 4})) 4]
   ["a chunked seq, its fifth" #(nth (gen-seq % {:chunk 4}) 4) 8]
   ["a seq in large chunks" #(first (gen-seq % {:chunk Integer/MAX_VALUE})) 32]
   ["a chunked cursor, not asked" #(cursor % {:chunk 4}) 0]
   ["a chunked cursor" #(next! (cursor % {:chunk 4})) 4]
   ["a chunked cursor, peeked" #(peek! (cursor % {:chunk 4})) 4]
   ["a cursor in large chunks" #(next! (cursor % {:chunk Integer/MAX_VALUE})) 32]
   ["apply, all optional" #(apply (fn [& _]) %) 2] ; apply looks one further than it needs
   ["apply, one needed" #(apply (fn [_ & _]) %) 3]
   ["destructured" #(let [[a & more] (seq %)] [a more]) 2]
   ["some" #(some #{5} %) 6]
   ["every?" #(every? (fn [x] (< x 5)) (seq %)) 6]
   ["every?, of the recipe" #(every? (fn [x] (< x 5)) %) (+ 1 1 6)] ; asks it for seq, first and next: three runs
   ["empty?" empty? 1]
   ["not-empty, as a seq" #(not-empty (seq %)) 1]
   ["cons" #(cons :x %) 1]
   ["cons, to a seq" #(cons :x (rest (seq %))) 1]
   ["concat" #(doall (take 3 (concat [:x] %))) 2]
   ["interleave" #(doall (take 4 (interleave % (range)))) 2]
   ["split-at" #(doall (first (split-at 3 %))) 3]
   ["conj" #(conj (rest (seq %)) :x) 1]
   ["reductions" #(doall (take 3 (reductions + %))) 3]
   ["doseq, stopped" #(try (doseq [x %] (when (= x 4) (throw (Exception.)))) (catch Exception _)) 5]
   ["lazy-cat" #(doall (take 2 (lazy-cat [:x] %))) 1]
   ["count" #(count (seq %)) 100]
   ["last" #(last (seq %)) 100]
   ["doall" doall 100]
   ["reduce, reduced" #(reduce (fn [_ x] (if (= x 4) (reduced x) x)) %) 5]
   ["reduce of the seq, reduced" #(reduce (fn [_ x] (if (= x 4) (reduced x) x)) (seq %)) 5]
   ["reduce of the seq, at once" #(reduce (fn [_ x] (reduced x)) nil (seq %)) 1]
   ["transduce of the seq" #(into [] (take 3) (seq %)) 3]
   ["reduce of rest" #(reduce (fn [_ x] (reduced x)) nil (rest (seq %))) 2]])

(deftest a-body-runs-as-far-as-it-is-asked-and-no-further
  (on-each-root
   (doseq [[what ask expected] steps-of]
     (testing what
       (let [[g steps] (counted 100)]
         (ask g)
         (is (= expected @steps)))))))

(deftest nth-of-a-generator
  (on-each-root
   (testing "as an eduction has it"
     (let [[g steps] (counted 100)]
       (is (= 4 (nth g 4)))
       (is (= 5 @steps))))
   (testing "which destructuring and distinct take"
     (is (= [0 1] (let [[a b] (elements-of (range 3))] [a b])))
     (is (= [1 2] (distinct (elements-of [1 2 1])))))))

(deftest elements-are-cached
  (on-each-root
   (let [[g steps] (counted 10)
         s (seq g)]
     (is (= 1 @steps))
     (dotimes [_ 3] (is (= (range 10) s)))
     (is (= 10 @steps))
     (is (identical? (next s) (next s)))
     (let [more (rest s)] (is (identical? (seq more) (seq more))))
     (testing "each seq is a run of its own"
       (is (= (range 10) (seq g)))
       (is (= 20 @steps))))
   (testing "an element is the same object whoever asks"
     (let [s (seq (generator (yield! (Object.))))]
       (is (identical? (first s) (first s)))))))

(deftest realized
  (on-each-root
   (let [[g steps] (counted 2)
         s (seq g)
         more (rest s)
         end (rest more)]
     (is (realized? s))
     (is (= 2 @steps) "rest of rest had to look at the second")
     (is (realized? more))
     (is (not (realized? end)))
     (is (nil? (seq end)))
     (is (realized? end)))
   (let [[g _] (counted 3), more (rest (seq g))]
     (is (not (realized? more)))
     (is (= 1 (first more)))
     (is (realized? more)))))

;; Reducing a seq: as any seq is, but without a call of first and next for each element

(deftest reducing-a-seq
  (on-each-root
   (doseq [coll [[] [1] [1 2 3] (range 100)], :let [make (fn [] (rest (seq (generator (yield! :head) (run! yield! coll)))))]]
     (is (= (reduce + coll) (reduce + (make))))
     (is (= (reduce conj [:init] coll) (reduce conj [:init] (make))))
     (is (= (vec coll) (into [] (make)) (vec (make)) (transduce identity conj (make)))))
   (testing "without init: f is called with nothing for no elements, not at all for one"
     (is (= :none (reduce (fn ([] :none) ([_ _] :wrong)) (rest (seq (elements-of [1]))))))
     (is (nil? (reduce (fn [_ _] :wrong) (seq (elements-of [nil]))))))
   (testing "what is reduced is kept, and what is kept is not computed again"
     (let [[g steps] (counted 10)
           s (seq g)]
       (is (= 3 (reduce (fn [_ x] (if (= x 3) (reduced x) x)) nil s)))
       (is (= 4 @steps))
       (is (= 45 (reduce + s) (reduce + 0 s)))
       (is (= (range 10) s))
       (is (= 10 @steps))))
   (testing "body and function take turns"
     (let [log (trace)
           s (seq (generator (dotimes [i 3] (log [:make i]) (yield! i))))]
       (run! #(log [:use %]) s)
       (is (= (mapcat (fn [i] [[:make i] [:use i]]) (range 3)) @log))))
   (testing "an exception comes out where it is reached"
     (let [log (trace)
           s (seq (generator (yield! 1) (yield! 2) (throw (ex-info "body" {}))))]
       (dotimes [_ 2] (is (thrown-with-msg? Exception #"body" (run! log s))))
       (is (= [1 2 1 2] @log))))
   (testing "the function may ask the seq for more, yield, and switch"
     (let [s (seq (elements-of (range 5)))]
       (is (= [0 1 2 3 4] (reduce (fn [acc x] (nth s (min 4 (inc x))) (conj acc x)) [] s))))
     (is (= [0 1 2] (seq (generator (run! yield! (seq (elements-of (range 3))))))))
     (let [g (glet [] (reduce (fn [acc x] (conj acc (switch! (parent (current)) x))) [] (seq (elements-of [1 2]))))]
       (is (= [1 2 [:a :b]] [(switch! g) (switch! g :a) (switch! g :b)]))))))

(deftest a-reducing-function-keeps-nobody-from-the-seq
  (let [s (seq (elements-of (range 3)))
        inside (promise)
        go (promise)
        sum (watchdog/start-thread (fn [] (reduce (fn [acc x] (deliver inside true) @go (+ acc x)) 0 s)))]
    (is (true? (deref inside 10000 :not-inside)))
    (is (= [0 1 2] (in-thread (doall s))))
    (deliver go true)
    (is (= 3 ((:join sum))))))

;; As a collection

(defn- thrown-class
  "What (f x …) returns, or the class of what it throws."
  [f & xs]
  (try (apply f xs) (catch Throwable t (class t))))

(def ^:private samples
  [[] [nil] [false] [1] [nil nil] [1 2 3] [nil false 1] [[1] [2]] (vec (range 40)) [:a "b" \c 1.5 1/2 #{1}]])

(deftest equality-and-hash
  (on-each-root
   (doseq [sample samples, :let [make (fn [] (rest (seq (generator (yield! :head) (run! yield! sample)))))]]
     (doseq [other [sample (apply list sample) (lazy-seq sample) (make) (ArrayList. ^List sample) (LinkedList. ^List sample)
                    (into clojure.lang.PersistentQueue/EMPTY sample)]]
       (is (= (make) other))
       (is (= other (make))))
     (is (= (hash sample) (hash (make))))
     (is (= (.hashCode ^Object sample) (.hashCode ^Object (make))))
     (is (.equals ^Object (make) (apply list sample)))
     (is (.equals ^Object (apply list sample) (make)))
     (is (.equals ^Object (make) (ArrayList. ^List sample)))
     (is (= :found (get {(make) :found} sample)))
     (is (= :found (get {sample :found} (make))))
     (is (contains? #{sample} (make)))
     (doseq [other [(conj sample :more) (cons :more sample) #{sample} {} "x" nil 1 :k (set sample)]]
       (is (not= (make) other))
       (is (not= other (make))))
     (when (seq sample)
       (is (not= (make) (pop sample)))
       (is (not= (make) (seq (pop sample))))))
   (is (nil? (seq (generator))))
   (testing "numbers as Clojure compares them"
     (is (= (seq (elements-of [1 2])) [(int 1) (biginteger 2)]))
     (is (not (.equals ^Object (seq (elements-of [1])) [1.0]))))))

(deftest meta-data
  (on-each-root
   (let [[g steps] (counted 3)
         s (seq g)
         m (with-meta s {:a 1})]
     (is (nil? (meta s)))
     (is (= {:a 1} (meta m)))
     (is (= 1 @steps))
     (is (= m s [0 1 2]))
     (is (= {:a 1, :b 2} (meta (vary-meta m assoc :b 2))))
     (is (nil? (meta (rest m))))
     (testing "of the end"
       (is (= [] (with-meta (rest (seq (elements-of [1]))) {:a 1})))
       (is (= {:a 1} (meta (with-meta (rest (seq (elements-of [1]))) {:a 1}))))))))

(deftest as-other-seqs-do
  (on-each-root
   (doseq [sample samples]
     (let [of (fn [f] (f (rest (seq (generator (yield! :head) (run! yield! sample))))))
           same (fn [f] (is (= (f (lazy-seq sample)) (of f))))]
       (same seq) (same first) (same next) (same rest) (same second) (same last) (same butlast)
       (same count) (same empty) (same #(conj % :x)) (same #(into % [1 2])) (same #(cons :x %)) (same reverse)
       (same sequential?) (same seq?) (same coll?) (same counted?) (same vector?) (same list?) (same associative?)
       (same reversible?) (same empty?) (same not-empty) (same vec) (same set) (same #(sort-by hash %)) (same frequencies)
       (same pr-str) (same print-str) (same #(apply list %)) (same #(nth % 0 :none)) (same #(nth % 2 :none))
       (same #(reduce conj [] %)) (same #(map vector % %)) (same #(partition-all 2 %)) (same #(interpose 0 %))
       (same #(thrown-class nth % 50)) (same #(thrown-class nth % -1))
       (same #(mapv identity %)) (same #(take-last 2 %)) (same #(drop-last 2 %)) (same #(split-at 1 %)) (same flatten)
       (same #(distinct %)) (same #(zipmap % (range))) (same #(let [[a b & c] %] [a b c]))))
   (testing "conj goes in front and asks for nothing"
     (let [[g steps] (counted 3)]
       (is (= [:x 0 1 2] (conj (seq g) :x)))
       (reset! steps 0)
       (conj (rest (seq g)) :x)
       (is (= 1 @steps))))))

(defn- about [^List l x]
  [(class x) (.contains l x) (.containsAll l [x]) (.indexOf l x) (.lastIndexOf l x)])

(deftest as-a-java-list
  (on-each-root
   (doseq [sample samples]
     (let [^List l (rest (seq (generator (yield! :head) (run! yield! sample))))
           ^List expected (lazy-seq sample)
           probes (concat sample [nil false 1 (int 1) 1.0 [1] '(1) :absent])]
       (is (= (.size expected) (.size l)))
       (is (= (.isEmpty expected) (.isEmpty l)))
       (is (= (vec (.toArray expected)) (vec (.toArray l))))
       (is (= (vec (.toArray expected (object-array 50))) (vec (.toArray l (object-array 50)))))
       (is (= sample (or (iterator-seq (.iterator l)) [])) "iterator")
       (is (= sample (vec (.toArray (.stream l)))))
       (is (= sample (ArrayList. l)))
       (is (= {} (into {} (for [x probes :when (not= (about expected x) (about l x))] [(about expected x) (about l x)])))
           "class, contains, containsAll, indexOf, lastIndexOf")
       (doseq [i (range -1 (inc (count sample)))]
         (is (= (thrown-class #(.get ^List % (int i)) expected) (thrown-class #(.get ^List % (int i)) l)))
         (when (< -1 i (count sample)) (is (= (sample i) (.get l i)))))
       (is (= sample (or (iterator-seq (.listIterator l)) [])) "listIterator")
       (when (seq sample)
         (is (= (subvec sample 1) (.subList l 1 (count sample))))
         (is (= (subvec sample 1) (or (iterator-seq (.listIterator l 1)) []))))
       (doseq [change [#(.add l 1) #(.add l 0 1) #(.addAll l [1]) #(.addAll l 0 [1]) #(.clear l) #(.remove l (int 0))
                       #(.remove l ^Object (Object.)) #(.removeAll l [1]) #(.retainAll l []) #(.set l 0 1)]]
         (is (instance? UnsupportedOperationException (thrown-by (change)))))))))

;; Ends and errors

(deftest ends
  (on-each-root
   (testing "nil and false are elements"
     (is (= [nil false nil] (seq (elements-of [nil false nil]))))
     (is (= [nil] (seq (generator (yield! nil))))))
   (testing "none"
     (is (nil? (seq (generator))))
     (is (= () (rest (generator)) (map inc (generator))))
     (is (empty? (generator))))
   (testing "no end"
     (is (= (range 1000) (take 1000 (elements-of (range)))))
     (is (= [0 2 4] (take 3 (filter even? (generator (loop [i 0] (yield! i) (recur (inc i)))))))))
   (testing "the end is asked for once"
     (let [ends (atom 0)
           s (seq (generator (yield! 1) (swap! ends inc)))]
       (dotimes [_ 3] (is (nil? (next s))))
       (is (= 1 @ends))))))

(deftest exceptions
  (on-each-root
   (doseq [e [(ex-info "body" {}) (java.io.IOException. "checked") (AssertionError. "error") (StackOverflowError.)]]
     (let [runs (atom 0)
           s (seq (generator (swap! runs inc) (yield! 1) (yield! 2) (throw e)))
           end (rest (rest s))]
       (is (= 1 (first s)))
       (is (identical? e (thrown-by (doall s))))
       (testing "the same again whenever that place is asked for, however"
         (doseq [ask [seq first next rest count #(dorun %) #(= [] %) hash]]
           (is (identical? e (thrown-by (ask end))))))
       (is (identical? e (thrown-by (vec s))))
       (is (= [1 2] (take 2 s)) "what came before is there")
       (is (= 1 @runs))))
   (testing "has the body's frames"
     (letfn [(far-down [] (throw (ex-info "here" {})))]
       (let [e (thrown-by (doall (generator (yield! 1) (far-down))))]
         (is (some #(re-find #"far_down" (.getClassName ^StackTraceElement %)) (.getStackTrace ^Throwable e))))))
   (testing "at the first element"
     (is (thrown-with-msg? Exception #"at once" (seq (generator (throw (ex-info "at once" {})))))))
   (testing "a GreenletExit of the body's own is no silent end"
     (let [s (seq (generator (yield! 1) (throw (GreenletExit. "own"))))
           end (rest s)]
       (is (instance? GreenletExit (thrown-by (seq end))))
       (is (thrown-with-msg? IllegalStateException #"GreenletExit" (seq end)))
       (is (thrown-with-msg? IllegalStateException #"GreenletExit" (count s)))))
   (testing "of a function on the way"
     (is (thrown-with-msg? ArithmeticException #"zero" (dorun (map #(/ 1 %) (elements-of [1 0]))))))))

(deftest deep-recursion
  (on-each-root
   (letfn [(deep [n] (if (zero? n) (yield! :bottom) (do (deep (dec n)) (yield! n))))]
     (is (= (cons :bottom (range 1 201)) (seq (generator (deep 200))))))
   (testing "an overflow in the body comes out of the pull"
     (letfn [(bottomless [n] (inc (long (bottomless (inc n)))))]
       (let [s (seq (generator (yield! 1) (bottomless 0)))]
         (is (thrown? StackOverflowError (next s)))
         (is (thrown? StackOverflowError (next s))))))))

;; Threads

(deftest many-threads-realise-one-seq
  (doseq [n [1 100 1000]]
    (let [[g steps] (counted n)
          s (rest (seq (generator (yield! :head) (run! yield! (seq g)))))
          walk #(loop [seen [], s (seq s)] (if s (recur (conj seen (first s)) (next s)) seen))]
      (is (every? #(= (range n) %)
                  (concat (watchdog/call-in-threads (repeat 8 walk))
                          (watchdog/call-in-threads {:virtual true} (repeat 8 walk)))))
      (is (= n @steps)))))

(deftest threads-of-both-kinds-at-once
  (let [[g steps] (counted 2000)
        s (seq g)
        sum #(reduce + s)
        virtual (watchdog/start-thread {:virtual true} (fn [] (watchdog/call-in-threads {:virtual true} (repeat 6 sum))))]
    (is (= (repeat 6 1999000) (watchdog/call-in-threads (repeat 6 sum))))
    (is (= (repeat 6 1999000) ((:join virtual))))
    (is (= 2000 @steps))))

(deftest another-thread-continues
  (on-each-root
   (let [[g steps] (counted 6)
         s (seq g)]
     (is (= [1 2] (in-thread (doall (take 2 (rest s))))))
     (is (= [3 4] (watchdog/call-in-thread {:virtual true} #(doall (take 2 (drop 3 s))))))
     (is (= (range 6) s))
     (is (= 6 @steps)))))

(deftest one-thread-waits-while-the-body-runs-in-another
  (doseq [first-virtual [false true], second-virtual [false true]]
    (let [go (promise)
          inside (promise)
          runs (atom 0)
          more (rest (seq (generator (yield! 0) (swap! runs inc) (deliver inside true) @go (yield! 1))))
          one (watchdog/start-thread {:virtual first-virtual} #(first more))]
      (is (true? (deref inside 10000 :not-inside)))
      (let [two (watchdog/start-thread {:virtual second-virtual} #(first more))]
        (watchdog/await-state (:thread two) Thread$State/WAITING)
        (deliver go true)
        (is (= [1 1] [((:join one)) ((:join two))]))
        (is (= 1 @runs))))))

(deftest an-exception-for-several-threads
  (let [e (ex-info "body" {})
        runs (atom 0)
        s (rest (seq (generator (yield! 1) (swap! runs inc) (throw e))))]
    (is (every? #(identical? e %) (watchdog/call-in-threads (repeat 8 #(thrown-by (seq s))))))
    (is (= 1 @runs))))

(deftest an-iterator-is-for-one-thread
  (on-each-root
   (let [it (iterator-of (elements-of (range 3)))]
     (is (= 0 (.next it)))
     (let [e (in-thread (thrown-by (.next it)))]
       (is (instance? WrongThreadException e))
       (is (re-find #"a stream or a sharedCursor\(\), in Clojure a seq" (ex-message e))))
     (is (= [1 2] [(.next it) (.next it)]) "it goes on")
     (is (false? (.hasNext it)))
     (is (thrown? NoSuchElementException (.next it)))
     (is (thrown? NoSuchElementException (.next it)))
     (is (thrown? UnsupportedOperationException (.remove it))))))

;; Cursors

(deftest cursors-lead-both-ways
  (on-each-root
   (let [log (trace)
         c (cursor (generator
                    (loop [got (yield! :first)]
                      (log got)
                      (when-not (= :stop got)
                        (recur (try (yield! [:got got]) (catch Exception e (ex-message e))))))
                    :result))]
     (is (thrown? IllegalStateException (send! c :too-early)))
     (is (= [:first :first] [(peek! c) (next! c)]))
     (is (= [:got 1] (send! c 1)))
     (is (= [:got nil] (next! c)))
     (is (= [:got "thrown"] (throw! c (ex-info "thrown" {}))))
     (is (thrown? IllegalStateException (result c)))
     (is (= :end (send! c :stop :end)))
     (is (= [:result nil :none] [(result c) (next! c) (peek! c :none)]))
     (is (= [1 nil "thrown" :stop] @log)))))

(deftest cursors-unwind
  (on-each-root
   (let [log (trace)
         g (generator (try (run! yield! (range)) (finally (log :unwound))))]
     (is (= [0 1] (with-open [c (cursor g)] [(next! c) (next! c)])))
     (is (= [:unwound] @log))
     (with-open [_ (cursor g)])
     (is (= [:unwound] @log) "nothing had run"))
   (testing "an exception is the end"
     (let [c (cursor (generator (yield! 1) (throw (ex-info "body" {}))))]
       (is (= 1 (next! c)))
       (is (thrown-with-msg? Exception #"body" (next! c)))
       (is (= [:end nil] [(next! c :end) (result c)]))))
   (testing "for one thread"
     (let [c (cursor (generator (run! yield! (range))))]
       (is (= 0 (next! c)))
       (is (thrown? WrongThreadException (in-thread (next! c))))
       (is (= 1 (next! c)))))))

(deftest seqs-with-options
  (on-each-root
   (let [[g steps] (counted 10)
         s (gen-seq g {:confined true})]
     (is (= 1 @steps))
     (is (= (range 10) s))
     (is (= 10 @steps)))
   (let [[g _] (counted 10), s (gen-seq g {:confined true})]
     (is (thrown? WrongThreadException (in-thread (dorun s))))
     (is (= (range 10) s) "nothing changed"))
   (let [[g steps] (counted 10), s (gen-seq g {:chunk 4})]
     (is (chunked-seq? s))
     (is (= 4 @steps))
     (is (= (range 10) s (in-thread (doall s)))))
   (is (nil? (gen-seq (generator) {:chunk 4})))))

(deftest what-ends-a-body-that-runs-ahead-comes-after-its-elements
  (on-each-root
   (doseq [e [(ex-info "body" {}) (java.io.IOException. "checked") (AssertionError. "assert") (StackOverflowError.) (OutOfMemoryError.)]
           confined [false true]]
     (let [g (generator (yield! 1) (yield! 2) (throw e))
           log (trace)
           s (gen-seq g {:chunk 8, :confined confined})]
       (is (identical? e (thrown-by (run! log s))))
       (is (= [1 2] @log (take 2 s)) (str e))
       (is (identical? e (thrown-by (count s))) "each time")
       (let [c (cursor g {:chunk 8})]
         (is (= [1 2] [(next! c) (next! c)]))
         (is (identical? e (thrown-by (next! c))))
         (is (= [:end nil] [(next! c :end) (result c)])))))
   (testing "assert"
     (let [log (trace)]
       (is (instance? AssertionError (thrown-by (run! log (generator :chunk 8 (yield! 1) (yield! 2) (assert false))))))
       (is (instance? AssertionError (thrown-by (run! log (gen-seq (generator (yield! 3) (yield! 4) (assert false)) {:chunk 8})))))
       (is (= [1 2 3 4] @log))))))

(deftest large-chunks-cost-nothing-before-they-are-wanted
  (on-each-root
   (let [[g steps] (counted 1000)]
     (is (= [0 1 2] (take 3 (gen-seq g {:chunk 1000000000}))))
     (is (= 32 @steps))
     (is (= (range 1000) (gen-seq g {:chunk 1000000000}) (gen-seq g {:chunk Integer/MAX_VALUE}))))
   (is (= [32 64 100 100 4] (map count (take-while some? (map chunk-first (take-while some? (iterate chunk-next (gen-seq (elements-of (range 300)) {:chunk 100}))))))))))

(deftest cursors-in-chunks
  (on-each-root
   (doseq [chunk [1 2 5 32 100]]
     (with-open [c (cursor (generator (run! yield! (range 10)) :result) {:chunk chunk})]
       (is (= [0 0 1 2 2] [(peek! c) (next! c) (next! c) (peek! c) (next! c)]))
       (is (= [3 4] (into [] (take 2) c)))
       (is (thrown? IllegalStateException (result c)))
       (is (= (range 5 10) (into [] c)))
       (is (= [:end :end :result] [(next! c :end) (peek! c :end) (result c)]))))
   (testing "they lead one way"
     (let [c (cursor (elements-of (range 3)) {:chunk 2})]
       (doseq [wrong [#(send! c 1) #(throw! c (Exception.))]]
         (is (thrown-with-msg? IllegalStateException #"up to 2 elements.*use a cursor without chunks" (wrong))))
       (is (= [0 1 2 nil] [(next! c) (next! c) (next! c) (next! c)]))))
   (testing "and unwind"
     (let [log (trace)
           g (generator (try (run! yield! (range)) (finally (log :unwound))))]
       (is (= [0 1] (with-open [c (cursor g {:chunk 4})] [(next! c) (next! c)])))
       (is (= [:unwound] @log))))
   (testing "for one thread"
     (let [c (cursor (elements-of (range)) {:chunk 4})]
       (is (= 0 (next! c)))
       (is (thrown? WrongThreadException (in-thread (next! c))))
       (is (= 1 (next! c)))))))

(deftest a-body-that-refuses-to-end
  (on-each-root
   (let [g (generator (while true (try (yield! 1) (catch Throwable _))))]
     (doseq [options [nil {:chunk 4}]
             :let [c (cursor g options)]]
       (is (= 1 (next! c)))
       (is (thrown-with-msg? IllegalStateException (re-pattern (str "traversal of " g " refuses to end")) (.close c)))
       (is (nil? (.close c)))))))

;; A body that is busy

(deftest a-second-greenlet-asks-while-the-body-has-switched-away
  (on-each-root
   (let [main (current)
         pull (fn [s] (glet [] (first (rest s))))
         s (seq (generator (yield! 0) (yield! (switch! main :away)) (yield! 2)))
         first-puller (pull s)]
     (is (= :away (switch! first-puller)))
     (testing "the same element: a clear error, for the root and for a greenlet"
       (doseq [ask [#(first (rest s)) #(switch! (pull s)) #(count s) #(doall s)]]
         (let [e (thrown-by (ask))]
           (is (instance? IllegalStateException e))
           (is (re-find #"next element of a generator's seq.*has switched away.*next yield!" (str (ex-message e)))))))
     (is (= 0 (first s)) "what is realised can be read")
     (is (= 1 (switch! first-puller 1)) "and everything goes on")
     (is (= [0 1 2] s)))
   (testing "an iterator"
     (let [main (current)
           it (iterator-of (generator (yield! (switch! main :away)) (yield! 2)))
           g (glet [] (.next it))]
       (is (= :away (switch! g)))
       (is (thrown-with-msg? IllegalStateException #"is pulling from it" (.next it)))
       (is (= 1 (switch! g 1)))
       (is (= 2 (.next it)))))))

(deftest a-confined-seq-refuses-whoever-would-have-to-wait
  (on-each-root
   (let [main (current)
         s (gen-seq (generator (yield! 0) (yield! (switch! main :away)) (yield! 2)) {:confined true})
         more (rest s)
         puller (glet [] (first more))]
     (is (= :away (switch! puller)))
     (doseq [[asks ask refused message] [["the root" #(first more) IllegalStateException #"is pulling from it"]
                                         ["another greenlet" #(switch! (glet [] (first more))) IllegalStateException #"is pulling"]
                                         ["another thread" #(in-thread (first more)) WrongThreadException #"which first pulled"]]]
       (testing asks
         (let [e (thrown-by (ask))]
           (is (instance? refused e))
           (is (re-find message (str (ex-message e)))))))
     (is (not (realized? more)))
     (is (= 1 (switch! puller 1)) "nothing changed")
     (is (= [0 1 2] s))
     (is (= [0 1 2] (in-thread (doall s))) "what is realised, any thread may read"))))

(deftest another-thread-that-is-refused-leaves-a-confined-seq-as-it-is
  (let [shared (atom nil)
        over (atom false)
        other (watchdog/start-thread #(while (not @over)
                                        (when-let [s @shared]
                                          (thrown-by (seq s)))))]
    (try
      (is (= (repeat 2000 (range 3))
             (repeatedly 2000 #(let [s (gen-seq (generator (run! yield! (range 3))) {:confined true})]
                                 (reset! shared (rest (rest (rest s))))
                                 (doall s)))))
      (finally (reset! over true)))
    ((:join other))))

(deftest a-body-that-pulls-from-its-own-seq
  (on-each-root
   (let [self (promise)
         s (seq (generator (yield! 0)
                           (yield! (thrown-by (first (rest @self))))
                           (yield! [:behind (first @self)])
                           (throw (ex-info "its own" {}))))]
     (deliver self s)
     (is (instance? IllegalStateException (second s)))
     (is (re-find #"next element of a generator's seq" (ex-message (second s))))
     (is (= [:behind 0] (nth s 2)) "what is behind it can be read")
     (is (thrown-with-msg? Exception #"its own" (doall s))))
   (testing "through another generator"
     (let [self (promise)
           s (seq (generator (yield! 0) (yield! (vec (generator (yield! (thrown-by (second @self))))))))]
       (deliver self s)
       (is (instance? IllegalStateException (first (second s))))))
   (testing "and an iterator"
     (let [self (promise)
           it (iterator-of (generator (yield! (thrown-by (.next ^Iterator @self))) (yield! 2)))]
       (deliver self it)
       (is (instance? IllegalStateException (.next it)))
       (is (= 2 (.next it)))))))

(deftest seqs-between-greenlets
  (on-each-root
   (testing "one seq, pulled by turns"
     (let [[g steps] (counted 6)
           s (atom (seq g))
           main (current)
           taker (fn [] (glet [] (loop [] (when @s (let [x (first @s)] (swap! s next) (switch! main x) (recur))))))
           a (taker), b (taker)]
       (is (= (range 6) (mapcat (fn [_] [(switch! a) (switch! b)]) (range 3))))
       (is (= 6 @steps))))
   (testing "a pipeline"
     (let [numbers (elements-of (range))
           odds (generator (doseq [x numbers :when (odd? x)] (yield! x)))
           pairs (generator (doseq [[a b] (partition 2 odds)] (yield! a) (yield! (- b))))]
       (is (= [1 -3 5 -7] (take 4 pairs)))
       (is (= [1 -3 5 -7] (into [] (take 4) pairs)))))
   (testing "a greenlet is suspended in the middle of pulling"
     (let [g (glet [] (doall (map (fn [x] (switch! (parent (current)) x)) (elements-of [1 2]))))]
       (is (= 1 (switch! g)))
       (is (= 2 (switch! g :a)))
       (is (= [:a :b] (switch! g :b)))))))

;; Memory: G1

(defn- abandoned
  "A reference to what only the stack of a body refers to whose seq was left after `n` elements."
  [n]
  (let [ref (promise)
        s (seq (generator (let [held (Object.)]
                            (deliver ref (WeakReference. held))
                            (dotimes [i 10] (yield! i))
                            (yield! held))))]
    (nth s n)
    @ref))

(defn- cleared? [^WeakReference r]
  (watchdog/eventually #(nil? (.get r))))

(deftest g1-an-abandoned-seq-is-collected-with-its-body
  (on-each-root
   (is (cleared? (abandoned 0)))
   (is (cleared? (abandoned 5)))))

(deftest a-seq-does-not-hold-what-is-behind-it
  (on-each-root
   (let [[ref more] ((fn [] (let [s (seq (generator (dotimes [_ 3] (yield! (Object.)))))]
                              [(WeakReference. (first s)) (rest s)])))]
     (is (cleared? ref))
     (is (= 2 (count more))))
   (testing "nor does reduce or count"
     (doseq [[what walk] {"reduce" #(reduce (fn [_ x] (x)) nil %)
                          "reduce without init" #(reduce (fn [_ x] (x)) %)
                          "run!" #(run! (fn [x] (x)) %)
                          "transduce" #(transduce (map (fn [x] (x))) (constantly nil) nil %)
                          "count" count}]
       (testing what
         (let [ref (promise)
               first-cleared (promise)]
           (walk ((fn [] (seq (generator (yield! (let [x (fn [])] (deliver ref (WeakReference. x)) x))
                                         (yield! (fn []))
                                         (deliver first-cleared (cleared? @ref)))))))
           (is (true? @first-cleared))))))
   (testing "nor its body what it has yielded"
     (let [[ref more] ((fn [] (let [s (seq (generator (dotimes [_ 3] (yield! (Object.)))))]
                                [(WeakReference. (second s)) (nthrest s 2)])))]
       (is (cleared? ref))
       (is (= 1 (count more)))))))

;; The same as a vector, whatever is asked

(def ^:private questions
  (gen/elements
   [seq rest next first second last #(count (seq %)) vec reverse #(take 3 %) #(drop 3 %) #(filter even? %) #(map inc %) #(partition-all 2 %)
    #(reductions + %) #(nth (seq %) 3 :none) #(apply + %) #(into #{} %) #(sort %) #(interleave % %) #(split-at 2 %) #(butlast %)
    #(take-nth 2 %) #(group-by odd? %) #(concat % %) #(mapcat list % %) #(drop-while even? %) empty? #(some even? %)
    #(zipmap % %) #(reduce - 0 %) #(map-indexed vector %) #(cons 1 %) #(sequence (take 2) %) #(interpose 0 %) #(dedupe %)]))

(defspec ^:random a-generator-answers-as-a-vector-does (times 500)
  (prop/for-all [v (gen/vector gen/nat), ask questions]
                (let [expected (let [r (ask v)] (if (seq? r) (doall r) r))]
                  (and (= expected (ask (elements-of v)))
                       (= expected (ask (or (seq (elements-of v)) ())))))))

(deftest a-thousand-virtual-threads-each-with-a-seq
  (let [work (fn [n]
               #(let [log (trace)]
                  (doseq [x (take 5 (generator (loop [i n] (log [:make i]) (yield! i) (recur (inc i)))))] (log [:use x]))
                  [@log (= (range n (+ n 20)) (seq (elements-of (range n (+ n 20))))) (vec (elements-of (range n (+ n 20))))]))]
    (is (= (for [n (range 1000)]
             [(mapcat (fn [i] [[:make i] [:use i]]) (range n (+ n 5))) true (range n (+ n 20))])
           (watchdog/call-in-threads {:virtual true} (map work (range 1000)))))))
