(ns greenlet.event-test
  "Tasks that wait for events: what arrives, in which order, and that no listener is left behind."
  (:require [clojure.test :refer [deftest is testing use-fixtures]]
            [greenlet.core :as g :refer [cursor generator next! yield!]]
            [greenlet.event :as event :refer [await-event! events listen listener-source listener-source*]]
            [greenlet.hub :as hub :refer [kill! result run sleep! spawn timeout]]
            [greenlet.test :refer [check-leaks]]
            [greenlet.watchdog :as watchdog :refer [leaves-suspended on-each-root thrown-by trace]])
  (:import (clojure.lang IRef)
           (java.beans PropertyChangeEvent PropertyChangeListener PropertyChangeSupport)
           (greenlet.hub Task)
           (java.util.concurrent CompletableFuture CountDownLatch Executors ExecutorService TimeUnit)
           (java.util.function IntBinaryOperator)))

(set! *warn-on-reflection* true)

(use-fixtures :each check-leaks)

(defn- watchers [^IRef r]
  (count (.getWatches r)))

(defn- bell
  "A source that rings by `(ring event)`, for whoever listens, at once."
  []
  (let [listeners (atom #{})]
    {:source (fn [callback]
               (swap! listeners conj callback)
               #(swap! listeners disj callback))
     :ring (fn [event] (run! #(% event) @listeners))
     :listeners #(count @listeners)}))

(deftest clojures-references-are-sources
  (on-each-root
   (let [v (intern *ns* (gensym "a-var") 0)
         references [[(atom 0) #(reset! % 1)]
                     [(ref 0) #(dosync (ref-set % 1))]
                     [(agent 0) #(send % inc)]
                     [v #(alter-var-root % inc)]]]
     (doseq [[r change] references]
       (is (= 1 (run (spawn change r) (await-event! r))) (str (class r)))
       (is (= 0 (watchers r)) (str (class r)))))))

(deftest an-event-wakes-the-task-that-waits
  (on-each-root
   (let [{:keys [source ring listeners]} (bell)
         said (trace)]
     (run
       (let [t (spawn #(said [:got (await-event! source)]))]
         (is (= 0 (listeners)) "the task has not begun")
         (sleep! 0)
         (is (= 1 (listeners)))
         (ring :a)
         (ring :b)
         (said :rung)
         (result t)
         (is (= 0 (listeners)))))
     (is (= [:rung [:got :a]] @said) "the first event, in the task's own turn"))))

(deftest events-may-come-at-once-and-be-nil
  (on-each-root
   (is (nil? (run (await-event! (fn [callback] (callback nil) #())))))
   (is (= [nil :b] (run (into [] (take 2) (events (fn [callback] (callback nil) (callback :b) #()))))))))

(deftest other-threads-may-call-back
  (on-each-root
   (let [{:keys [source ring listeners]} (bell)
         said (trace)]
     (run
       (let [listening (promise)
             there (watchdog/start-thread #(do @listening (ring :from-there)))]
         (spawn #(do (said :others-run) (deliver listening true)))
         (said (await-event! source))
         ((:join there))))
     (is (= [:others-run :from-there] @said))
     (is (= 0 (listeners))))))

(deftest a-wait-that-is-given-up-leaves-no-listener
  (on-each-root
   (let [{:keys [source listeners]} (bell)
         a (atom 0)]
     (testing "by a kill"
       (run
         (let [t (spawn #(await-event! {:bell source, :atom a}))]
           (sleep! 0)
           (is (= [1 1] [(listeners) (watchers a)]))
           (kill! t)
           (is (= [0 0] [(listeners) (watchers a)])))))
     (testing "by a limit, in virtual time"
       (is (= [:late 5.0] (run :time :virtual [(timeout 5 :else :late (await-event! source)) (hub/now)])))
       (is (= 0 (listeners))))
     (testing "by an exception"
       (run
         (let [t (spawn #(try (await-event! source) (catch IllegalStateException e (ex-message e))))]
           (sleep! 0)
           (hub/interrupt! t (IllegalStateException. "hurry"))
           (is (= "hurry" (result t)))
           (is (= 0 (listeners))))))
     (testing "by the end of the hub"
       (run (spawn #(await-event! source)) (sleep! 0))
       (is (= 0 (listeners)))))))

(deftest of-several-sources-the-first-wins
  (on-each-root
   (let [[a b] [(atom 0) (atom 0)]
         {:keys [source ring listeners]} (bell)]
     (run
       (let [wait #(spawn (fn [] (await-event! {:a a, :others {:b b, :bell source}})))
             first-wait (wait)]
         (sleep! 0)
         (swap! b inc)
         (swap! a inc)
         (is (= [:others [:b 1]] (result first-wait)))
         (is (= [0 0 0] [(watchers a) (watchers b) (listeners)]))
         (let [second-wait (wait)]
           (sleep! 0)
           (ring :ding)
           (is (= [:others [:bell :ding]] (result second-wait)))
           (is (= [0 0 0] [(watchers a) (watchers b) (listeners)]))))))))

(deftest a-source-that-fails-leaves-the-others-alone
  (on-each-root
   (let [a (atom 0)
         stopped (trace)]
     (testing "when listening begins"
       (let [sources (array-map :a a, :b (fn [_] (throw (IllegalStateException. "no"))))]
         (is (= "no" (ex-message (thrown-by (run (await-event! sources)))))))
       (is (= 0 (watchers a))))
     (testing "when it ends: all are ended, and the failure comes out"
       (let [sources (array-map :a a
                                :b (fn [callback] (callback 1) #(throw (IllegalStateException. "no")))
                                :c (fn [_] #(stopped :c)))]
         (is (= "no" (ex-message (thrown-by (run (await-event! sources)))))))
       (is (= 0 (watchers a)))
       (is (= [:c] @stopped))))))

(deftest outside-of-tasks-the-threads-own-hub-waits
  (on-each-root
   (let [a (atom 0)]
     (spawn swap! a inc)
     (is (= 1 (await-event! a)))
     (is (= 0 (watchers a))))))

(deftest waits-may-be-deep
  (on-each-root
   (let [a (atom 0)]
     (is (= [[:seen 1] [:seen 2]]
            (run
              (spawn #(dotimes [_ 2] (sleep! 0) (swap! a inc)))
              (with-open [c (cursor (generator (run! (fn [_] (yield! [:seen (await-event! a)])) (range))))]
                [(next! c) (next! c)]))))
     (is (= 0 (watchers a))))))

(deftest events-have-no-gaps
  (on-each-root
   (let [a (atom 0)
         burst #(dotimes [_ 3] (swap! a inc))]
     (run
       (with-open [c (cursor (events a))]
         (is (= 0 (watchers a)) "listens from the first pull on")
         (spawn burst)
         (is (= 1 (next! c)))
         (is (= 1 (watchers a)) "also between waits")
         (burst)
         (is (= [2 3 4 5 6] (vec (repeatedly 5 #(next! c)))))
         (let [more (spawn burst)]
           (is (= 7 (next! c)))
           (hub/join more))))
     (is (= 0 (watchers a)) "and not after the end"))))

(deftest events-end-with-their-traversal
  (on-each-root
   (let [a (atom 0)
         count-up #(spawn (fn [] (dotimes [_ 5] (swap! a inc))))]
     (testing "by reduced"
       (is (= [1 3] (run (count-up) (into [] (comp (filter odd?) (take 2)) (events a)))))
       (is (= 0 (watchers a))))
     (testing "by a kill"
       (run
         (let [t (spawn #(run! identity (events a)))]
           (sleep! 0)
           (is (= 1 (watchers a)))
           (kill! t)
           (is (= 0 (watchers a))))))
     (testing "by a limit"
       (is (= :late (run :time :virtual (timeout 1 :else :late (run! identity (events a))))))
       (is (= 0 (watchers a))))
     (testing "each traversal listens for itself"
       (run
         (let [source (events a)
               [s t] (repeatedly 2 #(spawn (fn [] (into [] (take 2) source))))]
           (sleep! 0)
           (is (= 2 (watchers a)))
           (reset! a :x)
           (reset! a :y)
           (is (= [[:x :y] [:x :y]] [(result s) (result t)]))))))))

(deftest a-seq-of-events-is-walked-in-a-task
  (leaves-suspended "a seq that is only forgotten"
    (on-each-root
     (let [a (atom 0)]
       (run
         (spawn #(dotimes [_ 3] (swap! a inc)))
         (is (= [1 2 3] (take 3 (events a)))))))))

(deftest sliding-keeps-the-latest
  (on-each-root
   (let [{:keys [source ring]} (bell)]
     (run
       (with-open [c (cursor (events source {:sliding 2}))]
         (spawn #(run! ring (range 5)))
         (is (= [3 4] [(next! c) (next! c)]))
         (spawn ring :next)
         (is (= :next (next! c))))))))

(deftest events-of-many-threads-all-arrive-each-threads-in-their-order
  (on-each-root
   (let [{:keys [source ring listeners]} (bell)
         threads 4, each 500
         begin (CountDownLatch. 1)
         senders (mapv (fn [i] (watchdog/start-thread
                                (bound-fn [] (watchdog/await-latch begin) (dotimes [n each] (ring [i n])))))
                       (range threads))
         seen (run
                (with-open [c (cursor (events source))]
                  (spawn #(.countDown begin))
                  (vec (repeatedly (* threads each) #(next! c)))))]
     (run! #((:join %)) senders)
     (is (= (zipmap (range threads) (repeat (range each)))
            (update-vals (group-by first seen) #(map second %))))
     (is (= 0 (listeners))))))

(deftest an-event-that-comes-just-before-the-wait-is-not-lost
  (on-each-root
   (let [{:keys [source ring]} (bell)
         await! hub/await!
         between (delay (ring :between))] ; a look at what is kept, and the wait
     (with-redefs [hub/await! (fn [source] @between (await! source))]
       (is (= :between (run :time :virtual (timeout 1 :else :lost (with-open [c (cursor (events source))] (next! c))))))))))

(deftest events-reach-a-hub-in-somebody-elses-loop
  (let [^ExecutorService loop (Executors/newSingleThreadExecutor)
        {:keys [source ring listeners]} (bell)
        said (trace)]
    (try
      (let [h (hub/hub-on loop)
            ^Task t (spawn {:hub h} #(run! said (eduction (take 3) (events source))))
            within #(deref (.submit loop ^Callable %) 60000 :late)]
        (within (fn []))
        (while (zero? (long (within listeners))))
        (within #(do (ring 1) (ring 2) (said :listeners-have-returned)))
        (ring 3)
        (.get ^CompletableFuture (.toCompletableFuture t) 60 TimeUnit/SECONDS)
        (is (= [:listeners-have-returned 1 2 3] @said))
        (is (= 0 (listeners))))
      (finally (.close loop)))))

;; Listeners of Java

(definterface Listener
  (opened [])
  (^boolean mayClose [what])
  (^long weigh [a ^long b]))

(deftype Registry [^java.util.List listeners]
  Object
  (toString [_] (str (.size listeners))))

(defn- registry [] (Registry. (java.util.ArrayList.)))
(defn- add-listener [^Registry r l] (.add ^java.util.List (.-listeners r) l))
(defn- remove-listener [^Registry r l] (.remove ^java.util.List (.-listeners r) ^Object l))
(defn- fire [^Registry r f] (mapv f (.-listeners r)))

(defn- registry-source [r]
  (listener-source r greenlet.event_test.Listener add-listener remove-listener))

(deftest listeners-of-java-objects
  (on-each-root
   (let [p (PropertyChangeSupport. :bean)
         new-value (fn [^PropertyChangeEvent e] (.getNewValue e))]
     (testing "by the names that JavaBeans has"
       (run
         (spawn #(.firePropertyChange p "age" 41 42))
         (is (= 42 (new-value (await-event! (listener-source p PropertyChangeListener))))))
       (is (= 0 (count (.getPropertyChangeListeners p)))))
     (testing "by names and arguments, which are evaluated when it listens"
       (run
         (spawn #(do (.firePropertyChange p "name" "a" "b") (.firePropertyChange p "age" 41 42)))
         (is (= 42 (new-value (await-event! (listener-source p java.beans.PropertyChangeListener
                                                             (.addPropertyChangeListener "age")
                                                             (.removePropertyChangeListener "age")))))))
       (is (= 0 (count (.getPropertyChangeListeners p "age"))))))))

(deftest what-a-listeners-methods-get-and-return
  (on-each-root
   (let [r (registry)
         call (fn [f] (run (let [returned (spawn fire r f)]
                             [(await-event! (registry-source r)) (result returned)])))]
     (is (= [nil [nil]] (call #(.opened ^Listener %))))
     (is (= [:door [false]] (call #(.mayClose ^Listener % :door))))
     (is (= [[:a 2] [0]] (call #(.weigh ^Listener % :a 2))))
     (is (= "0" (str r))))))

(deftest one-method-of-a-listener
  (on-each-root
   (let [r (registry)]
     (run
       (spawn fire r (fn [^Listener l] (.opened l) (.weigh l 1 2) (.mayClose l :door)))
       (is (= :door (await-event! (listener-source r greenlet.event_test.Listener/mayClose
                                                   add-listener remove-listener))))))))

(deftest a-listener-is-an-object-like-others
  (on-each-root
   (let [r (registry)
         stop (listen (registry-source r) identity)
         stop-too (listen (registry-source r) identity)
         [a b] (fire r identity)]
     (is (= a a))
     (is (not= a b))
     (is (= (hash a) (hash a)))
     (is (= "a listener of greenlet.event for greenlet.event_test.Listener" (str a)))
     (stop)
     (is (= [b] (fire r identity)) "removes its own")
     (stop-too)
     (is (= [] (fire r identity))))))

(deftest default-methods-that-are-no-events-run
  (let [calls (trace)
        registered (atom nil)
        stop (listen (listener-source* java.util.Comparator "compare" #(reset! registered %) (fn [_])) calls)]
    (is (= 0 (.compare ^java.util.Comparator (.reversed ^java.util.Comparator @registered) :a :b)))
    (is (= [[:b :a]] @calls))
    (stop)))

(deftest wrong-calls-are-refused
  (on-each-root
   (doseq [[source part] [[nil "nil is no source"]
                          [:a ":a is no source"]
                          [(repeat 1) "is no source"]
                          [{:a nil} "nil is no source"]
                          [(fn [_]) "must return a function that stops listening"]]
           wait [await-event! #(first (events %))]]
     (let [e (thrown-by (run (wait source)))]
       (is (instance? IllegalArgumentException e))
       (is (re-find (re-pattern part) (str (ex-message e))))))
   (doseq [[part f] {"a map" #(events (atom 0) 1)
                     ":size" #(events (atom 0) {:size 1})
                     ":sliding is a positive number" #(events (atom 0) {:sliding 0})
                     "made of an interface; got class java.lang.Class" #(listener-source* String identity identity)
                     "made of an interface; got :a" #(listener-source* :a identity identity)
                     "Operator has no method \"apply\"" #(listener-source* IntBinaryOperator "apply" identity identity)}]
     (let [e (thrown-by (f))]
       (is (instance? IllegalArgumentException e))
       (is (re-find (re-pattern part) (str (ex-message e))))))))

(deftest stacks-are-the-users
  (on-each-root
   (let [a (atom 0)]
     (run
       (let [t (spawn #(await-event! a))]
         (sleep! 0)
         (is (not-any? #(re-find #"^greenlet\.event(\$|$)" (.getClassName ^StackTraceElement %)) (hub/stack t)))
         (kill! t))))))
