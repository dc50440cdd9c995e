(ns greenlet.async-test
  "core.async both ways: who waits, what is handed over, who is unwound."
  (:require [clojure.core.async :as async]
            [clojure.core.async.impl.protocols :as impl]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing use-fixtures]]
            [greenlet.async :as a :refer [<! >! alt! alts! elements onto-chan! to-chan!]]
            [greenlet.core :as g :refer [cursor generator glet next! switch! yield!]]
            [greenlet.hub :as hub]
            [greenlet.hubs]
            [greenlet.test :refer [check-leaks]]
            [greenlet.watchdog :as watchdog :refer [in-thread leaves-suspended thrown-by trace]])
  (:import (greenlet GreenletExit)
           (java.lang ProcessBuilder$Redirect)
           (java.lang.management ManagementFactory)
           (java.lang.ref WeakReference)
           (java.util.concurrent CountDownLatch TimeUnit TimeoutException)
           (java.util.concurrent.locks Lock)))

(set! *warn-on-reflection* true)

(use-fixtures :each check-leaks)

(defn- pulled-by-reduce [f] (reduce (fn [_ x] (reduced x)) nil (generator (yield! (f)))))
(defn- pulled-by-seq [f] (first (doall (seq (generator (yield! (f)))))))
(defn- pulled-by-cursor [f] (with-open [c (cursor (generator (yield! (f))))] (next! c)))
(defn- in-greenlet [f] (switch! (glet [] (f))))

