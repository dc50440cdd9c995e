(ns greenlet.trace
  "Records what happens in a thread or a hub between two points: as data, as text, as a sequence diagram, as a timeline.

      (println (text (:trace (traced {:values true}
                               (greenlet.core/switch! (greenlet.core/greenlet inc {:name \"adder\"}) 1)))))

  Record   `traced` `traced*`; `start!` `stop!`
  Read     `events` `dropped`; `text` `mermaid` `plantuml` `json`

  Of a thread it records the switches of greenlets, tasklets among them, and the pulls of generators; of a hub what its tasks do. It keeps
  the latest events, as texts and times: a trace keeps nothing else alive. Texts of lazy sequences and of users' classes are never asked for."
  (:require [clojure.string :as str]
            [greenlet.argument :refer [check-options refuse shown the-function]])
  (:import (greenlet.hub Hub)
           (greenlet.trace Trace Trace$Event Trace$Kind)
           (java.util.function LongSupplier)))

(set! *warn-on-reflection* true)

(def ^:private options [:hub :most :values :clock])

(defn start!
  "Begins to record, and returns the trace. Options:

    :hub     a hub, whose tasks are recorded; called in its thread, or before it runs. Without, the greenlets and generators of this thread
    :most    how many events to keep, the latest; 10000 by default
    :values  true: the values that are sent, where that can be done without harm
    :clock   for a thread: a function of no arguments that tells the time in seconds; by default that of System/nanoTime. A hub has its own

      (let [t (start!)]
        (greenlet.core/switch! (greenlet.core/glet [] 1))
        (stop! t)
        (mapv :kind (events t)))   ;=> [:switch :end :switch]"
  (^Trace [] (start! nil))
  (^Trace [{:keys [hub most values clock] :as given}]
   (check-options given options "a trace")
   (let [most (or most 10000)]
     (when-not (pos-int? most) (refuse "the :most of a trace is a number of events; got " (shown most)))
     (cond
       (and hub clock) (refuse "a trace takes :hub or :clock, not both: a hub has a clock of its own")
       (instance? Hub hub) (Trace/ofHub hub (int most))
       hub (refuse "the :hub of a trace must be a hub; got " (shown hub))
       clock (let [clock (the-function clock "the :clock of a trace")]
               (Trace/ofThread (int most) (boolean values) (reify LongSupplier (getAsLong [_] (Math/round (* 1e9 (double (clock))))))))
       :else (Trace/ofThread (int most) (boolean values))))))

(defn- ^Trace the-trace [t what]
  (if (instance? Trace t) t (refuse what " must be a trace, as `start!` makes them; got " (shown t))))

(defn stop!
  "Ends the recording, in the thread that began it. Returns the trace.

      (events (stop! (start!)))   ;=> []"
  ^Trace [trace]
  (doto (the-trace trace "the argument of stop!") .close))

(defn traced*
  "The function behind `traced`: records while `(f)` runs.

      (keys (traced* nil #(+ 1 2)))   ;=> (:trace :value)"
  [options f]
  (let [trace (start! options)]
    (try
      (let [value (f)]
        {:trace trace, :value value})
      (finally (stop! trace)))))

(defmacro traced
  "Records while `body` runs, with the options of `start!`, a map. Returns a map of the :trace, for `events` and the like, and of the
  :value of the body.

      (let [{:keys [trace value]} (traced {:values true}
                                    (let [g (greenlet.core/greenlet inc {:name \"adder\"})]
                                      (greenlet.core/switch! g 1)))]
        [value (mapv (juxt :kind :who :whom :what) (events trace))])
      ;=> [2 [[:switch \"root\" \"adder\" \"1\"] [:end \"adder\" nil nil] [:switch \"adder\" \"root\" \"2\"]]]"
  [options & body]
  `(traced* ~options (^{:once true} fn* [] ~@body)))

(defn- event [^Trace$Event e]
  (into {}
        (remove (comp nil? val))
        {:time (/ (.nanos e) 1e9)
         :kind (keyword (str/lower-case (.name ^Trace$Kind (.kind e))))
         :who (.who e)
         :whom (.whom e)
         :what (.what e)}))

(defn events
  "What `trace` has recorded, in order: a vector of maps with :time, in seconds since it began; :kind (:switch :throw; :pull :yield;
  :spawn :begin :wait :wake :resume; :end); :who has done it, and where there is something to say, to :whom, and :what.

      (greenlet.hub/run :time :virtual
        (let [t (start! {:hub (greenlet.hub/hub)})]
          (greenlet.hub/sleep! 2)
          (mapv (juxt :time :kind) (events (stop! t)))))   ;=> [[0.0 :wait] [2.0 :wake] [2.0 :resume]]"
  [trace]
  (mapv event (.events (the-trace trace "the argument of events"))))

(defn dropped
  "How many events `trace` has forgotten, because there were more than it keeps.

      (dropped (start! {:most 10}))   ;=> 0"
  [trace]
  (.dropped (the-trace trace "the argument of dropped")))

(defn text
  "The events of `trace` as text, a line for each.

      (text (start!))   ;=> \"\""
  [trace]
  (.text (the-trace trace "the argument of text")))

(defn mermaid
  "The events of `trace` as a sequence diagram of Mermaid's, which GitHub draws in Markdown.

      (mermaid (start!))   ;=> \"sequenceDiagram\\n\""
  [trace]
  (.mermaid (the-trace trace "the argument of mermaid")))

(defn plantuml
  "The events of `trace` as a sequence diagram of PlantUML's.

      (plantuml (start!))   ;=> \"@startuml\\n@enduml\\n\""
  [trace]
  (.plantUml (the-trace trace "the argument of plantuml")))

(defn json
  "The events of `trace` as trace-event JSON, a track for each greenlet or task: to be opened in ui.perfetto.dev or chrome://tracing.

      (string? (json (start!)))   ;=> true"
  [trace]
  (.json (the-trace trace "the argument of json")))
