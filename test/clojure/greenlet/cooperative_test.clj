(ns greenlet.cooperative-test
  "Cooperative hubs: where Clojure blocks a task, the hub's other tasks go on; a kill and a limit end such a wait. Where the JVM
  lacks the flag they take, they are refused."
  (:require [clojure.core.async :as async]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing use-fixtures]]
            [greenlet.core :refer [generator glet switch! yield!]]
            [greenlet.hub :as hub :refer [exception hub-on interrupt! join kill! no-switch now result run run* sleep! spawn stack
                                          successful? tasks timeout]]
            [greenlet.test :refer [check-leaks]]
            [greenlet.watchdog :as watchdog :refer [leaves-suspended thrown-by trace]])
  (:import (greenlet GreenletExit)
           (greenlet.hub Hub Hub$LoopExit Task)
           (java.util.concurrent Executors ExecutorService LinkedBlockingQueue TimeUnit TimeoutException)
           (java.util.concurrent.locks ReentrantLock)
           (java.util.logging Handler Logger LogRecord)))

(set! *warn-on-reflection* true)

(use-fixtures :each check-leaks)

(def ^:private cooperates?
  "Whether this JVM has the flag that cooperative hubs take."
  (.isOpen (.getModule Thread) "java.lang" (.getModule Hub)))

(def ^:private monitors-give-way?
  "Whether a virtual thread that waits in a monitor, or holds one, leaves its carrier."
  (<= 24 (.feature (Runtime/version))))

(def ^:private locks-in-clojure?
  "Whether delays and lazy seqs have locks of java.util.concurrent, and not monitors."
  (<= 12 (long (:minor *clojure-version*))))

