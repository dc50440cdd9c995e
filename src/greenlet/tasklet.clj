(ns greenlet.tasklet
  "Tasklets and channels, as in Stackless Python: greenlets that take turns, in a fixed order, and hand values to each other.

      (let [ch (channel)]
        (tasklet (send-sequence! ch [1 2 3]) (close! ch))
        (into [] ch))                     ;=> [1 2 3]

  Make          `tasklet` `tasklet*`; `channel`
  Take turns    `schedule!` `schedule-remove!` `run-all!` `run-for!` `run-n!`; `insert!` `remove!` `run-now!` `switch!` `throw!` `kill!`
  Talk          `send!` `receive!` `send-exception!` `send-sequence!`; `reduce`, `seq` …; `close!` `open!`
  Arrange       `set-preference!` `set-schedule-all!` `set-block-trap!` `switch-trap!` `set-schedule-callback!`
                `set-channel-callback!` `on-error!` `accounting!`
  Ask           `current` `main` `run-count`; `alive?` `paused?` `scheduled?` `blocked?` `current?` `main?` `thread` `stack`
                `block-trap?` `account` `tasklet?`; `balance` `buffered` `queue` `preference` `schedule-all?` `closing?` `closed?` `shared?` `channel?`

  Each thread has a ring of the tasklets that can run, its own code among them, the main tasklet. One runs until it calls for
  another one or ends; nothing else makes it stop. Calls that may switch throw what is thrown into their caller meanwhile, and
  IllegalStateException where they must not: then nothing has changed. A tasklet belongs to the thread that made it.

  Require it with an alias: some names are those of `greenlet.core`."
  (:require [greenlet.argument :refer [account-map check-options duration the-function]]
            [greenlet.generator :as generator])
  (:import (clojure.lang IDeref Seqable)
           (greenlet Body)
           (greenlet.tasklet Channel$Callback Tasklet)
           (java.io Writer)
           (java.util.function BiConsumer Consumer LongSupplier)))

(set! *warn-on-reflection* true)

(defn- check-name [name what]
  (when-not (or (nil? name) (string? name))
    (throw (IllegalArgumentException. (str "the :name of " what " must be a string; got " (pr-str name))))))

(defn- class-or-nil [x]
  (if (nil? x) "nil" (class x)))

(defn- the-tasklet ^Tasklet [t what]
  (if (instance? Tasklet t)
    t
    (throw (IllegalArgumentException. (str what " must be a tasklet, as `tasklet` makes them; got " (class-or-nil t))))))

;; The core's channel as what Clojure can reduce and walk. RT.seq of an Iterable would receive 32 ahead.

