(ns greenlet.hub.pool
  "Bounds for greenlet.hub: how many tasks there are at a time, and how many of a costly thing. In Java these are classes of the
  package greenlet.hub. `greenlet.hub` has all names, too, and the examples refer to it.

  Tasks         `pool` `spawn-in`; `imap` `imap-unordered`; `greenlet.hub` has `join` and `kill!` for a whole pool, and `free-count`
  Resources     `resource-pool` `with-resource` `with-resource*`; `greenlet.hub` has `free-count` and `close!`

  Each is for the tasks of one hub. Tasks that have to wait are served in the order of asking."
  (:require [greenlet.argument :refer [check-options duration refuse shown the-function unwrapped]]
            [greenlet.generator :as generator])
  (:import (clojure.lang Counted)
           (greenlet.argument Wrapper)
           (greenlet.hub Pool Pool$Work ResourcePool ResourcePool$Use Task)
           (java.io Writer)
           (java.lang AutoCloseable)
           (java.util.concurrent Callable)
           (java.util.function Consumer Predicate)))

(set! *warn-on-reflection* true)

;; Tasks

(deftype CountedPool [^Pool pool]
  Wrapper
  (unwrapped [_] pool)
  Counted
  (count [_] (.count pool))
  Object
  (equals [_ other] (identical? pool (unwrapped other)))
  (hashCode [_] (.hashCode pool))
  (toString [_] (str pool)))

