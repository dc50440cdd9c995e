(ns greenlet.hub.sync
  "What lies between the tasks of greenlet.hub: events, results, semaphores, locks and queues. In Java these are classes of the
  package greenlet.hub. `greenlet.hub` has all names, too, and the examples refer to it.

  Events        `event` `set-event!` `clear-event!` `event-set?`; `greenlet.hub/await!` waits
  Results       `async-result`; `greenlet.hub` has `wake!` and `fail!`, `result`, `ready?` and what else there is to ask
  Permits       `semaphore` `lock` `acquire!` `release!` `holding` `free-count`
  Queues        `queue` `put!` `take!` `offer!` `poll!` `peek!` `close!` `task-done!`; `greenlet.hub/join` waits for the work on the
                items

  Each is for the tasks of one hub. Tasks that wait are served in the order of their coming. A task that gives up, by a limit or a
  kill, takes nothing along. A call that would reach tasks which wait in another thread is a WrongThreadException and changes nothing; other
  threads use `greenlet.hub/execute!`."
  (:require [greenlet.argument :refer [check-options duration refuse shown the-name unwrapped]])
  (:import (clojure.lang Counted IReduceInit)
           (greenlet.argument Wrapper)
           (greenlet.hub AsyncResult Event Lock Pool Queue ResourcePool Semaphore)
           (java.io Writer)
           (java.util Comparator)))

(set! *warn-on-reflection* true)

;; Events and results

(defn- the-event ^Event [e what]
  (if (instance? Event e) e (refuse what " must be an event; got " (shown e))))

(defn event
  "An event, which is set or not, at first not. `await!` waits until it is set, and returns true; all who wait are woken, in
  their order.

      (run (let [e (event)] (spawn set-event! e) (await! e)))   ;=> true"
  ^Event []
  (Event.))

(defn set-event!
  "Sets the event: all who wait for it are ready, also if it is cleared before they have their turn. nil.

      (let [e (event)] (set-event! e) (event-set? e))   ;=> true"
  [event]
  (.set (the-event event "the argument of set-event!")))

(defn clear-event!
  "Makes the event one that is not set. nil.

      (let [e (event)] (set-event! e) (clear-event! e) (event-set? e))   ;=> false"
  [event]
  (.clear (the-event event "the argument of clear-event!")))

(defn event-set?
  "Whether the event is set.

      (event-set? (event))   ;=> false"
  [event]
  (.isSet (the-event event "the argument of event-set?")))

(defn async-result
  "A value that some task will provide, once: `wake!` with a value, or `fail!` with an exception. `await!` and `result` wait
  for it; `ready?`, `successful?` and `exception` ask.

      (run (let [r (async-result)] (spawn wake! r :value) (result r)))   ;=> :value"
  ^AsyncResult []
  (AsyncResult.))

;; Permits

(defn- the-permits
  "The semaphore or the lock `s`."
  [s what]
  (if (or (instance? Semaphore s) (instance? Lock s)) s (refuse what " must be a semaphore or a lock; got " (shown s))))

(defn semaphore
  "So many permits, which `acquire!` takes and `release!` gives back; who has to wait gets one in the order of asking. With
  `{:bounded true}` it is an IllegalStateException to give back more than there were.

      (run (let [s (semaphore 1)] [(acquire! s) (acquire! s 0.001) (release! s) (acquire! s 0.001)]))   ;=> [true false nil true]"
  (^Semaphore [permits] (semaphore permits nil))
  (^Semaphore [permits options]
   (when-not (nat-int? permits) (refuse "a semaphore has 0 permits or more; got " (shown permits)))
   (if (:bounded (check-options options [:bounded] "a semaphore"))
     (Semaphore/bounded permits)
     (Semaphore. (long permits)))))

