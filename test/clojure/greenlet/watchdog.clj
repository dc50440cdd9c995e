(ns greenlet.watchdog
  "Bounded waits for tests: what takes too long fails and says where every thread was."
  (:require [clojure.test :refer [is testing]])
  (:import (greenlet LeakDetector)
           (java.util.concurrent CountDownLatch ExecutionException FutureTask TimeUnit TimeoutException)))

(set! *warn-on-reflection* true)

(def ^:private limit-seconds 60)

(defn thread-dump
  "Where every platform thread is, and on JDKs that tell, every virtual one."
  ^String []
  (let [file (java.io.File/createTempFile "threads" ".txt")]
    (.delete file)
    (try
      (.dumpThreads ^com.sun.management.HotSpotDiagnosticMXBean
                    (java.lang.management.ManagementFactory/getPlatformMXBean com.sun.management.HotSpotDiagnosticMXBean)
                    (.getPath file)
                    com.sun.management.HotSpotDiagnosticMXBean$ThreadDumpFormat/TEXT_PLAIN)
      (slurp file)
      (finally (.delete file)))))

(defn- bounded [seconds wait what]
  (try
    (wait seconds)
    (catch TimeoutException _
      (throw (AssertionError. (str what " took longer than " seconds " s\n" (thread-dump)))))))

(defn- start [{:keys [virtual name] :or {name "test"}} ^Callable f]
  (let [task (FutureTask. f)
        ^java.lang.Thread$Builder builder (if virtual (Thread/ofVirtual) (.daemon (Thread/ofPlatform)))]
    {:task task, :thread (.start (.name builder ^String name) task)}))

(defn- result
  "What the thread's function returns or throws, once the thread has ended."
  [{:keys [seconds name] :or {seconds limit-seconds name "test"}} {:keys [^FutureTask task ^Thread thread]}]
  (try
    (bounded seconds #(.get task % TimeUnit/SECONDS) name)
    (catch ExecutionException e (throw (.getCause e)))
    (finally (when (.isDone task) (.join thread)))))

(defn call-in-thread
  "Calls `f` in a new thread, platform or virtual, and returns what it returns or throws what it throws."
  ([f] (call-in-thread {} f))
  ([options f] (result options (start options f))))

(defn call-in-threads
  "Calls all of `fs` at once, each in a new thread, and returns what they return, in order."
  ([fs] (call-in-threads {} fs))
  ([options fs]
   (mapv #(result options %) (mapv #(start options %) fs))))

(defn start-thread
  "Calls `f` in a new thread: a map of the :thread and of :join, a function that waits for the result."
  ([f] (start-thread {} f))
  ([options f]
   (let [started (start options f)]
     {:thread (:thread started), :join #(result options started)})))

(defmacro in-thread
  "The value of `body` in a new thread, whose root greenlet nobody has used before."
  [& body]
  `(call-in-thread (fn [] ~@body)))

(defmacro on-each-root
  "Runs `body`, with its assertions, as the root of a new platform thread and then of a new virtual one."
  [& body]
  `(doseq [virtual# [false true]]
     (testing (if virtual# "in a virtual thread:" "in a platform thread:")
       (call-in-thread {:virtual virtual#} (bound-fn [] ~@body)))))

(defmacro leaves-suspended
  "The value of `body`, of a test under `greenlet.test/check-leaks`, which leaves something suspended, for the reason `why`."
  [why & body]
  `(let [leaks# (LeakDetector.)]
     (try
       ~@body
       (finally (is (~'thrown? AssertionError (.close leaks#)) ~why)))))

(defn await-latch
  "Waits for `latch`, not for ever."
  [^CountDownLatch latch]
  (bounded limit-seconds #(or (.await latch % TimeUnit/SECONDS) (throw (TimeoutException.))) "a latch"))

(defn- keep-carriers-busy
  "Has the carriers of virtual threads run something new: one that waits for work still refers to what it ran last."
  []
  (call-in-threads {:virtual true} (repeat (* 4 (.availableProcessors (Runtime/getRuntime))) (fn []))))

(defn eventually
  "Collects garbage until `(f)` is truthy and returns that; fails after a bounded time."
  [f]
  (let [end (+ (System/nanoTime) (* limit-seconds 1000000000))]
    (loop []
      (keep-carriers-busy)
      (System/gc)
      (or (f)
          (if (< (System/nanoTime) end)
            (recur)
            (throw (AssertionError. (str "still not so after " limit-seconds " s of collecting garbage\n" (thread-dump)))))))))

(defn await-state
  "Waits until `thread` is in one of `states`, java.lang.Thread$State; fails after a bounded time."
  [^Thread thread & states]
  (let [end (+ (System/nanoTime) (* limit-seconds 1000000000))]
    (while (not-any? #(identical? % (.getState thread)) states)
      (when (< end (System/nanoTime))
        (throw (AssertionError. (str thread " is " (.getState thread) " after " limit-seconds " s\n" (thread-dump)))))
      (Thread/onSpinWait))))

(defn trace
  "A recorder: call it with events, deref it for those so far."
  []
  (let [events (atom [])]
    (reify
      clojure.lang.IFn
      (invoke [_ e] (swap! events conj e) e)
      clojure.lang.IDeref
      (deref [_] @events))))

(defmacro thrown-by
  "What `body` throws; nil if nothing."
  [& body]
  `(try ~@body nil (catch Throwable t# t#)))
