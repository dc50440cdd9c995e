(ns greenlet.core-test
  "Greenlets through the Clojure API, rule by rule; the rules are named as in the contract: S1 … D1."
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [greenlet.core :as g :refer [active? current dead? glet greenlet parent set-listener! set-parent! switch! throw! yield!]]
            [greenlet.watchdog :as watchdog :refer [in-thread on-each-root thrown-by trace]])
  (:import (clojure.asm ClassWriter Opcodes)
           (clojure.lang ArityException DynamicClassLoader)
           (greenlet Greenlet GreenletExit)
           (java.lang WrongThreadException)
           (java.lang.management ManagementFactory)
           (java.lang.ref WeakReference)
           (java.util ArrayList)
           (java.util.concurrent TimeUnit)
           (java.util.concurrent.locks ReentrantLock)))

(set! *warn-on-reflection* true)

(defn- exit? [x] (instance? GreenletExit x))

(defn- suspended
  "A greenlet that has been started and sends each value it gets back to `to`."
  ([] (suspended (current)))
  ([to]
   (doto (glet [] (loop [] (switch! to (switch! to)) (recur)))
     (switch!))))

(defn- finished []
  (doto (glet [] :over) (switch!)))

;; States and creation

(deftest states
  (on-each-root
   (let [main (current)
         seen (fn [g] [(active? g) (dead? g) (boolean (seq (g/stack g)))])
         g (glet [] (switch! main :suspended) :finished)]
     (testing "S1: unstarted"
       (is (= [false false false] (seen g))))
     (testing "S3: suspended"
       (is (= :suspended (switch! g)))
       (is (= [true false true] (seen g))))
     (testing "S4: finished"
       (is (= :finished (switch! g)))
       (is (= [false true false] (seen g))))
     (testing "S2: running; S5: a root"
       (is (= [true false true] (seen main)))
       (is (= [true false true] (switch! (glet [] (seen (current))))))
       (is (= [true false true] (switch! (glet [] (seen main)))))
       (is (nil? (parent main)))))))

