(ns greenlet.watchdog
  "Bounded waits for tests: what takes too long fails and says where every thread was."
  (:import (java.util.concurrent CountDownLatch ExecutionException FutureTask TimeUnit TimeoutException)))

(set! *warn-on-reflection* true)

(def ^:private limit-seconds 120)

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

(defn call-in-thread
  "Calls `f` in a new thread, platform or virtual, and returns what it returns or throws what it throws."
  ([f] (call-in-thread {} f))
  ([{:keys [virtual seconds name] :or {seconds limit-seconds name "test"}} f]
   (let [task (FutureTask. ^Callable f)
         ^java.lang.Thread$Builder builder (if virtual (Thread/ofVirtual) (.daemon (Thread/ofPlatform)))]
     (.start (.name builder ^String name) task)
     (try
       (bounded seconds #(.get task % TimeUnit/SECONDS) name)
       (catch ExecutionException e (throw (.getCause e)))))))

(defmacro in-thread
  "The value of `body` in a new thread, whose root greenlet nobody has used before."
  [& body]
  `(call-in-thread (fn [] ~@body)))

(defn await-latch
  "Waits for `latch`, not for ever."
  [^CountDownLatch latch]
  (bounded limit-seconds #(or (.await latch % TimeUnit/SECONDS) (throw (TimeoutException.))) "a latch"))

(defn eventually
  "Collects garbage until `(f)` is truthy and returns that; fails after a bounded time."
  [f]
  (let [end (+ (System/nanoTime) (* limit-seconds 1000000000))]
    (loop []
      (System/gc)
      (or (f)
          (if (< (System/nanoTime) end)
            (recur)
            (throw (AssertionError. (str "still not so after " limit-seconds " s of collecting garbage\n" (thread-dump)))))))))

(defn trace
  "A recorder: call it with events, deref it for those so far."
  []
  (let [events (atom [])]
    (reify
      clojure.lang.IFn
      (invoke [_ e] (swap! events conj e) e)
      clojure.lang.IDeref
      (deref [_] @events))))