(alter-meta! #'->CountedPool assoc :private true)

(defn- the-pool ^Pool [p what]
  (let [pool (unwrapped p)]
    (if (instance? Pool pool) pool (refuse what " must be a pool; got " (shown p)))))

(defn pool
  "A pool, for `spawn-in`, `imap` and `imap-unordered`, of at most `size` tasks at a time; without, of any number. `join` waits
  until none is left, `kill!` ends all, `count` is how many there are.

      (run (let [p (pool 2)] (dotimes [_ 4] (spawn-in p sleep! 0.001)) [(count p) (join p) (count p)]))   ;=> [2 nil 0]"
  ([] (pool nil))
  ([size]
   (cond
     (nil? size) (CountedPool. (Pool.))
     (and (pos-int? size) (< (long size) Integer/MAX_VALUE)) (CountedPool. (Pool. (int size)))
     :else (refuse "the size of a pool is a positive number, of 31 bits; got " (shown size)))))

(defn spawn-in
  "As `spawn`, in a pool; waits until there is room for another task, which has its place until it has ended. A map before `f` is
  for options, the :name and :after of `spawn`.

      (run (result (spawn-in (pool 1) + 1 2)))   ;=> 3"
  {:arglists '([pool f & args] [pool options f & args])}
  ^Task [pool f & args]
  (let [p (the-pool pool "the first argument of spawn-in")
        {:keys [name after]} (when (map? f) (check-options f [:name :after] "spawn-in"))
        [f args] (if (map? f) [(first args) (rest args)] [f args])
        f (the-function f "what spawn-in is given")
        ^String name (when name (str name))
        ^Callable body #(apply f args)]
    (if after
      (.spawnLater p (duration after) name body)
      (.spawn p name body))))

(defn- elements ^Iterable [coll]
  (reify Iterable
    (forEach [_ consumer] (run! #(.accept ^Consumer consumer %) coll))
    (iterator [_] (.iterator ^Iterable (generator/generator #(generator/yield-all! coll) nil)))))

(defn- applying ^Pool$Work [f what]
  (the-function f what)
  (reify Pool$Work (apply [_ x] (f x))))

(defn imap
  "A generator of the values of `(f x)` for each x of `coll`, in the order of `coll`, each by a task of the pool. As many tasks as the
  pool has room for run ahead of the value that is asked for. To be traversed in a task. An exception of `f` comes out at the place
  of its x and ends the traversal. However the traversal ends, it kills the tasks that it has left, and waits until they have ended.

      (run (vec (imap (pool 2) #(do (sleep! (/ % 100)) %) [2 1 3])))   ;=> [2 1 3]"
  [pool f coll]
  (generator/of-recipe
   (.map (the-pool pool "the first argument of imap") (applying f "the second argument of imap") (elements coll))))

(defn imap-unordered
  "As `imap`, but the values come in the order in which the tasks end.

      (run* #(vec (imap-unordered (pool 2) (fn [n] (sleep! n) n) [2 1 4])) {:time :virtual})   ;=> [1 2 4]"
  [pool f coll]
  (generator/of-recipe
   (.mapUnordered (the-pool pool "the first argument of imap-unordered")
                  (applying f "the second argument of imap-unordered")
                  (elements coll))))

;; Resources

(defn- predicate ^Predicate [f what]
  (the-function f what)
  (reify Predicate (test [_ x] (boolean (f x)))))

(defn- close [resource]
  (when (instance? AutoCloseable resource)
    (.close ^AutoCloseable resource)))

(defn resource-pool
  "A pool of at most `size` resources, such as connections, each of which one task uses at a time, by `with-resource`. `create`
  makes one, in the task that is going to use it; if it throws, the place goes to the next who waits. Options:

    :dispose     called with each resource in the end; by default its `close`, if it is an AutoCloseable
    :check       called with a resource before it is used again; unless it returns a truthy value, the resource is disposed of
    :max-age     so many seconds after it was made it is not used again, by the clock of the hub
    :keep-after  called with an exception that a use has ended with; if it returns a truthy value, the resource is kept

  After its use a resource is kept for the next one if the use has ended without an exception. Else nobody knows in which state it
  is, and it is disposed of: always after a kill or a limit. `free-count` is how many could be taken, `close!` disposes of all.

      (run (let [made (atom 0)
                 p (resource-pool 1 #(swap! made inc))]
             [(with-resource [r p] r) (with-resource [r p] r)
              (timeout 0.001 :else :late (with-resource [r p] (sleep! 1)))
              (with-resource [r p] r)]))   ;=> [1 1 :late 2]"
  (^ResourcePool [size create] (resource-pool size create nil))
  (^ResourcePool [size create options]
   (let [{:keys [dispose check max-age keep-after] :or {dispose close}}
         (check-options options [:dispose :check :max-age :keep-after] "a resource pool")]
     (when-not (and (pos-int? size) (<= (long size) Integer/MAX_VALUE))
       (refuse "the size of a resource pool is a positive number, of 31 bits; got " (shown size)))
     (the-function create "what makes resources")
     (the-function dispose ":dispose")
     (cond-> (ResourcePool. (int size) ^Callable #(create) (reify Consumer (accept [_ r] (dispose r))))
       check (doto (.check (predicate check ":check")))
       max-age (doto (.maxAge (duration max-age)))
       keep-after (doto (.keepAfter (predicate keep-after ":keep-after")))))))

(defn with-resource*
  "The function behind `with-resource`: the value of `(f r)` for a resource r of the pool.

      (run (with-resource* (resource-pool 1 (constantly :connection)) identity))   ;=> :connection"
  [pool f]
  (when-not (instance? ResourcePool pool) (refuse "the first argument of with-resource* must be a resource pool; got " (shown pool)))
  (the-function f "what with-resource* is given")
  (.use ^ResourcePool pool (reify ResourcePool$Use (apply [_ r] (f r)))))

(defmacro with-resource
  "The value of `body`, in which `name` is a resource of the pool that nobody else uses meanwhile. Waits until there is one.
  IllegalStateException if the pool has been closed.

      (run (let [p (resource-pool 1 #(java.io.StringWriter.))]
             (with-resource [w p] (.write w \"kept\"))
             (with-resource [w p] (str w))))   ;=> \"kept\""
  [[name pool :as binding] & body]
  (when-not (and (vector? binding) (= 2 (count binding)))
    (refuse "with-resource takes a vector of a name and a pool; got " (pr-str binding)))
  `(with-resource* ~pool (^{:once true} fn* [~name] ~@body)))

;; Printing

(defn- print-pool [p ^Writer w]
  (.write w (str "#<" p ": (spawn-in p f) adds one>")))

(defmethod print-method CountedPool [p w] (print-pool p w))

(defmethod print-method Pool [p w] (print-pool p w))

(defmethod print-method ResourcePool [p ^Writer w]
  (.write w (str "#<" p ": (with-resource [r p] …) uses one>")))