(deftest s6-of-a-thread-that-has-ended
  (doseq [virtual [false true]]
    (let [[root g done] (watchdog/call-in-thread {:virtual virtual} (fn [] [(current) (suspended) (finished)]))]
      (doseq [g [root g done]]
        (is (= [false true []] [(active? g) (dead? g) (g/stack g)]))
        (is (thrown-with-msg? WrongThreadException #"has ended" (switch! g)))
        (is (thrown-with-msg? WrongThreadException #"has ended" (throw! g)))))))

(deftest s7-unstarted-below-a-thread-that-has-ended
  (on-each-root
   (let [[g child] (in-thread (let [g (glet [x] [:ran x])] [g (greenlet inc {:parent g})]))]
     (is (= [false false] [(active? g) (dead? g)]))
     (is (thrown-with-msg? WrongThreadException #"has ended; give it a parent in a thread that is alive" (switch! g 1)))
     (is (thrown? WrongThreadException (switch! child 1)))
     (is (= [false false] [(active? g) (dead? g)]) "nothing changed")
     (is (= [:ran 2] (switch! (set-parent! g (current)) 2)))
     (is (= 4 (switch! child 3)) "its lineage leads here now"))))

(deftest s8-text
  (watchdog/call-in-thread
   {:name "home"}
   (bound-fn []
     (let [text (fn [what g] (is (re-find what (str g))))
           g (greenlet #(switch! (parent (current))) {:name "worker"})]
       (text #"root, running, thread \"home\"" (current))
       (text #"worker, unstarted, thread \"home\"" g)
       (switch! g)
       (text #"worker, suspended, thread \"home\"" g)
       (switch! g)
       (text #"worker, finished" g)
       (switch! (glet [] (text #"root, suspended" (parent (current)))))
       (is (not= (str (glet [])) (str (glet []))) "the nameless are told apart by a number"))))
  (is (re-find #"dead.*has ended" (str (in-thread (suspended))))))

(deftest creation
  (on-each-root
   (let [main (current)
         log (trace)]
     (testing "C1: the parent is the current greenlet, or the one that is given"
       (is (identical? main (parent (glet []))))
       (is (identical? main (parent (greenlet + {:parent nil}))) "nil: as if it were not given")
       (let [[child maker] (switch! (glet [] [(glet []) (current)]))]
         (is (identical? maker (parent child))))
       (let [p (glet [])]
         (is (identical? p (parent (greenlet + {:parent p}))))))
     (testing "C2: no code runs before the first switch"
       (let [g (glet [] (log :ran))]
         (is (= [] @log))
         (switch! g)
         (is (= [:ran] @log))))
     (testing "glet takes what fn takes"
       (is (= [1 2 [3 4]] (switch! (glet [{:keys [a]} [b] & more] [a b (vec more)]) {:a 1} [2] 3 4)))
       (is (= [1 {:k 2}] (switch! (glet [x & {:as m}] [x m]) 1 :k 2))))
     (testing "any function will do for a body"
       (is (= 1 (switch! (greenlet :a) {:a 1})))
       (is (= 3 (switch! (greenlet #'+) 1 2)))))))

(deftest c3-the-thread-is-decided-at-the-first-switch
  (let [g (glet [x] [x (parent (current))])]
    (on-each-root
     (let [here (current)
           g (greenlet (fn [x] [x (identical? here (parent (current)))]) {:parent g})
           moved (in-thread
                  (set-parent! g (current))
                  [(switch! g :there) (thrown-by (switch! (set-parent! (glet []) here)))])]
       (is (= [:there false] (first moved)))
       (is (instance? WrongThreadException (second moved)))))))

;; Values

(deftest v1-the-first-values-are-the-arguments
  (on-each-root
   (doseq [args [[] [nil] [1] [[1 2]] [1 2] [nil nil] (range 30)]]
     (is (= args (apply switch! (glet [& got] (vec got)) args))))
   (testing "a wrong number of them ends the new greenlet"
     (let [log (trace)
           g (glet [x] (log x))]
       (is (thrown? ArityException (switch! g)))
       (is (dead? g))
       (is (= [] @log)))
     (let [main (current)
           middle (glet [] (try (switch! (glet [_])) (catch ArityException _ (switch! main :in-the-parent))))]
       (is (= :in-the-parent (switch! middle)))))))

(deftest v2-later-values-are-what-the-pending-switch-returns
  (on-each-root
   (let [main (current)
         g (glet [] (loop [got nil] (recur (switch! main [:got got]))))]
     (switch! g)
     (is (= [:got nil] (switch! g)))
     (doseq [v [nil false 1 [] [1 2] () {:a 1}]]
       (is (= [:got v] (switch! g v))))
     (is (= [:got [1 2]] (switch! g 1 2)))
     (is (= [:got [nil nil]] (switch! g nil nil)))
     (is (= [:got (vec (range 30))] (apply switch! g (range 30))))
     (testing "two or more are a vector of Clojure's"
       (is (vector? (second (switch! g 1 2)))))
     (testing "one that is a list or a vector stays what it is"
       (let [one (ArrayList. [1 2])]
         (is (identical? one (second (switch! g one))))
         (is (identical? one (switch! (glet [x] x) one)))))
     (testing "a vector that was received and is sent on is one value"
       (let [echo (glet [] (loop [] (switch! main (switch! main)) (recur)))]
         (switch! echo)
         (is (= [1 2] (switch! echo 1 2)))
         (is (= [[1 2]] (switch! (glet [& args] (vec args)) [1 2]))))))))

(deftest v3-the-result-arrives-unchanged
  (on-each-root
   (doseq [v [nil false 1 [1 2] () (ArrayList.) (Object.)]]
     (is (identical? v (switch! (greenlet (constantly v))))))
   (testing "through switch! of a greenlet that the result does not come from"
     (is (= :result (switch! (glet [] (switch! (greenlet (constantly :result) {:parent (parent (current))})))))))))

(defn- send-and-forget [g]
  (let [o (Object.)]
    (switch! g o)
    (WeakReference. o)))

(defn- cleared? [^WeakReference r]
  (watchdog/eventually #(nil? (.get r))))

(deftest v4-values-are-handed-over-not-kept
  (on-each-root
   (let [main (current)
         idle #(loop [] (switch! main) (recur))
         first-value (glet [x] (some? x) (idle)) ; used, so that Clojure clears the local
         later-value (glet [] (idle))
         left (glet [x] x)]
     (switch! later-value)
     (is (cleared? (send-and-forget later-value)))
     (is (cleared? (send-and-forget first-value)) "an argument of the body")
     (is (cleared? (send-and-forget left)) "G3: the result of a finished one")
     (is (every? active? [first-value later-value])))))

(deftest v5-switching-to-oneself
  (on-each-root
   (let [me (current)
         log (trace)]
     (set-listener! (fn [event origin target] (log [event (= me origin) (= me target)])))
     (is (nil? (switch! me)))
     (is (= 1 (switch! me 1)))
     (is (= [1 2] (switch! me 1 2)))
     (is (= (repeat 3 [:switch true true]) @log)))
   (is (= [1 2] (switch! (glet [] (switch! (current) 1 2)))))))

;; Who gets control

(deftest w1-w2-permission-then-transfer
  (on-each-root
   (let [log (trace)
         [foreign release] (let [parked (promise), go (promise)]
                             (watchdog/start-thread (fn [] (deliver parked (suspended)) @go))
                             [@parked #(deliver go nil)])
         below (greenlet #(log :ran) {:parent foreign})]
     (testing "W1: the wrong thread is refused before anything is transferred"
       (is (instance? WrongThreadException (thrown-by (switch! foreign 1))))
       (is (instance? WrongThreadException (thrown-by (switch! below))))
       (is (= [true false] [(active? foreign) (active? below)]))
       (is (= [] @log)))
     (release)
     (testing "W2: an active target resumes, an unstarted one starts"
       (let [g (glet [x] (log [:start x]) (log [:resume (switch! (parent (current)) :out)]) :end)]
         (is (= [:out :end] [(switch! g 1) (switch! g 2)]))
         (is (= [[:start 1] [:resume 2]] @log)))))))

(deftest w3-a-dead-target-stands-for-its-nearest-living-ancestor
  (on-each-root
   (testing "the caller itself"
     (let [g (finished)]
       (is (nil? (switch! g)))
       (is (= 25 (switch! g 25)))
       (is (= [1 2] (switch! g 1 2)))
       (is (= :outer (switch! (doto (greenlet (constantly 1) {:parent (finished)}) (switch!)) :outer)))))
   (testing "one further up"
     (let [main (current)
           p (glet [] [:parent-got (switch! main)])
           child (greenlet (constantly nil) {:parent main})]
       (switch! p)
       (switch! child)
       (set-parent! child p)
       (is (= [:parent-got 7] (switch! child 7)))))
   (testing "one that is unstarted is started"
     (let [p (glet [& args] [:started args])
           child (doto (glet []) (switch!))]
       (set-parent! child p)
       (is (= [:started [1 2]] (switch! child 1 2)))))))

(deftest w4-whoever-switches-back-ends-the-wait
  (on-each-root
   (let [main (current)
         b (glet [] (switch! main :from-b))
         a (glet [] (switch! b))]
     (is (= :from-b (switch! a))))
   (testing "two children, resumed in any order"
     (let [main (current)
           log (trace)
           child #(glet [] (log [:in %]) (switch! main) (log [:again %]) :done)
           [a b] (map child [:a :b])]
       (run! switch! [a b b])
       (is (= [false true] [(dead? a) (dead? b)]))
       (switch! a)
       (is (= [[:in :a] [:in :b] [:again :b] [:again :a]] @log))
       (is (every? dead? [a b]))))))

(deftest w5-the-result-goes-to-the-parent-not-to-whoever-switched-in
  (on-each-root
   (let [main (current)
         log (trace)
         g (glet [] (switch! main) :result)]
     (switch! g)
     (testing "switched in by a sibling"
       (is (= :result (switch! (glet [] (log [:sibling (switch! g)]))))))
     (is (= [] @log))
     (testing "the parent as it is at that moment"
       (let [p (glet [x] [:new-parent x])
             g (glet [] (switch! main) :result)]
         (switch! g)
         (set-parent! g p)
         (is (= [:new-parent :result] (switch! g))))))))

;; Exceptions

(defn- fail [e] (throw e))

(deftest e1-an-uncaught-exception-is-raised-in-the-parent
  (on-each-root
   (doseq [e [(ex-info "e" {}) (java.io.IOException. "checked") (AssertionError. "error") (Throwable. "bare")]]
     (let [g (glet [] (fail e))]
       (is (identical? e (thrown-by (switch! g))) "the same object")
       (is (dead? g))))
   (testing "its trace tells where it was raised"
     (let [e (thrown-by (switch! (glet [] (fail (ex-info "here" {})) nil)))]
       (is (instance? Throwable e))
       (is (some #(re-find #"core_test" (.getClassName ^StackTraceElement %)) (.getStackTrace ^Throwable e)))))
   (testing "the parent is the one of that moment, and may catch it"
     (let [main (current)
           boss (glet [] (try (switch! main) (catch Exception e [:caught (ex-message e)])))
           g (glet [] (switch! main) (fail (ex-info "late" {})))]
       (switch! boss)
       (switch! g)
       (set-parent! g boss)
       (is (= [:caught "late"] (switch! g)))
       (is (every? dead? [g boss]))))
   (testing "or end by it as well"
     (let [e (ex-info "through" {})
           outer (glet [] (switch! (glet [] (fail e))) :not-reached)]
       (is (identical? e (thrown-by (switch! outer))))
       (is (dead? outer))))))

(deftest e2-an-uncaught-greenlet-exit-is-a-value
  (on-each-root
   (let [exit (GreenletExit. "bye")]
     (is (identical? exit (switch! (glet [] (fail exit))))))
   (testing "that a body which catches it may replace"
     (is (= :instead (switch! (glet [] (try (fail (GreenletExit.)) (catch GreenletExit _ :instead)))))))
   (testing "catch Exception does not see it"
     (is (exit? (switch! (glet [] (try (fail (GreenletExit.)) (catch Exception _ :wrong)))))))))

(deftest e3-an-unstarted-parent
  (on-each-root
   (let [log (trace)]
     (testing "an exception ends it without running it and goes on"
       (let [e (ex-info "up" {})
             p (glet [& _] (log :ran))
             g (greenlet #(fail e) {:parent p})]
         (is (identical? e (thrown-by (switch! g))))
         (is (every? dead? [p g]))
         (is (= [] @log))))
     (testing "GreenletExit starts it"
       (let [p (glet [x] [:started (exit? x)])]
         (is (= [:started true] (switch! (greenlet #(fail (GreenletExit.)) {:parent p}))))))
     (testing "a result starts it; a wrong number of arguments surfaces"
       (is (= [:started 42] (switch! (greenlet (constantly 42) {:parent (glet [x] [:started x])}))))
       (is (thrown? ArityException (switch! (greenlet (constantly 42) {:parent (glet [])}))))))))

(deftest e4-at-a-root-it-comes-out
  (on-each-root
   (let [e (ex-info "out" {})
         main (current)
         g (greenlet (fn [] (switch! main :first) (fail e)))]
     (is (= :first (switch! g)))
     (is (identical? e (thrown-by (switch! g))))
     (is (= :usable (switch! (glet [] :usable)))))))

;; throw!

(deftest x1-what-can-be-thrown
  (on-each-root
   (let [main (current)
         catcher #(doto (glet [] (try (switch! main) (catch Throwable t t))) (switch!))
         e (Throwable. "any")]
     (is (exit? (throw! (catcher))))
     (is (not (identical? (throw! (catcher)) (throw! (catcher)))) "a fresh one each time")
     (is (identical? e (throw! (catcher) e)))
     (let [g (catcher)]
       (doseq [wrong ["abc" nil RuntimeException :e 1]]
         (is (thrown-with-msg? IllegalArgumentException #"throw! takes a Throwable" (throw! g wrong))))
       (is (active? g) "nothing reached it")))))

(deftest x2-x6-into-a-suspended-greenlet
  (on-each-root
   (let [main (current)
         e (ex-info "thrown" {})]
     (testing "X2: raised out of its pending switch"
       (let [log (trace)
             g (glet [] (try (switch! main) (finally (log :unwound))))]
         (switch! g)
         (is (identical? e (thrown-by (throw! g e))))
         (is (= [:unwound] @log))
         (is (dead? g))))
     (testing "X2: throw! returns what is sent to the caller next"
       (let [g (glet [] (try (switch! main) (catch Exception _ (switch! main :caught-it))))]
         (switch! g)
         (is (= :caught-it (throw! g e)))
         (testing "X6: and the greenlet lives on"
           (is (active? g))
           (is (= 5 (switch! g 5))))))
     (testing "X6: it may switch away in a finally"
       (let [g (glet [] (try (switch! main) (finally (switch! main :unwinding))))]
         (switch! g)
         (is (= :unwinding (throw! g)))
         (is (active? g))
         (is (exit? (switch! g)))
         (is (dead? g)))))))

(deftest x3-into-oneself
  (on-each-root
   (let [e (ex-info "here" {})]
     (is (identical? e (thrown-by (throw! (current) e))))
     (is (exit? (thrown-by (throw! (current)))) "GreenletExit too")
     (is (exit? (switch! (glet [] (throw! (current)) :not-reached)))))))

(deftest x4-into-an-unstarted-one
  (on-each-root
   (let [log (trace)
         e (ex-info "never" {})]
     (let [g (glet [] (log :ran))]
       (is (identical? e (thrown-by (throw! g e))))
       (is (dead? g)))
     (let [g (glet [] (log :ran))]
       (is (exit? (throw! g)))
       (is (dead? g)))
     (testing "goes to an unstarted parent as in E3"
       (let [p (glet [& _] (log :ran))
             g (greenlet #(log :ran) {:parent p})]
         (is (identical? e (thrown-by (throw! g e))))
         (is (every? dead? [p g])))
       (is (= [:parent true] (throw! (greenlet + {:parent (glet [x] [:parent (exit? x)])})))))
     (is (= [] @log)))))

(deftest x5-into-a-dead-one
  (on-each-root
   (let [g (finished)]
     (is (exit? (throw! g)))
     (is (exit? (throw! g)) "every time")
     (let [exit (GreenletExit.)]
       (is (identical? exit (throw! g exit))))
     (let [e (ex-info "e" {})]
       (is (identical? e (thrown-by (throw! g e))))))
   (testing "in the nearest living ancestor"
     (let [main (current)
           p (glet [] (try [:value (exit? (switch! main))] (catch Exception e [:raised (ex-message e)])))
           child (finished)]
       (switch! p)
       (set-parent! child p)
       (is (= [:value true] (throw! child)))
       (let [p (glet [] (try (switch! main) (catch Exception e [:raised (ex-message e)])))]
         (switch! p)
         (set-parent! child p)
         (is (= [:raised "boo"] (throw! child (ex-info "boo" {})))))))))

(deftest x7-into-an-ancestor
  (on-each-root
   (let [e (ex-info "up" {})
         main (current)
         g (glet [] [:resumed (throw! main e)])]
     (is (identical? e (thrown-by (switch! g))))
     (is (active? g) "the thrower is suspended")
     (is (= [:resumed 3] (switch! g 3))))))

;; Parents

(deftest p1-p2-parents
  (on-each-root
   (let [main (current)
         a (glet [])
         b (greenlet + {:parent a})]
     (testing "P1: settable in every state but for roots"
       (doseq [g [(glet []) (suspended) (finished)]]
         (is (identical? g (set-parent! g a)))
         (is (identical? a (parent g))))
       (is (true? (switch! (glet [] (set-parent! (current) main) (identical? main (parent (current))))))))
     (testing "P2: a cycle is refused"
       (is (thrown-with-msg? IllegalArgumentException #"itself" (set-parent! a a)))
       (is (thrown-with-msg? IllegalArgumentException #"cycle" (set-parent! a b)))
       (is (identical? main (parent a))))
     (testing "P2: so are nil and anything else"
       (doseq [wrong [nil 1 "g" (Object.)], g [a (suspended)]]
         (is (thrown-with-msg? IllegalArgumentException #"a parent must be a greenlet" (set-parent! g wrong)))))
     (testing "P2: the parent of a root"
       (is (thrown-with-msg? IllegalStateException #"root" (set-parent! main a)))
       (is (nil? (parent main))))
     (testing "P2: a started one stays in its thread, an unstarted one need not"
       (let [[foreign-root foreign] (in-thread [(current) (glet [])])
             g (suspended)]
         (is (thrown-with-msg? WrongThreadException #"has been started" (set-parent! g foreign-root)))
         (is (thrown-with-msg? WrongThreadException #"has been started" (set-parent! g foreign)))
         (is (identical? main (parent g)))
         (is (identical? foreign (parent (set-parent! (glet []) foreign))))))
     (testing "P2: a dead or unstarted parent is allowed"
       (is (= 1 (switch! (set-parent! (glet [] 1) (finished)))))
       (is (= [:p 1] (switch! (set-parent! (glet [] 1) (glet [x] [:p x])))))))))

(deftest p3-a-parent-does-not-hold-its-children
  (on-each-root
   (let [p (suspended)
         child (fn [] (WeakReference. (greenlet + {:parent p})))
         started (fn [] (WeakReference. (suspended)))]
     (is (cleared? (child)))
     (is (cleared? (started)))
     (is (active? p)))
   (testing "G1: nor do cycles hold anything"
     (is (cleared? ((fn [] (let [box (object-array 1), main (current)
                                 g (glet [] (aset box 0 (current)) (switch! main) (aget box 0))]
                             (switch! g)
                             (WeakReference. g)))))))))

;; Threads

(deftest t1-one-tree-a-thread
  (let [roots (mapv (fn [virtual] (watchdog/call-in-thread {:virtual virtual} (fn [] [(current) (current)]))) [false true])]
    (doseq [[a b] roots]
      (is (identical? a b))
      (is (nil? (parent a))))
    (is (= 2 (count (set (map first roots)))))))

(deftest t2-greenlets-of-another-thread-are-out-of-reach
  (doseq [virtual [false true]]
    (let [parked (promise)
          go (promise)
          {:keys [join]} (watchdog/start-thread
                          {:name "theirs" :virtual virtual}
                          #(let [main (current)
                                 g (greenlet (fn [] (switch! main) :unharmed) {:name "alien"})]
                             (switch! g)
                             (deliver parked [g main (greenlet + {:name "fresh"})])
                             @go
                             (switch! g)))]
      (watchdog/call-in-thread
       {:name "ours"}
       (bound-fn []
         (doseq [g @parked, transfer [switch! throw! #(switch! % 1 2) #(throw! % (ex-info "e" {}))]]
           (let [e (thrown-by (transfer g))]
             (is (instance? WrongThreadException e))
             (is (re-find #"\"ours\".*\"theirs\"" (ex-message e)) "names both threads")
             (is (str/includes? (ex-message e) (str g)) "and both greenlets")
             (is (re-find #"root" (ex-message e)))))))
      (deliver go nil)
      (is (= :unharmed (join))))))

(deftest t3-anybody-may-read
  (let [parked (promise)
        go (promise)
        {:keys [join]} (watchdog/start-thread #(do (deliver parked [(suspended) (glet []) (finished)]) @go :ended))]
    (on-each-root
     (is (= [[true false true true] [false false false true] [false true false true]]
            (for [g @parked]
              [(active? g) (dead? g) (boolean (seq (g/stack g))) (nil? (parent (parent g)))])))
     (is (every? #(str/includes? % "Greenlet[") (map str @parked))))
    (deliver go nil)
    (is (= :ended (join)))))

(deftest t4-a-thread-that-ends-takes-its-greenlets-along
  (doseq [virtual [false true]]
    (let [log (trace)
          refs (watchdog/call-in-thread
                {:virtual virtual}
                #(let [main (current)
                       held (Object.)
                       g (glet [] (try (switch! main) (finally (log [:unwound (some? held)]))))]
                   (switch! g)
                   [(WeakReference. held) (WeakReference. main) g]))]
      (is (dead? (peek refs)))
      (is (every? cleared? (take 1 refs)) "the stack's memory is given back, though the greenlet is held")
      (is (cleared? (second (conj (pop refs)))) "and its root's")
      (is (= [] @log) "nothing in it runs"))))

(deftest t5-suspended-greenlets-do-not-keep-the-jvm-alive
  (let [code "(require '[greenlet.core :refer :all])
              (let [main (current), gs (repeatedly 10 #(glet [] (switch! main)))]
                (run! switch! gs)
                (def kept [gs (next (generator (run! yield! (range))))])
                (println (every? active? (first kept))))"
        process (.start (doto (ProcessBuilder.
                               ^java.util.List
                               (concat [(str (System/getProperty "java.home") "/bin/java")]
                                       (remove #(re-find #"agent|jdwp" %) (.getInputArguments (ManagementFactory/getRuntimeMXBean)))
                                       ["-cp" (System/getProperty "java.class.path") "clojure.main" "-e" code]))
                          (.redirectErrorStream true)))]
    (.close (.getOutputStream process))
    (try
      (is (.waitFor process 60 TimeUnit/SECONDS))
      (is (= "true" (str/trim (slurp (.getInputStream process)))))
      (is (= 0 (.exitValue process)))
      (finally (.destroyForcibly process)))))

;; Unwinding

(deftest g2-close
  (on-each-root
   (let [log (trace)
         main (current)
         idle #(doto (glet [] (try (switch! main) (finally (log %)))) (switch!))]
     (testing "unwinds, and returns when it is dead"
       (let [^Greenlet g (idle :closed)]
         (.close g)
         (is (dead? g))
         (.close g)))
     (testing "with-open does it at the end"
       (is (= :value (with-open [^Greenlet g (idle :with-open)] (active? g) :value))))
     (is (= [:closed :with-open] @log))
     (testing "an unstarted one never runs"
       (with-open [_ ^Greenlet (glet [] (log :wrong))])
       (is (= [:closed :with-open] @log)))
     (testing "one that refuses to die is an error that says so; it lives on"
       (let [^Greenlet g (glet [] (try (switch! main) (catch GreenletExit _ (switch! main) :stubborn)))]
         (switch! g)
         (is (thrown-with-msg? IllegalStateException #"refused to be closed" (.close g)))
         (is (identical? main (parent g)))
         (is (= :stubborn (switch! g)))))
     (testing "not by itself, nor a root"
       (is (thrown-with-msg? IllegalStateException #"cannot close itself" (switch! (glet [] (.close (current))))))
       (is (thrown-with-msg? IllegalStateException #"root" (.close main)))))))

;; Tracing

(deftest tracing
  (on-each-root
   (let [main (current)
         log (trace)
         listen! (fn [] (set-listener! (fn [event origin target]
                                         (log [event (.name ^Greenlet origin) (.name ^Greenlet target)]))))
         named (fn [name f] (greenlet f {:name name}))]
     (testing "R1: installing returns the one before"
       (is (nil? (set-listener! identity)))
       (is (identical? identity (set-listener! nil)))
       (is (nil? (set-listener! nil)))
       (let [f (fn [_ _ _])]
         (set-listener! f)
         (is (identical? f (set-listener! f)) "twice the same is fine")
         (set-listener! nil)))
     (testing "R1: what is called, and when"
       (listen!)
       (let [a (named "a" #(log :body-of-a))
             b (named "b" #(fail (ex-info "b" {})))]
         (switch! a)
         (log :back)
         (try (switch! b) (catch Exception _ (log :raised))))
       (set-listener! nil)
       (is (= [[:switch "root" "a"] :body-of-a [:switch "a" "root"] :back
               [:switch "root" "b"] [:throw "b" "root"] :raised]
              @log)))
     (testing "R2: GreenletExit as a value is a switch; self-switches count"
       (let [before (count @log)
             c (named "c" #(switch! main))
             d (named "d" +)]
         (switch! c)
         (listen!)
         (throw! c)
         (throw! d)
         (throw! d)
         (switch! main)
         (set-listener! nil)
         (is (= [[:throw "root" "c"] [:switch "c" "root"] [:throw "root" "d"] [:switch "d" "root"]
                 [:switch "root" "root"] [:switch "root" "root"]]
                (subvec @log before)))))
     (testing "R1: it is this thread's alone"
       (listen!)
       (is (nil? (in-thread (let [mine (set-listener! nil)] (switch! (glet [])) mine))))
       (set-listener! nil)))))

(deftest r3-a-listener-that-throws
  (on-each-root
   (let [e (ex-info "from the listener" {})
         main (current)
         log (trace)
         bad! #(set-listener! (fn [& _] (fail e)))]
     (testing "replaces the value and is removed"
       (bad!)
       (is (identical? e (thrown-by (switch! main :value))))
       (is (nil? (set-listener! nil))))
     (testing "replaces the exception in the target"
       (let [g (glet [] (try (switch! main) (catch Throwable t t)))]
         (switch! g)
         (bad!)
         (is (identical? e (throw! g (ex-info "other" {}))))))
     (testing "on a first start the body never runs"
       (let [g (glet [] (log :ran))]
         (bad!)
         (is (identical? e (thrown-by (switch! g))))
         (is (dead? g))
         (is (= [] @log)))))))

(deftest r4-a-listener-that-switches
  (on-each-root
   (let [main (current)
         log (trace)
         other (glet [] (loop [] (log :other) (switch! main) (recur)))
         g (glet [x] (log [:g x]) :result)]
     (set-listener! (fn [event _ target]
                      (when (identical? target g)
                        (set-listener! nil)
                        (log event)
                        (switch! other))))
     (testing "away from a greenlet that is about to start"
       (is (nil? (switch! g 1)) "other switches to main meanwhile")
       (is (active? g))
       (is (= [:switch :other] @log))
       (is (= :result (switch! g :resumes-the-listener)))
       (is (= [:switch :other [:g 1]] @log) "the values it was started with are delivered after all")))))

;; Locks, native frames, depth

(deftest l1-a-caller-keeps-its-locks-across-switches
  (on-each-root
   (let [monitor (Object.)
         lock (ReentrantLock.)
         log (trace)
         main (current)
         g (glet [] (loop [] (log :in) (switch! main) (recur)))
         contender (delay (watchdog/start-thread #(locking monitor (log :contender))))]
     (.lock lock)
     (locking monitor
       (watchdog/await-state (:thread @contender) Thread$State/BLOCKED)
       (dotimes [_ 3] (switch! g))
       (is (Thread/holdsLock monitor))
       (is (.isHeldByCurrentThread lock))
       (is (false? (in-thread (.tryLock lock))))
       (watchdog/await-state (:thread @contender) Thread$State/BLOCKED)
       (log :leaving))
     ((:join @contender))
     (.unlock lock)
     (is (true? (in-thread (.tryLock lock))))
     (is (= [:in :in :in :leaving :contender] @log)))))

(deftest l2-a-suspended-holder-keeps-other-threads-out
  (on-each-root
   (let [monitor (Object.)
         lock (ReentrantLock.)
         log (trace)
         main (current)
         g (glet []
             (.lock lock)
             (locking monitor (switch! main :holding) (log :leaving))
             (.unlock lock)
             :done)]
     (is (= :holding (switch! g)))
     (let [{:keys [thread join]} (watchdog/start-thread #(locking monitor (log :contender)))]
       (watchdog/await-state thread Thread$State/BLOCKED)
       (is (false? (in-thread (.tryLock lock))))
       (is (= :done (switch! g)))
       (join))
     (is (= [:leaving :contender] @log))
     (is (true? (in-thread (.tryLock lock)))))))

(def ^:private hook nil)

(defn- initialise-class
  "Runs `f` in the initialiser of a new class, below which lies a native frame."
  [f]
  (let [class-name (str "greenlet.core_test.Initialised" (gensym))
        writer (ClassWriter. ClassWriter/COMPUTE_MAXS)]
    (.visit writer Opcodes/V1_8 Opcodes/ACC_PUBLIC (str/replace class-name "." "/") nil "java/lang/Object" nil)
    (doto (.visitMethod writer Opcodes/ACC_STATIC "<clinit>" "()V" nil nil)
      (.visitCode)
      (.visitLdcInsn "greenlet.core-test")
      (.visitLdcInsn "hook")
      (.visitMethodInsn Opcodes/INVOKESTATIC "clojure/lang/RT" "var" "(Ljava/lang/String;Ljava/lang/String;)Lclojure/lang/Var;" false)
      (.visitMethodInsn Opcodes/INVOKEVIRTUAL "clojure/lang/Var" "invoke" "()Ljava/lang/Object;" false)
      (.visitInsn Opcodes/POP)
      (.visitInsn Opcodes/RETURN)
      (.visitMaxs 0 0)
      (.visitEnd))
    (.visitEnd writer)
    (let [loader (DynamicClassLoader.)]
      (.defineClass loader class-name (.toByteArray writer) nil)
      (with-redefs [hook f]
        (Class/forName class-name true loader)))))

(deftest l3-a-switch-with-a-native-frame-below-works-or-is-refused
  (watchdog/call-in-thread
   (bound-fn []
     (let [main (current)
           outcome (atom nil)
           g (greenlet (fn []
                         (initialise-class #(reset! outcome (try (switch! main :out) (catch RuntimeException e e))))
                         :finished)
                       {:name "initialiser"})
           first-result (switch! g)]
       (if (= :out first-result)
         (do (is (= :finished (switch! g :back)))
             (is (= :back @outcome)))
         (do (is (= :finished first-result))
             (is (instance? IllegalStateException @outcome))
             (is (re-find #"initialiser.*native frame" (ex-message @outcome)))))
       (is (dead? g))
       (is (= 3 (switch! (glet [x y] (+ x y)) 1 2)) "everything is usable")))))

(deftest switch-below-calls-of-java-code
  (on-each-root
   (let [main (current)
         g (glet [] (vec (sort-by (fn [x] (switch! main x)) (reverse (range 4)))))
         seen (loop [seen [], v (switch! g)]
                (if (dead? g) [seen v] (recur (conj seen v) (switch! g v))))]
     (is (= [0 1 2 3] (second seen)))
     (is (every? (set (range 4)) (first seen))))))

(defn- descend [n bottom]
  (if (zero? n) (bottom) (inc (long (descend (dec n) bottom)))))

(defn- bottomless [n] (inc (long (bottomless (inc n)))))

(deftest d1-depth
  (on-each-root
   (let [main (current)
         g (glet [] (descend 500 #(switch! main :at-the-bottom)))]
     (is (= :at-the-bottom (switch! g)))
     (is (= 500 (switch! g 0))))
   (testing "an overflow is an exception like any other"
     (let [g (glet [] (bottomless 0))]
       (is (thrown? StackOverflowError (switch! g)))
       (is (dead? g))
       (is (= :caught (switch! (glet [] (try (bottomless 0) (catch StackOverflowError _ :caught))))))))))

(deftest d1-an-overflow-where-a-deep-stack-is-to-be-suspended
  ;; The JVM needs room on the stack to suspend it. Where that is short, the switch raises StackOverflowError and has not
  ;; happened; where it is not, it happens. Nothing in between.
  (on-each-root
   (let [main (current)]
     (doseq [depth (range 1000 6000 500)]
       (let [g (glet [] (try (descend depth #(switch! main :suspended)) (catch StackOverflowError _ :overflow)))
             outcome (switch! g)]
         (is (contains? #{:suspended :overflow} outcome))
         (if (= :suspended outcome)
           (is (= depth (switch! g 0)))
           (is (dead? g)))
         (is (= :usable (switch! (glet [] :usable)))))))))

(deftest the-stack-of-a-suspended-greenlet
  (on-each-root
   (let [main (current)
         g (glet [] (descend 3 #(switch! main)) nil)]
     (switch! g)
     (let [frames (map (fn [^StackTraceElement e] [(.getClassName e) (.getMethodName e)]) (g/stack g))]
       (is (= 4 (count (filter #{["greenlet.core_test$descend" "invokeStatic"]} frames))))
       (is (not-any? #(re-find #"^greenlet\.(core|Greenlet|Context)($|\$)" (first %)) frames))))))

(deftest yield-in-a-plain-greenlet
  (on-each-root
   (testing "switches to the parent"
     (let [g (glet [] [:got (yield! 1)])]
       (is (= 1 (switch! g)))
       (is (= [:got 2] (switch! g 2)))))
   (testing "in a root there is nobody"
     (is (thrown-with-msg? IllegalStateException #"nobody to yield to.*root.*generator" (yield! 1)))
     (is (thrown-with-msg? IllegalStateException #"nobody to yield to" (g/yield-all! [1]))))))

;; Bad input

(def ^:private bad-input
  "Public function → calls of it that have to fail: form, class and parts of the message."
  (let [not-greenlets [nil 1 "g" :g (Object.)]
        on-greenlet (fn [f what]
                      (for [x not-greenlets]
                        [#(f x) IllegalArgumentException [what "must be a greenlet" (if (nil? x) "nil" (str (class x)))]]))
        on-cursor (fn [f what]
                    (for [x [nil 1 [1] (g/generator) (glet [])]]
                      [#(f x) IllegalArgumentException [what "must be a cursor" (if (nil? x) "nil" (str (class x)))]]))]
    {#'g/switch! (concat (on-greenlet #(switch! %) "switch!")
                         (on-greenlet #(switch! % 1) "switch!")
                         (on-greenlet #(switch! % 1 2) "switch!"))
     #'g/throw! (concat (on-greenlet #(throw! %) "throw!")
                        (on-greenlet #(throw! % (ex-info "e" {})) "throw!")
                        [[#(throw! (glet []) "abc") IllegalArgumentException ["throw! takes a Throwable" "\"abc\""]]
                         [#(throw! (glet []) nil) IllegalArgumentException ["throw! takes a Throwable" "nil"]]])
     #'g/parent (on-greenlet parent "parent")
     #'g/active? (on-greenlet active? "active?")
     #'g/dead? (on-greenlet dead? "dead?")
     #'g/stack (on-greenlet g/stack "stack")
     #'g/set-parent! (concat (on-greenlet #(set-parent! % (current)) "set-parent!")
                             (on-greenlet #(set-parent! (glet []) %) "parent"))
     #'g/set-listener! [[#(set-listener! 5) IllegalArgumentException ["listener" "event, origin and target" "5"]]
                        [#(set-listener! "f") IllegalArgumentException ["listener" "\"f\""]]]
     #'g/greenlet [[#(greenlet nil) IllegalArgumentException ["function" "nil"]]
                   [#(greenlet 5) IllegalArgumentException ["function" "5"]]
                   [#(greenlet (glet [])) IllegalArgumentException ["function"]]
                   [#(greenlet + {:parent 5}) IllegalArgumentException [":parent" "must be a greenlet"]]
                   [#(greenlet + {:parent false}) IllegalArgumentException [":parent" "must be a greenlet"]]
                   [#(greenlet + {:name :worker}) IllegalArgumentException [":name" "string" ":worker"]]
                   [#(greenlet + {:nmae "worker"}) IllegalArgumentException ["unknown option" ":nmae" ":parent" ":name"]]
                   [#(greenlet + "worker") IllegalArgumentException ["option" "\"worker\""]]
                   [#(greenlet + 5) IllegalArgumentException ["option" "5"]]
                   [#(greenlet + [:name "worker"]) IllegalArgumentException ["option"]]]
     #'g/glet [[#(macroexpand-1 '(greenlet.core/glet 5)) IllegalArgumentException ["vector of arguments" "5"]]
               [#(macroexpand-1 '(greenlet.core/glet (inc 1))) IllegalArgumentException ["vector of arguments" "(inc 1)"]]]
     #'g/generator* [[#(g/generator* nil) IllegalArgumentException ["function" "nil"]]
                     [#(g/generator* + {:unknown 1}) IllegalArgumentException ["unknown option" ":unknown" ":chunk" ":confined"]]
                     [#(g/generator* + 5) IllegalArgumentException ["option" "5"]]
                     [#(g/generator* 5) IllegalArgumentException ["function" "5"]]]
     #'g/generator [[#(macroexpand-1 '(greenlet.core/generator :as 5 1)) IllegalArgumentException [":as takes a symbol" "5"]]
                    [#(eval '(greenlet.core/generator :chunk 0)) IllegalArgumentException [":chunk" "positive integer" "0"]]
                    [#(eval '(greenlet.core/generator :chunk Long/MAX_VALUE)) IllegalArgumentException
                     [":chunk" "at most 2147483647" "9223372036854775807"]]
                    [#(macroexpand-1 '(greenlet.core/generator :chunk)) IllegalArgumentException [":chunk" "no value"]]
                    [#(macroexpand-1 '(greenlet.core/generator :tme 1 (inc 1))) IllegalArgumentException
                     ["unknown option" ":tme" ":as" ":chunk" ":confined"]]
                    [#(eval '(greenlet.core/generator :confined 1)) IllegalArgumentException [":confined" "true or false" "1"]]
                    [#(eval '(greenlet.core/generator :chnuk 1)) IllegalArgumentException ["unknown option" ":chnuk" ":chunk"]]]
     #'g/gen-seq (concat (for [x [nil 1 [1 2]]] [#(g/gen-seq x nil) IllegalArgumentException ["gen-seq" "must be a generator"]])
                         [[#(g/gen-seq (g/generator) {:chunk -1}) IllegalArgumentException [":chunk" "-1"]]
                          [#(g/gen-seq (g/generator) {:chunk Long/MAX_VALUE}) IllegalArgumentException [":chunk" "2147483647"]]
                          [#(g/gen-seq (g/generator) {:parent 1}) IllegalArgumentException ["unknown option" ":parent"]]
                          [#(g/gen-seq (g/generator) 5) IllegalArgumentException ["option" "5"]]])
     #'g/cursor (concat (for [x [nil 1 [1 2]]]
                          [#(g/cursor x) IllegalArgumentException ["cursor" "must be a generator" "(generator (yield-all! xs))"]])
                        (for [n [0 -1 1.5 "8" Long/MAX_VALUE]]
                          [#(g/cursor (g/generator) {:chunk n}) IllegalArgumentException
                           [":chunk of a cursor" "positive integer" "2147483647" (pr-str n)]])
                        [[#(g/cursor (g/generator) {:confined true}) IllegalArgumentException ["unknown option" ":confined" ":chunk"]]
                         [#(g/cursor (g/generator) 8) IllegalArgumentException ["options" "8"]]])
     #'g/next! (on-cursor g/next! "next!")
     #'g/peek! (on-cursor g/peek! "peek!")
     #'g/send! (concat (on-cursor #(g/send! % 1) "send!")
                       [[#(g/send! (g/cursor (g/generator)) 1) IllegalStateException []]])
     #'g/result (concat (on-cursor g/result "result")
                        [[#(g/result (g/cursor (g/generator))) IllegalStateException []]])
     #'g/yield-to! (for [x [nil 1 (glet [])]] [#(g/yield-to! x 1) IllegalArgumentException ["yield-to!" ":as name"]])
     #'g/zip [[#(g/zip [1] 5) IllegalArgumentException ["zip" "5"]]]
     #'g/merge-sorted [[#(g/merge-sorted compare 5) IllegalArgumentException ["merge-sorted" "5"]]
                       [#(g/merge-sorted 5 [[1] [2]]) IllegalArgumentException ["merge-sorted" "5"]]]
     #'g/yield! [[#(yield! 1) IllegalStateException ["nobody to yield to" "body of a generator"]]]
     #'g/yield-all! [[#(g/yield-all! [1]) IllegalStateException ["nobody to yield to"]]
                     [#(g/yield-all! 5) IllegalArgumentException ["yield-all!" "5"]]
                     [#(reduce + (g/generator (g/yield-all! :a))) IllegalArgumentException ["yield-all!" ":a"]]
                     [#(doall (seq (g/generator (g/yield-all! 5)))) IllegalArgumentException ["yield-all!" "5"]]]}))

(def ^:private takes-anything #{#'g/current #'g/engine #'g/forget-thread! #'g/greenlet?})

(deftest bad-input-is-refused-at-the-call
  (is (= (set (vals (ns-publics 'greenlet.core))) (into takes-anything (keys bad-input)))
      "every public var is here")
  (on-each-root
   (doseq [[f calls] bad-input, [call expected parts] calls]
     (testing (str f)
       (let [e (thrown-by (call))
             e (if (instance? clojure.lang.Compiler$CompilerException e) (ex-cause e) e)]
         (is (instance? expected e))
         (is (= [] (remove #(str/includes? (str (ex-message e)) %) parts)) (str "missing in: " (ex-message e)))
         (is (= 3 (switch! (glet [x y] (+ x y)) 1 2)) "usable afterwards"))))))

(deftest greenlet?-takes-anything
  (is (= [true false false false] (map g/greenlet? [(glet []) nil 1 (g/generator)])))
  (is (re-find #"^(virtual-thread|continuation)" (g/engine))))

;; Many roots

(defn- small-program
  "A ping-pong, an exception, a throw and a generator that is pulled and switches, as a trace."
  [n]
  (let [log (trace)
        main (current)
        ping (glet [x] (loop [x x] (log [:ping x]) (when (< x (+ n 3)) (recur (switch! main (inc x))))) :ended)]
    (loop [x n] (when-not (dead? ping) (let [got (switch! ping x)] (log [:pong got]) (when (int? got) (recur got)))))
    (log (try (switch! (glet [] (fail (ex-info "e" {:n n})))) (catch Exception e (ex-data e))))
    (log (exit? (throw! ping)))
    (let [helper (glet [x] (loop [x x] (recur (switch! main (* 2 x)))))]
      (log (vec (take 5 (g/generator (dotimes [i 10] (yield! (+ n (long (switch! helper i))))))))))
    @log))

(defn- its-trace [n]
  [[:ping n] [:pong (+ n 1)] [:ping (+ n 1)] [:pong (+ n 2)] [:ping (+ n 2)] [:pong (+ n 3)] [:ping (+ n 3)] [:pong :ended]
   {:n n} true (mapv #(+ n (* 2 %)) (range 5))])

(deftest a-thousand-virtual-threads-at-once
  (is (= (map its-trace (range 1000))
         (watchdog/call-in-threads {:virtual true} (map (fn [n] #(small-program n)) (range 1000))))))