(deftype ReducibleChannel [^greenlet.tasklet.Channel channel]
  Seqable
  (seq [_]
    (seq (generator/generator #(greenlet.Generator/yieldAll channel) {:confined (not (.isShared channel))})))
  Iterable
  (iterator [_] (.iterator channel))
  Object
  (equals [_ other] (and (instance? ReducibleChannel other) (identical? channel (.-channel ^ReducibleChannel other))))
  (hashCode [_] (.hashCode channel))
  (toString [_] (str channel)))

(alter-meta! #'->ReducibleChannel assoc :private true)

(defn- the-channel ^greenlet.tasklet.Channel [ch what]
  (cond
    (instance? ReducibleChannel ch) (.-channel ^ReducibleChannel ch)
    (instance? greenlet.tasklet.Channel ch) ch
    :else (throw (IllegalArgumentException. (str what " must be a channel, as `channel` makes them; got " (class-or-nil ch))))))

;; Making

(defn tasklet*
  "The function behind `tasklet`: a new tasklet of this thread, whose body is a call of `f` without arguments. Options:

    :name    a string, for messages and thread dumps.
    :paused  true: it is not in the ring until it is inserted.

      (let [t (tasklet* #(println \"once\") {:paused true})]
        [(paused? t) (scheduled? (insert! t)) (run-all!) (alive? t)])
      ; prints once
      ;=> [true true nil false]

  Throws IllegalArgumentException for what is not a function, a string."
  (^Tasklet [f] (tasklet* f nil))
  (^Tasklet [f options]
   (check-options options [:name :paused] "a tasklet")
   (when-not (ifn? f)
     (throw (IllegalArgumentException. (str "a tasklet needs a function to run; got " (pr-str f)))))
   (check-name (:name options) "a tasklet")
   (let [t (Tasklet/of ^Body (reify Body (run [_ _] (f))) ^String (:name options))]
     (if (:paused options) t (.insert t)))))

(defmacro tasklet
  "A new tasklet of this thread, last in the ring: it runs when it is its turn. What the body returns is not kept; what it
  throws comes out of the innermost `run-all!` of the thread, or if there is none out of what the main tasklet waits in. The
  body sees the dynamic bindings in force here. No reference to it need be kept.

      (let [out (atom [])]
        (tasklet (swap! out conj :a) (schedule!) (swap! out conj :c))
        (tasklet (swap! out conj :b))
        (run-all!)
        @out)   ;=> [:a :b :c]"
  {:arglists '([body*])}
  [& body]
  `(tasklet* (^{:once true} fn* [] ~@body)))

(defn channel
  "A new channel. A value goes from a tasklet that sends to one that receives, and whoever comes first waits for the other.
  Reducing it, or walking it as a seq, receives until it is closed and nobody waits to send, or somebody sends a
  java.util.NoSuchElementException; never a value ahead of what is asked for. Options:

    :shared      true: for tasklets of any threads. Otherwise it is for the thread that first sends or receives, and for others
                 it is a WrongThreadException.
    :preference  who runs next when a partner was waiting: see `set-preference!`.
    :name        a string, for messages.
    :buffer      how many values it keeps that nobody has received yet; by default 0. Who sends waits only while that is full, who
                 receives only while it is empty, and through the buffer nobody switches.

      (let [ch (channel)]
        (tasklet (run! #(send! ch %) (range)))
        [(receive! ch) (into [] (take 2) ch) (take 2 ch)])   ;=> [0 [1 2] (3 4)]

  Who would have to wait while nobody else of the thread can run, nor waits on a shared channel, gets an IllegalStateException
  that lists who waits for what; a thread of which somebody waits on a shared one waits for another thread to come. With a
  partner in another thread nobody switches: it is made runnable there, and its thread is woken if it waits."
  ([] (channel nil))
  ([options]
   (check-options options [:shared :preference :name :buffer] "a channel")
   (let [{:keys [shared preference name buffer]} options
         room (or buffer 0)]
     (check-name name "a channel")
     (when-not (and (nat-int? room) (<= (long room) Integer/MAX_VALUE))
       (throw (IllegalArgumentException. (str "the :buffer of a channel is a number of values, 0 or more; got " (pr-str buffer)))))
     (when-not (contains? #{nil false true} shared)
       (throw (IllegalArgumentException. (str ":shared is true or false; got " (pr-str shared)))))
     (when-not (or (nil? preference) (int? preference))
       (throw (IllegalArgumentException. (str "a preference must be an integer; got " (pr-str preference)))))
     (let [ch (if shared (greenlet.tasklet.Channel/shared ^String name (int room)) (greenlet.tasklet.Channel/confined ^String name (int room)))]
       (when preference (.setPreference ch (Long/signum preference)))
       (ReducibleChannel. ch)))))

;; Taking turns

(defn schedule!
  "Lets all others in the ring run before this tasklet goes on. Returns nil.

      (let [out (atom [])]
        (tasklet (swap! out conj :tasklet))
        (schedule!)
        (swap! out conj :main))   ;=> [:tasklet :main]"
  []
  (Tasklet/schedule))

(defn schedule-remove!
  "Has this tasklet leave the ring, and the next one run. Returns what `insert!` gives, when somebody inserts it; nil if nothing.
  A main tasklet comes back when nobody else can run.

      (let [out (atom nil)
            t   (tasklet (reset! out (schedule-remove!)))]
        (schedule!)
        (insert! t :value)
        (run-all!)
        @out)   ;=> :value

  Throws IllegalStateException if nobody could run then."
  []
  (Tasklet/scheduleRemove))

(defn run-all!
  "Runs the others until none of them can; those that are left are paused, or wait on channels. Throws what a tasklet throws,
  at once; the others can go on later. Calls nest, and the innermost returns first. Returns nil. Options:

    :threadblock  true: as long as one of this thread's tasklets waits on a shared channel, wait for other threads and go on;
                  an interrupt then comes out as an InterruptedException.

      (let [ch (channel)]
        (tasklet (println (receive! ch)))
        (run-all!)
        (balance ch))   ;=> -1"
  ([] (Tasklet/runAll))
  ([options]
   (check-options options [:threadblock] "run-all!")
   (Tasklet/runAll (boolean (:threadblock options)))))

(defn run-for!
  "Runs the others as `run-all!` does, but for so many seconds at most: the tasklet in which the time is used up is the last. The others
  keep their places, so that the next call goes on where this one has ended: a frame of a game. Returns how many of the others can run,
  and have been left.

      (do (tasklet) (tasklet) (run-for! 10))   ;=> 0

  With `clock`, a function of no arguments, the time is what that says, in seconds.

      (let [time (atom 0)]
        (dotimes [_ 5] (tasklet (swap! time inc)))
        (run-for! 2 #(deref time)))   ;=> 3"
  ([seconds] (Tasklet/runFor (duration seconds)))
  ([seconds clock]
   (let [clock (the-function clock "the clock of run-for!")]
     (Tasklet/runFor (duration seconds) (reify LongSupplier (getAsLong [_] (Math/round (* 1e9 (double (clock))))))))))

(defn run-n!
  "Runs the others as `run-all!` does, but for `n` turns at most: each is from where a tasklet goes on to where it gives way or ends.
  Returns how many of the others can run, and have been left.

      (do (dotimes [_ 5] (tasklet)) [(run-n! 2) (run-n! 9)])   ;=> [3 0]"
  [n]
  (when-not (int? n)
    (throw (IllegalArgumentException. (str "run-n! takes a number of turns; got " (pr-str n)))))
  (Tasklet/runN (long n)))

(defn insert!
  "Appends `t` to the ring, unless it is there; `v` is what its pending `schedule-remove!` or `switch!` returns. Any thread may
  call it. Returns `t`.

      (let [t (tasklet* (fn []) {:paused true})] (scheduled? (insert! t)))   ;=> true

  Throws IllegalStateException if `t` is blocked on a channel or dead."
  (^Tasklet [t] (.insert (the-tasklet t "the argument of insert!")))
  (^Tasklet [t v] (.insert (the-tasklet t "the first argument of insert!") v)))

(defn remove!
  "Takes `t` off the ring, so that it is paused. Returns `t`.

      (paused? (remove! (tasklet)))   ;=> true

  Throws IllegalStateException if `t` is current (use `schedule-remove!`), blocked on a channel or dead; WrongThreadException
  in another thread."
  ^Tasklet [t]
  (doto (the-tasklet t "the argument of remove!") (.remove)))

(defn run-now!
  "Switches to `t`, and inserts it first if it is paused. This tasklet stays at its place in the ring, and those after `t` come
  next. From another thread: has `t` run next there, and goes on. Returns nil.

      (let [out (atom [])]
        (tasklet (swap! out conj :a))
        (run-now! (tasklet (swap! out conj :b)))
        (run-all!)
        @out)   ;=> [:b :a]

  Throws IllegalStateException if `t` is blocked on a channel or dead."
  [t]
  (.run (the-tasklet t "the argument of run-now!")))

(defn switch!
  "Switches to `t`, and inserts it first if it is paused; this tasklet leaves the ring. Returns what `insert!` gives, when
  somebody inserts it; nil if nothing.

      (let [me (current)]
        (switch! (tasklet (insert! me :back))))   ;=> :back

  Throws IllegalStateException if `t` is blocked on a channel or dead; WrongThreadException in another thread."
  [t]
  (.switchTo (the-tasklet t "the argument of switch!")))

(defn- pending? [options what]
  (check-options options [:pending] what)
  (boolean (:pending options)))

(defn throw!
  "Raises `exception` in `t`: out of what it is suspended in, and what it waited for on a channel has not happened; right here,
  if it is current. One that has not begun ends without running. `t` runs at once, this tasklet stays at its place in the ring,
  and those after `t` come next. Returns nil. Options:

    :pending  true: `t` raises when it is its turn, and this tasklet goes on. So it is from another thread in any case.

      (let [ch (channel)
            t  (tasklet (try (receive! ch) (catch Exception e (println (ex-message e)))))]
        (schedule!)
        (throw! t (Exception. \"too late\"))
        (balance ch))
      ; prints too late
      ;=> 0

  Throws IllegalStateException if `t` is dead."
  ([t exception] (throw! t exception nil))
  ([t exception options]
   (when-not (instance? Throwable exception)
     (throw (IllegalArgumentException. (str "throw! takes a Throwable; got " (pr-str exception)))))
   (.throwInto (the-tasklet t "the target of throw!") exception (pending? options "throw!"))))

(defn kill!
  "Raises a GreenletExit in `t`, as `throw!` does, which ends it quietly unless it is caught. Does nothing if `t` is dead.

      (let [t (tasklet (try (schedule-remove!) (finally (println \"unwound\"))))]
        (schedule!)
        (kill! t)
        (alive? t))
      ; prints unwound
      ;=> false"
  ([t] (kill! t nil))
  ([t options]
   (.kill (the-tasklet t "the argument of kill!") (pending? options "kill!"))))

(defn switch-trap!
  "Adds `n` to the level of this thread's switch trap, and returns the level before. While it is above 0, whatever would switch
  is an IllegalStateException.

      (switch-trap! 1)
      (receive! (channel))   ; throws IllegalStateException: switch trap
      (switch-trap! -1)      ;=> 1

  Throws IllegalArgumentException if the level would be below 0."
  [n]
  (Tasklet/switchTrap (int n)))

(defn set-schedule-callback!
  "Has `f` called for every switch of this thread, as (f from to), in the tasklet that is about to be left, which may have
  ended. nil for none. Returns the function before, or nil. It must not switch itself; what it throws comes out of the
  operation, which has then not happened.

      (let [seen (atom [])]
        (set-schedule-callback! (fn [from to] (swap! seen conj (main? to))))
        (tasklet)
        (schedule!)
        (set-schedule-callback! nil)
        @seen)   ;=> [false true]"
  [f]
  (when-not (or (nil? f) (ifn? f))
    (throw (IllegalArgumentException. (str "a schedule callback must be a function of two tasklets; got " (pr-str f)))))
  (let [old (Tasklet/setScheduleCallback (when f
                                           (reify
                                             BiConsumer
                                             (accept [_ from to] (f from to))
                                             IDeref
                                             (deref [_] f))))]
    (if (instance? IDeref old) @old old)))

;; Talking

(defn send!
  "Sends `v`: to the tasklet that has waited longest to receive from `ch`, or else waits for one. Returns nil.

      (let [ch (channel)]
        (tasklet (println \"got\" (receive! ch)))
        (send! ch 42))   ; prints got 42

  Throws IllegalStateException if it would have to wait and cannot: a deadlock, `ch` is closed, a trap is set.
  WrongThreadException if `ch` is not shared and belongs to another thread."
  [ch v]
  (.send (the-channel ch "the target of send!") v))

(defn receive!
  "Receives a value: from the tasklet that has waited longest to send to `ch`, or else waits for one. Throws what is sent by
  `send-exception!`, and else as `send!` does.

      (let [ch (channel)]
        (tasklet (send! ch 42))
        (receive! ch))   ;=> 42"
  [ch]
  (.receive (the-channel ch "the argument of receive!")))

(defn send-exception!
  "Sends `exception`, as `send!` does a value: the `receive!` that gets it throws it. A java.util.NoSuchElementException ends a
  `reduce` or seq. Returns nil.

      (let [ch (channel)]
        (tasklet (send-exception! ch (ArithmeticException. \"sent\")))
        (receive! ch))   ; throws ArithmeticException: sent"
  [ch exception]
  (when-not (instance? Throwable exception)
    (throw (IllegalArgumentException. (str "send-exception! takes a Throwable; got " (pr-str exception)))))
  (.sendException (the-channel ch "the target of send-exception!") exception))

(defn send-sequence!
  "Sends every element of `coll`, anything that can be reduced. Returns how many there were.

      (let [ch (channel)]
        (tasklet (println (send-sequence! ch \"ab\") \"sent\"))
        [(receive! ch) (receive! ch) (run-all!)])
      ; prints 2 sent
      ;=> [\\a \\b nil]"
  [ch coll]
  (let [ch (the-channel ch "the target of send-sequence!")]
    (reduce (fn [n v] (.send ch v) (inc n)) 0 coll)))

(defn close!
  "From now on nobody can begin to wait on `ch`: that is an IllegalStateException, and reducing it ends, also where it is waiting.
  Others that wait already are not woken, and can be served as before. Any thread may call it. Returns nil.

      (let [ch (channel)]
        (close! ch)
        (send! ch 1))   ; throws IllegalStateException: closed"
  [ch]
  (.close (the-channel ch "the argument of close!")))

(defn open!
  "Takes back `close!`. Returns nil.

      (let [ch (channel)] (close! ch) (open! ch) (closing? ch))   ;=> false"
  [ch]
  (.open (the-channel ch "the argument of open!")))

(defn set-preference!
  "Decides who runs next when a partner was waiting on `ch`, by the sign of `n`. Negative: the receiver, so that a send switches
  to it at once, and a receive goes on; the default. Positive: the sender, so that a receive switches to it at once, and a send
  goes on. 0: whoever came last goes on. The other one is appended to the ring; who switches stays at its place. Returns `ch`.

      (preference (set-preference! (channel) 5))   ;=> 1"
  [ch n]
  (when-not (int? n)
    (throw (IllegalArgumentException. (str "a preference must be an integer; got " (pr-str n)))))
  (.setPreference (the-channel ch "the argument of set-preference!") (Long/signum n))
  ch)

(defn set-schedule-all!
  "Overrides the preference, if `on`: a partner that was waiting is appended to the ring, and the next of it runs. Returns `ch`.

      (schedule-all? (set-schedule-all! (channel) true))   ;=> true"
  [ch on]
  (.setScheduleAll (the-channel ch "the argument of set-schedule-all!") (boolean on))
  ch)

(defn on-error!
  "Has `f` called with what would end `t` with an exception, as the last that `t` does, and nobody else hear of it; what `f` throws takes
  its place. nil for none: then the exception comes out of `run-all!`. Returns `t`.

      (let [t (tasklet (throw (Exception. \"broken\")))]
        (on-error! t #(println (ex-message %)))
        (run-all!))   ; prints broken"
  [t f]
  (when-not (or (nil? f) (ifn? f))
    (throw (IllegalArgumentException. (str "an error handler must be a function of an exception; got " (pr-str f)))))
  (doto (the-tasklet t "the first argument of on-error!")
    (.setErrorHandler (when f (reify Consumer (accept [_ e] (f e)))))))

(defn accounting!
  "Has this thread keep accounts of its tasklets from now on, for `account`; nil to end that. `:stacks` notes the stack of whoever makes
  one, too; `true` does not. Returns nil.

      (do (accounting! true) (accounting! nil))   ;=> nil"
  [how]
  (when-not (contains? #{nil false true :stacks} how)
    (throw (IllegalArgumentException. (str "accounting is true, :stacks or nil; got " (pr-str how)))))
  (Tasklet/accounting (boolean how) (= :stacks how)))

(defn account
  "What `t` has used, where its thread keeps accounts: a map of :run-time, :switches (how often it was given the thread),
  :longest-hold, :spawned-by and, if asked for, :spawned-at; times in seconds. nil if there is none.

      (do (accounting! true)
          (let [t (tasklet (schedule!))]
            (run-all!)
            (accounting! nil)
            (select-keys (account t) [:switches :spawned-by])))   ;=> {:switches 1, :spawned-by \"main\"}"
  [t]
  (account-map (.account (the-tasklet t "the argument of account"))))

(defn set-channel-callback!
  "Has `f` called for every operation on a channel in this thread, before it happens, as (f channel tasklet sending? will-block?).
  nil for none. Returns the function before, or nil. It must not use channels or switch itself; what it throws comes out of the
  operation, which has then not happened.

      (let [seen (atom [])
            ch   (channel)]
        (set-channel-callback! (fn [_ _ sending will-block] (swap! seen conj [sending will-block])))
        (tasklet (send! ch 1))
        (receive! ch)
        (set-channel-callback! nil)
        @seen)   ;=> [[false true] [true false]]"
  [f]
  (when-not (or (nil? f) (ifn? f))
    (throw (IllegalArgumentException. (str "a channel callback must be a function of four arguments; got " (pr-str f)))))
  (let [old (greenlet.tasklet.Channel/setCallback (when f
                                            (reify
                                              Channel$Callback
                                              (onAction [_ ch t sending will-block] (f (ReducibleChannel. ch) t sending will-block))
                                              IDeref
                                              (deref [_] f))))]
    (if (instance? IDeref old) @old old)))

;; Asking

(defn current
  "The tasklet that runs in this thread; the main one, if no other has been switched to.

      (let [t (promise)] (deliver t (tasklet (println (= (current) @t)))) (run-all!))   ; prints true"
  ^Tasklet []
  (Tasklet/current))

(defn main
  "The tasklet that stands for this thread's own code.

      (= (main) (current))   ;=> true"
  ^Tasklet []
  (Tasklet/main))

(defn run-count
  "How many tasklets of this thread can run, the caller included.

      (do (tasklet) (tasklet) (run-count))   ;=> 3"
  []
  (Tasklet/runCount))

(defn tasklet?
  "Whether `x` is a tasklet.

      (tasklet? (current))   ;=> true"
  [x]
  (instance? Tasklet x))

(defn alive?
  "Whether neither `t` nor its thread has ended.

      (let [t (tasklet)] [(alive? t) (run-all!) (alive? t)])   ;=> [true nil false]"
  [t]
  (.isAlive (the-tasklet t "the argument of alive?")))

(defn paused?
  "Whether `t` is alive, not in the ring and not blocked.

      (paused? (tasklet* (fn []) {:paused true}))   ;=> true"
  [t]
  (.isPaused (the-tasklet t "the argument of paused?")))

(defn scheduled?
  "Whether `t` is in the ring, or blocked.

      (scheduled? (tasklet))   ;=> true"
  [t]
  (.isScheduled (the-tasklet t "the argument of scheduled?")))

(defn blocked?
  "Whether `t` waits on a channel.

      (let [t (tasklet (receive! (channel)))] (run-all!) (blocked? t))   ;=> true"
  [t]
  (.isBlocked (the-tasklet t "the argument of blocked?")))

(defn current?
  "Whether `t` is the one that runs in its thread.

      (current? (tasklet))   ;=> false"
  [t]
  (.isCurrent (the-tasklet t "the argument of current?")))

(defn main?
  "Whether `t` stands for its thread's own code.

      (main? (current))   ;=> true"
  [t]
  (.isMain (the-tasklet t "the argument of main?")))

(defn thread
  "The java.lang.Thread that `t` belongs to; nil if it has ended.

      (= (thread (tasklet)) (thread (main)))   ;=> true"
  ^Thread [t]
  (.thread (the-tasklet t "the argument of thread")))

(defn stack
  "Where `t` is: a vector of StackTraceElements, the innermost first, without this library's own. Empty if it has not begun, or
  has ended. May be asked from any thread.

      (stack (tasklet))   ;=> []"
  [t]
  (vec (.stackTrace (the-tasklet t "the argument of stack"))))

(defn block-trap?
  "Whether `t` must not block.

      (block-trap? (current))   ;=> false"
  [t]
  (.blockTrap (the-tasklet t "the argument of block-trap?")))

(defn set-block-trap!
  "Sets a trap for `t`, if `on`: a call on a channel that would have to wait is then an IllegalStateException. Returns `t`.

      (set-block-trap! (current) true)
      (receive! (channel))   ; throws IllegalStateException: block trap"
  [t on]
  (doto (the-tasklet t "the argument of set-block-trap!") (.setBlockTrap (boolean on))))

(defn channel?
  "Whether `x` is a channel.

      (channel? (channel))   ;=> true"
  [x]
  (or (instance? ReducibleChannel x) (instance? greenlet.tasklet.Channel x)))

(defn balance
  "How many tasklets wait to send to `ch`; if some wait to receive, minus their number.

      (let [ch (channel)] (tasklet (send! ch 1)) (schedule!) (balance ch))   ;=> 1"
  [ch]
  (.balance (the-channel ch "the argument of balance")))

(defn buffered
  "How many values lie in the buffer of `ch`.

      (let [ch (channel {:buffer 2})] (send! ch :a) (buffered ch))   ;=> 1"
  [ch]
  (.buffered (the-channel ch "the argument of buffered")))

(defn queue
  "The tasklet that has waited longest on `ch`; nil if nobody waits.

      (let [ch (channel), t (tasklet (receive! ch))] (run-all!) (= t (queue ch)))   ;=> true"
  ^Tasklet [ch]
  (.queue (the-channel ch "the argument of queue")))

(defn preference
  "Who runs next when a partner was waiting on `ch`: -1, 0 or 1, see `set-preference!`.

      (preference (channel))   ;=> -1"
  [ch]
  (.preference (the-channel ch "the argument of preference")))

(defn schedule-all?
  "Whether the preference of `ch` is overridden: see `set-schedule-all!`.

      (schedule-all? (channel))   ;=> false"
  [ch]
  (.scheduleAll (the-channel ch "the argument of schedule-all?")))

(defn closing?
  "Whether `ch` has been closed.

      (let [ch (channel)] (close! ch) (closing? ch))   ;=> true"
  [ch]
  (.isClosing (the-channel ch "the argument of closing?")))

(defn closed?
  "Whether `ch` has been closed and nobody waits there any more.

      (let [ch (channel)]
        (tasklet (send! ch 1))
        (schedule!)
        (close! ch)
        [(closed? ch) (receive! ch) (closed? ch)])   ;=> [false 1 true]"
  [ch]
  (.isClosed (the-channel ch "the argument of closed?")))

(defn shared?
  "Whether `ch` is for tasklets of any threads.

      (shared? (channel {:shared true}))   ;=> true"
  [ch]
  (.isShared (the-channel ch "the argument of shared?")))

(defmethod print-method Tasklet [^Tasklet t ^Writer w]
  (.write w (str "#<" t ">")))

(defmethod print-method ReducibleChannel [^ReducibleChannel ch ^Writer w]
  (.write w (str "#<" ch ": (send! ch v), (receive! ch)>")))

(defmethod print-method greenlet.tasklet.Channel [^greenlet.tasklet.Channel ch ^Writer w]
  (.write w (str "#<" ch ": (send! ch v), (receive! ch)>")))
