(ns greenlet.hub
  "Tasks that wait for each other, for the time and for what other threads do, over an event loop on one thread, in real
  time or in virtual time. The model is that of Python's gevent, and so are most names.

      (run (let [a (spawn #(do (sleep! 0.02) :a))
                 b (spawn #(do (sleep! 0.01) :b))]
             [(result a) (result b)]))      ;=> [:a :b]

  Run           `run` `run*`; `hub` `hub-on` `execute!` `on-failure!`
  Tasks         `spawn` `spawn-later` `spawn-in`; `join` `result` `kill!` `interrupt!` `link` `raw-link`; `joinall` `killall`
  Ask           `current-task` `tasks` `task?` `task-name` `done?` `ready?` `successful?` `exception` `stack` `now`
  Wait          `sleep!` `await!` `offload` `wait` `iwait`; `Awaitable` with `wake!` and `fail!`; `waiter`
  Bound         `timeout` `scope`, and `timeout*` `scope*`
  Between tasks `event` `set-event!` `clear-event!` `event-set?`; `async-result`; `semaphore` `lock` `acquire!` `release!`
                `holding`; `queue` `put!` `take!` `offer!` `poll!` `peek!` `close!` `task-done!`
  Many          `pool` `free-count` `imap` `imap-unordered`

  Times are in seconds, as any number; a java.time.Duration does as well. Tasks run one at a time, in the order in which they
  became ready, and give way only where they wait. They see the dynamic bindings of the place where they were spawned, which is
  how a task has variables of its own. What lies between tasks is for the tasks of one hub; other threads send to it by
  what `await!` waits for, or by `execute!`."
  (:require [greenlet.argument :refer [check-options refuse shown]]
            [greenlet.core :as g])
  (:import (clojure.lang Counted IDeref IFn IPending IReduceInit Var)
           (greenlet GreenletExit)
           (greenlet.hub Hub Task Waiter)
           (java.io Writer)
           (java.lang WrongThreadException)
           (java.time Duration)
           (java.util ArrayDeque Comparator LinkedHashSet PriorityQueue)
           (java.util.concurrent Callable CompletionStage Future)
           (java.util.function BiConsumer BooleanSupplier Consumer)))

(set! *warn-on-reflection* true)

;; Arguments

(defn- duration ^Duration [seconds]
  (cond
    (instance? Duration seconds) seconds
    (and (number? seconds) (not (Double/isNaN (double seconds)))) (Duration/ofNanos (Math/round (* 1e9 (double seconds))))
    :else (refuse "a time is a number of seconds or a java.time.Duration; got " (shown seconds))))

(defn- the-function ^IFn [f what]
  (if (ifn? f) f (refuse what " must be a function; got " (shown f))))

(defn- ^Task the-task [x what]
  (if (instance? Task x) x (refuse what " must be a task, as `spawn` makes them; got " (shown x))))

(defn- conveying
  "A function without arguments for another thread: calls `f` with `args`, in the dynamic bindings that are in force here."
  ^Callable [f args]
  (let [frame (Var/getThreadBindingFrame)]
    #(let [others (Var/getThreadBindingFrame)]
       (Var/resetThreadBindingFrame frame)
       (try
         (apply f args)
         (finally (Var/resetThreadBindingFrame others))))))

(defn- consumer ^Consumer [f]
  (reify Consumer (accept [_ x] (f x))))

(defn- with-options
  "The options at the beginning of a macro's body, and the rest of it."
  [known body]
  (loop [options {}, body body]
    (if (and (contains? known (first body)) (next body))
      (recur (assoc options (first body) (second body)) (nnext body))
      [options body])))

;; Running

(defn run*
  "The function behind `run`: calls `f` as a task, in a hub of its own. Options:

    :time        :virtual for a clock that jumps to the next timer as soon as no task is ready; by default :real.
    :hold        true: the virtual clock stands still as well while a task waits for something outside of the hub.
    :on-failure  who hears of exceptions that nobody asks for; as for `on-failure!`.

      (run* #(now) {:time :virtual})   ;=> 0.0"
  ([f] (run* f nil))
  ([f options]
   (check-options options [:time :hold :on-failure] "run")
   (let [{:keys [time hold on-failure]} options
         ^Hub hub (case time
                    (nil :real) (if (nil? hold) (Hub/realTime) (refuse ":hold is for :time :virtual; real time holds for nobody"))
                    :virtual (Hub/virtualTime (boolean hold))
                    (refuse ":time is :real or :virtual; got " (shown time)))]
     (when on-failure
       (.onFailure hub (reify BiConsumer (accept [_ task e] (on-failure task e)))))
     (.run hub ^Callable (the-function f "the argument of run*")))))

(defmacro run
  "Runs `body` as a task, in a new hub that runs in this thread until that task has ended. Then kills what other tasks are
  left, waits until their `finally` blocks have run, and returns the value of the body. What it throws comes out.

      (run (result (spawn #(do (sleep! 0.001) :slept))))   ;=> :slept

  The body can begin with the options of `run*`. In virtual time no time passes while a task can run, and then the clock
  jumps to the next timer: the same program leaves the same trace, every time, and sleeps take no time.

      (run :time :virtual (sleep! 3600) (now))   ;=> 3600.0

  What is waited for outside of the hub, such as a future, takes no virtual time while there are timers, so a limit on it
  runs out at once; with `:hold true` the clock waits for it. Where all tasks wait, and nothing is left that could wake one,
  the body gets a greenlet.hub.Hub$LoopExit, which lists them. Throws IllegalStateException within a task."
  {:arglists '([options* body*])}
  [& body]
  (let [[options body] (with-options #{:time :hold :on-failure} body)]
    `(run* (^{:once true} fn* [] ~@body) ~options)))

(defn hub
  "The hub of this thread: that of the current task, or else the thread's own, of real time, which is made at the first use
  and runs while something outside of its tasks waits. So all that waits can be used without `run`, at the REPL for one.

      (= (hub) (hub))   ;=> true"
  ^Hub []
  (Hub/current))

(defn hub-on
  "A new hub within an event loop of somebody else's: `executor`, a java.util.concurrent.Executor or a function of a
  Runnable, runs what it is given later, always in the same thread. The hub runs one round of ready tasks at a time, never
  blocks that thread, and runs as soon as it has tasks. Its timers are the JDK's, or those of `:timers`, a
  ScheduledExecutorService. `spawn` takes it as `:hub`.

      (let [loop (java.util.concurrent.Executors/newSingleThreadExecutor)]
        (try
          (deref (.toCompletableFuture (spawn {:hub (hub-on loop)} #(do (sleep! 0.001) :slept))))
          (finally (.shutdown loop))))   ;=> :slept

  To wait in that thread outside of the hub's tasks is an IllegalStateException. A turn in another thread is a
  WrongThreadException there, and told to the handler of `on-failure!`."
  (^Hub [executor] (hub-on executor nil))
  (^Hub [executor options]
   (check-options options [:timers] "hub-on")
   (Hub/on (cond
             (instance? java.util.concurrent.Executor executor) executor
             (ifn? executor) (reify java.util.concurrent.Executor (execute [_ r] (executor r)))
             :else (refuse "a hub runs on an Executor or a function of a Runnable; got " (shown executor)))
           (:timers options))))

(defn execute!
  "Has a new task of `hub` call `f` with `args`. From any thread: this is how others get at what lies between tasks.

      (run (let [h (hub), q (queue)]
             @(future (execute! h put! q :from-outside))
             (take! q)))   ;=> :from-outside"
  [hub f & args]
  (.execute ^Hub hub ^Runnable #(apply f args)))

(defn on-failure!
  "Has `f` called with each task of `hub` that ends with an exception, and with that, where nobody is asking for its result
  and it is in no scope. By default the thread's handler of uncaught exceptions gets it. `f` must not wait. Returns `hub`.

      (let [failed (promise)]
        (run (on-failure! (hub) (fn [task e] (deliver failed [(task-name task) (ex-message e)])))
             (join (spawn {:name \"careless\"} #(throw (Exception. \"broken\")))))
        @failed)   ;=> [\"careless\" \"broken\"]"
  ^Hub [hub f]
  (the-function f "a handler")
  (.onFailure ^Hub hub (reify BiConsumer (accept [_ task e] (f task e)))))

;; Tasks

(declare spawn-in)

(defn spawn
  "A new task that calls `f` with `args` when its turn comes; the caller goes on. It sees the dynamic bindings in force here,
  and belongs to the innermost `scope`, if there is one. A map before `f` is for options:

    :name   its name, a string
    :after  so many seconds later, at the earliest
    :hub    not this thread's hub but another, in whichever thread
    :pool   as `spawn-in` does, in this pool

      (run (result (spawn + 1 2)))   ;=> 3
      (run (task-name (spawn {:name \"adder\"} + 1 2)))   ;=> \"adder\""
  {:arglists '([f & args] [options f & args])}
  ^Task [f & args]
  (if (map? f)
    (let [{:keys [name after hub pool]} (check-options f [:name :after :hub :pool] "spawn")
          f (the-function (first args) "what spawn is given")
          args (rest args)
          ^Hub hub (or hub (Hub/current))
          ^String name (when name (str name))]
      (cond
        (and pool after) (refuse "spawn takes :pool or :after, not both")
        pool (apply spawn-in pool f args)
        after (.spawnLater ^Hub hub (duration after) name ^Callable #(apply f args))
        :else (.spawn ^Hub hub name ^Callable #(apply f args))))
    (let [^Callable body (if args #(apply f args) (the-function f "what spawn is given"))]
      (.spawn (Hub/current) body))))

(defn spawn-later
  "As `spawn`, but the task begins so many seconds later, at the earliest. It can be killed before.

      (run :time :virtual (result (spawn-later 5 now)))   ;=> 5.0"
  ^Task [seconds f & args]
  (apply spawn {:after seconds} f args))

(defn current-task
  "The task that is running in this thread, at any depth of calls; nil outside of a hub's tasks.

      [(current-task) (task? (run (current-task)))]   ;=> [nil true]"
  ^Task []
  (Task/current))

(defn tasks
  "The tasks of this thread's hub that have not ended, in the order in which they were made.

      (run (spawn {:name \"a\"} sleep! 1) (map task-name (rest (tasks))))   ;=> (\"a\")"
  []
  (vec (.tasks (Hub/current))))

(defn task?
  "Whether `x` is a task.

      (task? :a)   ;=> false"
  [x]
  (instance? Task x))

(defn task-name
  "The name of `task`: the one it was given, or one that is made up.

      (run (task-name (spawn {:name :worker} +)))   ;=> \":worker\""
  ^String [task]
  (.name (the-task task "the argument of task-name")))

(defn stack
  "Where `task` is: a vector of StackTraceElements, the innermost first, without this library's own.

      (run (stack (spawn +)))   ;=> []"
  [task]
  (vec (.stackTrace (the-task task "the argument of stack"))))

(definterface Ending
  (isDone [])
  (exception [])
  (result [])
  (join [])
  (interrupt [exception]))

(defn- task-or
  "The value of `(of-task t)` or `(of-other e)`, as `x` is a task or another Ending."
  [x what of-task of-other]
  (cond
    (instance? Task x) (of-task x)
    (instance? Ending x) (of-other x)
    :else (refuse what " must be a task, as `spawn` makes them; got " (shown x))))

(defn done?
  "Whether the task, or the async-result, has ended, in whichever way.

      (run (let [t (spawn +)] [(done? t) (join t) (done? t)]))   ;=> [false nil true]"
  [task]
  (boolean (task-or task "the argument of done?" #(.isDone ^Task %) #(.isDone ^Ending %))))

(defn ready?
  "The same as `done?`, by gevent's name.

      (run (let [t (spawn +)] [(ready? t) (join t) (ready? t)]))   ;=> [false nil true]"
  [task]
  (boolean (task-or task "the argument of ready?" #(.isDone ^Task %) #(.isDone ^Ending %))))

(defn exception
  "The exception that ended the task, or the async-result: a GreenletExit, if it was killed; nil if it ended with a value,
  or has not ended.

      (run (let [t (spawn sleep! 1)] (kill! t) (instance? greenlet.GreenletExit (exception t))))   ;=> true"
  ^Throwable [task]
  (task-or task "the argument of exception" #(.exception ^Task %) #(.exception ^Ending %)))

(defn successful?
  "Whether the task, or the async-result, has ended with a value.

      (run (let [t (spawn +)] (join t) (successful? t)))   ;=> true"
  [task]
  (and (ready? task) (nil? (exception task))))

;; Time and limits

(defn sleep!
  "Has the current task wait for so many seconds, at least. For 0, only until the others that are ready have had their turn.

      (run :time :virtual (sleep! 1.5) (now))   ;=> 1.5"
  [seconds]
  (Hub/sleep (duration seconds)))

(defn now
  "The time of the hub: seconds since it was made, by its own clock, as a double.

      (run :time :virtual (now))   ;=> 0.0"
  []
  (/ (.toNanos (.time (Hub/current))) 1e9))

(defn timeout*
  "The function behind `timeout`: the value of `(f)`, or where the limit ends that, of `(otherwise)`.

      (run (timeout* 0.001 #(sleep! 1000) #(do :late)))   ;=> :late"
  ([seconds f]
   (if (nil? seconds) (f) (Hub/timeout (duration seconds) ^Callable f)))
  ([seconds f otherwise]
   (if (nil? seconds) (f) (Hub/timeout (duration seconds) ^Callable f ^Callable otherwise))))

(defmacro timeout
  "The value of `body`, which runs in the current task for so many seconds at most; nil for no limit. When they are over, the
  pending wait in the body, or its next one, throws an error that passes through every `catch` of Exceptions and every inner
  limit to this one, which throws a java.util.concurrent.TimeoutException, or has the value of `:else`. Thus each limit
  answers for itself alone: its `:else` is not for limits within or around it.

      (run (timeout 0.001 (sleep! 1000)))   ; throws TimeoutException: a limit of 0.001 s ran out
      (run :time :virtual
        (timeout 5 :else [:outer (now)]
          (timeout 9 :else [:inner (now)]
            (sleep! 1000))))   ;=> [:outer 5.0]

  It interrupts waits alone: a body that computes is not stopped."
  {:arglists '([seconds body*] [seconds :else value body*])}
  [seconds & body]
  (let [[options body] (with-options #{:else} body)]
    `(timeout* ~seconds (^{:once true} fn* [] ~@body)
               ~@(when (contains? options :else) [`(^{:once true} fn* [] ~(:else options))]))))

(defn- within
  "The value of `(f)`; that of `otherwise` after `seconds`, if they are not nil."
  [seconds f otherwise]
  (if (nil? seconds) (f) (timeout* seconds f (constantly otherwise))))

(defn scope*
  "The function behind `scope`: the value of `(f)`.

      (run (scope* #(result (spawn + 1 2))))   ;=> 3"
  ([f] (scope* f nil))
  ([f options]
   (check-options options [:join] "scope")
   (if (:join options)
     (Hub/joiningScope ^Callable f)
     (Hub/scope ^Callable f))))

(defmacro scope
  "The value of `body`, at whose end the tasks end that were spawned in it, by it or by its tasks: they are killed, and waited
  for, so that their `finally` blocks have run. With `:join true` before the body they are not killed but waited for.

      (run (scope (spawn #(try (sleep! 1000) (finally (println \"unwound\")))) (sleep! 0) :done))   ; prints unwound ;=> :done
      (run (let [sum (atom 0)] (scope :join true (dotimes [i 4] (spawn swap! sum + i))) @sum))   ;=> 6

  If one of the tasks or the body ends with an exception, that ends all of them, and comes out when they have ended, with
  later ones suppressed on it. A task that is killed is no failure."
  {:arglists '([options* body*])}
  [& body]
  (let [[options body] (with-options #{:join} body)]
    `(scope* (^{:once true} fn* [] ~@body) ~options)))

;; Waiting for tasks

(defn join
  "Has the current task wait until `task`, or all tasks of a pool, have ended, in whichever way; or a queue has been worked
  off, see `task-done!`. nil. With `seconds`, not for longer; then whether it has ended.

      (run (let [t (spawn sleep! 1000)] [(join t 0.001) (kill! t) (join t)]))   ;=> [false nil nil]"
  ([task] (task-or task "the first argument of join" #(.join ^Task %) #(.join ^Ending %)) nil)
  ([task seconds] (within seconds #(do (join task) true) false)))

(defn result
  "Has the current task wait until `task`, or an async-result, has ended. Returns its value, or throws the exception that
  ended it, the same object; java.util.concurrent.CancellationException if it was killed. With `seconds`, does not wait for
  longer: `otherwise`, or a TimeoutException.

      (run (let [t (spawn #(do (sleep! 0.01) :value))] [(result t 0.001 :late) (result t)]))   ;=> [:late :value]"
  ([task] (task-or task "the first argument of result" #(.result ^Task %) #(.result ^Ending %)))
  ([task seconds] (timeout* seconds #(result task)))
  ([task seconds otherwise] (within seconds #(result task) otherwise)))

(defn interrupt!
  "Raises `exception` in `task`, out of its pending wait or its next one; a GreenletExit by default, which ends it quietly.
  Does not wait, and may be called from any thread. A task that has not begun ends with it and never runs.

      (run (let [t (spawn #(try (sleep! 1000) (catch Exception e (ex-message e))))]
             (sleep! 0)
             (interrupt! t (Exception. \"hurry\"))
             (result t)))   ;=> \"hurry\""
  ([task] (interrupt! task (GreenletExit.)))
  ([task exception]
   (when-not (instance? Throwable exception) (refuse "interrupt! takes a Throwable; got " (shown exception)))
   (task-or task "the first argument of interrupt!" #(.interrupt ^Task % exception) #(.interrupt ^Ending % exception))
   nil))

(defn kill!
  "Ends `task`, or all tasks of a pool: raises a GreenletExit in it, out of its pending wait or its next one, and waits until
  it has ended, so that its `finally` blocks have run. One that has not begun never runs; one that has ended stays as it is;
  the current one ends here. nil. Options: `:exception`, another one to raise; `:wait`, false for not at all, or a number of
  seconds at most.

      (run (let [t (spawn #(try (sleep! 1000) (finally (println \"unwound\"))))]
             (sleep! 0)
             (kill! t)
             (successful? t)))   ; prints unwound ;=> false"
  ([task] (kill! task nil))
  ([task options]
   (let [{:keys [exception wait] :or {exception (GreenletExit.), wait true}}
         (check-options options [:exception :wait] "kill!")]
     (if (identical? task (Task/current))
       (throw exception)
       (interrupt! task exception))
     (cond
       (true? wait) (join task)
       wait (join task wait))
     nil)))

(defn link
  "Has a new task call `f` with `task` when that has ended; soon, if it has already. Returns `task`.

      (run (let [p (promise)] (link (spawn + 1 2) #(deliver p (result %))) (await! p)))   ;=> 3"
  ^Task [task f]
  (the-function f "what link is given")
  (doto (the-task task "the first argument of link") (.link (consumer f))))

(defn raw-link
  "Has `f` called with `task` as a part of its end, or at once, if it has ended. It must not wait. Returns `task`.

      (run (let [p (promise)] (join (raw-link (spawn + 1 2) #(deliver p (result %)))) @p))   ;=> 3"
  ^Task [task f]
  (the-function f "what raw-link is given")
  (doto (the-task task "the first argument of raw-link") (.rawLink (consumer f))))

;; Anything that completes

(defn waiter
  "One wait of one task, on which all that waits is built: `await!` waits until somebody, in whichever thread, calls `wake!`
  or `fail!`, not at all if that was before. Only the first such call counts. `what` is for people: what is waited for.

      (run (let [w (waiter \"a word\")] (spawn wake! w :word) (await! w)))   ;=> :word

  It is for what tasks of the same hub bring about. That others may, `await!` of a function takes into account."
  ^Waiter [what]
  (Waiter. what))

(defprotocol Awaitable
  "What `await!` can wait for, to be extended to other types.

      (deftype Source [callbacks])
      (extend-protocol Awaitable
        Source (on-complete! [source waiter] (swap! (.-callbacks source) conj #(wake! waiter %)) nil))
      (run (let [source (Source. (atom []))]
             (spawn #(run! (fn [callback] (callback :value)) @(.-callbacks source)))
             (await! source)))   ;=> :value"
  (on-complete! [source waiter]
    "Has `wake!` or `fail!` called with `waiter` when `source` is complete, in whichever thread; only the first call counts.
  Returns a function without arguments, which is called if the wait is given up, or nil.

      (run (let [w (waiter :example)] (on-complete! (fn [callback] (callback 1)) w) (await! w)))   ;=> 1"))

(definterface Within
  (awaited [])
  (wake [v])
  (fail [exception]))

(defn wake!
  "Completes a waiter or an async-result with the value `v`. Whether this did it, and nothing before. A waiter from any
  thread.

      (run (let [r (async-result)] [(wake! r 1) (wake! r 2) (result r)]))   ;=> [true false 1]"
  [waiter v]
  (if (instance? Waiter waiter)
    (.wake ^Waiter waiter v)
    (.wake ^Within waiter v)))

(defn fail!
  "Completes a waiter or an async-result with an exception. Whether this did it, and nothing before. A waiter from any thread.

      (run (let [r (async-result)] (fail! r (Exception. \"no\")) (ex-message (exception r))))   ;=> \"no\""
  [waiter exception]
  (when-not (instance? Throwable exception) (refuse "fail! takes a Throwable; got " (shown exception)))
  (if (instance? Waiter waiter)
    (.fail ^Waiter waiter exception)
    (.fail ^Within waiter exception)))

(defn- wake-with [^Waiter waiter f complete?]
  (let [thread (.wakeWith waiter (conveying f nil) (reify BooleanSupplier (getAsBoolean [_] (boolean (complete?)))))]
    #(.interrupt thread)))

(defn- get-future [^Future f]
  (try
    (.get f)
    (catch java.util.concurrent.ExecutionException e (throw (or (ex-cause e) e)))))

(extend-protocol Awaitable
  nil
  (on-complete! [_ _] (refuse "await! cannot wait for nil"))
  Object
  (on-complete! [source waiter]
    (cond
      (instance? Future source) (wake-with waiter #(get-future source) #(.isDone ^Future source))
      (and (instance? IPending source) (instance? IDeref source)) (wake-with waiter #(deref source) #(realized? source))
      (fn? source) (do (source (fn
                                 ([v] (wake! waiter v))
                                 ([v exception] (if exception (fail! waiter exception) (wake! waiter v)))))
                       nil)
      :else (refuse "await! cannot wait for " (shown source) "; extend the protocol greenlet.hub/Awaitable to it"))))

(defn await!
  "Has the current task wait until `source` is complete, from any depth of calls. Returns its value, or throws the
  exception that it failed with, without the ExecutionException or CompletionException around it. A source is

  - a task or an async-result: as `result`; an event, whose value is true; a `waiter`;
  - a CompletionStage, such as a CompletableFuture;
  - another Future, a promise or a delay. These call nobody back, so a virtual thread waits for them;
  - a function: called at once with a callback, which somebody calls, in whichever thread, as `(callback value)` or
    `(callback nil exception)`, the first time with effect;
  - what else the protocol `Awaitable` is extended to.

      (run (await! (future (+ 1 2))))   ;=> 3
      (run (await! (fn [callback] (.start (Thread. #(callback :called))))))   ;=> :called

  To give up, by a limit or a kill, does not touch a source that others may wait for, too. Outside of tasks the thread's own
  hub runs until the wait is over; in the thread of a `hub-on` that is an IllegalStateException. java.util.concurrent's
  CancellationException if what is waited for was cancelled."
  [source]
  (cond
    (instance? Task source) (.result ^Task source)
    (instance? Within source) (.awaited ^Within source)
    (instance? Waiter source) (.await ^Waiter source)
    (instance? CompletionStage source) (Hub/await ^CompletionStage source)
    :else (let [give-up (volatile! nil)]
            (try
              (Hub/await (consumer #(vreset! give-up (on-complete! source %))))
              (catch Throwable t
                (when-let [f @give-up] (f))
                (throw t))))))

(defn offload
  "Calls `f` with `args` in a virtual thread of its own, for what blocks, while the current task alone waits. Its value; what
  it throws comes out. If the wait is given up, by a limit or a kill, the thread is interrupted, and not waited for.

      (run (offload #(do (Thread/sleep 1) :slept)))   ;=> :slept"
  [f & args]
  (the-function f "what offload is given")
  (Hub/offload (conveying f args)))

;; Between tasks. All is built on queues of waiters, which are woken in their order; a waiter that has given up is passed
;; over, since waking it has no effect.

(deftype Putter [^Waiter waiter item])

(defn- check-thread [^ArrayDeque waiters what]
  (when-let [w (.peek waiters)]
    (when-not (let [^Waiter w (if (instance? Putter w) (.-waiter ^Putter w) w)] (.isHere ^Hub (.hub w)))
      (throw (WrongThreadException.
              (str what " is for the tasks of one hub, and those of another wait for it; in other threads, use execute! of that hub"))))))

(defn- wait-in [^ArrayDeque waiters what]
  (check-thread waiters what)
  (let [w (Waiter. what)]
    (.add waiters w)
    (try
      (.await w)
      (catch Throwable t
        (.remove waiters w)
        (throw t)))))

(defn- wake-first
  "Wakes the first that waits; whether there was one."
  [^ArrayDeque waiters v]
  (loop []
    (if-let [^Waiter w (.poll waiters)]
      (or (.wake w v) (recur))
      false)))

(defn- wake-all [^ArrayDeque waiters v]
  (while (wake-first waiters v)))

(deftype Event [^ArrayDeque waiters ^:volatile-mutable is-set]
  Within
  (awaited [this] (or is-set (wait-in waiters this)))
  (wake [_ _] (check-thread waiters "an event") (set! is-set true) (wake-all waiters true))
  (fail [_ _] (set! is-set false))
  IDeref
  (deref [_] is-set)
  Object
  (toString [_] (str "an event" (when is-set " that is set"))))

(defn- ^Event the-event [e what]
  (if (instance? Event e) e (refuse what " must be an event; got " (shown e))))

(defn event
  "An event, which is set or not, at first not. `await!` waits until it is set, and returns true; all who wait are woken, in
  their order.

      (run (let [e (event)] (spawn set-event! e) (await! e)))   ;=> true"
  []
  (Event. (ArrayDeque.) false))

(defn set-event!
  "Sets the event: all who wait for it are ready, also if it is cleared before they have their turn. nil.

      (let [e (event)] (set-event! e) (event-set? e))   ;=> true"
  [event]
  (.wake (the-event event "the argument of set-event!") nil)
  nil)

(defn clear-event!
  "Makes the event one that is not set. nil.

      (let [e (event)] (set-event! e) (clear-event! e) (event-set? e))   ;=> false"
  [event]
  (.fail (the-event event "the argument of clear-event!") nil)
  nil)

(defn event-set?
  "Whether the event is set.

      (event-set? (event))   ;=> false"
  [event]
  (.deref (the-event event "the argument of event-set?")))

(deftype AsyncResult [^ArrayDeque waiters ^:unsynchronized-mutable ready ^:unsynchronized-mutable value ^:unsynchronized-mutable thrown]
  Within
  (awaited [this]
    (when-not ready (wait-in waiters this))
    (if thrown (throw thrown) value))
  (wake [_ v]
    (check-thread waiters "an async-result")
    (and (not ready)
         (do (set! ready true) (set! value v) (wake-all waiters nil) true)))
  (fail [_ e]
    (check-thread waiters "an async-result")
    (and (not ready)
         (do (set! ready true) (set! thrown e) (wake-all waiters nil) true)))
  Ending
  (isDone [_] ready)
  (exception [_] thrown)
  (result [this] (.awaited this))
  (join [this] (when-not ready (wait-in waiters this)))
  (interrupt [_ _] (refuse "an async-result cannot be killed; fail! completes it with an exception"))
  Object
  (toString [_] "an async-result"))

(defn async-result
  "A value that some task will provide, once: `wake!` with a value, or `fail!` with an exception. `await!` and `result` wait
  for it; `ready?`, `successful?` and `exception` ask.

      (run (let [r (async-result)] (spawn wake! r :value) (result r)))   ;=> :value"
  []
  (AsyncResult. (ArrayDeque.) false nil nil))

(declare take!)

(definterface Permits
  (acquire [])
  (release [])
  (free []))

(deftype Semaphore [^ArrayDeque waiters ^:unsynchronized-mutable ^long permits ^long most]
  Permits
  (acquire [this]
    (if (pos? permits)
      (set! permits (dec permits))
      (wait-in waiters this))
    nil)
  (release [_]
    (check-thread waiters "a semaphore")
    (when (and (>= permits most) (.isEmpty waiters))
      (throw (IllegalStateException. (str "a bounded semaphore has been released more often than acquired: it has its " most " permits already"))))
    (when-not (wake-first waiters nil)
      (set! permits (inc permits)))
    nil)
  (free [_] permits)
  Object
  (toString [_] "a permit of a semaphore"))

(deftype Lock [^Semaphore semaphore ^:unsynchronized-mutable owner ^:unsynchronized-mutable ^long depth]
  Permits
  (acquire [_]
    (let [me (or (Task/current) (Thread/currentThread))]
      (when-not (identical? owner me)
        (.acquire semaphore)
        (set! owner me))
      (set! depth (inc depth))
      nil))
  (release [_]
    (when-not (identical? owner (or (Task/current) (Thread/currentThread)))
      (throw (IllegalStateException. (str "a lock can be released by its owner alone, which is " (or owner "nobody")))))
    (set! depth (dec depth))
    (when (zero? depth)
      (set! owner nil)
      (.release semaphore)))
  (free [_] (if owner 0 1))
  Object
  (toString [_] "a lock"))

(defn semaphore
  "So many permits, which `acquire!` takes and `release!` gives back; who has to wait gets one in the order of asking. With
  `{:bounded true}` it is an IllegalStateException to give back more than there were.

      (run (let [s (semaphore 1)] [(acquire! s) (acquire! s 0.001) (release! s) (acquire! s 0.001)]))   ;=> [true false nil true]"
  ([permits] (semaphore permits nil))
  ([permits options]
   (when-not (nat-int? permits) (refuse "a semaphore has 0 permits or more; got " (shown permits)))
   (Semaphore. (ArrayDeque.) permits (if (:bounded (check-options options [:bounded] "a semaphore")) permits Long/MAX_VALUE))))

(defn lock
  "A lock for one task at a time, which may take it again while it has it, and gives it back as often. For `acquire!`,
  `release!` and `holding`.

      (run (let [l (lock)] (holding l (holding l :twice))))   ;=> :twice"
  []
  (Lock. (Semaphore. (ArrayDeque.) 1 1) nil 0))

(defn- ^greenlet.hub.Permits the-permits [s what]
  (if (instance? greenlet.hub.Permits s) s (refuse what " must be a semaphore or a lock; got " (shown s))))

(defn acquire!
  "Takes a permit of the semaphore, or the lock; waits until there is one, not longer than `seconds`. Whether it has it.

      (run (acquire! (semaphore 0) 0.001))   ;=> false"
  ([semaphore] (acquire! semaphore nil))
  ([semaphore seconds]
   (let [s (the-permits semaphore "the first argument of acquire!")]
     (within seconds #(do (.acquire s) true) false))))

(defn release!
  "Gives a permit back to the semaphore, or the lock; the first who waits has it. nil.

      (let [s (semaphore 0)] (release! s) (free-count s))   ;=> 1"
  [semaphore]
  (.release (the-permits semaphore "the argument of release!")))

(defmacro holding
  "The value of `body`, with a permit of the semaphore, or the lock, which is given back however the body ends.

      (run (let [s (semaphore 1)] (holding s (free-count s))))   ;=> 0"
  [semaphore & body]
  `(let [s# ~semaphore]
     (acquire! s#)
     (try
       ~@body
       (finally (release! s#)))))

;; Queues. An item is [value number], which is never nil. It goes to the first taker that waits, else into the store, a
;; java.util.Queue, which is what has an order; else its putter waits.

(deftype Queue [^java.util.Queue store ^long size ^ArrayDeque takers ^ArrayDeque putters ^ArrayDeque joiners closed made unfinished]
  Counted
  (count [_] (.size store))
  Ending
  (isDone [_] (zero? (long @unfinished)))
  (exception [_] nil)
  (result [this] (.join this))
  (join [_] (when (pos? (long @unfinished)) (wait-in joiners "the end of the work on a queue")))
  (interrupt [_ _] (refuse "a queue cannot be killed; close! closes it"))
  IReduceInit
  (reduce [this f init]
    (loop [acc init]
      (let [item (take! this ::end)]
        (cond
          (identical? item ::end) acc
          :else (let [acc (f acc item)]
                  (if (reduced? acc) @acc (recur acc)))))))
  Object
  (toString [_] (str "a queue of " (.size store) " items")))

(defn queue
  "A queue of items, nil among them, that `put!` adds to and `take!` takes from; both wait where they have to, and are served in
  the order of their coming. Can be reduced, until it is closed and empty. `count` is how many items lie in it. Options:

    :size   how many have room in it; without, as many as memory has. With 0, each `put!` waits for a `take!`.
    :order  :fifo, the default; :lifo, the latest first; :priority, the least first, among equals the one put first.
    :by     a comparator for :priority, in place of `compare`

      (run (let [q (queue {:size 1})]
             (spawn #(do (run! (partial put! q) (range 4)) (close! q)))
             (into [] q)))   ;=> [0 1 2 3]
      (run (let [q (queue {:order :priority})] (run! #(put! q %) [3 1 2]) (close! q) (into [] q)))   ;=> [1 2 3]"
  ([] (queue nil))
  ([options]
   (let [{:keys [size order by]} (check-options options [:size :order :by] "a queue")]
     (when-not (or (nil? size) (nat-int? size)) (refuse "the :size of a queue is 0 or more; got " (shown size)))
     (when-not (contains? #{nil :fifo :lifo :priority} order) (refuse "the :order of a queue is :fifo, :lifo or :priority; got " (shown order)))
     (when (and by (not= order :priority)) (refuse ":by is for a queue with :order :priority"))
     (Queue. (case order
               (nil :fifo) (ArrayDeque.)
               :lifo (java.util.Collections/asLifoQueue (ArrayDeque.))
               :priority (let [^Comparator by (or by compare)]
                           (PriorityQueue. 11 ^Comparator (fn [[a i] [b j]]
                                                            (let [c (.compare by a b)] (if (zero? c) (compare i j) c))))))
             (or size Long/MAX_VALUE) (ArrayDeque.) (ArrayDeque.) (ArrayDeque.) (volatile! false) (volatile! 0) (volatile! 0)))))

(defn- ^Queue the-queue [q what]
  (if (instance? Queue q) q (refuse what " must be a queue; got " (shown q))))

(defn- accept!
  "Whether somebody, or the store, takes the item."
  [^Queue q item]
  (when (or (wake-first (.-takers q) item)
            (and (< (.size ^java.util.Queue (.-store q)) (.-size q))
                 (.add ^java.util.Queue (.-store q) item)))
    (vswap! (.-unfinished q) inc)
    true))

(defn- next-put
  "The item of the first putter that still waits, who goes on; nil if there is none."
  [^Queue q]
  (when-let [^Putter p (.poll ^ArrayDeque (.-putters q))]
    (if (.wake ^Waiter (.-waiter p) nil) (.-item p) (recur q))))

(defn- next-item
  "The next item; nil if none is there."
  [^Queue q]
  (if-let [item (.poll ^java.util.Queue (.-store q))]
    (do (when-let [put (next-put q)] (accept! q put))
        item)
    (when-let [put (next-put q)]
      (vswap! (.-unfinished q) inc)
      put)))

(defn- new-item [^Queue q v]
  (check-thread (.-takers q) "a queue")
  (when @(.-closed q) (throw (IllegalStateException. "the queue has been closed: nothing can be put into it any more")))
  [v (vswap! (.-made q) inc)])

(defn put!
  "Adds `v` to the queue; waits until there is room. nil. IllegalStateException if the queue has been closed, also meanwhile.

      (run (let [q (queue)] (put! q 1) (count q)))   ;=> 1"
  [queue v]
  (let [q (the-queue queue "the first argument of put!")
        item (new-item q v)]
    (when-not (accept! q item)
      (let [p (Putter. (Waiter. "room in a queue") item)]
        (.add ^ArrayDeque (.-putters q) p)
        (try
          (.await ^Waiter (.-waiter p))
          (catch Throwable t
            (.remove ^ArrayDeque (.-putters q) p)
            (throw t)))))
    nil))

(defn offer!
  "Adds `v` to the queue, if there is room; with `seconds`, if there is before they are over. Whether it did.

      (run (let [q (queue {:size 1})] [(offer! q 1) (offer! q 2) (offer! q 2 0.001)]))   ;=> [true false false]"
  ([queue v]
   (let [q (the-queue queue "the first argument of offer!")]
     (boolean (accept! q (new-item q v)))))
  ([queue v seconds]
   (within seconds #(do (put! queue v) true) false)))

(defn take!
  "Takes the next item of the queue; waits until there is one. If it has been closed and is empty, `otherwise`, or nil.

      (run (let [q (queue)] (put! q 1) (close! q) [(take! q) (take! q :end)]))   ;=> [1 :end]"
  ([queue] (take! queue nil))
  ([queue otherwise]
   (let [q (the-queue queue "the first argument of take!")
         _ (check-thread (.-putters q) "a queue")
         item (or (next-item q)
                  (if @(.-closed q) ::end (wait-in (.-takers q) "an item of a queue")))]
     (if (identical? item ::end) otherwise (nth item 0)))))

(defn poll!
  "Takes the next item of the queue, if there is one; with `seconds`, if there is before they are over. Else `otherwise`.

      (run (let [q (queue)] [(poll! q :none) (poll! q :none 0.001) (put! q 1) (poll! q :none)]))   ;=> [:none :none nil 1]"
  ([queue otherwise]
   (if-let [item (next-item (the-queue queue "the first argument of poll!"))] (nth item 0) otherwise))
  ([queue otherwise seconds]
   (within seconds #(take! queue otherwise) otherwise)))

(defn peek!
  "The next item of the queue, which stays there; `otherwise`, or nil, if none lies in it. Does not wait.

      (run (let [q (queue)] (put! q 1) [(peek! q) (take! q) (peek! q :none)]))   ;=> [1 1 :none]"
  ([queue] (peek! queue nil))
  ([queue otherwise]
   (if-let [item (.peek ^java.util.Queue (.-store (the-queue queue "the first argument of peek!")))] (nth item 0) otherwise)))

(defn close!
  "Closes the queue: nothing can be put any more, and whoever waits to put gets an IllegalStateException; what lies in it can be
  taken. nil.

      (run (let [q (queue)] (close! q) (put! q 1)))   ; throws IllegalStateException: closed"
  [queue]
  (let [q (the-queue queue "the argument of close!")]
    (check-thread (.-takers q) "a queue")
    (vreset! (.-closed q) true)
    (wake-all (.-takers q) ::end)
    (doseq [^Putter p (vec (.-putters q))]
      (.fail ^Waiter (.-waiter p) (IllegalStateException. "the queue has been closed while this was waiting for room in it")))
    nil))

(defn task-done!
  "Tells that the work on an item that was taken from the queue is done. `join` of the queue waits until as many are done as
  were put. nil.

      (run (let [q (queue)]
             (spawn #(run! (fn [_] (sleep! 0.001) (task-done! q)) q))
             (put! q 1)
             (join q)))   ;=> nil"
  [queue]
  (let [q (the-queue queue "the argument of task-done!")
        left (vswap! (.-unfinished q) dec)]
    (when (neg? (long left))
      (vswap! (.-unfinished q) inc)
      (throw (IllegalStateException. "task-done! was called more often than items were put into the queue")))
    (when (zero? (long left)) (wake-all (.-joiners q) nil))
    nil))

;; Many tasks

(deftype Pool [^LinkedHashSet tasks ^Semaphore permits size]
  Counted
  (count [_] (.size tasks))
  Ending
  (isDone [_] (.isEmpty tasks))
  (exception [_] nil)
  (result [this] (.join this))
  (join [_] (while (not (.isEmpty tasks)) (.join ^Task (first tasks))))
  (interrupt [_ exception] (run! #(.interrupt ^Task % exception) (vec tasks)))
  Object
  (toString [_] (str "a pool of " (.size tasks) " tasks")))

(defn pool
  "A pool, for `spawn-in`, `imap` and `imap-unordered`, of at most `size` tasks at a time; without, of any number. `join` waits
  until none is left, `kill!` ends all, `count` is how many there are.

      (run (let [p (pool 2)] (dotimes [_ 4] (spawn-in p sleep! 0.001)) [(count p) (join p) (count p)]))   ;=> [2 nil 0]"
  ([] (pool nil))
  ([size]
   (when-not (or (nil? size) (pos-int? size)) (refuse "the size of a pool is a positive number; got " (shown size)))
   (Pool. (LinkedHashSet.) (when size (semaphore size)) size)))

(defn- ^Pool the-pool [p what]
  (if (instance? Pool p) p (refuse what " must be a pool; got " (shown p))))

(defn spawn-in
  "As `spawn`, in a pool; waits until there is room for another task.

      (run (result (spawn-in (pool 1) + 1 2)))   ;=> 3"
  ^Task [pool f & args]
  (let [p (the-pool pool "the first argument of spawn-in")
        permits (.-permits p)
        tasks ^LinkedHashSet (.-tasks p)]
    (the-function f "what spawn-in is given")
    (when permits (acquire! permits))
    (let [task (apply spawn f args)]
      (.add tasks task)
      (raw-link task (fn [t]
                       (.remove tasks t)
                       (when permits (release! permits)))))))

(defn free-count
  "How many more tasks the pool has room for, or permits the semaphore has; nil if there is no limit.

      (free-count (pool 3))   ;=> 3"
  [pool]
  (if (instance? Pool pool)
    (some-> ^Semaphore (.-permits ^Pool pool) .free)
    (.free (the-permits pool "the argument of free-count"))))

(defn- kill-all [tasks]
  (run! interrupt! tasks)
  (run! join tasks))

(defn- asked
  "`task`, whose result is going to be asked for: so if it fails, it is not the hub's handler who hears of it."
  ^Task [task]
  (doto ^Task task .toCompletableFuture))

(defn imap
  "A generator of the values of `(f x)` for each x of `coll`, in the order of `coll`, each in a task of the pool. As many run
  ahead of what is asked for as the pool has room for. To be traversed in a task. What `f` throws comes out at its place, and
  ends the traversal; whenever that ends, the tasks that it has left are killed.

      (run (vec (imap (pool 2) #(do (sleep! (/ % 100)) %) [2 1 3])))   ;=> [2 1 3]"
  [pool f coll]
  (let [^Pool p (the-pool pool "the first argument of imap")]
    (the-function f "the second argument of imap")
    (g/generator
     (let [started (queue (when (.-size p) {:size (.-size p)}))
           feeder (asked (spawn #(try
                                   (run! (fn [x] (put! started (asked (spawn-in p f x)))) coll)
                                   (finally (close! started)))))]
       (try
         (loop [task (take! started)]
           (when task
             (try
               (g/yield! (result task))
               (finally (interrupt! task)))
             (recur (take! started))))
         (result feeder)
         (finally
           (kill! feeder)
           (kill-all (into [] (take (count started)) started))))))))

(defn imap-unordered
  "As `imap`, but the values come in the order in which the tasks end.

      (run* #(vec (imap-unordered (pool 2) (fn [n] (sleep! n) n) [2 1 4])) {:time :virtual})   ;=> [1 2 4]"
  [pool f coll]
  (let [^Pool p (the-pool pool "the first argument of imap-unordered")]
    (the-function f "the second argument of imap-unordered")
    (g/generator
     (let [room (semaphore (or (.-size p) Long/MAX_VALUE))
           running (LinkedHashSet.)
           ended (queue)
           start! (fn [x]
                    (acquire! room)
                    (.add running (raw-link (asked (spawn-in p f x)) #(put! ended %))))
           feeder (asked (spawn #(try
                                   (run! start! coll)
                                   (run! join (vec running))
                                   (finally (close! ended)))))]
       (try
         (loop [task (take! ended)]
           (when task
             (.remove running task)
             (g/yield! (result task))
             (release! room)
             (recur (take! ended))))
         (result feeder)
         (finally
           (kill! feeder)
           (kill-all (vec running))))))))

(defn iwait
  "A generator of those of `sources`, which are what `await!` takes, that are complete, in the order in which they become so,
  whether with a value or an exception. To be traversed in a task.

      (run* #(let [[a b] [(spawn sleep! 2) (spawn sleep! 1)]] (= [b a] (vec (iwait [a b])))) {:time :virtual})   ;=> true"
  [sources]
  (g/generator
   (let [ended (queue)
         waits (volatile! [])]
     (try
       (doseq [source sources]
         (if (task? source)
           (raw-link source #(put! ended %))
           (vswap! waits conj (raw-link (spawn #(try (await! source) (catch Exception _)))
                                        (fn [_] (put! ended source))))))
       (dotimes [_ (count sources)] (g/yield! (take! ended)))
       (finally (kill-all @waits))))))

(defn wait
  "Has the current task wait for `sources`, which are what `await!` takes. Returns those that are complete, as a vector in the
  order in which they became so, whether with a value or an exception. Without sources, waits until this hub has no other
  tasks; nil. Options: `:timeout`, so many seconds at most; `:count`, until so many are complete.

      (run (let [[a b] [(spawn sleep! 100) (spawn sleep! 0.001)]] (= [b] (wait [a b] {:count 1}))))   ;=> true"
  ([] (.join (Hub/current)))
  ([sources] (wait sources nil))
  ([sources options]
   (let [{:keys [timeout count]} (check-options options [:timeout :count] "wait")
         complete (volatile! [])]
     (within timeout
             #(run! (fn [source] (vswap! complete conj source))
                    (if count (eduction (take count) (iwait sources)) (iwait sources)))
             nil)
     @complete)))

(defn joinall
  "Has the current task wait until all `tasks` have ended. Returns those that have, in the order in which they did. Options:
  those of `wait`, and `:raise true`, to throw the exception of the first one that fails.

      (run (count (joinall [(spawn +) (spawn +)])))   ;=> 2"
  ([tasks] (joinall tasks nil))
  ([tasks options]
   (check-options options [:timeout :count :raise] "joinall")
   (run! #(the-task % "what joinall waits for") tasks)
   (if (:raise options)
     (let [complete (volatile! [])]
       (run! asked tasks)
       (within (:timeout options)
               #(run! (fn [t] (vswap! complete conj t) (result t))
                      (eduction (if-let [n (:count options)] (take n) identity) (iwait tasks)))
               nil)
       @complete)
     (wait tasks (dissoc options :raise)))))

(defn killall
  "Ends all `tasks`, as `kill!` does, and waits until all have ended. nil. Options: those of `kill!`.

      (run (let [ts [(spawn sleep! 1000) (spawn sleep! 1000)]] (killall ts) (mapv ready? ts)))   ;=> [true true]"
  ([tasks] (killall tasks nil))
  ([tasks options]
   (let [{:keys [exception wait] :or {exception (GreenletExit.), wait true}}
         (check-options options [:exception :wait] "killall")]
     (run! #(interrupt! (the-task % "what killall ends") exception) tasks)
     (when wait (within (when-not (true? wait) wait) #(run! join tasks) nil))
     nil)))

(defmethod print-method Task [^Task t ^Writer w]
  (.write w (str "#<" t ": (result t) waits for what comes of it>")))

(defmethod print-method Hub [^Hub h ^Writer w]
  (.write w (str "#<" h ">")))

;; The constructors are ours.
(run! #(alter-meta! % assoc :private true) [#'->Event #'->AsyncResult #'->Semaphore #'->Lock #'->Putter #'->Queue #'->Pool])