(def ^:private places
  "Ways to call a function somewhere."
  (let [ways {"directly" #(%), "in a greenlet" in-greenlet, "in a body, reduced" pulled-by-reduce,
              "in a body, by a seq" pulled-by-seq, "in a body, by a cursor" pulled-by-cursor}]
    (into {}
          (for [[thread in] {"in a platform thread" #(watchdog/call-in-thread %)
                             "in a virtual thread" #(watchdog/call-in-thread {:virtual true} %)
                             "in a task" #(in-thread (hub/run* %))
                             "in a thread that has a hub" #(in-thread (hub/hub) (%))}
                [way call] ways]
            [(str way ", " thread) (fn [f] (in (fn [] (call f))))]))))

(defmacro ^:private everywhere [& body]
  `(doseq [[place# call#] places]
     (testing place#
       (call# (bound-fn [] ~@body nil)))))

(defn- values
  "What lies in the channel, which is closed."
  [c]
  (in-thread (vec (elements c))))

;; Take and put

(deftest take-and-put-hand-over-what-the-other-side-waits-for
  (everywhere
   (let [in (async/chan), out (async/chan)]
     (async/go-loop [] (when-some [v (async/<! in)] (async/>! out [:got v]) (recur)))
     (is (= [[:got 0] [:got 1] [:got 2]] (mapv #(do (is (true? (>! in %))) (<! out)) (range 3))) "through mapv")
     (async/close! in))))

(deftest only-the-task-waits
  (doseq [[way call] {"directly" #(%), "in a greenlet" in-greenlet, "reduced" pulled-by-reduce, "by a seq" pulled-by-seq
                      "by a cursor" pulled-by-cursor}]
    (testing way
      (is (= [:waits :other [:got :value] :waits-to-put :put [:other :back]]
             (in-thread
              (let [log (trace)
                    c (async/chan)
                    t (fn [] (log :waits) (log [:got (<! c)]) (log :waits-to-put) (>! c :back) (log :put))]
                (hub/run
                  (let [task (hub/spawn #(call t))]
                    (hub/sleep! 0)
                    (log :other)
                    (>! c :value)
                    (let [v (<! c)]
                      (hub/join task)
                      (log [:other v]))))
                @log)))))))

(deftest outside-of-tasks-the-hub-of-the-thread-goes-on
  (leaves-suspended "a task that has put, and whose hub is not run to its end"
    (in-thread
     (let [c (async/chan)]
       (hub/spawn #(run! (partial >! c) [1 2]))
       (is (= [1 2] [(<! c) (<! c)]))))))

(deftest in-the-thread-of-an-event-loop-nobody-waits-but-tasks
  (let [executor (java.util.concurrent.Executors/newSingleThreadExecutor)
        c (async/chan)
        answer (promise)]
    (try
      (.execute executor #(hub/spawn {:hub (hub/hub-on executor)} (fn [] (deliver answer (<! c)))))
      (async/>!! c :from-outside)
      (is (= :from-outside (deref answer 60000 :late)))
      (let [outside #(do (hub/spawn {:hub (hub/hub-on executor)} +) (thrown-by (<! c)))]
        (is (instance? IllegalStateException @(.submit executor ^Callable outside))))
      (is (nil? (async/offer! c :not-taken)))
      (finally (.close executor)))))

(deftest the-rules-are-those-of-core-async
  (everywhere
   (let [c (async/chan 2)]
     (is (= [true true] [(>! c false) (>! c 2)]))
     (async/close! c)
     (is (false? (>! c 3)))
     (is (= [false 2 nil nil] [(<! c) (<! c) (<! c) (<! c)])))
   (testing "alts!"
     (let [a (async/chan 1), b (async/chan 1), full (doto (async/chan 1) (async/put! 0))]
       (is (= [:none :default] (alts! [a b] :default :none)))
       (is (= [nil :default] (alts! [a b [full 1]] {:default nil})))
       (async/put! a 1)
       (async/put! b 2)
       (is (= [2 b] (alts! [b a] :priority true)))
       (is (= [1 a] (alts! [b a])))
       (is (= [true b] (alts! [a [b 3]])))
       (is (= [3 b] (alts! [b] :default :none)))
       (async/close! a)
       (is (= [nil a] (alts! [a b])))
       (is (= [false a] (alts! [[a 1] b])))
       (is (nil? (first (alts! [(async/timeout 1) b] :priority true)))
           "a timeout")))
   (testing "alt!"
     (let [a (async/chan 1), b (async/chan 1)]
       (async/put! b 1)
       (is (= [1 b] (alt! a :a, b ([v port] [v port]))))
       (is (= :default (alt! a :a, b :b, :default :default)))
       (is (= :put (alt! [[a 2]] :put)))
       (is (= 2 (alt! [a b] ([v] v) :priority true)))))))

(deftest alts-chooses-among-those-that-can-be
  (in-thread
   (let [[a b] (repeatedly #(async/chan (async/sliding-buffer 1)))]
     (is (= #{a b} (into #{} (repeatedly 200 #(do (async/put! a 1) (async/put! b 1) (second (alts! [a b]))))))))))

(defmethod clojure.test/assert-expr 'refused? [msg [_ pattern & body]]
  (clojure.test/assert-expr msg `(~'thrown-with-msg? IllegalArgumentException ~pattern ~@body)))

(deftest wrong-arguments-are-refused
  (let [c (async/chan 5)]
    (everywhere
     (is (refused? #"a take needs a channel.*got nil" (<! nil)))
     (is (refused? #"a take needs a channel.*got :c" (<! :c)))
     (is (refused? #"a put needs a channel" (>! nil 1)))
     (is (refused? #"nil cannot be put" (>! c nil)))
     (is (refused? #"alts! needs a vector.*got \[\]" (alts! [])))
     (is (refused? #"alts! needs a vector" (alts! c)))
     (is (refused? #"unknown options \[:prio\]" (alts! [c] :prio true)))
     (is (refused? #"nil cannot be put" (alts! [c [c nil]])))
     (is (refused? #"got a vector of 1" (alts! [[c]])))
     (is (refused? #"at once" (alts! [c [c 1]])))
     (is (refused? #"first argument of to-chan!" (to-chan! 1)))
     (is (refused? #"second argument of onto-chan!" (onto-chan! c 1)))
     (is (refused? #"a put needs a channel.*Outlet" (>! (to-chan! [1]) 1)))
     (is (refused? #"a take needs a channel" (elements nil)))
     (is (refused? #"unknown options \[:clsoe\]" (elements c {:clsoe true})))
     (is (refused? #"must be a map" (elements c :close)))
     (is (refused? #"go\* needs a function" (a/go* 1))))
    (is (= :none (in-thread (first (alts! [c] :default :none)))) "nothing has been put")))

;; Buffers, and who closes first

(def ^:private kinds
  "For each kind of channel how to make one and, given 0, 1, 2 and so on, what can arrive of n values that were put: a predicate."
  (let [all (fn [n vs] (= (range n) vs))]
    {"unbuffered" [#(async/chan) all]
     "fixed" [#(async/chan 3) all]
     "dropping" [#(async/chan (async/dropping-buffer 3)) (fn [_ vs]
                                                             (and (= vs (sort (distinct vs))) (= (take 3 vs) (take (count vs) (range 3)))))]
     "sliding" [#(async/chan (async/sliding-buffer 3)) (fn [n vs] (and (= vs (sort (distinct vs))) (= (dec n) (last vs))))]
     "promise" [#(async/promise-chan) (fn [_ vs] (every? #{0} vs))]
     "of a transducer" [#(async/chan 3 (map identity)) all]
     "of one that ends" [#(async/chan 3 (take 5)) (fn [_ vs] (= (range 5) vs))]
     "of one that expands" [#(async/chan 3 (mapcat (partial repeat 2))) (fn [n vs] (= (mapcat (partial repeat 2) (range n)) vs))]}))

(defn- together
  "What the two functions return, each called in a task, in a virtual thread or by one of core.async's."
  [[make f] [make-other other]]
  (in-thread
   (hub/run
     (let [x (make f), y (make-other other)]
       [(<! x) (<! y)]))))

(def ^:private sides
  {"a task" a/go*
   "a virtual thread" (fn [f] (let [c (async/chan 1)] (Thread/startVirtualThread #(async/>!! c (f))) c))
   "core.async's thread" (fn [f] (async/thread (f)))
   "core.async's io-thread" (fn [f] ; since 1.9
                              (if-let [call (resolve 'clojure.core.async/thread-call)]
                                (if (some #{2} (map count (:arglists (meta call)))) (call f :io) (call f))
                                (async/thread (f))))})

(deftest the-side-that-puts-closes-first
  (doseq [[kind [make arrives?]] kinds
          [putter-name putter] sides
          [taker-name taker] sides]
    (testing (str kind ", put by " putter-name ", taken by " taker-name)
      (let [c (make)
            limit (if (= kind "promise") 5 1000)
            [accepted vs] (together [putter (fn [] (let [r (mapv #(>! c %) (range 20))] (async/close! c) r))]
                                    [taker (fn [] (into [] (take limit) (elements c)))])]
        (is (arrives? 20 vs) (pr-str vs))
        (is (or (every? true? accepted) (= kind "of one that ends")) (pr-str accepted))))))

(deftest the-side-that-takes-closes-first
  (doseq [[kind [make]] kinds
          [putter-name putter] sides
          [taker-name taker] sides]
    (testing (str kind ", put by " putter-name ", taken by " taker-name)
      (let [c (make)
            give-way #(when (hub/current-task) (hub/sleep! 0)) ; a put into some of these never waits
            [refused taken] (together [putter (fn [] (loop [i 0] (if (>! c i) (do (give-way) (recur (inc i))) i)))]
                                      [taker (fn [] (let [vs (into [] (take 3) (elements c))]
                                                      (async/close! c)
                                                      ;; what is left releases a put that waits, as core.async has it
                                                      [vs (if (= kind "promise") [] (vec (elements c)))]))])
            [vs left] taken]
        (is (= 3 (count vs)))
        (is (nat-int? refused))
        (when-not (#{"dropping" "sliding" "promise" "of one that ends" "of one that expands"} kind)
          (is (= (range refused) (concat vs left)) "all that was accepted has arrived, and nothing else"))))))

(deftest generators-feed-every-kind-of-buffer
  (doseq [[kind buffer] {"unbuffered" (fn []), "fixed" (fn [] 3)
                         "dropping" #(async/dropping-buffer 3), "sliding" #(async/sliding-buffer 3)}
          [by start] sides
          close-first [:generator :consumer]]
    (testing (str kind ", closed first by the " close-first ", in " by)
      (let [unwound (promise)
            n (if (= close-first :generator) 20 1000000000)
            body #(try (run! yield! (range n)) (finally (deliver unwound true)))
            [vs] (together [start (fn []
                                    (let [c (to-chan! (generator (body)) (buffer))]
                                      (if (= close-first :generator)
                                        (vec (elements c))
                                        (into [] (take 4) (elements c {:close true})))))]
                           [a/go* (fn [] (<! (a/go (hub/await! unwound))))])]
        (is (apply < vs))
        (case [kind close-first]
          (["unbuffered" :generator] ["fixed" :generator]) (is (= (range 20) vs))
          ["sliding" :generator] (is (= 19 (peek vs)))
          ["dropping" :generator] (is (= [0 1 2] (take 3 vs)))
          (["unbuffered" :consumer] ["fixed" :consumer]) (is (= (range 4) vs))
          (is (= 4 (count vs))))))))

;; Giving up

(defn- port
  "A channel whose handler is committed when the test says so: `@committed` is then the callback."
  [committed]
  (let [commit! (fn [^Lock h]
                  (.lock h)
                  (deliver committed (impl/commit h))
                  (.unlock h)
                  nil)]
    (reify
      impl/ReadPort (take! [_ h] (commit! h))
      impl/WritePort (put! [_ _ h] (commit! h)))))

(deftest one-that-was-killed-while-it-waited-takes-nothing-later
  (doseq [wait [<! #(>! % :not-wanted) #(alts! [% (async/chan)]) #(alts! [[% :not-wanted] (async/chan)])]]
    (in-thread
     (hub/run
       (let [c (async/chan)
             log (trace)
             t (hub/spawn #(try (wait c) (log :wrong) (finally (log :unwound))))]
         (hub/sleep! 0)
         (hub/kill! t)
         (is (= [:unwound] @log))
         (is (= [:none :default] (alts! [c] :default :none)) "nothing is offered")
         (is (nil? (async/offer! c :value)) "nobody takes")
         (hub/spawn #(>! c :value))
         (is (= :value (<! c))))))))

(deftest one-that-was-killed-when-a-value-had-been-handed-over-gets-it
  (doseq [[wait expected] {#(<! %) :value, #(>! % 1) :value, #(first (alts! [% (async/chan)])) :value
                           #(first (alts! [(async/chan) [% 1]] :priority true)) :value}]
    (in-thread
     (hub/run
       (let [log (trace)
             committed (promise)
             t (hub/spawn #(try
                             (log (wait (port committed)))
                             (hub/sleep! 0)
                             (log :wrong)
                             (catch GreenletExit _ (log :killed))))]
         (hub/sleep! 0)
         (let [callback @committed]
           (hub/interrupt! t) ; its wait is over by this
           (future (callback :value)))
         (hub/join t)
         (is (= [expected :killed] @log)))))))

(deftest a-limit-that-runs-out-when-a-value-had-been-handed-over
  (testing "does not count, if the body ends without another wait"
    (is (= [:value :in-time :waited]
           (in-thread
            (let [committed (promise)
                  log (trace)]
              (hub/run :time :virtual
                (hub/spawn-later 1 #(future (@committed :value))) ; due at the same time, and before: it runs first
                (hub/sleep! 0)
                (log (hub/timeout 1 (log (<! (port committed))) :in-time))
                (hub/sleep! 1)
                (log :waited))
              @log)))))
  (testing "is answered at the next wait within it"
    (is (= [:value :late]
           (in-thread
            (let [committed (promise)
                  log (trace)]
              (hub/run :time :virtual
                (hub/spawn-later 1 #(future (@committed :value)))
                (hub/sleep! 0)
                (log (hub/timeout 1 :else :late (log (<! (port committed))) (hub/sleep! 0) :wrong)))
              @log)))))
  (testing "outside of tasks, too"
    (is (= [:value :late]
           (in-thread
            (let [committed (promise)
                  log (trace)]
              (hub/spawn-later 0.001 #(future (@committed :value)))
              (hub/sleep! 0)
              (log (hub/timeout 0.001 :else :late (log (<! (port committed))) (hub/sleep! 100) :wrong))
              @log))))))

(deftest an-interrupted-thread
  (testing "takes nothing"
    (let [c (async/chan)
          {:keys [^Thread thread join]} (watchdog/start-thread #(thrown-by (<! c)))]
      (watchdog/await-state thread Thread$State/WAITING)
      (.interrupt thread)
      (is (instance? InterruptedException (join)))
      (is (nil? (async/offer! c 1)))))
  (testing "or gets what has been handed over"
    (let [committed (promise)
          {:keys [^Thread thread join]} (watchdog/start-thread #(vector (<! (port committed)) (Thread/interrupted)))
          callback @committed]
      (watchdog/await-state thread Thread$State/WAITING)
      (.interrupt thread)
      (callback :value)
      (is (= :value (first (join))))))
  (testing "with a hub"
    (let [c (async/chan)
          {:keys [^Thread thread join]} (watchdog/start-thread #(thrown-by (hub/run (<! c))))]
      (watchdog/await-state thread Thread$State/WAITING Thread$State/TIMED_WAITING)
      (.interrupt thread)
      (is (instance? InterruptedException (join)))
      (is (nil? (async/offer! c 1))))))

(def ^:private total 5000)

(defn- ended-at-random
  "Calls `step` with true until it returns false, in task after task; each is ended at a random moment, in one of several ways."
  [seed step]
  (let [random (java.util.Random. seed)
        over (volatile! false)
        work #(while (not @over) (when-not (step) (vreset! over true)))
        ways [(fn [] (let [t (hub/spawn work)]
                       (dotimes [_ (.nextInt random 4)] (hub/sleep! 0))
                       (hub/kill! t)))
              (fn [] (hub/timeout (* 1e-6 (.nextInt random 300)) :else nil (work)))
              (fn [] (let [t (hub/spawn work), spins (.nextInt random 2000)]
                       (.start (Thread. #(do (dotimes [_ spins] (Thread/onSpinWait)) (hub/interrupt! t))))
                       (hub/join t)))]]
    (hub/run
      (while (not @over) ((nth ways (.nextInt random (count ways))))))))

(deftest nothing-is-lost-or-comes-twice-where-takers-are-ended-at-random
  (let [seed (System/nanoTime)]
    (doseq [[kind make] {"unbuffered" #(async/chan), "of 1" #(async/chan 1), "of 7, of a transducer" #(async/chan 7 (map identity))}
            [way of] {"<!" (fn [c] #(<! c))
                      "alts!" (fn [c] (let [idle (async/chan)] #(first (alts! [idle c]))))
                      "elements" (fn [c] #(with-open [one (cursor (elements c))] (next! one nil)))}]
      (testing (str kind ", by " way ", seed " seed)
        (let [c (make)
              next-value (of c)
              got (volatile! [])]
          (async/thread (dotimes [i total] (async/>!! c i)) (async/close! c))
          (in-thread (ended-at-random seed #(when-some [v (next-value)] (vswap! got conj v))))
          (is (= (range total) @got)))))))

(deftest nothing-is-lost-or-comes-twice-where-putters-are-ended-at-random
  (let [seed (System/nanoTime)]
    (doseq [[kind make] {"unbuffered" #(async/chan), "of 1" #(async/chan 1), "of 7, of a transducer" #(async/chan 7 (map identity))}
            [way of] {">!" (fn [c] #(>! c %))
                      "alts!" (fn [c] (let [idle (async/chan)] #(first (alts! [idle [c %]]))))}]
      (testing (str kind ", by " way ", seed " seed)
        (let [c (make)
              put (of c)
              n (volatile! 0)
              got (async/into [] c)]
          (in-thread (ended-at-random seed #(when (< @n total) (put @n) (vswap! n inc))))
          (async/close! c)
          (is (= (range total) (async/<!! got))))))))

;; Processes

(deftest go-runs-in-the-hub-of-the-task-and-else-in-a-virtual-thread
  (in-thread
   (hub/run
     (let [hub (hub/hub)]
       (is (= [true true] (<! (a/go [(= hub (hub/hub)) (hub/task? (hub/current-task))])))))))
  (is (= [true nil] (<! (a/go [(.isVirtual (Thread/currentThread)) (hub/current-task)]))))
  (in-thread
   (hub/hub)
   (is (= [true nil] (async/<!! (a/go [(.isVirtual (Thread/currentThread)) (hub/current-task)])))
       "a hub that runs only while its thread waits is none to rely on")))

(def ^:dynamic *answer* 41)

(deftest the-channel-of-a-go
  (everywhere
   (is (= [1 nil] (let [c (a/go 1)] [(<! c) (<! c)])))
   (is (nil? (<! (a/go nil))))
   (is (false? (<! (a/go false))))
   (is (= 10 (<! (a/go-loop [n 0] (if (< n 10) (recur (inc n)) n)))))
   (is (= 42 (<! (binding [*answer* 42] (a/go *answer*))))))
  (testing "is core.async's"
    (is (= #{1 2} (async/<!! (async/into #{} (async/merge [(async/to-chan! [1]) (async/go (async/<! (a/go 2)))])))))
    (is (= [1 2]
           (async/<!! (async/go [1 (async/<! (a/go 2))]))))))

(deftest a-go-that-fails
  (testing "in a task"
    (in-thread
     (let [log (trace)]
       (hub/run :on-failure (fn [_ e] (log (ex-message e)))
         (is (nil? (<! (a/go (throw (Exception. "broken")))))))
       (is (= ["broken"] @log))
       (let [failing #(hub/scope (<! (a/go (throw (Exception. "broken")))) (hub/sleep! 1000))]
         (is (= "broken" (ex-message (thrown-by (hub/run (failing)))))))))
    (testing "or is killed, also before it begins"
      (in-thread
       (is (nil? (<! (hub/run (hub/scope (a/go :never))))))
       (is (nil? (<! (hub/run (let [c (a/go (<! (async/chan)))] (hub/sleep! 0) c))))))))
  (testing "in a thread"
    (let [seen (promise)
          before (Thread/getDefaultUncaughtExceptionHandler)]
      (Thread/setDefaultUncaughtExceptionHandler (reify Thread$UncaughtExceptionHandler
                                                   (uncaughtException [_ _ e] (deliver seen (ex-message e)))))
      (try
        (is (nil? (async/<!! (a/go (throw (Exception. "broken"))))))
        (is (= "broken" (deref seen 60000 :late)))
        (finally (Thread/setDefaultUncaughtExceptionHandler before))))))

(deftest a-process-that-waits-for-what-is-forgotten-is-collected
  (let [log (trace)
        refs (in-thread
              (let [held (Object.)
                    held-too (Object.)]
                (a/go (try (<! (async/chan)) (finally (log [:unwound held]))))
                (<! (to-chan! (generator (try (run! yield! (range)) (finally (log [:unwound held-too]))))))
                [(WeakReference. held) (WeakReference. held-too)]))]
    (doseq [^WeakReference r refs] (is (watchdog/eventually #(nil? (.get r)))))
    (is (= [] @log))))

;; Generators

(defn- await-count
  "Lets other tasks run until `log` has `n` events, and a few rounds more; core.async wakes some of them from another thread."
  [log n]
  (hub/timeout 60 (while (< (count @log) n) (hub/sleep! 0)))
  (dotimes [_ 5] (hub/sleep! 0)))

(deftest a-generator-runs-as-far-as-there-is-room
  (in-thread
   (let [log (trace)]
     (hub/run
       (let [c (to-chan! (generator (doseq [i (range 10)] (log i) (yield! i))) 2)]
         (await-count log 3)
         (is (= [0 1 2] @log) "two in the buffer, and one that waits")
         (is (= 0 (<! c)))
         (await-count log 4)
         (is (= [0 1 2 3] @log)))))))

(deftest to-close-the-channel-unwinds-the-generator
  (in-thread
   (let [log (trace)]
     (hub/run
       (let [c (to-chan! (generator (try (doseq [i (range)] (log i) (yield! i)) (finally (log :unwound)))) 2)
             await-count (partial await-count log)]
         (is (= 0 (<! c)))
         (await-count 4)
         (async/close! c)
         (hub/wait)
         (is (= [0 1 2 3 :unwound] @log))
         (is (= [1 2 nil] [(<! c) (<! c) (<! c)]) "what lies in the buffer can be taken"))))
   (testing "also where its task is killed"
     (let [log (trace)
           c (hub/run
               (let [c (to-chan! (generator (try (run! yield! (range)) (finally (log :unwound)))))]
                 (<! c)
                 c))]
       (is (= [:unwound] @log))
       (is (nil? (<! c)) "and closes the channel")))
   (testing "or never began"
     (is (nil? (<! (hub/run (hub/scope (to-chan! (range))))))))))

(deftest a-chain-of-generators-and-channels-unwinds-from-either-end
  (doseq [[where call] {"in a task" #(hub/run* %), "in a thread" #(%)}]
    (testing where
      (in-thread
       (call
        (fn []
          (let [unwound (async/chan 10)
                stage (fn [name coll] (generator (try (run! #(yield! (inc %)) coll) (finally (async/put! unwound name)))))
                    through #(elements (to-chan! %) {:close true})
                chain #(->> % (stage :first) through (stage :second) through (stage :third))]
            (testing "the consumer's, early"
              (is (= [3 4] (into [] (take 2) (chain (range)))))
              (is (= #{:first :second :third} (set [(<! unwound) (<! unwound) (<! unwound)]))))
            (testing "the producer's"
              (is (= [3 4 5] (vec (chain (range 3)))))
              (is (= #{:first :second :third} (set [(<! unwound) (<! unwound) (<! unwound)])))))))))))

(deftest elements-are-taken-as-they-are-asked-for
  (everywhere
   (let [c (async/to-chan! (range 10))
         es (elements c)]
     (leaves-suspended "a seq that is only forgotten"
       (is (= [0 1] (doall (take 2 es)))))
     (is (= [2 3] (into [] (take 2) es)))
     (is (= 4 (reduce (fn [_ x] (reduced x)) nil es)))
     (with-open [k (cursor es)]
       (is (= [5 6] [(next! k) (next! k)])))
     (is (= 7 (<! c)) "the channel is left open")
     (is (= [8 9] (vec es)))
     (is (nil? (seq es)))))
  (testing "a seq goes from thread to thread"
    (let [s (in-thread (seq (elements (async/to-chan! (range 5)))))]
      (is (= [0 1] (in-thread (doall (take 2 s)))))
      (is (= (range 5) (in-thread (vec s))))))
  (testing ":close"
    (everywhere
     (let [c (async/chan 3)]
       (>! c 1)
       (is (= 1 (with-open [k (cursor (elements c {:close true}))] (next! k))))
       (is (false? (>! c 2))))))
  (testing "killed while it waits, it closes the channel"
    (in-thread
     (hub/run
       (let [c (async/chan), t (hub/spawn #(vec (elements c {:close true})))]
         (hub/sleep! 0)
         (hub/kill! t)
         (is (false? (>! c 1))))))))

(deftest onto-a-channel-of-ones-own
  (everywhere
   (let [c (async/chan), all (async/into [] c)]
     (is (nil? (<! (onto-chan! c (generator (run! yield! (range 5))) false))))
     (is (nil? (<! (onto-chan! c [5]))))
     (is (= (range 6) (<! all))))
   (let [c (async/chan 1), unwound (promise)]
     (let [ended (onto-chan! c (generator (try (run! yield! (range)) (finally (deliver unwound true)))))]
       (<! c)
       (async/close! c)
       (is (<= (count (vec (elements c))) 2) "a put that waited is released by a take")
       (is (nil? (<! ended)))
       (is (realized? unwound))))))

(deftest a-generator-that-fails
  (let [gen (generator (yield! 1) (throw (Exception. "broken")))]
    (in-thread
     (let [log (trace)]
       (hub/run :on-failure (fn [_ e] (log (ex-message e)))
         (is (= [1] (vec (elements (to-chan! gen)))))
         (hub/sleep! 0)
         (is (= ["broken"] @log))
         (is (= [1 "broken"] (vec (elements (to-chan! gen nil nil ex-message)))) "or is told to the consumer")
         (is (= [[1] [:broken]] (vec (elements (to-chan! gen 1 (map vector) (constantly :broken))))))
         (is (= ["broken"] @log))))))
  (testing "an element that no channel takes is the body's error"
    (in-thread
     (let [log (trace)]
       (hub/run :on-failure (fn [_ e] (log (ex-message e)))
         (is (= [1] (vec (elements (to-chan! (generator (yield! 1) (yield! nil)))))))
         (hub/sleep! 0))
       (is (re-find #"nil cannot be put" (first @log)))))))

(deftest what-to-chan-returns-serves-core-async
  (let [source #(to-chan! (generator (run! yield! (range 5))))]
    (is (= (range 5) (async/<!! (async/into [] (source)))))
    (is (= [0 :pair] (async/<!! (async/go (let [s (source), [v p] (async/alts! [s])] [v (when (= p s) :pair)])))))
    (is (= (range 1 6) (async/<!! (async/into [] (let [out (async/chan)] (async/pipeline 2 out (map inc) (source)) out)))))
    (let [tapped (promise), m (async/mult (to-chan! (generator @tapped (run! yield! (range 5))))), out (async/chan 5)]
      (async/tap m out)
      (deliver tapped true)
      (is (= (range 5) (async/<!! (async/into [] out)))))
    (is (re-find #"^#<Outlet@\p{XDigit}+: a channel" (pr-str (source))))))

;; What it costs

(defn- run-java
  "What a new JVM prints that evaluates `code`, with this one's options and class path."
  [{:keys [options class-path] :or {class-path (System/getProperty "java.class.path")}} code]
  (let [^Process process (.start (doto (ProcessBuilder.
                                        ^java.util.List
                                        (concat [(str (System/getProperty "java.home") "/bin/java")]
                                                (remove #(re-find #"agent|jdwp|-Xm" %)
                                                        (.getInputArguments (ManagementFactory/getRuntimeMXBean)))
                                                options
                                                ["-cp" class-path "clojure.main" "-e" (pr-str code)]))
                                   (.redirectError ProcessBuilder$Redirect/INHERIT)))
        out (future (slurp (.getInputStream process)))]
    (.close (.getOutputStream process))
    (try
      (when-not (.waitFor process 240 TimeUnit/SECONDS) (throw (TimeoutException. "a JVM took longer than 240 s")))
      (str/split-lines (str/trim @out))
      (finally (.destroyForcibly process)))))

(deftest ^:heavy heap-stays-flat
  (is (= ["no thread started by loading" "499999500000" "499999500000" "unwound 20000" "unwound 20000" "given up 200000"]
         (run-java
          {:options ["-Xmx64m"]}
          '(do
             (require '[clojure.core.async :as async] '[greenlet.core :as g] '[greenlet.hub :as hub])
             (defn threads [] (set (keys (Thread/getAllStackTraces))))
             (let [before (threads)]
               (require '[greenlet.async :as a])
               (println (if (= [] (vec (remove before (threads)))) "no" "some") "thread started by loading"))

             (defn sum [] (reduce + (seq (a/elements (a/to-chan! (g/generator (run! g/yield! (range 1000000))) 8)))))
             (println (hub/run (sum)))
             (println (sum))

             (def unwound (atom 0))
             (defn numbers [] (let [held (long-array 1000)]
                                (try (run! g/yield! (range)) (finally (swap! unwound + 1 (aget held 0))))))
             (defn leave [] (reduce (fn [_ x] (reduced x)) nil (a/elements (a/to-chan! (g/generator (numbers)) 4) {:close true})))
             (hub/run (dotimes [_ 20000] (leave)) (hub/wait))
             (println "unwound" @unwound)
             (reset! unwound 0)
             (dotimes [_ 20000] (leave))
             (while (< @unwound 20000) (Thread/onSpinWait)) ; the test's limit ends it
             (println "unwound" @unwound)

             (let [c (async/chan), idle (async/chan), given-up (volatile! 0)]
               (hub/run :time :virtual
                 (dotimes [_ 200000] (hub/timeout 1 :else (vswap! given-up inc) (a/alts! [c idle]))))
               (println "given up" @given-up))
             (shutdown-agents))))))

;; Without core.async

(deftest without-core-async
  (let [separator java.io.File/pathSeparator
        class-path (str/join separator (remove (partial re-find #"core\.async") (str/split (System/getProperty "java.class.path")
                                                                                           (re-pattern separator))))
        out (run-java {:class-path class-path}
                      '(dotimes [_ 2]
                         (try (require 'greenlet.async)
                              (catch Throwable t (println (ex-message (last (take-while some? (iterate ex-cause t)))))))))]
    (is (= 2 (count out)))
    (is (every? #(re-find #"add \[org.clojure/core.async " %) out) (pr-str out))))