(defn lock
  "A lock for one task at a time, which may take it again while it has it, and gives it back as often. For `acquire!`,
  `release!` and `holding`. With `{:name \"…\"}` messages and snapshots of those who wait call it so.

      (run (let [l (lock)] (holding l (holding l :twice))))   ;=> :twice
      (str (lock {:name \"accounts\"}))   ;=> \"the lock accounts\""
  (^Lock [] (Lock.))
  (^Lock [options]
   (let [name (the-name (:name (check-options options [:name] "a lock")) "a lock")]
     (cond-> (Lock.) name (.named name)))))

(defn acquire!
  "Takes a permit of the semaphore, or the lock; waits until there is one, not longer than `seconds`. Whether it has it.

      (run (acquire! (semaphore 0) 0.001))   ;=> false"
  ([semaphore]
   (let [s (the-permits semaphore "the first argument of acquire!")]
     (if (instance? Semaphore s) (.acquire ^Semaphore s) (.acquire ^Lock s))
     true))
  ([semaphore seconds]
   (let [s (the-permits semaphore "the first argument of acquire!")]
     (cond
       (nil? seconds) (acquire! s)
       (instance? Semaphore s) (.acquire ^Semaphore s (duration seconds))
       :else (.acquire ^Lock s (duration seconds))))))

(defn release!
  "Gives a permit back to the semaphore, or the lock; the first who waits has it. nil.

      (let [s (semaphore 0)] (release! s) (free-count s))   ;=> 1"
  [semaphore]
  (let [s (the-permits semaphore "the argument of release!")]
    (if (instance? Semaphore s) (.release ^Semaphore s) (.release ^Lock s))))

(defmacro holding
  "The value of `body`, with a permit of the semaphore, or the lock, which is given back however the body ends.

      (run (let [s (semaphore 1)] (holding s (free-count s))))   ;=> 0"
  [semaphore & body]
  `(let [s# ~semaphore]
     (acquire! s#)
     (try
       ~@body
       (finally (release! s#)))))

(defn free-count
  "How many permits the semaphore has, or how many more tasks the pool has room for, or how many more could use a resource of the
  pool; nil if there is no limit.

      (free-count (pool 3))   ;=> 3"
  [pool]
  (let [p (unwrapped pool)]
    (cond
      (instance? Semaphore p) (.available ^Semaphore p)
      (instance? Lock p) (if (.isTaken ^Lock p) 0 1)
      (instance? Pool p) (let [free (.free ^Pool p)] (when (not= free Long/MAX_VALUE) free))
      (instance? ResourcePool p) (.free ^ResourcePool p)
      :else (refuse "the argument of free-count must be a semaphore, a lock or a pool; got " (shown pool)))))

;; Queues

(deftype CountedQueue [^Queue queue]
  Wrapper
  (unwrapped [_] queue)
  Counted
  (count [_] (.size queue))
  IReduceInit
  (reduce [_ f init]
    (loop [acc init]
      (let [item (.take queue ::end)]
        (if (identical? item ::end)
          acc
          (let [acc (f acc item)]
            (if (reduced? acc) @acc (recur acc)))))))
  Object
  (equals [_ other] (identical? queue (unwrapped other)))
  (hashCode [_] (.hashCode queue))
  (toString [_] (str queue)))

(alter-meta! #'->CountedQueue assoc :private true)

(defn- the-queue ^Queue [q what]
  (let [queue (unwrapped q)]
    (if (instance? Queue queue) queue (refuse what " must be a queue; got " (shown q)))))

(defn queue
  "A queue of items, nil among them, that `put!` adds to and `take!` takes from; both wait where they have to, and are served in
  the order of their coming. Can be reduced, until it is closed and empty. `count` is how many items lie in it. Options:

    :size   how many have room in it; without, as many as memory has. With 0, each `put!` waits for a `take!`.
    :order  :fifo, the default; :lifo, the latest first; :priority, the least first, among equals the one put first.
    :by     a comparator for :priority, in place of `compare`
    :name   a string, by which messages and snapshots of those who wait call it

      (run (let [q (queue {:size 1})]
             (spawn #(do (run! (partial put! q) (range 4)) (close! q)))
             (into [] q)))   ;=> [0 1 2 3]
      (run (let [q (queue {:order :priority})] (run! #(put! q %) [3 1 2]) (close! q) (into [] q)))   ;=> [1 2 3]"
  ([] (queue nil))
  ([options]
   (let [{:keys [size order by name]} (check-options options [:size :order :by :name] "a queue")
         name (the-name name "a queue")]
     (when-not (or (nil? size) (nat-int? size)) (refuse "the :size of a queue is 0 or more; got " (shown size)))
     (when-not (contains? #{nil :fifo :lifo :priority} order) (refuse "the :order of a queue is :fifo, :lifo or :priority; got " (shown order)))
     (when (and by (not= order :priority)) (refuse ":by is for a queue with :order :priority"))
     (when-not (or (nil? by) (instance? Comparator by)) (refuse ":by is a comparator; got " (shown by)))
     (let [size (long (or size Long/MAX_VALUE))
           ^Queue made (case order
                         (nil :fifo) (Queue/fifo size)
                         :lifo (Queue/lifo size)
                         :priority (Queue/priority ^Comparator (or by compare) size))]
       (CountedQueue. (if name (.named made name) made))))))

(defn put!
  "Adds `v` to the queue; waits until there is room. nil. IllegalStateException if the queue has been closed, also meanwhile.

      (run (let [q (queue)] (put! q 1) (count q)))   ;=> 1"
  [queue v]
  (.put (the-queue queue "the first argument of put!") v))

(defn offer!
  "Adds `v` to the queue, if there is room; with `seconds`, if there is before they are over. Whether it did.

      (run (let [q (queue {:size 1})] [(offer! q 1) (offer! q 2) (offer! q 2 0.001)]))   ;=> [true false false]"
  ([queue v]
   (.offer (the-queue queue "the first argument of offer!") v))
  ([queue v seconds]
   (let [q (the-queue queue "the first argument of offer!")]
     (if (nil? seconds)
       (do (.put q v) true)
       (.offer q v (duration seconds))))))

(defn take!
  "Takes the next item of the queue; waits until there is one. If it has been closed and is empty, `otherwise`, or nil.

      (run (let [q (queue)] (put! q 1) (close! q) [(take! q) (take! q :end)]))   ;=> [1 :end]"
  ([queue] (take! queue nil))
  ([queue otherwise]
   (.take (the-queue queue "the first argument of take!") otherwise)))

(defn poll!
  "Takes the next item of the queue, if there is one; with `seconds`, if there is before they are over. Else `otherwise`.

      (run (let [q (queue)] [(poll! q :none) (poll! q :none 0.001) (put! q 1) (poll! q :none)]))   ;=> [:none :none nil 1]"
  ([queue otherwise]
   (.poll (the-queue queue "the first argument of poll!") otherwise))
  ([queue otherwise seconds]
   (let [q (the-queue queue "the first argument of poll!")]
     (if (nil? seconds)
       (.take q otherwise)
       (.poll q otherwise (duration seconds))))))

(defn peek!
  "The next item of the queue, which stays there; `otherwise`, or nil, if none lies in it. Does not wait.

      (run (let [q (queue)] (put! q 1) [(peek! q) (take! q) (peek! q :none)]))   ;=> [1 1 :none]"
  ([queue] (peek! queue nil))
  ([queue otherwise]
   (.peek (the-queue queue "the first argument of peek!") otherwise)))

(defn close!
  "Closes the queue: nothing can be put any more, and whoever waits to put gets an IllegalStateException; what lies in it can be
  taken. Or closes the resource pool: disposes of its resources, and whoever waits for one gets an IllegalStateException. nil.

      (run (let [q (queue)] (close! q) (put! q 1)))   ; throws IllegalStateException: closed"
  [queue]
  (let [q (unwrapped queue)]
    (cond
      (instance? Queue q) (.close ^Queue q)
      (instance? ResourcePool q) (.close ^ResourcePool q)
      :else (refuse "the argument of close! must be a queue or a resource pool; got " (shown queue)))))

(defn task-done!
  "Tells that the work on an item that was taken from the queue is done. `join` of the queue waits until as many are done as
  were put. nil.

      (run (let [q (queue)]
             (spawn #(run! (fn [_] (sleep! 0.001) (task-done! q)) q))
             (put! q 1)
             (join q)))   ;=> nil"
  [queue]
  (.taskDone (the-queue queue "the argument of task-done!")))

;; Printing

(defmethod print-method Event [e ^Writer w]
  (.write w (str "#<" e ": (await! e) waits until it is set>")))

(defmethod print-method AsyncResult [r ^Writer w]
  (.write w (str "#<" r ": (result r) waits for what comes of it>")))

(defmethod print-method Semaphore [s ^Writer w]
  (.write w (str "#<" s ": (acquire! s) takes one>")))

(defmethod print-method Lock [l ^Writer w]
  (.write w (str "#<" l ": (holding l …) takes it>")))

(defn- print-queue [q ^Writer w]
  (.write w (str "#<" q ": (take! q) takes the next>")))

(defmethod print-method CountedQueue [q w] (print-queue q w))

(defmethod print-method Queue [q w] (print-queue q w))
