(ns greenlet.hub
  "Tasks that wait for each other, for the time and for what other threads do, over an event loop on one thread, in real
  time or in virtual time. The model is that of Python's gevent, and so are most names.

      (run (let [a (spawn #(do (sleep! 0.02) :a))
                 b (spawn #(do (sleep! 0.01) :b))]
             [(result a) (result b)]))      ;=> [:a :b]

  Run           `run` `run*`; `hub` `hub-on` `execute!` `on-failure!`; `in-host`
  Tasks         `spawn` `spawn-later` `spawn-in`; `join` `result` `kill!` `interrupt!` `link` `raw-link`; `joinall` `killall`
  Ask           `current-task` `tasks` `task?` `task-name` `done?` `ready?` `successful?` `exception` `stack` `now`
                `deadlocks` `stats` `account` `accounting!`; greenlet.repl shows all that runs
  Wait          `sleep!` `await!` `offload` `wait` `iwait`; `Awaitable` with `wake!` and `fail!`; `waiter`
  Channels      `readable!` `writable!` `close-channel!`; sockets and more are in greenlet.io
  Bound         `timeout` `scope` `no-switch`, and `timeout*` `scope*` `no-switch*`
  Between tasks `event` `set-event!` `clear-event!` `event-set?`; `async-result`; `semaphore` `lock` `acquire!` `release!`
                `holding`; `queue` `put!` `take!` `offer!` `poll!` `peek!` `close!` `task-done!`: those of greenlet.hub.sync
  Many          `pool` `free-count` `imap` `imap-unordered`; `resource-pool` `with-resource`: those of greenlet.hub.pool

  Times are in seconds, as any number; a java.time.Duration does as well. Tasks run one at a time, in the order in which they
  became ready, and give way only where they wait. They see the dynamic bindings of the place where they were spawned, which is
  how a task has variables of its own. What asks about a task, waits for it, links to it or ends it may be called from any thread;
  elsewhere than in the task's hub, the caller's own hub waits. What lies between tasks is for the tasks of one hub; other threads
  send to it by what `await!` waits for, or by `execute!`."
  (:require [greenlet.argument :refer [account-map check-options duration in-seconds leading-options re-export refuse shown the-function the-name
                                       unwrapped]]
            [greenlet.generator :as generator]
            [greenlet.hub.pool :as pool]
            [greenlet.hub.sync])
  (:import (clojure.lang IDeref IPending Var)
           (greenlet GreenletExit)
           (greenlet.hub AsyncResult Completions Event Hub Pool Queue Task Waiter)
           (java.io Writer)
           (java.nio.channels Channel SelectableChannel SelectionKey ServerSocketChannel SocketChannel)
           (java.util.concurrent Callable CompletionStage Future)
           (java.util.function BiConsumer BooleanSupplier Consumer)))

(set! *warn-on-reflection* true)

;; What lies between tasks, and bounds, have namespaces of their own; all names are here, too.

(re-export
  [greenlet.hub.sync
   event set-event! clear-event! event-set? async-result semaphore lock acquire! release! holding free-count
   queue put! take! offer! poll! peek! close! task-done!]
  [greenlet.hub.pool
   pool spawn-in imap imap-unordered resource-pool with-resource with-resource*])

;; Arguments

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

;; Running

(def ^:private looking-options [:name :known :accounting :max-hold])

(def ^:private run-options
  (into [:time :hold :patience :on-failure :raise-failures :watchdog :cooperative :grace :offload-bound] looking-options))

(defn accounting!
  "Has `hub` keep accounts of its tasks from now on, for `account`; nil to end that. `:stacks` notes the stack of whoever spawns a task,
  too, which costs time at each; `true` does not. Called in its thread. Returns `hub`.

      (run (accounting! (hub) true)
           (:spawned-by (account (spawn {:name \"worker\"} +))))   ; the name of this task
      (run (accounting! (hub) :stacks)
           (contains? (account (spawn +)) :spawned-at))   ;=> true"
  ^Hub [hub how]
  (when-not (contains? #{nil false true :stacks} how) (refuse "accounting is true, :stacks or nil; got " (shown how)))
  (.accounting ^Hub hub (boolean how) (= :stacks how)))

(defn account
  "What `task` has used, where its hub keeps accounts: a map of :run-time, :switches (how often it was given the thread), :longest-hold,
  :spawned-by and, if asked for, :spawned-at; times in seconds of real time. nil if there is none. Any thread may ask.

      (run :accounting true
        (let [t (spawn #(do (sleep! 0) (sleep! 0)))]
          (join t)
          (:switches (account t))))   ;=> 3"
  [task]
  (account-map (.account (the-task task "the argument of account"))))

(defn stats
  "The figures of `hub`, by default this thread's: a map of how many :tasks there are, and how many of them are :ready, :sleeping,
  :waiting for something else than the time, or :blocked in the JDK; of the :timers that are set; of :rounds so far; and of the :lag of the
  last timer that was due and the :most-lag, in seconds. Any thread may ask.

      (run :time :virtual
        (spawn sleep! 1)
        (spawn await! (event))
        (sleep! 0)
        (select-keys (stats) [:tasks :sleeping :waiting]))   ;=> {:tasks 3, :sleeping 1, :waiting 1}"
  ([] (stats (Hub/current)))
  ([hub]
   (when-not (instance? Hub hub) (refuse "the argument of stats must be a hub; got " (shown hub)))
   (let [s (.stats ^Hub hub)]
     {:tasks (.tasks s), :ready (.ready s), :sleeping (.sleeping s), :waiting (.waiting s), :blocked (.blocked s)
      :timers (.timers s), :rounds (.rounds s), :lag (in-seconds (.lag s)), :most-lag (in-seconds (.mostLag s))})))

(defn- with-options
  "`hub`, with those options that `run` and `hub-on` have in common."
  ^Hub [^Hub hub {:keys [cooperative grace offload-bound watchdog name known accounting max-hold]}]
  (when cooperative (.cooperative hub))
  (when (some? grace)
    (when-not cooperative (refuse ":grace is for :cooperative true: no other hub has tasks that a kill cannot end"))
    (.grace hub (duration grace)))
  (when (some? offload-bound)
    (when-not (int? offload-bound) (refuse ":offload-bound is a number of threads, 1 or more; got " (shown offload-bound)))
    (.offloadBound hub (int offload-bound)))
  (when (some? watchdog) (.watchdog hub (duration watchdog)))
  (when-let [name (the-name name "a hub")] (.named hub name))
  (when known (.known hub))
  (when accounting (accounting! hub accounting))
  (when (some? max-hold) (.maxHold hub (duration max-hold)))
  hub)

(defn- new-hub ^Hub [time hold patience]
  (case time
    (nil :real) (do (when (some? hold) (refuse ":hold is for :time :virtual; real time holds for nobody"))
                    (when patience (refuse ":patience is for :time :virtual; in real time use timeout"))
                    (Hub/realTime))
    :virtual (let [hub (Hub/virtualTime (boolean hold))]
               (if patience (.patience hub (duration patience)) hub))
    (refuse ":time is :real or :virtual; got " (shown time))))

(defn run*
  "The function behind `run`: calls `f` as a task, in a hub of its own. Options:

    :time            :virtual for a clock that jumps to the next timer as soon as no task is ready; by default :real
    :hold            true: the virtual clock stands still as well while a task waits for something outside of the hub
    :patience        for virtual time: the hub waits for something outside for so many seconds of real time at most, then the body
                     gets a Hub$LoopExit; by default for ever
    :on-failure      a function of a task and the exception that nobody asks for; as for `on-failure!`
    :raise-failures  true, for tests: the first exception that nobody asks for ends the body and comes out of `run`, with later ones
                     suppressed on it
    :watchdog        above 0: a task that holds the thread for longer than so many seconds of real time, so that no other can run, is
                     logged once as a warning of the System.Logger greenlet.hub.Hub, with its stack where that is known. For another
                     handler call Hub.watchdog, which takes a java.util.function.Consumer of a Hub$Held
    :cooperative     true: every blocking call of the JDK in a task is a wait of that task, and the others go on meanwhile: locks,
                     `locking`, promises, sockets, Thread/sleep, at any depth. Takes a flag of the JVM's; see doc/cooperative.md
    :grace           for a cooperative hub: at its end `run` waits for so many seconds at most for tasks that are blocked although
                     they have been killed, then gives them up; by default it waits, and logs who they are every ten seconds
    :offload-bound   how many calls `offload` runs at a time; further ones wait in order. By default 256, because the JDK makes no
                     more carriers of virtual threads
    :name            a string, which the hub's text and greenlet.repl have
    :known           true: `(greenlet.repl/tree :known)` shows the hub, which notes since when each task waits
    :accounting      true or :stacks, as for `accounting!`
    :max-hold        above 0: a task that has held the thread for longer than so many seconds of real time gets a Hub$HeldTooLong out of
                     its next wait

      (run* #(now) {:time :virtual})   ;=> 0.0
      (run* #(do (spawn (fn [] (throw (Exception. \"broken\")))) (sleep! 1)) {:raise-failures true})   ; throws Exception: broken"
  ([f] (run* f nil))
  ([f options]
   (let [{:keys [time hold patience on-failure raise-failures]} (check-options options run-options "run")
         hub (with-options (new-hub time hold patience) options)]
     (when (and on-failure raise-failures) (refuse "run takes :on-failure or :raise-failures, not both"))
     (when on-failure (.onFailure hub (reify BiConsumer (accept [_ task e] (on-failure task e)))))
     (when raise-failures (.raiseFailures hub))
     (.run hub ^Callable (the-function f "the argument of run*")))))

(defmacro run
  "Runs `body` as a task, in a new hub that runs in this thread until that task has ended. Then kills what other tasks are
  left, waits until their `finally` blocks have run, and returns the value of the body. What it throws comes out. A lazy seq among it is
  realised after the hub has ended: realise it within.

      (run (result (spawn #(do (sleep! 0.001) :slept))))   ;=> :slept

  The body can begin with the options of `run*`. In virtual time no time passes while a task can run, and then the clock
  jumps to the next timer: the same program leaves the same trace, every time, and sleeps take no time.

      (run :time :virtual (sleep! 3600) (now))   ;=> 3600.0

  What is waited for outside of the hub, such as a future, takes no virtual time while there are timers, so a limit on it
  runs out at once; with `:hold true` the clock waits for it. Where all tasks wait, and nothing is left that could wake one,
  the body gets a greenlet.hub.Hub$LoopExit, which lists them. Throws IllegalStateException within a task."
  {:arglists '([options* body*])}
  [& body]
  (let [[options body] (leading-options body run-options "run")]
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
  ScheduledExecutorService. With `:cooperative true` blocking calls in its tasks give way, as for `run*`; `:watchdog`,
  `:offload-bound`, `:name`, `:known`, `:accounting` and `:max-hold` are those of `run*`, too. With `:turn` so many seconds, a turn ends
  after the task in which they are over, so that the event loop stays smooth; what is left, which `stats` tells as :ready, comes first in
  the next turn. `spawn` takes it as `:hub`.

      (let [loop (java.util.concurrent.Executors/newSingleThreadExecutor)]
        (try
          (deref (.toCompletableFuture (spawn {:hub (hub-on loop)} #(do (sleep! 0.001) :slept))))
          (finally (.shutdown loop))))   ;=> :slept

  To wait in that thread outside of the hub's tasks is an IllegalStateException. A turn in another thread is a
  WrongThreadException there, and told to the handler of `on-failure!`."
  (^Hub [executor] (hub-on executor nil))
  (^Hub [executor options]
   (check-options options (into [:timers :watchdog :cooperative :offload-bound :turn] looking-options) "hub-on")
   (let [on (Hub/on (cond
                      (instance? java.util.concurrent.Executor executor) executor
                      (ifn? executor) (reify java.util.concurrent.Executor (execute [_ r] (executor r)))
                      :else (refuse "a hub runs on an Executor or a function of a Runnable; got " (shown executor)))
                    (:timers options))]
     (when (some? (:turn options)) (.turnTime on (duration (:turn options))))
     (with-options on options))))

(defn in-host
  "Calls `f` with `args` in the thread that runs this hub, outside of any task, while the current task waits; its value. In a
  cooperative hub each task has a thread of its own, so what asks which thread it runs in, as GUI toolkits do, is to be called by
  this. `f` must not wait in the hub. Outside of a task it is just called. What `f` throws comes out.

      (let [here (Thread/currentThread)]
        (run (= here (in-host #(Thread/currentThread)))))   ;=> true"
  [f & args]
  (let [f (the-function f "what in-host is given")]
    (Hub/inHost ^Callable #(apply f args))))

(defn execute!
  "Has a new task of `hub` call `f` with `args`. From any thread: this is how others get at what lies between tasks. If the `run`
  of the hub has ended, that is a java.util.concurrent.RejectedExecutionException.

      (run (let [h (hub), q (queue)]
             @(future (execute! h put! q :from-outside))
             (take! q)))   ;=> :from-outside"
  [hub f & args]
  (when-not (instance? Hub hub) (refuse "the first argument of execute! must be a hub; got " (shown hub)))
  (let [f (the-function f "what execute! is given")]
    (.execute ^Hub hub ^Runnable #(apply f args))))

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

(defn spawn
  "A new task that calls `f` with `args` when its turn comes; the caller goes on. It sees the dynamic bindings in force here,
  and belongs to the innermost `scope`, if there is one. A map before `f` is for options:

    :name   its name, a string
    :after  so many seconds later, at the earliest
    :hub    another hub than this thread's, in whichever thread. If its `run` has ended, that is a
            java.util.concurrent.RejectedExecutionException until it is run again: nothing would run the task
    :pool   a pool of this thread's hub, as `spawn-in` does

      (run (result (spawn + 1 2)))   ;=> 3
      (run (task-name (spawn {:name \"adder\"} + 1 2)))   ;=> \"adder\""
  {:arglists '([f & args] [options f & args])}
  ^Task [f & args]
  (if (map? f)
    (let [{:keys [name after hub pool] :as options} (check-options f [:name :after :hub :pool] "spawn")
          f (the-function (first args) "what spawn is given")
          args (rest args)
          ^Hub hub (or hub (Hub/current))
          ^String name (when name (str name))
          ^Callable body #(apply f args)]
      (when (and pool (:hub options)) (refuse "spawn takes :pool or :hub, not both: the tasks of a pool are of this thread's hub"))
      (cond
        pool (apply pool/spawn-in pool (select-keys options [:name :after]) f args)
        after (.spawnLater hub (duration after) name body)
        :else (.spawn hub name body)))
    (let [f (the-function f "what spawn is given")
          ^Callable body (if args #(apply f args) f)]
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

(defn deadlocks
  "The tasks of this thread's hub, a cooperative one, that are blocked by each other: a vector of circles, each a vector of tasks of
  which each waits, without a limit of time, for a lock of the JDK's that the next one holds. Only what the JVM tells, nothing is
  guessed. ReentrantLocks take the flag --add-opens java.base/java.util.concurrent.locks=ALL-UNNAMED; monitors take JDK 25 and
  --add-opens java.base/jdk.internal.vm=ALL-UNNAMED. Without either an IllegalStateException names them. Empty for other hubs.

      (run (deadlocks))   ;=> []"
  []
  (mapv vec (.deadlocks (Hub/current))))

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

(defn- no-ending [x what]
  (refuse what " must be a task, as `spawn` makes them; got " (shown x)))

(defn- ended? [x what]
  (let [e (unwrapped x)]
    (cond
      (instance? Task e) (.isDone ^Task e)
      (instance? AsyncResult e) (.isDone ^AsyncResult e)
      (instance? Queue e) (zero? (.unfinished ^Queue e))
      (instance? Pool e) (zero? (.count ^Pool e))
      :else (no-ending x what))))

(defn done?
  "Whether the task, or the async-result, has ended, in whichever way.

      (run (let [t (spawn +)] [(done? t) (join t) (done? t)]))   ;=> [false nil true]"
  [task]
  (ended? task "the argument of done?"))

(defn ready?
  "The same as `done?`, by gevent's name.

      (run (let [t (spawn +)] [(ready? t) (join t) (ready? t)]))   ;=> [false nil true]"
  [task]
  (ended? task "the argument of ready?"))

(defn exception
  "The exception that ended the task, or the async-result: a GreenletExit, if it was killed; nil if it ended with a value,
  or has not ended.

      (run (let [t (spawn sleep! 1)] (kill! t) (instance? greenlet.GreenletExit (exception t))))   ;=> true"
  ^Throwable [task]
  (cond
    (instance? Task task) (.exception ^Task task)
    (instance? AsyncResult task) (.exception ^AsyncResult task)
    :else (do (ended? task "the argument of exception") nil)))

(defn successful?
  "Whether the task, or the async-result, has ended with a value.

      (run (let [t (spawn +)] (join t) (successful? t)))   ;=> true"
  [task]
  (and (ready? task) (nil? (exception task))))

;; Time and limits

(defn sleep!
  "Has the current task wait for so many seconds, at least. For 0, only until the others that are ready have had their turn; for
  ##Inf, for ever.

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
  limit to this one. This one then has the value of `:else`, or throws a java.util.concurrent.TimeoutException that says what
  the body was waiting for, and where. Each limit answers for itself alone: its `:else` is not for limits within or around it.

      (run (timeout 0.001 (sleep! 1000)))   ; throws TimeoutException: a limit of 0.001 s ran out
      (run :time :virtual
        (timeout 5 :else [:outer (now)]
          (timeout 9 :else [:inner (now)]
            (sleep! 1000))))   ;=> [:outer 5.0]

  It interrupts waits alone: a body that computes is not stopped. A lazy seq that the body returns is realised later, without the limit.
  In the body of a generator a limit counts only while that body
  runs, by the clock of the hub whose task runs it. While a yield suspends the body, the limit is put aside and never strikes the
  consumer.

      (run :time :virtual
        (run! (fn [_] (sleep! 10))
              (greenlet.core/generator (timeout 1 (greenlet.core/yield! :to-a-slow-consumer)))))   ;=> nil"
  {:arglists '([seconds body*] [seconds :else value body*])}
  [seconds & body]
  (let [[options body] (leading-options body [:else] "timeout")]
    `(timeout* ~seconds (^{:once true} fn* [] ~@body)
               ~@(when (contains? options :else) [`(^{:once true} fn* [] ~(:else options))]))))

(defn no-switch*
  "The function behind `no-switch`: calls `f`.

      (run (no-switch* #(inc 1)))   ;=> 2"
  [f]
  (Hub/noSwitch ^Callable (the-function f "the argument of no-switch*")))

(defmacro no-switch
  "Runs `body` in the current task, which is not to give way meanwhile: for what relies on nobody else's running. In a cooperative
  hub any blocking call gives way. It is not kept from doing so, but told afterwards, by an IllegalStateException whose cause says
  where the task first gave way; where the body throws, that is suppressed on what it throws. The value of the body.

      (run (no-switch (inc 1)))   ;=> 2
      (run (no-switch (sleep! 0.001)))   ; throws IllegalStateException"
  [& body]
  `(no-switch* (^{:once true} fn* [] ~@body)))

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
  "Runs `body`. When it ends, kills every task that was spawned within, by the body or by its tasks, and waits for them, so that
  their `finally` blocks have run. Returns the value of the body. With `:join true` before the body they are not killed but
  waited for. A lazy seq that the body returns is realised after that: realise it within.

      (run (scope (spawn #(try (sleep! 1000) (finally (println \"unwound\")))) (sleep! 0) :done))   ; prints unwound ;=> :done
      (run (let [sum (atom 0)] (scope :join true (dotimes [i 4] (spawn swap! sum + i))) @sum))   ;=> 6

  If one of the tasks or the body ends with an exception, that ends all of them, and comes out when they have ended, with
  later ones suppressed on it. A task that is killed is no failure.

  In the body of a generator, the scope owns what that body spawns, and nothing that the consumer spawns. Its tasks go on while a
  yield suspends the body; if one of them fails then, the body is ended when it is resumed. Any task of the same hub may resume
  it. If another hub's task does and the body ends there, the scope's tasks are killed, not waited for, and `scope` throws a
  WrongThreadException."
  {:arglists '([options* body*])}
  [& body]
  (let [[options body] (leading-options body [:join] "scope")]
    `(scope* (^{:once true} fn* [] ~@body) ~options)))

;; Waiting for tasks

(defn join
  "Has the current task wait until `task`, or all tasks of a pool, have ended, in whichever way; or a queue has been worked
  off, see `task-done!`. nil. With `seconds`, not for longer; then whether it has ended.

      (run (let [t (spawn sleep! 1000)] [(join t 0.001) (kill! t) (join t)]))   ;=> [false nil nil]"
  ([task]
   (let [e (unwrapped task)]
     (cond
       (instance? Task e) (.join ^Task e)
       (instance? AsyncResult e) (.join ^AsyncResult e)
       (instance? Queue e) (.join ^Queue e)
       (instance? Pool e) (.join ^Pool e)
       :else (no-ending task "the first argument of join"))))
  ([task seconds] (within seconds #(do (join task) true) false)))

(defn result
  "Has the current task wait until `task`, or an async-result, has ended. Returns its value, or throws the exception that
  ended it, the same object; java.util.concurrent.CancellationException if it was killed. With `seconds`, does not wait for
  longer: `otherwise`, or a TimeoutException.

      (run (let [t (spawn #(do (sleep! 0.01) :value))] [(result t 0.001 :late) (result t)]))   ;=> [:late :value]"
  ([task]
   (cond
     (instance? Task task) (.result ^Task task)
     (instance? AsyncResult task) (.result ^AsyncResult task)
     (ended? task "the first argument of result") nil
     :else (join task)))
  ([task seconds] (timeout* seconds #(result task)))
  ([task seconds otherwise] (within seconds #(result task) otherwise)))

(defn- raise!
  "Raises `exception` in a task, or in all of a pool."
  [x ^Throwable exception what]
  (let [e (unwrapped x)]
    (cond
      (instance? Task e) (.interrupt ^Task e exception)
      (instance? Pool e) (.interrupt ^Pool e exception)
      (instance? AsyncResult e) (refuse "an async-result cannot be killed; fail! completes it with an exception")
      (instance? Queue e) (refuse "a queue cannot be killed; close! closes it")
      :else (no-ending x what))))

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
   (raise! task exception "the first argument of interrupt!")))

(declare killall)

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
     (when-not (instance? Throwable exception) (refuse "the :exception of kill! must be a Throwable; got " (shown exception)))
     (when (and task (identical? task (Task/current)))
       (when (instance? GreenletExit exception) (.kill ^Task task))
       (throw exception))
     (if (instance? Pool (unwrapped task))
       (killall (.tasks ^Pool (unwrapped task)) options)
       (do
         (raise! task exception "the first argument of kill!")
         (cond
           (true? wait) (join task)
           wait (join task wait))
         nil)))))

(defn link
  "Has a new task call `f` with `task` when that has ended; soon, if it has already. The new task belongs to the hub of `task` and
  to no scope, so it runs although a scope ends. Where the end of `run` kills `task`, it kills the new one, too; `raw-link` hears of
  that. From any thread. Returns `task`.

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

(defn- not-completed [x what]
  (refuse what " takes a waiter or an async-result; got " (shown x)
          (when (instance? Event x) "; set-event! sets an event")))

(defn wake!
  "Completes a waiter or an async-result with the value `v`. Whether this did it, and nothing before. A waiter from any
  thread.

      (run (let [r (async-result)] [(wake! r 1) (wake! r 2) (result r)]))   ;=> [true false 1]"
  [waiter v]
  (cond
    (instance? Waiter waiter) (.wake ^Waiter waiter v)
    (instance? AsyncResult waiter) (.complete ^AsyncResult waiter v)
    :else (not-completed waiter "wake!")))

(defn fail!
  "Completes a waiter or an async-result with an exception. Whether this did it, and nothing before. A waiter from any thread.

      (run (let [r (async-result)] (fail! r (Exception. \"no\")) (ex-message (exception r))))   ;=> \"no\""
  [waiter exception]
  (when-not (instance? Throwable exception) (refuse "fail! takes a Throwable; got " (shown exception)))
  (cond
    (instance? Waiter waiter) (.fail ^Waiter waiter ^Throwable exception)
    (instance? AsyncResult waiter) (.fail ^AsyncResult waiter ^Throwable exception)
    :else (not-completed waiter "fail!")))

(defn- wake-with [^Waiter waiter f complete?]
  (let [thread (.wakeWith waiter (conveying f nil) (reify BooleanSupplier (getAsBoolean [_] (boolean (complete?)))))]
    #(.interrupt thread)))

(defn- get-future [^Future f]
  (try
    (.get f)
    (catch java.util.concurrent.ExecutionException e (throw (or (ex-cause e) e)))))

(defn- promise? [x]
  (and (instance? IPending x) (instance? IDeref x)))

(defn- refuse-source [source]
  (refuse "await! cannot wait for " (shown source) (when (some? source) "; extend the protocol greenlet.hub/Awaitable to it")))

(extend-protocol Awaitable
  nil
  (on-complete! [source _] (refuse-source source))
  Object
  (on-complete! [source waiter]
    (cond
      (instance? Future source) (wake-with waiter #(get-future source) #(.isDone ^Future source))
      (promise? source) (wake-with waiter #(deref source) #(realized? source))
      (fn? source) (do (source (fn
                                 ([v] (wake! waiter v))
                                 ([v exception] (if exception (fail! waiter exception) (wake! waiter v)))))
                       nil)
      :else (refuse-source source))))

(def ^:private for-all-types
  (set (vals (select-keys (:impls Awaitable) [nil Object]))))

(defn- check-source
  "Refuses at once what `await!` would refuse."
  [source]
  (when-not (or (instance? Task source) (instance? AsyncResult source) (instance? Event source) (instance? Waiter source)
                (instance? CompletionStage source) (instance? Future source) (promise? source) (fn? source)
                (not (for-all-types (find-protocol-impl Awaitable source))))
    (refuse-source source)))

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

  To give up, by a limit or a kill, does not touch a source that others may wait for, too; doc/hub.md shows how to cancel one.
  Outside of tasks the thread's own hub runs until the wait is over; in the thread of a `hub-on` that is an
  IllegalStateException. java.util.concurrent's CancellationException if what is waited for was cancelled."
  [source]
  (cond
    (instance? Task source) (.result ^Task source)
    (instance? AsyncResult source) (.result ^AsyncResult source)
    (instance? Event source) (do (.await ^Event source) true)
    (instance? Waiter source) (.await ^Waiter source)
    (instance? CompletionStage source) (Hub/await ^CompletionStage source)
    :else (let [give-up (volatile! nil)]
            (try
              (Hub/await (consumer #(vreset! give-up (on-complete! source %))))
              (catch Throwable t
                (when-let [f @give-up] (f))
                (throw t))))))

(defn- await-ready [^SelectableChannel channel ops options what]
  (when-not (instance? SelectableChannel channel)
    (refuse "what " what " waits for must be a selectable channel of java.nio; got " (shown channel)))
  (let [{:keys [timeout]} (check-options options [:timeout] what)]
    (if timeout
      (not (zero? (Hub/awaitReady channel (int ops) (duration timeout))))
      (not (zero? (Hub/awaitReady channel (int ops)))))))

(defn readable!
  "Has the current task wait until `channel`, of java.nio and in non-blocking mode, can be read or, if it is a server's, has a
  connection to accept. True; false if `:timeout`, so many seconds, is over before. One task at a time may wait so.

  ClosedChannelException if the channel is closed, by `close-channel!` also meanwhile. The channel stays registered with the hub, and
  so non-blocking, until the hub's run ends.

      (run (let [pipe (java.nio.channels.Pipe/open)]
             (with-open [source (.source pipe), sink (.sink pipe)]
               (.configureBlocking source false)
               (readable! source {:timeout 0.001}))))   ;=> false"
  ([channel] (readable! channel nil))
  ([^SelectableChannel channel options]
   (await-ready channel
                (if (instance? ServerSocketChannel channel) SelectionKey/OP_ACCEPT SelectionKey/OP_READ)
                options "readable!")))

(defn writable!
  "As `readable!`, until `channel` can be written or, if it is a socket's that is connecting, the connection can be finished.

      (run (let [pipe (java.nio.channels.Pipe/open)]
             (with-open [source (.source pipe), sink (.sink pipe)]
               (.configureBlocking sink false)
               (writable! sink))))   ;=> true"
  ([channel] (writable! channel nil))
  ([channel options]
   (await-ready channel
                (if (and (instance? SocketChannel channel) (.isConnectionPending ^SocketChannel channel))
                  SelectionKey/OP_CONNECT
                  SelectionKey/OP_WRITE)
                options "writable!")))

(defn close-channel!
  "Closes `channel`, of java.nio. Who waits for it, in whichever hub, gets an AsynchronousCloseException; its own `close` would wake
  nobody. May be called from any thread. nil.

      (run (let [pipe (java.nio.channels.Pipe/open)
                 source (doto (.source pipe) (.configureBlocking false))
                 waits (spawn #(try (readable! source) (catch java.nio.channels.ClosedChannelException _ :closed)))]
             (sleep! 0)
             (close-channel! source)
             (.close (.sink pipe))
             (result waits)))   ;=> :closed"
  [^Channel channel]
  (when-not (instance? Channel channel)
    (refuse "what close-channel! closes must be a channel of java.nio; got " (shown channel)))
  (Hub/close channel))

(defn offload
  "Calls `f` with `args` in a virtual thread of its own, for what blocks, while the current task alone waits. Its value; what
  it throws comes out. If the wait is given up, by a limit or a kill, the thread is interrupted, and not waited for.

      (run (offload #(do (Thread/sleep 1) :slept)))   ;=> :slept"
  [f & args]
  (when-not (ifn? f)
    (refuse "what offload is given must be a function; got " (shown f)
            ", so the call has been made already, in this thread. Write (offload #(…))"))
  (Hub/offload (conveying f args)))

;; Many tasks

(defn- asked
  "`task`, whose result is going to be asked for: so if it fails, it is not the hub's handler who hears of it."
  ^Task [task]
  (doto ^Task task .toCompletableFuture))

(defn iwait
  "A generator of those of `sources`, which are what `await!` takes, that are complete, in the order in which they become so,
  whether with a value or an exception. To be traversed in a task.

      (run* #(let [[a b] [(spawn sleep! 2) (spawn sleep! 1)]] (= [b a] (vec (iwait [a b])))) {:time :virtual})   ;=> true"
  [sources]
  (let [sources (vec sources)]
    (run! check-source sources)
    (generator/of-recipe (Completions/inOrder ^Iterable sources (consumer await!)))))

(defn wait
  "Has the current task wait for `sources`, which are what `await!` takes. Returns those that are complete, as a vector in the
  order in which they became so, whether with a value or an exception. Without arguments, waits until this hub has no other
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
  "Ends all `tasks`, as `kill!` does, and waits until all have ended; the current one comes last. nil. Options: those of `kill!`.

      (run (let [ts [(spawn sleep! 1000) (spawn sleep! 1000)]] (killall ts) (mapv ready? ts)))   ;=> [true true]"
  ([tasks] (killall tasks nil))
  ([tasks options]
   (let [{:keys [exception wait] :or {exception (GreenletExit.), wait true}}
         (check-options options [:exception :wait] "killall")
         {[current] true, others false} (group-by #(identical? (the-task % "what killall ends") (Task/current)) tasks)]
     (run! #(interrupt! % exception) others)
     (when wait (within (when-not (true? wait) wait) #(run! join others) nil))
     (when current (kill! current (select-keys options [:exception]))))))

(defmethod print-method Task [^Task t ^Writer w]
  (.write w (str "#<" t ": (result t) waits for what comes of it>")))

(defmethod print-method Hub [^Hub h ^Writer w]
  (.write w (str "#<" h ">")))

(defmethod print-method Waiter [^Waiter waiter ^Writer w]
  (.write w (str "#<a waiter for " waiter ": (await! w) waits until somebody wakes it>")))