(defmacro ^:private cooperatively
  "The value of `body`, which can begin with options, as that of a `run` of a cooperative hub in a new platform thread; nil where the
  JVM cannot have such hubs."
  [& body]
  `(when cooperates?
     (watchdog/call-in-thread (bound-fn [] (run :cooperative true ~@body)))))

(defn- blocked? [task]
  (str/includes? (str task) "blocked"))

(def ^:private limit-seconds 60)

(defn- let-block!
  "Has the other tasks run until `task` is blocked in the JDK; fails after a bounded time."
  [task]
  (let [end (+ (System/nanoTime) (* 1000000000 (long limit-seconds)))]
    (while (not (blocked? task))
      (when (< end (System/nanoTime)) (throw (AssertionError. (str task " does not block"))))
      (sleep! 0))))

(defn- within-limit [p]
  (let [v (deref p (* 1000 (long limit-seconds)) ::late)]
    (when (= ::late v) (throw (AssertionError. (str "not delivered within " limit-seconds " s\n" (watchdog/thread-dump)))))
    v))

;; What blocks

(defn- held-elsewhere
  "Has another thread call `hold` with a function that waits until :release is called. Returns when it has called that."
  [hold]
  (let [held (promise), over (promise)
        {:keys [join]} (watchdog/start-thread #(hold (fn [] (deliver held true) @over)))]
    (within-limit held)
    {:release #(do (deliver over true) (join))}))

(def ^:private waits
  "What blocks, each with a function that makes :wait, which blocks until :release has been called and has a value."
  (concat
   [["@promise"              #(let [p (promise)]
                                {:wait (fn [] @p), :release (fn [] (deliver p :value)), :value :value})]
    ["deref with a limit"    #(let [p (promise)]
                                {:wait (fn [] (deref p 600000 :late)), :release (fn [] (deliver p :value)), :value :value})]
    ["future"                #(let [p (promise), f (future @p)]
                                {:wait (fn [] @f), :release (fn [] (deliver p :value)), :value :value})]
    ["deref of a future"     #(let [p (promise), f (future @p)]
                                {:wait (fn [] (deref f 600000 :late)), :release (fn [] (deliver p :value)), :value :value})]
    ["pmap"                  #(let [p (promise)]
                                {:wait (fn [] (vec (pmap (fn [n] (+ n (long @p))) [1 2 3])))
                                 :release (fn [] (deliver p 10)), :value [11 12 13]})]
    ["send"                  #(let [p (promise), a (send (agent nil) (fn [_] @p))]
                                {:wait (fn [] (await a) @a), :release (fn [] (deliver p :value)), :value :value})]
    ["send-off"              #(let [p (promise), a (agent nil)]
                                {:wait (fn [] (send-off a (fn [_] @p)) (await-for 600000 a) @a)
                                 :release (fn [] (deliver p :value)), :value :value})]
    ["<!!"                   #(let [c (async/chan)]
                                {:wait (fn [] (async/<!! c)), :release (fn [] (async/put! c :value)), :value :value})]
    [">!!"                   #(let [c (async/chan)]
                                {:wait (fn [] (async/>!! c :value)), :release (fn [] (async/take! c identity)), :value true})]
    ["alts!!"                #(let [[c d] [(async/chan) (async/chan)]]
                                {:wait (fn [] (first (async/alts!! [c d]))), :release (fn [] (async/put! d :value)), :value :value})]
    ["go"                    #(let [p (async/promise-chan), c (async/go (async/<! p))]
                                {:wait (fn [] (async/<!! c)), :release (fn [] (async/put! p :value)), :value :value})]
    ["BlockingQueue"         #(let [q (LinkedBlockingQueue.)]
                                {:wait (fn [] (.take q)), :release (fn [] (.put q :value)), :value :value})]]
   (when (or locks-in-clojure? monitors-give-way?)
     [["delay"               #(let [p (promise), d (delay @p)]
                                {:wait (fn [] @d), :release (fn [] (deliver p :value)), :value :value})]
      ["lazy seq"            #(let [p (promise), s (map (fn [_] @p) [1])]
                                {:wait (fn [] (vec s)), :release (fn [] (deliver p :value)), :value [:value]})]])))

(def ^:private what-cannot-be-interrupted
  "As `waits`, for what holds out against an interrupt."
  (concat
   [["ReentrantLock"         #(let [lock (ReentrantLock.)]
                                (assoc (held-elsewhere (fn [hold] (.lock lock) (try (hold) (finally (.unlock lock)))))
                                       :wait (fn [] (.lock lock) (.unlock lock) :value), :value :value))]]
   (when monitors-give-way?
     [["locking"             #(let [o (Object.)]
                                (assoc (held-elsewhere (fn [hold] (locking o (hold))))
                                       :wait (fn [] (locking o :value)), :value :value))]])))

(deftest a-task-that-blocks-lets-the-others-run
  (doseq [[what make] (concat waits what-cannot-be-interrupted)]
    (testing what
      (let [said (trace)
            value (cooperatively
                   (let [{:keys [wait release value]} (make)
                         t (spawn #(do (said :waits) (said (wait))))]
                     (spawn #(do (said :others-run) (release)))
                     (result t)
                     value))]
        (when cooperates?
          (is (= [:waits :others-run value] @said)))))))

(deftest thread-sleep-lets-the-others-run
  (let [said (trace)]
    (cooperatively
     (let [t (spawn #(do (said :sleeps) (Thread/sleep 1) (said :slept)))]
       (spawn #(said :others-run))
       (result t)))
    (when cooperates?
      (is (= [:sleeps :others-run :slept] @said)))))

(deftest a-kill-ends-a-wait
  (doseq [[what make] (conj waits ["Thread/sleep" (constantly {:wait #(Thread/sleep 600000), :release (fn [])})])]
    (testing what
      (cooperatively
       (let [{:keys [wait release]} (make)
             said (trace)
             t (spawn #(try (wait) (finally (said :unwound))))]
         (let-block! t)
         (kill! t)
         (is (= [:unwound] @said))
         (is (instance? GreenletExit (exception t)))
         (is (= [InterruptedException] (map class (.getSuppressed (exception t)))))
         (is (false? (.isInterrupted (Thread/currentThread))))
         (release))))))

(deftest a-limit-ends-a-wait
  (doseq [[what make] (conj waits ["Thread/sleep" (constantly {:wait #(Thread/sleep 600000), :release (fn [])})])]
    (testing what
      (cooperatively :time :virtual ; where a limit on what is outside runs out at once
       (let [{:keys [wait release]} (make)
             e (thrown-by (timeout 5 (wait)))]
         (is (instance? TimeoutException e))
         (is (= 5.0 (now)))
         (is (str/includes? (str (ex-message e)) "a limit of 5 s ran out"))
         (is (some #(instance? InterruptedException %) (mapcat #(seq (.getSuppressed ^Throwable %)) [e (or (ex-cause e) e)])))
         (release))
       (let [{:keys [wait release]} (make)]
         (is (= :late (timeout 1 :else :late (wait))))
         (release))))))

(deftest what-cannot-be-interrupted-ends-when-it-is-granted
  (doseq [[what make] what-cannot-be-interrupted]
    (testing what
      (cooperatively
       (let [{:keys [wait release]} (make)
             said (trace)
             t (spawn #(do (said (wait)) (sleep! 0) (said :not-here)))]
         (let-block! t)
         (interrupt! t)
         (sleep! 0)
         (is (blocked? t))
         (is (= [] @said))
         (release)
         (join t)
         (is (= [:value] @said))
         (is (instance? GreenletExit (exception t))))))))

(deftest an-interrupt-that-is-swallowed-comes-out-of-the-next-wait
  (cooperatively
   (let [said (trace)
         t (spawn #(do (try @(promise) (catch InterruptedException _ (said :swallowed)))
                       (sleep! 0)
                       (said :not-here)))]
     (let-block! t)
     (kill! t)
     (is (= [:swallowed] @said))
     (is (instance? GreenletExit (exception t))))))

;; What tasks share

(deftest what-two-tasks-realise-at-once-is-realised-once
  (when (or locks-in-clojure? monitors-give-way?)
    (doseq [[what make] [["delay" (fn [f] (let [d (delay (f))] #(deref d)))]
                         ["lazy seq" (fn [f] (let [s (map (fn [_] (f)) [1])] #(first s)))]]]
      (testing what
        (let [said (trace)
              go (promise)]
          (cooperatively
           (let [realise (make #(do (said :begun) @go))
                 [a b] [(spawn #(said [:a (realise)])) (spawn #(said [:b (realise)]))]]
             (let-block! a)
             (let-block! b)
             (spawn #(do (said :others-run) (deliver go :value)))
             (run! join [a b])))
          (when cooperates?
            (is (= [:begun :others-run] (take 2 @said)))
            (is (= #{[:a :value] [:b :value]} (set (drop 2 @said))))))))))

(deftest locking-excludes-the-other-tasks
  (when monitors-give-way?
    (let [said (trace)
          o (Object.)]
      (cooperatively :time :virtual
       (let [within #(spawn (fn [] (locking o (said [% :in (now)]) (sleep! 5) (said [% :out (now)]))))]
         (run! join [(within :a) (within :b)])))
      (when cooperates?
        (is (= [[:a :in 0.0] [:a :out 5.0] [:b :in 5.0] [:b :out 10.0]] @said))))))

(deftest a-lock-that-is-held-over-a-sleep-in-virtual-time
  (let [said (trace)
        lock (ReentrantLock.)]
    (cooperatively :time :virtual
     (let [hold (fn [who seconds]
                  (spawn #(do (.lock lock)
                              (try (said [who :in (now)]) (sleep! seconds) (said [who :out (now)])
                                   (finally (.unlock lock))))))
           holders [(hold :a 5) (hold :b 1)]]
       (spawn #(do (sleep! 3) (said [:c :sleeps-beside (now)])))
       (run! join holders)
       (is (= 6.0 (now)))))
    (when cooperates?
      (is (= [[:a :in 0.0] [:c :sleeps-beside 3.0] [:a :out 5.0] [:b :in 5.0] [:b :out 6.0]] @said)))))

(deftest each-task-sees-its-bindings-after-a-wait
  (let [said (trace)]
    (cooperatively
     (let [p (promise)
           see #(binding [*print-length* %] (spawn (fn [] @p (said *print-length*))))
           waiting (mapv see [1 2 3])]
       (spawn #(deliver p true))
       (run! join waiting)))
    (when cooperates?
      (is (= #{1 2 3} (set @said))))))

;; At any depth

(deftest a-greenlet-within-a-task-blocks
  (cooperatively
   (let [said (trace)
         p (promise)
         t (spawn #(said [:got (switch! (glet [] (said :within) @p))]))]
     (spawn #(do (said :others-run) (deliver p :value)))
     (join t)
     (is (= [:within :others-run [:got :value]] @said)))
   (testing "and is killed with its task"
     (let [said (trace)
           t (spawn #(do (switch! (glet [] (try @(promise) (finally (said :unwound))))) (sleep! 0) (said :not-here)))]
       (let-block! t)
       (kill! t)
       (is (= [:unwound] @said))
       (is (instance? GreenletExit (exception t)))))))

(deftest the-body-of-a-generator-blocks
  (cooperatively
   (let [said (trace)
         p (promise)
         t (spawn #(said (into [] (generator (yield! 1) (yield! @p)))))]
     (spawn #(do (said :others-run) (deliver p 2)))
     (join t)
     (is (= [:others-run [1 2]] @said)))
   (testing "and is killed with its task"
     (let [said (trace)
           t (spawn #(run! said (generator (yield! 1) (try @(promise) (finally (said :unwound))))))]
       (let-block! t)
       (kill! t)
       (is (= [1 :unwound] @said))
       (is (instance? GreenletExit (exception t)))))))

;; What is told

(deftest a-blocked-task-tells-where-it-is
  (cooperatively
   (let [p (promise)
         t (spawn {:name "waits"} #(deref p))
         text #(str (first (filter (fn [t] (= "waits" (hub/task-name t))) (tasks))))]
     (is (= "Task[waits, unstarted]" (text)))
     (let-block! t)
     (is (= "Task[waits, blocked]" (text)))
     (is (str/includes? (pr-str (tasks)) "#<Task[waits, blocked]: (result t) waits for what comes of it>"))
     (let [classes (map #(.getClassName ^StackTraceElement %) (stack t))]
       (is (some #{"java.util.concurrent.CountDownLatch"} classes))
       (is (some #(str/starts-with? % "clojure.core$promise") classes))
       (is (some #(str/starts-with? % "greenlet.cooperative_test") classes))
       (is (not-any? #(re-find #"^greenlet\.(hub\.)?[A-Z]" %) classes)))
     (deliver p 1)
     (join t)
     (is (= [] (stack t))))))

(deftest a-loop-exit-says-who-is-blocked-in-what
  (when cooperates?
    (let [e (thrown-by
             (cooperatively :time :virtual :patience 0.01
              (spawn {:name "waits"} #(deref (promise)))
              (sleep! 0)
              @(promise)))]
      (is (instance? Hub$LoopExit e))
      (is (re-find #"Task\[waits, blocked\] is blocked in the JDK for [0-9.]+ s, in java\.util\.concurrent\.CountDownLatch\.await, at clojure\.core\$promise"
                   (str (ex-message e)))))))

(deftest no-switch-reports-a-wait
  (cooperatively
   (testing "that others may have run in"
     (let [said (trace)
           p (promise)]
       (spawn #(do (said :others-run) (deliver p :value)))
       (let [e (thrown-by (no-switch (said @p)))]
         (is (= [:others-run :value] @said) "it is not kept from waiting")
         (is (instance? IllegalStateException e))
         (is (str/includes? (str (ex-message e)) "has given way within a part of its body that must not"))
         (is (str/includes? (str (ex-message (ex-cause e))) "in java.util.concurrent.CountDownLatch.await"))
         (is (some #(str/starts-with? (.getClassName ^StackTraceElement %) "greenlet.cooperative_test")
                   (.getStackTrace (ex-cause e)))))))
   (testing "beside what the body throws"
     (let [^Throwable e (thrown-by (no-switch (Thread/sleep 1) (throw (ex-info "own" {}))))]
       (is (= "own" (ex-message e)))
       (is (= [IllegalStateException] (map class (.getSuppressed e))))))
   (testing "and none where nothing waits"
     (is (= 1 (no-switch @(doto (promise) (deliver 1)))))
     (is (= 2 (no-switch (locking (Object.) 2)))))))

;; The end

(defn- capturing-log
  "The value of `(f)`, and the messages that greenlet.hub has logged meanwhile."
  [f]
  (let [logger (Logger/getLogger "greenlet.hub")
        logged (trace)
        handler (proxy [Handler] []
                  (publish [^LogRecord r] (logged (.getMessage r)))
                  (flush [])
                  (close []))]
    (.addHandler logger handler)
    (.setUseParentHandlers logger false)
    (try
      [(f) @logged]
      (finally
        (.setUseParentHandlers logger true)
        (.removeHandler logger handler)))))

(deftest the-end-waits-for-what-cannot-be-interrupted
  (when cooperates?
    (let [said (trace)
          lock (doto (ReentrantLock.) .lock)
          over (promise)
          {:keys [thread join]} (watchdog/start-thread
                                 #(do (run :cooperative true
                                        (let-block! (spawn (fn [] (.lock lock) (try (said :granted) (finally (.unlock lock))))))
                                        (deliver over true))
                                      (said :run-is-over)))]
      (try
        (within-limit over)
        (watchdog/await-state thread Thread$State/WAITING Thread$State/TIMED_WAITING)
        (said :released)
        (finally (.unlock lock)))
      (join)
      (is (= [:released :granted :run-is-over] @said)))))

(deftest grace-gives-up-what-cannot-be-interrupted
  (when cooperates?
    (leaves-suspended "the task never goes on"
      (let [{:keys [wait release]} ((second (first what-cannot-be-interrupted)))
            [task logged] (capturing-log
                           #(cooperatively :grace 0.01
                             (doto (spawn {:name "holds out"} wait) let-block!)))]
        (is (instance? GreenletExit (exception task)))
        (is (false? (successful? task)))
        (is (= 1 (count logged)))
        (is (re-find #"gives up tasks .*Task\[holds out, blocked\] is blocked in the JDK .* in java\.util\.concurrent\.locks\.ReentrantLock\.lock"
                     (str (first logged))))
        (release)))))

;; Options

(defn- refusal [f]
  (let [e (thrown-by (watchdog/call-in-thread f))]
    [(class e) (ex-message e)]))

(defn- refused [type part f]
  (let [[class message] (refusal f)]
    (is (= type class))
    (is (str/includes? (str message) part))))

(deftest options-that-are-refused
  (refused IllegalArgumentException ":grace is for :cooperative true" #(run :grace 1 1))
  (refused IllegalArgumentException ":grace is for :cooperative true" #(run :cooperative false :grace 1 1))
  (refused IllegalArgumentException "unknown options [:cooperation]" #(run* (fn []) {:cooperation true}))
  (refused IllegalArgumentException "unknown options [:grace]" #(hub-on (fn [_]) {:cooperative true, :grace 1}))
  (refused IllegalArgumentException "unknown options [:cooperation]" #(hub-on (fn [_]) {:cooperation true}))
  (when cooperates?
    (refused IllegalStateException "holds its clock while anything outside of it is waited for"
             #(run :time :virtual :hold true :cooperative true 1))
    (refused IllegalArgumentException "a number" #(run :cooperative true :grace "long" 1))
    (let [e (thrown-by (watchdog/call-in-thread {:virtual true} #(run :cooperative true 1)))]
      (is (instance? IllegalStateException e))
      (is (str/includes? (str (ex-message e)) "is a virtual thread, and cannot carry others")))))

(deftest without-the-flag-they-are-refused-and-it-is-named
  (when-not cooperates?
    (doseq [f [#(run :cooperative true 1)
               #(run :time :virtual :cooperative true :grace 1 1)
               #(hub-on (fn [_]) {:cooperative true})]]
      (refused IllegalStateException "start the JVM with --add-opens java.base/java.lang=ALL-UNNAMED" f)
      (is (= :plain (watchdog/in-thread (run :plain))) "others run"))))

;; In an event loop of somebody else's

(deftest a-guest-cooperates
  (when cooperates?
    (let [^ExecutorService loop (Executors/newSingleThreadExecutor)
          said (trace)
          p (promise)]
      (try
        (let [host @(.submit loop ^Callable #(Thread/currentThread))
              h (hub-on loop {:cooperative true})
              t (spawn {:hub h} #(do (said :waits) (said [:got @p])))
              within (fn [] (hub/in-host #(do (said :in-host) (deliver p :value) (Thread/currentThread))))
              other (spawn {:hub h} #(do (said :others-run) (within)))]
          (is (= host (.get (.toCompletableFuture ^Task other) limit-seconds TimeUnit/SECONDS)))
          (.get (.toCompletableFuture ^Task t) limit-seconds TimeUnit/SECONDS))
        (finally (.close loop)))
      (is (= [:waits :others-run :in-host [:got :value]] @said)))))
