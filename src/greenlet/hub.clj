(ns greenlet.hub
  "Tasks that wait for each other, for the time and for what other threads do, over an event loop on one thread, after
  Python's gevent; in real time or in virtual time.

      (run (let [a (spawn #(do (sleep! 0.02) :a))
                 b (spawn #(do (sleep! 0.01) :b))]
             [(result a) (result b)]))      ;=> [:a :b]

  Times are in seconds, as any number; a java.time.Duration does as well."
  (:require [greenlet.core])
  (:import (clojure.lang IBlockingDeref IDeref IFn IPending)
           (greenlet GreenletExit Hub Hub$Waiter Task)
           (java.io Writer)
           (java.time Duration)
           (java.util.concurrent Callable CompletionStage Future)
           (java.util.function Consumer)))

(set! *warn-on-reflection* true)

(defn- duration ^Duration [seconds]
  (cond
    (instance? Duration seconds) seconds
    (number? seconds) (Duration/ofNanos (Math/round (* 1e9 (double seconds))))
    :else (throw (IllegalArgumentException. (str "a time is a number of seconds or a java.time.Duration; got " (pr-str seconds))))))

(defn- ^Task the-task [x what]
  (if (instance? Task x)
    x
    (throw (IllegalArgumentException. (str what " must be a task, as `spawn` makes them; got " (if (nil? x) "nil" (class x)))))))

;; Running

(defn run*
  "The function behind `run`: calls `f` as a task, in a hub of its own; `options` are those of `run`.

      (run* #(now) {:time :virtual})   ;=> 0.0"
  ([f] (run* f nil))
  ([f {:keys [time hold]}]
   (.run (if (= time :virtual) (Hub/virtualTime (boolean hold)) (Hub/realTime)) ^Callable f)))

(defmacro run
  "Runs `body` as a task, in a new hub that runs in this thread until that task has ended. Then kills what other tasks are
  left, and returns the value of the body. What it throws comes out.

      (run :time :virtual (sleep! 3600) (now))   ;=> 3600.0

  The body can begin with options, `:time :virtual` and `:hold true`."
  {:arglists '([options* body*])}
  [& body]
  (let [[options body] (loop [options {}, body body]
                         (if (and (keyword? (first body)) (next body))
                           (recur (assoc options (first body) (second body)) (nnext body))
                           [options body]))]
    `(run* (^{:once true} fn* [] ~@body) ~options)))

(defn spawn
  "A new task that calls `f` with `args`, when its turn comes.

      (run (result (spawn + 1 2)))   ;=> 3"
  ^Task [f & args]
  (.spawn (Hub/current) ^Callable #(apply f args)))

(defn current-task
  "The task that is running in this thread; nil outside of a hub's tasks.

      (current-task)   ;=> nil"
  ^Task []
  (Task/current))

;; Waiting

(defn sleep!
  "Has the current task wait for that many seconds, or for no time, but others that are ready have their turn.

      (run :time :virtual (sleep! 1.5) (now))   ;=> 1.5"
  [seconds]
  (Hub/sleep (duration seconds)))

(defn now
  "The time of the hub, in seconds since it was made.

      (run :time :virtual (now))   ;=> 0.0"
  []
  (/ (.toNanos (.time (Hub/current))) 1e9))

(defn join
  "Has the current task wait until `task` has ended.

      (run (join (spawn #(/ 1 1))))   ;=> nil"
  [task]
  (.join (the-task task "the argument of join")))

(defn result
  "Has the current task wait until `task` has ended; its result, or its exception is thrown.

      (run (result (spawn #(* 6 7))))   ;=> 42"
  [task]
  (.result (the-task task "the argument of result")))

(defn kill!
  "Ends `task` by a GreenletExit, out of its pending wait or its next one, and waits until it has ended.

      (run (kill! (spawn #(sleep! 1000))))   ;=> nil"
  [task]
  (.kill (the-task task "the argument of kill!")))

;; Anything that completes

(defprotocol Awaitable
  "What `await!` can wait for."
  (on-complete! [source waiter]
    "Arranges that `wake!` or `fail!` is called with `waiter` when `source` is complete, in whichever thread; once is
    enough. Returns nil, or a function of no arguments, called if the wait is given up before."))

(defn wake!
  "Ends the wait of `waiter`: it returns `v`. From any thread. Whether this ended it, and not something before.

      (run (await! (fn [resume] (resume 1))))   ;=> 1"
  [waiter v]
  (.wake ^Hub$Waiter waiter v))

(defn fail!
  "Ends the wait of `waiter`: it throws `exception`.

      (run (await! (fn [resume] (resume nil (Exception. \"no\")))))   ; throws Exception: no"
  [waiter exception]
  (.fail ^Hub$Waiter waiter exception))

(defn await!
  "Has the current task wait until `source` is complete; its value, or its exception is thrown.

      (run (await! (future 1)))   ;=> 1"
  [source]
  (cond
    (instance? CompletionStage source) (Hub/await ^CompletionStage source)
    (instance? Task source) (result source)
    (instance? Future source) (Hub/awaitFuture ^Future source)
    (satisfies? Awaitable source) (let [give-up (volatile! nil)]
                                    (try
                                      (Hub/await ^Consumer (reify Consumer (accept [_ w] (vreset! give-up (on-complete! source w)))))
                                      (catch Throwable t
                                        (when-let [f @give-up] (f))
                                        (throw t))))
    (and (instance? IDeref source) (instance? IPending source)) (if (realized? source) @source (Hub/offload ^Callable #(deref source)))
    (ifn? source) (Hub/await ^Consumer (reify Consumer
                                         (accept [_ w]
                                           (source (fn ([v] (wake! w v)) ([v e] (if e (fail! w e) (wake! w v))))))))
    :else (throw (IllegalArgumentException. (str "await! cannot wait for " (pr-str source))))))
