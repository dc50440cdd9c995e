(ns greenlet.repl
  "Looking at what runs: greenlets, tasks and tasklets, what each waits for and since when, and where its code is.

      (greenlet.hub/run :name \"shop\"
        (greenlet.hub/spawn {:name \"waits\"} greenlet.hub/sleep! 1)
        (greenlet.hub/sleep! 0)
        (map :name (snapshot (greenlet.hub/hub))))   ; also of another thread's hub

  Look     `tree` prints, `snapshot` returns data; `where` is a stack; `text` of a snapshot
  Know     `census` knows the greenlets that are made; `(greenlet.hub/run :known true …)` makes a hub known to `(tree :known)`

  `clojure.datafy` works, too: greenlets, tasks, tasklets, hubs, queues, channels, generators and cursors are maps, and `nav` leads from
  a map to what its values stand for. Nothing is realised or switched by looking, nothing is kept alive, and any thread may look. What
  belongs to another thread may have gone on meanwhile."
  (:require [clojure.core.protocols :as protocols]
            [greenlet.argument :refer [in-seconds refuse shown unwrapped]]
            [greenlet.generator]
            [greenlet.hub :as hub]
            [greenlet.tasklet :as tasklet])
  (:import (greenlet Census Cursor Greenlet Snapshot Snapshot$Place Snapshot$Source Snapshot$Waiting)
           (greenlet.hub Hub Queue Task)
           (greenlet.hub.sync CountedQueue)
           (greenlet.tasklet Channel ReducibleChannel Tasklet)))

(set! *warn-on-reflection* true)

(defn- place [^Snapshot$Place p]
  (when p
    (let [f (.frame p)]
      (cond-> {:class (.getClassName f), :method (.getMethodName f), :file (.getFileName f), :line (.getLineNumber f)}
        (.isOld p) (assoc :old true)))))

(defn- waiting [^Snapshot$Waiting w]
  (when w
    (cond-> {:for (.what w)}
      (.time w) (assoc :seconds (in-seconds (.time w)))
      (.isAtLeast w) (assoc :at-least true))))

(defn- as-map [^Snapshot s]
  (into {}
        (remove (comp nil? val))
        {:kind (keyword (.kind s))
         :name (.name s)
         :state (.state s)
         :parent (.parent s)
         :depth (.depth s)
         :waits (waiting (.waiting s))
         :place (place (.place s))
         :spawned-by (.spawnedBy s)}))

(defn- snapshots [x]
  (let [x (unwrapped x)]
    (cond
      (= :known x) (Snapshot/ofKnown)
      (instance? Greenlet x) (Snapshot/ofThread ^Greenlet x)
      (instance? Task x) [(.snapshot ^Task x)]
      (instance? Tasklet x) [(.snapshot ^Tasklet x)]
      (instance? Snapshot$Source x) (Snapshot/of ^Snapshot$Source x)
      :else (refuse "what can be looked at is a greenlet, which stands for its thread, a task, a tasklet, a hub, or :known; got " (shown x)))))

(defn snapshot
  "What runs in this thread, as a vector of maps, in the order of a tree: :kind (:thread :hub :task :tasklet :greenlet), :name, :state,
  :parent and :depth; where it is known :waits (a map of :for, :seconds by the clock of its hub, and :at-least if nobody looked when
  the wait began), :place (:class :method :file :line of the user's innermost frame; with :old where it was seen last, as it runs and
  cannot be asked) and :spawned-by. Of `x`: a hub; a greenlet, which stands for its thread; a task or a tasklet, by itself; :known for all
  hubs that asked to be known.

      (mapv :kind (snapshot))   ;=> [:thread]"
  ([] (snapshot (Greenlet/current)))
  ([x] (mapv as-map (snapshots x))))

(defn text
  "The same as text: a line for each.

      (re-find #\"^thread .*, running\" (text)) ; a line
      (string? (text))   ;=> true"
  ([] (text (Greenlet/current)))
  ([x] (Snapshot/text (snapshots x))))

(defn tree
  "Prints what runs in this thread, or of `x`, which is what `snapshot` takes: a line for each, below what it belongs to. nil.

      (greenlet.hub/run :time :virtual :name \"shop\"
        (greenlet.hub/spawn {:name \"open\"} greenlet.hub/sleep! 3600)
        (greenlet.hub/sleep! 60)
        (tree (greenlet.hub/hub)))   ;=> nil"
  ([] (println (text)))
  ([x] (println (text x))))

(defn where
  "Where `x`, a greenlet, a task or a tasklet, is: a vector of StackTraceElements, the innermost first, without this library's own. Empty
  if it has not begun or has ended, or runs in another virtual thread, where to ask would put the JVM at risk.

      (greenlet.hub/run (where (greenlet.hub/spawn +)))   ;=> []"
  [x]
  (cond
    (instance? Greenlet x) (vec (.stackTrace ^Greenlet x))
    (instance? Task x) (vec (.stackTrace ^Task x))
    (instance? Tasklet x) (vec (.stackTrace ^Tasklet x))
    :else (refuse "what has a stack is a greenlet, a task or a tasklet; got " (shown x))))

(defn census
  "Begins to know the greenlets that are made from now on, in all threads, so that `tree` shows those that no scheduler knows. It has
  weak references. To be closed: then nothing costs time again.

      (with-open [c (census)]
        (let [g (greenlet.core/greenlet + {:name \"adder\"})]
          (mapv :name (rest (snapshot)))))   ;=> [\"adder\"]"
  ^Census []
  (Census.))

;; datafy and nav

(defn- leading
  "`m`, of which `nav` leads from the keys of `links` to what stands there."
  [m links]
  (let [m (into {} (remove (comp nil? val)) m)]
    (with-meta m {`protocols/nav (fn [_ k v] (get links k v))})))

(extend-protocol protocols/Datafiable
  Greenlet
  (datafy [g]
    (leading (assoc (as-map (Snapshot/of g)) :parent (some-> (.parent g) .name)) {:parent (.parent g)}))
  Task
  (datafy [t]
    (leading (assoc (as-map (.snapshot t)) :hub (.name (.hub t)) :account (hub/account t))
             {:hub (.hub t)}))
  Tasklet
  (datafy [t]
    (leading (assoc (as-map (.snapshot t)) :account (tasklet/account t)) {}))
  Hub
  (datafy [h]
    (let [tasks (vec (.seenTasks h))]
      (leading {:name (.name h), :time (in-seconds (.time h)), :tasks (mapv #(.name ^Task %) tasks), :stats (hub/stats h)}
               {:tasks tasks})))
  Queue
  (datafy [q]
    {:text (str q), :size (.size q), :closed (.isClosed q), :unfinished (.unfinished q)})
  Channel
  (datafy [ch]
    {:text (str ch), :balance (.balance ch), :buffered (.buffered ch), :closing (.isClosing ch), :shared (.isShared ch)})
  ReducibleChannel
  (datafy [ch] (protocols/datafy (.-channel ch)))
  CountedQueue
  (datafy [q] (protocols/datafy (.-queue q)))
  greenlet.Generator
  (datafy [g] {:text (str g)})
  greenlet.generator.Generator
  (datafy [g] (leading {:text (str g), :options (.-options g)} {}))
  Cursor
  (datafy [c] {:text (str c)}))
