(ns greenlet.event
  "Tasks of greenlet.hub that wait for events: for what calls listeners back again and again, such as the components of a
  GUI, or an atom. From any depth of calls, and with nothing left behind: however a wait ends, its listener is removed.

      (run (let [a (atom 0)] (spawn swap! a inc) (await-event! a)))   ;=> 1

  Wait     `await-event!` for one event; `events`, all of them
  Sources  atoms, refs, agents and vars; functions; maps of sources, of which the first event wins; `listener-source`, what
           has listeners in Java; and what else the protocol `Source` is extended to

  The examples refer to greenlet.hub, too."
  (:require [clojure.string :as str]
            [greenlet.argument :refer [refuse shown]]
            [greenlet.core :as g]
            [greenlet.hub :as hub])
  (:import (clojure.lang Fn IPersistentMap IRef)
           (java.lang.reflect Array InvocationHandler Method Proxy)
           (java.util.concurrent LinkedBlockingQueue)
           (java.util.concurrent.atomic AtomicReference)))

(set! *warn-on-reflection* true)

(defprotocol Source
  "What can be waited for by `await-event!` and `events`, to be extended to other types.

      (deftype Bell [listeners])
      (extend-protocol Source
        Bell (listen [bell callback]
               (swap! (.-listeners bell) conj callback)
               #(swap! (.-listeners bell) disj callback)))
      (run (let [bell (Bell. (atom #{}))]
             (spawn #(run! (fn [callback] (callback :ding)) @(.-listeners bell)))
             [(await-event! bell) @(.-listeners bell)]))   ;=> [:ding #{}]"
  (listen [source callback]
    "Has the function `callback` called with each event from now on, in whichever thread. Returns a function without
  arguments that ends this. Both are called in the thread of the task that waits; neither may wait.

      (let [a (atom 0), seen (atom []), stop (listen a #(swap! seen conj %))]
        (reset! a 1)
        (stop)
        (reset! a 2)
        @seen)   ;=> [1]"))

(defn- stop-function [stop source]
  (if (ifn? stop)
    stop
    (refuse "a source must return a function that stops listening; " (class source) " has returned " (shown stop))))

(defn- stop-all [[stop & more]]
  (when stop
    (try (stop) (finally (stop-all more)))))

(extend-protocol Source
  nil
  (listen [_ _] (refuse "nil is no source of events"))
  Object
  (listen [source _]
    (refuse (shown source) " is no source of events; listener-source makes one of what has listeners, "
            "or extend greenlet.event/Source to it"))
  Fn
  (listen [source callback] (stop-function (source callback) source))
  IRef
  (listen [source callback]
    (let [key (Object.)]
      (add-watch source key (fn [_ _ _ state] (callback state)))
      #(remove-watch source key)))
  IPersistentMap
  (listen [sources callback]
    (let [stops (volatile! ())]
      (try
        (doseq [[label source] sources]
          (vswap! stops conj (listen source #(callback [label %]))))
        #(stop-all @stops)
        (catch Throwable t
          (stop-all @stops)
          (throw t))))))

(defn await-event!
  "Has the current task wait for the next event of `source`, from any depth of calls, and returns that. Listens from this
  call on; stops before it returns or throws, also if a limit or a kill ends the wait. A source is

  - an atom, a ref, an agent or a var: its event is the new state, whenever watchers are called;
  - a function, called with a callback for events, that returns a function without arguments which ends it;
  - a map of labels to sources, several at once: its event is `[label event]` of the first that has one;
  - a `listener-source`;
  - what else the protocol `Source` is extended to.

      (run (let [[a b] [(atom 0) (atom 0)]]
             (spawn reset! b 5)
             (await-event! {:a a, :b b})))   ;=> [:b 5]
      (run (timeout 0.001 :else :nothing (await-event! (atom 0))))   ;=> :nothing

  The task goes on in its turn, after the listener has returned. What happens between two waits is missed: `events` misses
  nothing. For the hub an event is something from outside, which it waits for as `await!` does."
  [source]
  (let [stop (volatile! nil)]
    (try
      (hub/await! (fn [callback] (vreset! stop (listen source #(callback %)))))
      (finally
        (when-let [f @stop] (f))))))

(defn events
  "A generator of the events of `source`, which is what `await-event!` takes, without a gap: those that come while nobody
  waits are kept. To be traversed in a task. It has no end of its own; it listens from the first pull on, until the
  traversal ends, by `reduced` or by the closing of its cursor. Options:

    :sliding   so many are kept at most, the latest; without, all

      (run (let [a (atom 0)]
             (spawn #(dotimes [_ 3] (swap! a inc)))
             (into [] (take 3) (events a))))   ;=> [1 2 3]
      (run (let [a (atom 0)]
             (spawn #(dotimes [_ 3] (swap! a inc)))
             (into [] (take 1) (events a {:sliding 1}))))   ;=> [3]

  Prefer `reduce` and what is built on it, or a cursor in `with-open`: a seq that is only forgotten never stops listening."
  ([source] (events source nil))
  ([source options]
   (when-not (or (nil? options) (map? options)) (refuse "the options of events must be a map; got " (shown options)))
   (when-let [unknown (seq (keys (dissoc options :sliding)))]
     (refuse "unknown options " (vec unknown) "; events takes :sliding"))
   (let [size (:sliding options Integer/MAX_VALUE)]
     (when-not (pos-int? size) (refuse ":sliding is a positive number of events; got " (shown size)))
     (g/generator :confined true ; listeners may be for one thread
       (let [kept (LinkedBlockingQueue. (int size)) ; of vectors, as an event may be nil
             wake (AtomicReference.)
             stop (listen source (fn [event]
                                   (while (not (.offer kept [event])) (.poll kept))
                                   (when-let [f (.getAndSet wake nil)] (f nil))))]
         (try
           (loop []
             (if-let [[event] (.poll kept)]
               (g/yield! event)
               (hub/await! (fn [callback]
                             (.set wake callback)
                             (when-not (.isEmpty kept) (callback nil)))))
             (recur))
           (finally (stop))))))))

;; Listeners of Java

(defn- nothing
  "What a method of this type returns that has nothing to say."
  [^Class type]
  (when (and (.isPrimitive type) (not= type Void/TYPE))
    (Array/get (Array/newInstance type 1) 0)))

(defn- listener [^Class interface ^String method-name callback]
  (let [toString (str "a listener of greenlet.event for " (.getName interface))]
    (Proxy/newProxyInstance
     (.getClassLoader interface)
     (into-array Class [interface])
     (reify InvocationHandler
       (invoke [_ proxy method args]
         (cond
           (= Object (.getDeclaringClass method))
           (case (.getName method)
             "equals" (identical? proxy (aget args 0))
             "hashCode" (System/identityHashCode proxy)
             "toString" toString)

           (contains? #{nil (.getName method)} method-name)
           (do (callback (if (< 1 (count args)) (vec args) (first args)))
               (nothing (.getReturnType method)))

           (.isDefault method)
           (InvocationHandler/invokeDefault proxy method args)

           :else
           (nothing (.getReturnType method))))))))

(defn listener-source*
  "The function behind `listener-source`: `add` is called with a listener of the interface, and later `remove` with the same.
  With `method`, a string, only calls of that method are events.

      (run (let [p (java.beans.PropertyChangeSupport. :bean)
                 changes (listener-source* java.beans.PropertyChangeListener
                                           #(.addPropertyChangeListener p \"age\" %)
                                           #(.removePropertyChangeListener p \"age\" %))]
             (spawn #(.firePropertyChange p \"age\" 41 42))
             (.getNewValue (await-event! changes))))   ;=> 42"
  ([interface add remove] (listener-source* interface nil add remove))
  ([^Class interface method add remove]
   (when-not (and (class? interface) (.isInterface interface))
     (refuse "listeners are made of an interface; got " (shown interface)))
   (when-not (or (nil? method) (some #(= method (.getName ^Method %)) (.getMethods interface)))
     (refuse (.getName interface) " has no method " (shown method)))
   (fn [callback]
     (let [l (listener interface method callback)]
       (add l)
       #(remove l)))))

(defmacro listener-source
  "A source of the events that `target`, an object of a Java library, has listeners of `interface` for. Its event is what a
  method of the listener is called with: one argument as itself, several as a vector. `Interface/method` is for that one
  alone of several. Listeners are added and removed by the methods that JavaBeans has for it, `addXListener` and
  `removeXListener` for XListener; otherwise `add` and `remove` say how, like a form of `doto` that lacks the listener at
  its end.

      (import (java.beans PropertyChangeListener PropertyChangeSupport))
      (defn changes [^PropertyChangeSupport p]
        (listener-source p PropertyChangeListener))
      (defn changes-of [^PropertyChangeSupport p property]
        (listener-source p PropertyChangeListener
                         (.addPropertyChangeListener property) (.removePropertyChangeListener property)))
      (run (let [p (PropertyChangeSupport. :bean)]
             (spawn #(do (.firePropertyChange p \"name\" \"a\" \"b\") (.firePropertyChange p \"age\" 41 42)))
             (.getNewValue (await-event! (changes-of p \"age\")))))   ;=> 42

  `target` needs a type hint, unless reflection is to find the methods. A listener's method that has to return something
  returns false or 0 or nil."
  {:arglists '([target interface] [target interface/method] [target interface add remove])}
  ([target interface]
   (let [simple-name (last (str/split (or (namespace interface) (name interface)) #"[.$]"))]
     `(listener-source ~target ~interface ~(symbol (str ".add" simple-name)) ~(symbol (str ".remove" simple-name)))))
  ([target interface add remove]
   (let [type (symbol (or (namespace interface) (name interface)))
         method (when (namespace interface) (name interface))
         on (gensym "target")
         l (gensym "listener")
         call (fn [form]
                (let [[f & args] (if (seq? form) form [form])]
                  `(fn [~(with-meta l {:tag type})] (~f ~on ~@args ~l))))]
     `(let [~on ~target]
        (listener-source* ~type ~method ~(call add) ~(call remove))))))
