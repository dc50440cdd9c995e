(ns greenlet.bindings-test
  "Dynamic bindings in greenlets and generators: rules B1 to B3. A body sees what was bound where it was made; what it
  binds it sees alone, also while it is suspended; nor does it see what others bind meanwhile."
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [greenlet.core :refer [current cursor engine gen-seq generator glet greenlet parent switch! throw! yield! yield-all!]]
            [greenlet.watchdog :as watchdog :refer [in-thread on-each-root trace]])
  (:import (java.util Iterator)
           (java.util.stream StreamSupport)))

(set! *warn-on-reflection* true)

(def ^:dynamic *x* :root)

;; Greenlets

(deftest b1-a-greenlet-sees-the-bindings-of-its-creation
  (on-each-root
   (let [g (binding [*x* :made] (glet [] *x*))]
     (is (= :made (binding [*x* :switched] (switch! g)))))
   (testing "the thread's own where nothing is bound"
     (let [g (glet [] *x*)]
       (is (= :root (binding [*x* :switched] (switch! g))))))
   (testing "wherever it is resumed from"
     (let [main (current)
           g (binding [*x* :made] (glet [] (switch! main *x*) (switch! main *x*) *x*))]
       (is (= [:made :made :made]
              [(switch! g) (binding [*x* 1] (switch! g)) (switch! (binding [*x* 2] (glet [] (switch! g))))]))))
   (testing "and the greenlets that it makes"
     (let [g (binding [*x* :outer] (glet [] (switch! (binding [*x* [*x* :inner]] (glet [] *x*)))))]
       (is (= [:outer :inner] (switch! g)))))))

(deftest b1-a-parent-that-is-started-by-a-result-has-its-own
  (on-each-root
   (let [p (binding [*x* :parent] (glet [x] [x *x*]))
         g (binding [*x* :child] (greenlet (fn [] *x*) {:parent p}))]
     (is (= [:child :parent] (binding [*x* :caller] (switch! g)))))))

(deftest b2-binding-in-a-body-is-seen-there-alone
  (on-each-root
   (let [main (current)
         log (trace)
         g (glet []
             (binding [*x* :inside]
               (log [:body *x*])
               (switch! main)
               (log [:body *x*])
               (binding [*x* :deeper]
                 (switch! main)
                 (log [:body *x*]))
               (log [:body *x*]))
             (log [:body *x*])
             (switch! main)
             :over)]
     (dotimes [_ 3]
       (switch! g)
       (log [:main *x*]))
     (binding [*x* :mains]
       (switch! g)
       (log [:main *x*]))
     (is (= [[:body :inside] [:main :root]
             [:body :inside] [:main :root]
             [:body :deeper] [:body :inside] [:body :root] [:main :root]
             [:main :mains]]
            @log)))))

(deftest b2-an-exception-out-of-a-binding
  (on-each-root
   (binding [*x* :mains]
     (let [main (current)
           log (trace)
           g (glet [] (try (binding [*x* :inside] (switch! main)) (finally (log *x*))))]
       (switch! g)
       (throw! g)
       (is (= [:mains] @log))
       (is (= :mains *x*))
       (is (thrown? Exception (switch! (glet [] (binding [*x* :inside] (throw (Exception.)))))))
       (is (= :mains *x*))))))

