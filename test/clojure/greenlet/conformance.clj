(ns greenlet.conformance
  "Runs programs of the conformance suite through the public API: each leaves a trace, which has to be the one that
  Python's greenlet left."
  (:require [clojure.edn :as edn]
            [greenlet.core :as g]
            [greenlet.watchdog :as watchdog])
  (:import (greenlet GreenletExit)
           (java.io File)))

(set! *warn-on-reflection* true)

;; Two unrelated exception classes; what leaves a script by :return is a third thing, which no :try catches.
(defn- exception [kind]
  (case kind
    :e1 (IllegalStateException. "e1")
    :e2 (java.io.IOException. "e2")
    :exit (GreenletExit.)))

(defn- kind [thrown]
  (condp instance? thrown
    IllegalStateException :e1
    java.io.IOException :e2
    GreenletExit :exit
    nil))

(defn- value [v]
  (cond
    (vector? v) (mapv value v)
    (instance? GreenletExit v) :exit
    :else v))

(declare run-ops)

(defn- me [{:keys [ids]}]
  (get @ids (g/current)))

(defn- existing
  "The greenlet `id`, or nil, of which a record is left."
  [{:keys [greenlets record] :as run} id]
  (or (get @greenlets id)
      (do (record [:missing (me run) id]) nil)))

(defn- start [{:keys [record scripts] :as run} id args]
  (record [:start id (mapv value args)])
  (let [result (try
                 (run-ops run (scripts id))
                 nil
                 (catch clojure.lang.ExceptionInfo e (:return (ex-data e))))]
    (record [:end id result])
    result))

(defn- create [{:keys [greenlets ids] :as run} id parent]
  (let [g (g/greenlet (fn [& args] (start run id args)) {:parent parent, :name (str id)})]
    (swap! greenlets assoc id g)
    (swap! ids assoc g id)))

(defn- run-op [{:keys [greenlets ids record] :as run} [op a b c]]
  (case op
    :new (cond
           (@greenlets a) (record [:exists (me run) a])
           (nil? b) (create run a (g/current))
           :else (when-let [parent (existing run b)] (create run a parent)))
    :set-parent (when-let [g (existing run a)]
                  (when-let [parent (existing run b)]
                    (try
                      (g/set-parent! g parent)
                      (catch RuntimeException _ (record [:refused (me run) a b])))))
    :state (when-let [g (existing run a)]
             (record [:state (me run) a (g/active? g) (g/dead? g)]))
    :parent (when-let [g (existing run a)]
              (record [:parent (me run) a (get @ids (g/parent g))]))
    :current (record [:current (me run)])
    :log (record [:log (me run) a])
    :return (throw (ex-info "return" {:return a}))
    :raise (throw (exception a))
    :throw (when-let [g (existing run a)]
             (let [got (g/throw! g (exception b))]
               (record [:got (me run) (value got)])))
    :try (try
           (run-ops run a)
           (catch Throwable t
             (when-not (= b (kind t)) (throw t))
             (record [:caught (me run) b])
             (run-ops run c)))
    :finally (try
               (run-ops run a)
               (finally
                 (record [:finally (me run)])
                 (run-ops run b)))
    :loop (dotimes [_ a] (run-ops run b))))

(defn- run-ops [run ops]
  (doseq [[op id & values :as whole] ops]
    (if (= op :switch)
      (when-let [g (existing run id)]
        (let [got (apply g/switch! g values)]
          ((:record run) [:got (me run) (value got)])))
      (run-op run whole))))

(defn- run-main [{:keys [record scripts] :as run}]
  (try
    (run-ops run (scripts 0))
    (record [:end 0 nil])
    (catch clojure.lang.ExceptionInfo e (record [:end 0 (:return (ex-data e))]))
    (catch Throwable t (record [:uncaught 0 (or (kind t) t)]))))

(defn trace-of
  "The events that `program` leaves, run in a thread of its own."
  [{:keys [id scripts traced]}]
  (watchdog/call-in-thread
   {:name (str "program-" id), :seconds 60}
   (fn []
     (let [events (watchdog/trace)
           root (g/current)
           over (volatile! false)
           run {:scripts scripts
                :greenlets (atom {0 root})
                :ids (atom {root 0})
                :record (fn [e] (when-not @over (events e)))}]
       (when traced
         (g/set-listener! (fn [event origin target]
                            ((:record run) [:trace event (@(:ids run) origin) (@(:ids run) target)]))))
       (run-main run)
       (vreset! over true)
       @events))))

(defn check
  "nil where the trace of `program` is the expected one, else a text that shows the difference."
  [{:keys [id trace] :as program}]
  (let [got (try (trace-of program) (catch Throwable t [[:failed (str t)]]))]
    (when-not (= trace got)
      (let [same (count (take-while true? (map = trace got)))]
        (format "program %s differs at event %d:\n  expected %s\n  got      %s"
                id same (pr-str (vec (drop same trace))) (pr-str (vec (drop same got))))))))

(defn- programs [^String file]
  (let [f (File. file)]
    (when-not (.isFile f)
      (throw (ex-info (str "no such file: " file) {:usage true})))
    (let [read (try
                 (edn/read-string (slurp f))
                 (catch Exception e (throw (ex-info (str file " is not EDN: " (ex-message e)) {:usage true}))))]
      (when-not (and (vector? read) (every? #(and (map? %) (:scripts %) (:trace %)) read))
        (throw (ex-info (str file " is not a vector of programs, maps with :scripts and :trace") {:usage true})))
      read)))

(defn -main [& [file :as args]]
  (try
    (when-not (= 1 (count args))
      (throw (ex-info "usage: conformance [--engine E] FILE" {:usage true})))
    (let [all (programs file)
          _ (println "engine:" (g/engine))
          differences (keep check all)]
      (run! println differences)
      (let [failed (count differences)]
        (println (str (- (count all) failed) " passed, " failed " failed"))
        (flush)
        (System/exit (if (zero? failed) 0 1))))
    (catch Exception e
      (binding [*out* *err*] (println (str "conformance: " (ex-message e))))
      (System/exit 2))))
