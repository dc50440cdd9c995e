(ns greenlet.core
  "Greenlets: coroutines with a stack of their own. Control is transferred explicitly and
  deterministically, from any depth of ordinary calls, through `map`, `doseq` and Java code alike.

      (def echo (glet [x] (loop [x x] (recur (switch! (parent (current)) [:got x])))))
      (switch! echo 1)                    ;=> [:got 1]
      (switch! echo 2)                    ;=> [:got 2]

      (defn walk [[l v r]] (when v (walk l) (yield! v) (walk r)))
      (seq (generator (walk tree)))       ; lazy, one step of the walk for each element

  Make          `glet` `greenlet`; `generator` `generator*`
  Transfer      `switch!` `throw!`; `yield!` `yield-all!` `yield-to!`; `with-open` unwinds a greenlet or a cursor
  Traverse      `reduce`, `seq` …; `gen-seq`; `cursor` `next!` `peek!` `send!` `throw!` `result`; `zip` `merge-sorted`
  Ask           `current` `parent` `active?` `dead?` `greenlet?` `stack` `engine`
  Arrange       `set-parent!` `set-listener!` `forget-thread!`

  Several values sent at once arrive as a vector, none as nil. A greenlet's result, or the exception
  that ended it, goes to its parent. Greenlets of one thread are out of reach for other threads. What
  nobody refers to any more is garbage, and nothing in it runs then."
  (:require [greenlet.argument :refer [check-options refuse]]
            [greenlet.generator :as generator])
  (:import (clojure.lang IDeref)
           (greenlet Body Cursor Generator$Yielder Greenlet GreenletExit SwitchArgs SwitchListener SwitchListener$Event)
           (java.io Writer)))

(set! *warn-on-reflection* true)

(defn- received [v]
  (if (instance? SwitchArgs v) (vec (.toArray ^SwitchArgs v)) v))

(defn- ^Greenlet the-greenlet [g what]
  (if (instance? Greenlet g)
    g
    (throw (IllegalArgumentException.
            (str what " must be a greenlet, as `glet` makes them; got " (if (nil? g) "nil" (class g)))))))

(defn- check-reducible [coll what]
  (when-not (or (nil? coll) (seqable? coll) (instance? clojure.lang.IReduceInit coll) (instance? Iterable coll) (instance? Cursor coll))
    (throw (IllegalArgumentException. (str what " must be a collection, a generator or a cursor; got " (pr-str coll))))))

;; Making

(defn current
  "The greenlet that is running in this thread; its root where the thread has used no greenlets yet. In the
  body of a generator, the greenlet that traverses it.

      (parent (current))   ;=> nil, at the REPL: a root has none"
  ^Greenlet []
  (Greenlet/current))

