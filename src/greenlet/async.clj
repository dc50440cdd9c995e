;; Before the namespace begins, so that a second attempt gets the same message.
(when-not (some #(.getResource (clojure.lang.RT/baseLoader) %)
                ["clojure/core/async.clj" "clojure/core/async__init.class"])
  (throw (IllegalStateException.
          (str "greenlet.async needs core.async, which is not on the class path: add [org.clojure/core.async \"1.9.865\"]"
               " to the :dependencies of project.clj, or org.clojure/core.async {:mvn/version \"1.9.865\"} to the :deps of"
               " deps.edn"))))

(ns greenlet.async
  "core.async from any depth of calls: channels that tasks, greenlets and generators take from and put into, wherever
  they are, through `map`, `doseq` and helper functions. Needs org.clojure/core.async, 1.6 or later, which this library
  does not bring.

      (defn ask [in out question] (>! out question) (<! in))   ; an ordinary function, that parks

      (let [in (async/chan), out (async/chan)]
        (go (doseq [q (elements out)] (>! in [:answer q])))
        (<! (go (mapv (partial ask in out) [1 2]))))   ;=> [[:answer 1] [:answer 2]]

  Take and put  `<!` `>!` `alts!` `alt!`
  Processes     `go` `go-loop` `go*`
  Generators    `to-chan!` `onto-chan!` `elements`

  Channels, buffers and timeouts are those of clojure.core.async, and so are their rules. Who waits: in a task of a hub
  that task alone. Anywhere else the thread, as with core.async's `<!!`; if it has a hub, that goes on running
  meanwhile. The body of a generator waits as a part of whoever pulls from it. In core.async's own `go` blocks use
  core.async's own operations."
  (:require [clojure.core.async :as async]
            [clojure.core.async.impl.dispatch :as dispatch]
            [clojure.core.async.impl.protocols :as impl]
            [greenlet.argument :refer [refuse shown]]
            [greenlet.core :as g]
            [greenlet.hub :as hub])
  (:import (greenlet.hub Hub)
           (java.io Writer)
           (java.util.concurrent CompletableFuture CompletionStage ExecutorService Executors ThreadFactory)
           (java.util.concurrent.atomic AtomicLong)
           (java.util.concurrent.locks Lock ReentrantLock)))

(set! *warn-on-reflection* true)

;; One take or put, or the choice among several. The channels that it has been offered to hold a handler of it.
;; Whichever comes first commits it, under its lock, and gives the value soon after that. Who gives up waiting withdraws
;; it, under its lock as well: either no channel can commit it any more, or one has, and then the value is waited for
;; and returned all the same. So nothing is taken that is not returned, and nothing put of which the putter does not
;; hear.

(def ^:private ^AtomicLong exchanges (AtomicLong.))

(deftype Exchange [^ReentrantLock mutex ^long id blockable ^:volatile-mutable active ^CompletableFuture outcome]
  Lock
  (lock [_] (.lock mutex))
  (unlock [_] (.unlock mutex))
  impl/Handler
  (active? [_] active)
  (blockable? [_] blockable)
  (lock-id [_] id)
  (commit [_] (set! active false)))

(defn- exchange ^Exchange [blockable]
  (Exchange. (ReentrantLock.) (.decrementAndGet exchanges) ; below 0, as the numbers of core.async's own are above
             blockable true (CompletableFuture.)))

(defn- handler [^Exchange x port]
  (reify
    Lock
    (lock [_] (.lock x))
    (unlock [_] (.unlock x))
    impl/Handler
    (active? [_] (impl/active? x))
    (blockable? [_] (impl/blockable? x))
    (lock-id [_] (impl/lock-id x))
    (commit [_]
      (impl/commit x)
      ;; never blocks, so that core.async, since 1.9, needs no thread of a pool for it
      ^:on-caller? (fn [v] (.complete ^CompletableFuture (.-outcome x) [v port])))))

(defn- withdraw
  "Whether no channel has committed it, and none can any more."
  [^Exchange x]
  (.lock x)
  (try
    (when (impl/active? x)
      (impl/commit x)
      true)
    (finally (.unlock x))))