(deftest b2-set!-of-what-the-body-bound
  (on-each-root
   (let [main (current)
         g (glet [] (binding [*x* 0] (dotimes [_ 3] (switch! main *x*) (set! *x* (inc (long *x*)))) *x*))]
     (is (= [0 1 2 3] (vec (repeatedly 4 #(switch! g)))))
     (is (= :root *x*)))))

(deftest set!-of-what-was-bound-outside
  (on-each-root
   (binding [*x* :outside]
     (let [seen (switch! (glet [] (try (set! *x* :inside) (catch IllegalStateException _ :refused))))]
       (is (= (if (str/starts-with? (engine) "continuation") [:inside :inside] [:refused :outside])
              [seen *x*]))))
   (is (= :root *x*))))

(deftest b2-four-that-count-each-for-itself
  (on-each-root
   (let [main (current)
         log (trace)
         counter (fn [i] (glet []
                           (binding [*x* *x*]
                             (dotimes [_ 2]
                               (set! *x* (inc (long *x*)))
                               (log [i *x*])
                               (switch! main)))))
         gs (binding [*x* 0] (mapv counter (range 4)))]
     (testing "interleaved, ended in the order of their creation or not"
       (run! switch! gs)
       (run! switch! (rseq gs))
       (run! switch! (map gs [2 0 3 1])))
     (is (= [[0 1] [1 1] [2 1] [3 1] [3 2] [2 2] [1 2] [0 2]] @log))
     (is (= :root *x*)))))

(deftest b1-what-is-bound-may-be-shared
  (on-each-root
   (let [main (current)
         gs (binding [*x* (atom [])]
              (mapv (fn [i] (glet [] (swap! *x* conj i) (switch! main) (swap! *x* conj i) @*x*)) (range 3)))]
     (run! switch! gs)
     (is (= [0 1 2 0 1 2] (peek (mapv switch! gs)))))))

(deftest b3-what-others-bind-meanwhile
  (on-each-root
   (let [main (current)
         g (binding [*x* :made] (glet [] (loop [] (switch! main *x*) (recur))))
         other (binding [*x* :other] (glet [] (binding [*x* :others] (switch! g))))]
     (is (= :made (binding [*x* 1] (switch! g))))
     (is (= :made (binding [*x* 2] (switch! other))))
     (is (= :root *x*)))))

(deftest b1-bindings-and-another-thread
  (testing "an unstarted greenlet that is moved to another thread keeps the bindings of its creation"
    (let [g (binding [*x* :made] (glet [] *x*))]
      (is (= :made (in-thread (switch! (greenlet.core/set-parent! g (current)))))))))

;; Generators, pushed and pulled

(defn- with-iterator
  "The elements of `it`, each call of which goes through (around n call)."
  [^Iterator it around]
  (loop [n 0, seen []]
    (if (around n #(.hasNext it))
      (recur (inc n) (conj seen (around n #(.next it))))
      seen)))

(def ^:private traversals
  "Name → function of a generator to the vector of its elements. Each pull happens under another binding of *x*."
  {"reduce" #(binding [*x* :consumer] (reduce conj [] %))
   "reduce from the first" #(let [begun (volatile! false)]
                              (binding [*x* :consumer]
                                (reduce (fn [a b] (if @begun (conj a b) (do (vreset! begun true) [a b]))) %)))
   "seq" #(loop [seen [], n 0, s (binding [*x* [:pull 0]] (seq %))]
            (if s
              (recur (conj seen (first s)) (inc n) (binding [*x* [:pull n]] (next s)))
              seen))
   "iterator" #(with-iterator (.iterator ^Iterable %) (fn [n f] (binding [*x* [:pull n]] (f))))
   "cursor" #(with-open [c (cursor %)] (with-iterator c (fn [n f] (binding [*x* [:pull n]] (f)))))
   "chunked cursor" #(with-open [c (cursor % {:chunk 2})] (with-iterator c (fn [n f] (binding [*x* [:pull n]] (f)))))
   "confined seq" #(loop [seen [], n 0, s (binding [*x* [:pull 0]] (gen-seq % {:confined true}))]
                     (if s (recur (conj seen (first s)) (inc n) (binding [*x* [:pull n]] (next s))) seen))
   "chunked seq" #(binding [*x* :consumer] (vec (gen-seq % {:chunk 2})))
   "stream" #(binding [*x* :consumer] (vec (.toArray (StreamSupport/stream (.spliterator ^Iterable %) false))))
   "eduction" #(binding [*x* :consumer] (into [] (eduction (map identity) %)))
   "sequence" #(binding [*x* :consumer] (vec (sequence (map identity) %)))})

(defn- each-traversal [g expected]
  (doseq [[name elements] traversals]
    (testing name
      (is (= expected (elements g)))
      (is (= :root *x*)))))

(deftest b1-a-generator-sees-the-bindings-of-its-creation
  (on-each-root
   (each-traversal (binding [*x* :made] (generator (yield! *x*) (yield! [*x*]) (yield! *x*)))
                   [:made [:made] :made])
   (each-traversal (generator (yield! *x*) (yield! *x*)) [:root :root])))

(deftest b2-binding-in-a-generators-body
  (on-each-root
   (each-traversal (binding [*x* :made]
                     (generator
                      (yield! *x*)
                      (binding [*x* :inside]
                        (yield! *x*)
                        (binding [*x* :deeper] (yield! *x*))
                        (yield! *x*))
                      (yield! *x*)))
                   [:made :inside :deeper :inside :made])
   (testing "set! of it"
     (each-traversal (generator (binding [*x* 0] (dotimes [_ 3] (yield! *x*) (set! *x* (inc (long *x*))))))
                     [0 1 2]))))

(deftest b2-the-consumer-does-not-see-it
  (on-each-root
   (let [g (generator (binding [*x* :inside] (dotimes [i 3] (yield! i))))]
     (testing "push: the reducing function runs in the consumer's bindings"
       (is (= [[0 :root] [1 :root] [2 :root]] (reduce #(conj %1 [%2 *x*]) [] g)))
       (is (= [[0 :mine] [1 :mine] [2 :mine]] (binding [*x* :mine] (into [] (map (fn [i] [i *x*])) g))))
       (is (= [[0 :mine] [1 :mine] [2 :mine]]
              (let [seen (atom [])] (binding [*x* :mine] (run! #(swap! seen conj [% *x*]) g)) @seen))))
     (testing "pull: between two pulls"
       (loop [s (seq g)]
         (is (= :root *x*))
         (when s (recur (next s))))
       (binding [*x* :mine]
         (doseq [_ g] (is (= :mine *x*)))
         (let [it (.iterator ^Iterable g)]
           (while (.hasNext it) (.next it) (is (= :mine *x*)))))))))

(deftest b3-what-the-consumer-binds-in-a-step
  (on-each-root
   (let [seen (trace)
         g (generator (dotimes [i 3] (yield! i) (seen *x*)))]
     (reduce (fn [_ i] (binding [*x* [:step i]] *x*)) nil g)
     (reduce (fn [_ i] (binding [*x* [:step i]] (if (= i 1) (reduced nil) *x*))) nil g)
     (is (= [:root :root :root :root] @seen)))))

(deftest b2-after-an-early-end-or-an-exception
  (on-each-root
   (binding [*x* :mine]
     (let [seen (trace)
           g (binding [*x* :made]
               (generator (try (binding [*x* :inside] (yield! 1) (yield! 2)) (finally (seen *x*)))))]
       (is (= 1 (reduce (fn [_ x] (reduced x)) nil g)))
       (is (= :mine *x*))
       (is (thrown-with-msg? Exception #"step" (reduce (fn [_ _] (throw (Exception. "step"))) nil g)))
       (is (= :mine *x*))
       (is (thrown-with-msg? Exception #"body" (reduce + (generator (binding [*x* 1] (throw (Exception. "body")))))))
       (is (= :mine *x*))
       (is (thrown-with-msg? Exception #"body" (seq (generator (binding [*x* 1] (throw (Exception. "body")))))))
       (is (= :mine *x*))
       (is (= [:made :made] @seen))))))

(deftest b1-a-generator-that-reduces-another
  (on-each-root
   (let [inner (binding [*x* :inner] (generator (yield! *x*) (binding [*x* :inner-inside] (yield! *x*)) (yield! *x*)))
         outer (binding [*x* :outer]
                 (generator
                  (yield! *x*)
                  (reduce (fn [_ x] (yield! [x *x*])) nil inner)
                  (binding [*x* :outer-inside] (run! #(yield! [% *x*]) inner))
                  (doseq [x (seq inner)] (yield! [x *x*]))
                  (yield! *x*)))
         elements [:inner :inner-inside :inner]]
     (each-traversal outer (-> [:outer]
                               (into (map #(vector % :outer)) elements)
                               (into (map #(vector % :outer-inside)) elements)
                               (into (map #(vector % :outer)) elements)
                               (conj :outer))))))

(deftest b1-yield-all!-of-generators-made-under-other-bindings
  (on-each-root
   (let [innermost (binding [*x* :innermost] (generator (yield! *x*)))
         inner (binding [*x* :inner]
                 (generator (yield! *x*) (yield-all! innermost) (binding [*x* :inner-inside] (yield! *x*) (yield-all! innermost))))
         outer (binding [*x* :outer]
                 (generator (yield! *x*) (yield-all! inner) (yield! *x*) (binding [*x* :bound] (yield-all! inner) (yield! *x*))
                            (yield-all! (map (fn [i] [i *x*]) [1 2])) (yield! *x*)))
         inners [:inner :innermost :inner-inside :innermost]]
     (each-traversal outer (vec (concat [:outer] inners [:outer] inners [:bound] [[1 :outer] [2 :outer]] [:outer]))))))

(deftest b1-recursive-generators-under-ever-other-bindings
  (on-each-root
   (letfn [(nest [n] (when (pos? (long n))
                       (binding [*x* n] (generator (yield! *x*) (some-> (nest (dec (long n))) yield-all!) (yield! *x*)))))]
     (each-traversal (nest 6) [6 5 4 3 2 1 1 2 3 4 5 6]))))

(deftest a-body-that-switches-keeps-its-bindings
  (on-each-root
   (let [main (current)
         echo (binding [*x* :echo] (glet [x] (loop [x x] (recur (switch! main [x *x*])))))
         outsider (binding [*x* :outsider] (glet [go] (go)))
         g (binding [*x* :made] (generator (dotimes [i 2] (yield! [(switch! echo i) *x*]))))]
     (each-traversal g [[[0 :echo] :made] [[1 :echo] :made]])
     (testing "and is suspended along with its puller"
       (let [g (binding [*x* :made]
                 (generator (binding [*x* :inside] (yield! [(switch! (parent (current)) :out) *x*]))))]
         (is (= :out (switch! outsider #(binding [*x* :pulls] [(vec g) *x*]))))
         (is (= :root *x*))
         (is (= [[[:in :inside]] :pulls] (binding [*x* :meanwhile] (switch! outsider :in)))))))))

(deftest b1-a-seq-continued-by-another-thread
  (let [g (binding [*x* :made] (generator (yield! *x*) (binding [*x* :inside] (yield! *x*) (yield! *x*)) (yield! *x*)))
        s (binding [*x* :first] (next g))]
    (is (= [:inside :inside :made] (watchdog/call-in-thread {:virtual true} #(binding [*x* :second] (vec s)))))))