(defn greenlet
  "A new greenlet that will run `f`, unstarted. The first `switch!` to it calls `f` with the values sent; what
  `f` returns goes to the parent. `f` sees the dynamic bindings in force here, and what it binds itself is seen
  by it alone. Options:

    :parent  who gets the result: the current greenlet by default. The greenlet belongs to the parent's thread.
    :name    a string, for messages and thread dumps.

      (switch! (greenlet + {:name \"adder\"}) 1 2)   ;=> 3

  Throws IllegalArgumentException for what is not a function, a greenlet, a string."
  (^Greenlet [f] (greenlet f nil))
  (^Greenlet [f options]
   (check-options options [:parent :name] "a greenlet")
   (let [{:keys [parent name]} options]
     (when-not (ifn? f)
       (throw (IllegalArgumentException. (str "a greenlet needs a function to run; got " (pr-str f)))))
     (when-not (or (nil? name) (string? name))
       (throw (IllegalArgumentException. (str "the :name of a greenlet must be a string; got " (pr-str name)))))
     (Greenlet/of (reify Body
                    (run [_ args]
                      (case (alength args)
                        0 (f)
                        1 (f (aget args 0))
                        (apply f args))))
                  (if (nil? parent) (current) (the-greenlet parent ":parent"))
                  name))))

(defmacro glet
  "An unstarted greenlet whose arguments are what the first `switch!` sends, like `fn`: destructuring and `&` work.
  Its parent is the current greenlet; for another, and for a name, use `greenlet`.

      (switch! (glet [x y] (* x y)) 6 7)   ;=> 42"
  {:arglists '([[args*] body*])}
  [args & body]
  (when-not (vector? args)
    (throw (IllegalArgumentException. (str "glet needs a vector of arguments first, as fn does; got " (pr-str args)))))
  `(greenlet (^{:once true} fn ~args ~@body)))

;; Transfer

(defn switch!
  "Suspends the current greenlet and transfers control to `g`: starts it with the values as its arguments, or lets
  its pending `switch!` return them. Returns what is sent back when somebody switches to this greenlet again: nil if
  nothing, the value itself if one, a vector if more. If `g` has ended, its nearest living ancestor takes its place.

      (let [main (current)
            g    (glet [x] (switch! main (inc x)) :done)]
        [(switch! g 1) (switch! g)])   ;=> [2 :done]

  Throws what is thrown into this greenlet meanwhile, or what ended a child of it. WrongThreadException if `g`
  belongs to another thread; nothing has changed then."
  ([g] (received (.switchTo (the-greenlet g "the target of switch!"))))
  ([g v] (received (.switchTo (the-greenlet g "the target of switch!") v)))
  ([g v w & more]
   (received (.switchTo (the-greenlet g "the target of switch!") v w (object-array more)))))

(defn throw!
  "Transfers control to `g` and raises `exception` there, a new GreenletExit by default: out of its pending `switch!`,
  or right here if `g` is the current greenlet. One that is unstarted ends without running. A GreenletExit that nobody
  catches ends a greenlet quietly and arrives in its parent as a value. Returns what is sent back, as `switch!` does.

      (let [g (glet [] (try (switch! (parent (current)) :ready) (finally (println \"unwound\"))))]
        (switch! g)
        (instance? greenlet.GreenletExit (throw! g)))   ; prints unwound ;=> true

  A cursor can be the target as well: its pending `yield!` throws, and the next element is returned, as `next!` would."
  ([g] (throw! g (GreenletExit.)))
  ([g exception]
   (when-not (instance? Throwable exception)
     (throw (IllegalArgumentException. (str "throw! takes a Throwable; got " (pr-str exception)))))
   (if (instance? Cursor g)
     (when (.throwInto ^Cursor g exception) (.next ^Cursor g))
     (received (.throwInto (the-greenlet g "the target of throw!") ^Throwable exception)))))

(defn yield!
  "Gives `v` to the innermost generator whose body is running in this greenlet, from any depth of calls, and suspends
  the body until the next element is asked for. Where there is no generator, switches to the parent with `v`. A
  function: it can be passed to `run!`, `reduce` and the like. `map` is lazy: `(generator (map yield! xs))` yields nothing. Returns what
  the consumer sends back: nil for most.

      (vec (generator (run! yield! (range 3))))   ;=> [0 1 2]

  Throws GreenletExit where the traversal ends early, so that `finally` runs; IllegalStateException in a root greenlet
  outside of any generator."
  [v]
  (received (greenlet.Generator/yield v)))

(defn yield-all!
  "Yields every element of `coll`, which is anything that can be reduced, as `yield!` would. Another generator's
  elements cost no more through ten generators than through one. Returns nil.

      (vec (generator (yield! 0) (yield-all! [1 2]) (yield! 3)))   ;=> [0 1 2 3]"
  [coll]
  (check-reducible coll "the argument of yield-all!")
  (generator/yield-all! coll))

;; Generators

(defn- check-chunk [chunk what]
  (when-not (or (nil? chunk) (and (pos-int? chunk) (<= chunk Integer/MAX_VALUE)))
    (throw (IllegalArgumentException.
            (str "the :chunk of " what " must be a positive integer, at most " Integer/MAX_VALUE "; got " (pr-str chunk))))))

(defn- checked-options [options]
  (check-options options [:chunk :confined] "a generator")
  (let [{:keys [chunk confined]} options]
    (check-chunk chunk "a generator")
    (when-not (contains? #{nil false true} confined)
      (throw (IllegalArgumentException. (str ":confined is true or false; got " (pr-str confined)))))
    options))

(defn generator*
  "The function behind `generator`: a generator whose body is a call of `f`, without arguments. Options, for its seqs:

    :chunk     n: the body runs ahead up to n elements, and the seq is chunked, as that of `range` is. The first chunk has 32
               at most, each later one twice as many as the one before, up to n. What ends the body comes after the elements
               before it.
    :confined  true: a seq for the one thread that first realises some of it; others get a WrongThreadException. It runs
               in that thread, where the engine does, and costs less than a seq that threads share.

      (vec (generator* #(run! yield! \"ab\")))   ;=> [\\a \\b]"
  ([f] (generator* f nil))
  ([f options]
   (when-not (ifn? f)
     (throw (IllegalArgumentException. (str "a generator needs a function for its body; got " (pr-str f)))))
   (generator/generator f (checked-options options))))

(defmacro generator
  "A sequence written as a body that calls `yield!` from any depth. A recipe: each traversal runs the body afresh.
  `reduce` and all that is built on it (`into`, `transduce`, `run!`, `mapv` …) run the body on their own stack, which is
  fastest. `seq` and all that takes a seq run it on a stack of its own, as far as elements are asked for: lazy, not
  chunked, each element computed once, to be shared between threads like any seq. `cursor` pulls by hand, two ways.

      (defn fringe [t] (if (coll? t) (run! fringe t) (yield! t)))
      (take 2 (generator (fringe [[1 [2]] 3])))   ;=> (1 2)

  The body sees the dynamic bindings in force here, and what it binds is seen by it alone. It runs as part of whoever
  traverses it: `current` is that greenlet, and a `switch!` in the body suspends it. An exception in the body comes
  out of the traversal, which is then over. Ending early with `reduced` raises GreenletExit at the pending `yield!`, so
  that `finally` runs; in a seq that is only forgotten nothing runs.

  The body can begin with options: `:as name` names the traversal, for `yield-to!` from within other generators, and
  `:chunk n` and `:confined true` are those of `generator*`.

      (chunked-seq? (seq (generator :chunk 8 (run! yield! (range 20)))))   ;=> true"
  {:arglists '([options* body*])}
  [& body]
  (let [[options body] (loop [options {}, body body]
                         (if (keyword? (first body))
                           (do
                             (when-not (next body) (refuse "the option " (first body) " of a generator has no value"))
                             (recur (assoc options (first body) (second body)) (nnext body)))
                           [options body]))
        name (:as options)]
    (check-options options [:as :chunk :confined] "a generator")
    (when-not (or (not (contains? options :as)) (simple-symbol? name))
      (throw (IllegalArgumentException. (str ":as takes a symbol; got " (pr-str name)))))
    `(generator* (fn* [] ~@(if name [`(let [~name (greenlet.Generator/yielder)] ~@body)] body))
                 ~@(when-let [others (not-empty (dissoc options :as))] [others]))))

(defn yield-to!
  "Gives `v` to the traversal that `generator` has named with `:as`, also from within the body of another generator that
  runs in its body, and suspends both until the next element is asked for. Returns what the consumer sends back.

      (vec (generator :as outer
             (doseq [x (generator (yield-to! outer :before) (yield! 1))]
               (yield! x))))   ;=> [:before 1]

  Throws IllegalStateException if the body of that traversal is not running in this greenlet."
  [outer v]
  (when-not (instance? Generator$Yielder outer)
    (throw (IllegalArgumentException. (str "yield-to! takes what (generator :as name …) has named; got " (pr-str outer)))))
  (received (.yield ^Generator$Yielder outer v)))

(defn- ^greenlet.Generator the-generator [g what]
  (or (generator/recipe g)
      (throw (IllegalArgumentException.
              (str what " must be a generator; got " (if (nil? g) "nil" (class g))
                   "; (generator (yield-all! xs)) makes one of a collection xs")))))

(defn gen-seq
  "A new seq of `g`, as `seq` would make it, with the options of `generator*`; nil if it is empty.

      (gen-seq (generator (run! yield! [1 2])) {:confined true})   ;=> (1 2)"
  [g options]
  (generator/seq-of (the-generator g "the argument of gen-seq") (checked-options options)))

;; Cursors

(defn cursor
  "Begins a traversal of `g` that is pulled by hand with `next!` and `peek!`, and leads both ways: `send!` and `throw!`
  decide what the body's pending `yield!` returns or throws. For the thread that first pulls from it. `with-open` or
  `.close` unwinds the body, so that `finally` runs; a cursor that is only forgotten runs nothing. A java.util.Iterator.

      (with-open [c (cursor (generator (loop [sum 0] (recur (+ sum (yield! sum))))))]
        [(next! c) (send! c 3) (send! c 4)])   ;=> [0 3 7]

  It can be reduced, from where it stands. An early end takes no element more than it needs, and closes nothing.

      (with-open [c (cursor (generator (run! yield! (range))))]
        [(into [] (take 2) c) (next! c)])   ;=> [[0 1] 2]

  Wrong calls get an IllegalStateException, from another thread a WrongThreadException, and change nothing: any while the
  body is running, also from within it; any after `.close`, but for `.close`. A body that catches the GreenletExit of
  `.close` and yields again, thousands of times, is abandoned: `.close` then throws an IllegalStateException.

  Options:

    :chunk  n: the body runs ahead up to n elements, so that most cost no step. The elements are the same, and what ends the
            body comes after those before it. `send!` and `throw!` are refused, because the body does not wait at each yield.
            The first chunk has 32 at most, each later one twice as many as the one before, up to n.

      (with-open [c (cursor (generator (run! yield! (range))) {:chunk 32})]
        [(peek! c) (next! c) (next! c)])   ;=> [0 0 1]"
  (^Cursor [g] (cursor g nil))
  (^Cursor [g options]
   (check-options options [:chunk] "a cursor")
   (check-chunk (:chunk options) "a cursor")
   (generator/cursor (the-generator g "the argument of cursor") (:chunk options))))

(defn- ^Cursor the-cursor [c what]
  (if (instance? Cursor c)
    c
    (throw (IllegalArgumentException. (str what " must be a cursor, as `cursor` makes them; got " (if (nil? c) "nil" (class c)))))))

(defn next!
  "Takes the next element of the cursor; `not-found`, or nil, if the body has ended. What the body throws comes out.

      (let [c (cursor (generator (yield! 1)))] [(next! c :end) (next! c :end)])   ;=> [1 :end]"
  ([c] (next! c nil))
  ([c not-found]
   (let [c (the-cursor c "the argument of next!")]
     (if (.hasNext c) (.next c) not-found))))

(defn peek!
  "The next element of the cursor, which stays the next one; `not-found`, or nil, if the body has ended.

      (let [c (cursor (generator (yield! 1)))] [(peek! c) (next! c) (peek! c :end)])   ;=> [1 1 :end]"
  ([c] (peek! c nil))
  ([c not-found]
   (let [c (the-cursor c "the argument of peek!")]
     (if (.hasNext c) (.peek c) not-found))))

(defn send!
  "Has the pending `yield!` of the cursor's body return `v`, and takes the next element; `not-found`, or nil, if the body
  ends instead.

      (let [c (cursor (generator (yield! (yield! :first))))] [(next! c) (send! c :second) (send! c nil :end)])
      ;=> [:first :second :end]

  Throws IllegalStateException if no `yield!` is pending: before the first `next!` and after the end; or after a `peek!`
  whose element has not been taken; or if the cursor has the option `:chunk`."
  ([c v] (send! c v nil))
  ([c v not-found]
   (let [c (the-cursor c "the target of send!")]
     (if (.send c v) (.next c) not-found))))

(defn result
  "What the body of the cursor returned; nil if an exception ended it. Throws IllegalStateException before its end, and while
  elements of a chunk are left.

      (let [c (cursor (generator (yield! 1) :done))] (next! c) (next! c) (result c))   ;=> :done"
  [c]
  (.result (the-cursor c "the argument of result")))

;; Composition: what needs two traversals at once

(defn zip
  "A generator of vectors of the elements of all `gens`, in lock-step, until the first of them ends. They may be anything
  that `seq` takes. Generators among them are unwound when it ends.

      (vec (zip (generator (run! yield! (range))) [:a :b]))   ;=> [[0 :a] [1 :b]]"
  [& gens]
  (run! #(check-reducible % "an argument of zip") gens)
  (generator/zip gens))

(defn merge-sorted
  "A generator of the elements of all `gens`, each of which is sorted, in their common order, by `compare` or `comparator`.
  Equal ones come in the order of `gens`. They may be anything that `seq` takes. Generators among them are unwound when it
  ends early.

      (vec (merge-sorted compare [(generator (run! yield! [1 4 9])) [2 4]]))   ;=> [1 2 4 4 9]"
  ([gens] (merge-sorted compare gens))
  ([comparator gens]
   (when-not (instance? java.util.Comparator comparator)
     (throw (IllegalArgumentException. (str "merge-sorted takes a comparator, such as compare; got " (pr-str comparator)))))
   (check-reducible gens "the last argument of merge-sorted")
   (run! #(check-reducible % "what merge-sorted merges") gens)
   (generator/merge-sorted comparator gens)))

;; Asking

(defn greenlet?
  "Whether `x` is a greenlet.

      (greenlet? (glet []))   ;=> true"
  [x]
  (instance? Greenlet x))

(defn parent
  "Who gets the result of `g`; nil for the root of a thread, and only there. May be asked from any thread.

      (= (current) (parent (glet [])))   ;=> true"
  ^Greenlet [g]
  (.parent (the-greenlet g "the argument of parent")))

(defn active?
  "Whether `g` has been started and has not ended: it is running or suspended.

      (active? (glet []))   ;=> false"
  [g]
  (.isActive (the-greenlet g "the argument of active?")))

(defn dead?
  "Whether `g` has ended, or its thread has.

      (let [g (glet [] :done)] (switch! g) (dead? g))   ;=> true"
  [g]
  (.isDead (the-greenlet g "the argument of dead?")))

(defn stack
  "Where `g` is: a vector of StackTraceElements, the innermost first, without this library's own. Empty if `g` is
  unstarted or dead; on the continuation engine also if it is running in a virtual thread other than the caller's, where
  to look would put the JVM at risk. May be asked from any thread.

      (stack (glet []))   ;=> []"
  [g]
  (vec (.stackTrace (the-greenlet g "the argument of stack"))))

(defn engine
  "Which engine runs: a string that begins with its name, as the system property greenlet.engine takes it. Throws
  IllegalStateException if that property asks for one that cannot be had.

      (some? (re-find #\"^(continuation|virtual-thread)\" (engine)))   ;=> true"
  ^String []
  (Greenlet/engine))

(defn forget-thread!
  "Lets go of all that the calling thread keeps for its greenlets: its root, its listener, what a hub or a ring of
  tasklets has left. For threads that live longer than the code which has used greenlets in them, as those of a server do that
  loads an application anew: as long as they keep these, the class loader of that code stays. What is left suspended in the
  thread is dead from then on, without its `finally` having run, as if the thread had ended; the thread begins anew. Returns
  nil. Throws IllegalStateException within a greenlet, a generator's body, or what a scheduler runs, such as a hub.

      @(future
         (let [g (glet [] (switch! (parent (current))))]
           (switch! g)
           (forget-thread!)
           (dead? g)))   ;=> true"
  []
  (Greenlet/forgetThread))

;; Arranging

(defn set-parent!
  "Makes `new-parent` the one who gets the result of `g`. Returns `g`.

      (let [a (glet [] 1), b (set-parent! (glet [] 2) a)] (= a (parent b)))   ;=> true

  Throws IllegalArgumentException for nil and for a cycle, IllegalStateException if `g` is a root,
  WrongThreadException if `g` has been started and `new-parent` belongs to another thread."
  ^Greenlet [g new-parent]
  (let [g (the-greenlet g "the argument of set-parent!")]
    (.setParent g (the-greenlet new-parent "a parent"))
    g))

(defn- fn-listener [f]
  (reify
    SwitchListener
    (onSwitch [_ event origin target]
      (f (if (identical? event SwitchListener$Event/SWITCH) :switch :throw) origin target))
    IDeref
    (deref [_] f)))

(defn set-listener!
  "Has `f` called for every transfer between greenlets of this thread, as (f event origin target), event `:switch` or
  `:throw`: in the target, before the value or exception is delivered there. nil for none. Returns the function
  before, or nil. An exception from `f` replaces what is delivered, and removes it.

      (let [seen (atom [])]
        (set-listener! (fn [event _ _] (swap! seen conj event)))
        (switch! (glet [] :done))
        (set-listener! nil)
        @seen)   ;=> [:switch :switch]"
  [f]
  (when-not (or (nil? f) (ifn? f) (instance? SwitchListener f))
    (throw (IllegalArgumentException. (str "a listener must be a function of event, origin and target; got " (pr-str f)))))
  (let [old (Greenlet/setListener (if (or (nil? f) (instance? SwitchListener f)) f (fn-listener f)))]
    (if (instance? IDeref old) @old old)))

(defmethod print-method Greenlet [^Greenlet g ^Writer w]
  (.write w (str "#<" g ">")))