(defn- offer
  "Offers the exchange to one port after the other, until one completes it at once: then [value port], else nil."
  [x ports]
  (try
    (reduce (fn [_ port]
              (let [target (if (vector? port) (nth port 0) port)
                    h (handler x target)]
                (when-let [box (if (vector? port) (impl/put! target (nth port 1) h) (impl/take! target h))]
                  (reduced [@box target]))))
            nil ports)
    (catch Throwable t
      (withdraw x)
      (throw t))))

(def ^:private go-checking (Boolean/getBoolean "clojure.core.async.go-checking"))

(defn- outcome [^Exchange x]
  (let [^CompletableFuture outcome (.-outcome x)
        in-hub (some? (Hub/currentIfAny))]
    (try
      (if in-hub
        (Hub/await ^CompletionStage outcome)
        (.get outcome))
      (catch Throwable t
        (when (withdraw x) (throw t))
        (let [result (.join outcome)] ; on its way: whoever has committed gives it and waits for nobody
          (if in-hub
            (Hub/postpone t)
            (.interrupt (Thread/currentThread)))
          result)))))

(defn- complete
  "[value port], as soon as one of `ports` has completed."
  [ports]
  (when (and go-checking (nil? (Hub/currentIfAny))) (dispatch/check-blocking-in-dispatch))
  (let [x (exchange true)]
    (or (offer x ports) (outcome x))))

;; Take and put

(defn- check-take [port]
  (when-not (satisfies? impl/ReadPort port)
    (refuse "a take needs a channel, as clojure.core.async/chan makes them; got " (shown port))))

(defn- check-put [port v]
  (when-not (satisfies? impl/WritePort port)
    (refuse "a put needs a channel that can be put into, as clojure.core.async/chan makes them; got " (shown port)))
  (when (nil? v)
    (refuse "nil cannot be put into a channel: it would look like the end; close the channel, or put what stands for nil")))

(defn <!
  "Takes a value from the channel; waits until there is one. nil if the channel is closed and has no more.

      (let [c (async/chan 1)] (>! c :value) (async/close! c) [(<! c) (<! c)])   ;=> [:value nil]

  A wait that is given up, because the task is killed, a limit runs out or the thread is interrupted, takes nothing. If
  a value has been handed over by then, it is returned, and the exception comes out of the next wait."
  [port]
  (check-take port)
  (nth (complete [port]) 0))

(defn >!
  "Puts `v`, which is not nil, into the channel; waits until it is accepted. Whether it was: false if the channel is
  closed.

      (let [c (async/chan 1)] [(>! c :value) (async/close! c) (>! c :more)])   ;=> [true nil false]

  A wait that is given up, see `<!`, puts nothing. If the value has been handed over by then, this returns true, and the
  exception comes out of the next wait. A put that waits when the channel is closed goes on waiting, as in core.async."
  [port v]
  (check-put port v)
  (nth (complete [[port v]]) 0))

(defn alts!
  "Completes one of several operations: takes from the channels among `ports`, and a put for each `[channel value]`
  there; waits until one can be. Returns `[value channel]` for a take, with nil for the value if it is closed, and
  `[accepted? channel]` for a put. If several can be, by chance one of them. Options, as arguments or in a map:

    :priority  true: the first in the order of `ports` of those that can be
    :default   a value: does not wait, but returns [value :default]

      (alts! [(async/chan) (async/timeout 60000)] :default :nothing)   ;=> [:nothing :default]
      (let [a (async/chan 1), b (async/chan 1)] (= [true b] (alts! [a [b 1]] :priority true)))   ;=> true

  Given up as `<!` and `>!` are. Throws IllegalArgumentException if there are no ports, or a channel is to be taken from
  and put into at once."
  [ports & {:as options}]
  (when-let [unknown (seq (remove #{:priority :default} (keys options)))]
    (refuse "unknown options " (vec unknown) "; alts! takes :priority and :default"))
  (when-not (and (sequential? ports) (seq ports))
    (refuse "alts! needs a vector of channels and of [channel value]; got " (pr-str ports)))
  (let [puts (filter vector? ports)
        takes (remove vector? ports)]
    (run! check-take takes)
    (doseq [[port v :as put] puts]
      (when-not (= 2 (count put)) (refuse "a put among the ports of alts! is [channel value]; got a vector of " (count put)))
      (check-put port v))
    (when-let [both (and (seq puts) (some (set (map first puts)) takes))]
      (refuse "alts! cannot take from a channel and put into it at once: " both)))
  (let [ports (if (:priority options) ports (shuffle ports))]
    (if (contains? options :default)
      (let [x (exchange false)]
        (or (offer x ports)
            (if (withdraw x) [(:default options) :default] (outcome x))))
      (complete ports))))

(defmacro alt!
  "Completes one of several operations, as `alts!`, and has the value of the expression that belongs to it. The clauses
  are those of core.async's `alt!`: a channel, or a vector of channels and `[channel value]`s, and an expression, which
  can begin with a vector for what `alts!` has returned; and the options `:default` and `:priority`.

      (let [c (async/chan 1)]
        (>! c 20)
        (alt!
          c ([v] (inc v))
          (async/timeout 1000) :late))   ;=> 21"
  {:arglists '([& clauses])}
  [& clauses]
  (async/do-alt `alts! clauses))

;; Processes

(defn- start
  "Has `f` called: as a task, where a task calls this, else in a virtual thread. Then `ended` is called, also if it
  never ran."
  [f ended]
  (if (hub/current-task)
    (hub/raw-link (hub/spawn f) (fn [_] (ended)))
    ;; An executor of its own: what waits for a channel that is forgotten can then be collected; see VirtualThreadEngine.
    (let [^ThreadFactory threads (.factory (.name (Thread/ofVirtual) "go"))
          ^ExecutorService executor (Executors/newThreadPerTaskExecutor threads)]
      (.execute executor (bound-fn [] (try (f) (finally (ended)))))))
  nil)

(defn go*
  "The function behind `go`: has `f` called, without arguments; a channel of its value.

      (<! (go* #(+ 1 2)))   ;=> 3"
  [f]
  (when-not (ifn? f) (refuse "go* needs a function to run; got " (shown f)))
  (let [result (async/chan 1)]
    (start #(when-some [v (f)] (async/put! result v))
           #(async/close! result))
    result))

(defmacro go
  "Runs `body` as a process of its own. Returns a channel that gets its value, unless that is nil, and is closed then.
  The body is ordinary code: functions that it calls, and those that it hands to `map` and the like, may take and put.

      (defn sum-of [c] (+ (<! c) (<! c)))
      (let [c (async/chan)]
        (go (run! #(>! c %) (range 4)))
        (<! (go (vec (repeatedly 2 #(sum-of c))))))   ;=> [1 5]

  In a task of a hub it is another task of that hub, in its thread and, if there is one, in its `scope`. Anywhere else
  it is a virtual thread of its own, where to block is cheap. It sees the dynamic bindings in force here. An exception
  closes the channel; it is then that of the task, or goes to the thread's handler of uncaught exceptions. A process in
  a virtual thread that waits for a channel to which nobody else refers is garbage, and nothing in it runs any more."
  {:arglists '([& body])}
  [& body]
  `(go* (^{:once true} fn* [] ~@body)))

(defmacro go-loop
  "As `(go (loop bindings body*))`.

      (let [c (async/to-chan! [1 2 3])]
        (<! (go-loop [sum 0] (if-some [v (<! c)] (recur (+ sum v)) sum))))   ;=> 6"
  {:arglists '([bindings & body])}
  [bindings & body]
  `(go (loop ~bindings ~@body)))

;; Generators

(defn- check-reducible [coll what]
  (when-not (or (nil? coll) (seqable? coll) (instance? clojure.lang.IReduceInit coll) (instance? Iterable coll))
    (refuse what " must be a generator or a collection; got " (shown coll))))

(defn- feed
  "Calls `(put x)` with the elements of `coll` until it returns false."
  [coll put]
  (reduce (fn [_ x] (when-not (put x) (reduced nil))) nil coll))

(deftype Outlet [ch stop]
  impl/ReadPort
  (take! [_ handler] (impl/take! ch handler))
  impl/Channel
  (close! [_]
    (impl/close! ch)
    (impl/close! stop))
  (closed? [_] (impl/closed? ch))
  Object
  (toString [this] (str "Outlet@" (Integer/toHexString (System/identityHashCode this)))))

(defn to-chan!
  "A channel of the elements of `coll`, a generator or whatever can be reduced, to be taken from. A process, as `go`
  starts them, runs the generator as far as the buffer has room, and one element further, which it holds ready. When it
  ends, the channel is closed. To close the channel unwinds the generator, so that its `finally` runs: the element that
  is held ready is dropped, and what lies in the buffer can still be taken. If the channel is only forgotten, nothing of
  the generator runs any more.

      (let [c (to-chan! (g/generator (try (run! g/yield! (range)) (finally (println \"unwound\")))) 2)]
        (hub/run [(<! c) (<! c)]))   ;=> [0 1]

  The other arguments are those of `chan`: a buffer or its size, a transducer, a handler of exceptions, which here gets
  those of the generator as well, and whose value, unless it is nil, is put into the channel. Without one they are the
  process's."
  ([coll] (to-chan! coll nil))
  ([coll buf-or-n] (to-chan! coll buf-or-n nil))
  ([coll buf-or-n xform] (to-chan! coll buf-or-n xform nil))
  ([coll buf-or-n xform ex-handler]
   (check-reducible coll "the first argument of to-chan!")
   (let [ch (async/chan buf-or-n xform ex-handler)
         stop (async/chan)
         never-waits (and buf-or-n (not (number? buf-or-n)) (async/unblocking-buffer? buf-or-n))
         put (fn [v]
               (check-put ch v)
               (when (and never-waits (hub/current-task)) (hub/sleep! 0)) ; nobody else of the hub would have a turn
               (let [[accepted port] (complete [stop [ch v]])]
                 (and accepted (identical? ch port))))]
     (start #(try
               (feed coll put)
               (catch Exception e
                 (if ex-handler
                   (some-> (ex-handler e) put)
                   (throw e))))
            #(async/close! ch))
     (Outlet. ch stop))))

(defn onto-chan!
  "Puts the elements of `coll`, a generator or whatever can be reduced, into the channel, in a process, as `go` starts
  them; closes it at the end, unless `close?` is false. Returns a channel that is closed when the process has ended. It
  ends early, and unwinds the generator, when a put finds the channel closed. One that waits already does not: a take
  has to release it, as in core.async. The channel of `to-chan!` does better.

      (let [c (async/chan 2)] (onto-chan! c (g/generator (run! g/yield! [1 2]))) [(<! c) (<! c) (<! c)])   ;=> [1 2 nil]"
  ([ch coll] (onto-chan! ch coll true))
  ([ch coll close?]
   (check-put ch :something)
   (check-reducible coll "the second argument of onto-chan!")
   (let [ended (async/chan)]
     (start #(feed coll (partial >! ch))
            #(do (when close? (async/close! ch))
                 (async/close! ended)))
     ended)))

(defn elements
  "A generator of what is taken from the channel, until that is closed and empty. A traversal that ends early has taken
  what it was asked for, and leaves the rest; the next one goes on from there. Options:

    :close  true: whenever a traversal ends, the channel is closed, so that one of `to-chan!` unwinds its generator, too.

      (let [c (async/to-chan! [1 2 3])] [(vec (take 2 (elements c))) (into [] (elements c))])   ;=> [[1 2] [3]]"
  ([ch] (elements ch nil))
  ([ch options]
   (check-take ch)
   (when-not (or (nil? options) (map? options)) (refuse "the options of elements must be a map; got " (pr-str options)))
   (when-let [unknown (seq (remove #{:close} (keys options)))]
     (refuse "unknown options " (vec unknown) "; elements takes :close"))
   (g/generator
    (try
      (loop []
        (when-some [v (<! ch)]
          (g/yield! v)
          (recur)))
      (finally
        (when (:close options) (async/close! ch)))))))

(defmethod print-method Outlet [^Outlet o ^Writer w]
  (.write w (str "#<" o ": a channel; (<! c) takes the next element of its generator>")))

;; The constructors are ours.
(run! #(alter-meta! % assoc :private true) [#'->Exchange #'->Outlet])
