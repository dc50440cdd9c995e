(ns greenlet.journal
  "Programs that outlive their process: ordinary functions, whose inputs a store keeps, and which are run again with these.

      (defn order [customer]
        (let [items (receive! :items)
              paid  (step! :charge vector customer items)]     ; once; what came of it is kept
          (hub/timeout (* 7 24 3600) :else :abandoned          ; survives any number of restarts
            (step! :ship conj paid :shipped))))

      (with-open [store (memory)]
        (start! store \"order-17\" #'order \"Ada\")
        (send! store \"order-17\" :items [:tea])
        (result store \"order-17\"))   ;=> [\"Ada\" [:tea] :shipped]

  From outside  `execute` `start!` `send!` `result` `status` `stuck` `cancel!` `entries` `programs` `replay` `delete!` `prune!`
  Inside        `step!` `receive!` `now` `random` `uuid` `version!` `restart!`; within a step `step-key`; and greenlet.hub
  Stores        `memory` `directory` `jdbc` `host` `resume!` `close!`; `edn`
  Workers       `worker` `worker-status`

  A program is run again, from its first line on, whenever it goes on in another process or after it was forgotten. It has to do the
  same then: it asks no clock, no chance, no file and no variable that changes; effects belong in steps. Values are EDN: what does not
  read back `=` is refused. Times are in seconds, or a java.time.Duration."
  (:require [clojure.edn :as edn]
            [clojure.java.io :as io]
            [clojure.string :as str]
            [greenlet.argument :refer [check-options duration refuse shown the-function]])
  (:import (clojure.lang Compiler Keyword Named PersistentArrayMap PersistentHashMap PersistentHashSet PersistentVector Symbol Var)
           (greenlet.journal Codec DirectoryStore Entry Entry$Kind Failure Host JdbcStore JdbcStore$Options Journal MemoryStore Park Program Replay
                             Replay$Place Standing Status Step Store Worker WorkerOptions)
           (java.nio.file Path)
           (java.sql DriverManager)
           (java.time Duration Instant)
           (java.util Date List)
           (java.util.concurrent Callable)
           (java.util.function Function)
           (javax.sql DataSource)))

(set! *warn-on-reflection* true)

;; Values

;; `print-method` finds its way for each element anew, and a replay writes the arguments of every step, so the values that most programs have
;; are written here as it would write them. Who writes says whether what it has written surely reads back; else it is tried out.

(defn- add-printed! [^StringBuilder to x]
  (binding [*print-length* nil, *print-level* nil, *print-meta* false, *print-dup* false, *print-readably* true, *print-namespace-maps* false]
    (.append to (pr-str x)))
  false)

(defn- add-string! [^StringBuilder to ^String s]
  (.append to \")
  (dotimes [i (.length s)]
    (let [c (.charAt s i)]
      (if-let [escaped (char-escape-string c)] (.append to ^String escaped) (.append to c))))
  (.append to \")
  true)

(defn- add-keyword! [^StringBuilder to ^Keyword k]
  (let [text (.toString k)]
    (.append to text)
    (and (neg? (.indexOf (name k) "/")) ; what looks like a namespace may be a part of the name
         (some? (re-matches #":[a-zA-Z][a-zA-Z0-9_-]*(/[a-zA-Z][a-zA-Z0-9_-]*)?" text)))))

(declare add!)

(defn- add-all! [^StringBuilder to ^String open xs ^String close]
  (.append to open)
  (let [n (.length to)
        sure? (reduce (fn [sure? x]
                        (when (< n (.length to)) (.append to \space))
                        (and (add! to x) sure?))
                      true xs)]
    (.append to close)
    sure?))

(defn- add-map! [^StringBuilder to m]
  (.append to \{)
  (let [n (.length to)
        sure? (reduce-kv (fn [sure? k v]
                           (when (< n (.length to)) (.append to ", "))
                           (let [sure-key? (add! to k)]
                             (.append to \space)
                             (and (add! to v) sure-key? sure?)))
                         true m)]
    (.append to \})
    sure?))

(defn- add! [^StringBuilder to x]
  (let [class (class x)]
    (cond
      (identical? class String) (add-string! to x)
      (identical? class Keyword) (add-keyword! to x)
      (or (identical? class Long) (identical? class Boolean)) (do (.append to (.toString ^Object x)) true)
      (nil? x) (do (.append to "nil") true)
      (some? (meta x)) (add-printed! to x) ; a :type there has a way of its own
      (identical? class PersistentVector) (add-all! to "[" x "]")
      (or (identical? class PersistentArrayMap) (identical? class PersistentHashMap)) (add-map! to x)
      (identical? class PersistentHashSet) (add-all! to "#{" x "}")
      :else (add-printed! to x))))

(def ^:private read-edn
  (partial edn/read-string {:default (fn [tag _] (refuse "there is no reader for " tag))}))

(defn- read-back [text]
  (try
    (read-edn text)
    (catch Exception _ ::unreadable)))

(defn- written
  "The text of a value; nil if it does not read back, for which `otherwise` is called with it."
  ^String [x otherwise]
  (let [to (StringBuilder.)
        sure? (add! to x)
        text (.toString to)]
    (if (or sure? (= x (read-back text))) text (otherwise text))))

(def ^Codec edn
  "What has values be EDN, for `host`: refuses those that do not read back `=`. Of an exception it keeps those entries of its
  `ex-data` that do.

      (.decode edn (.encode edn {:a [1 \"b\"]}))   ;=> {:a [1 \"b\"]}
      (.encode edn (Object.))   ; throws IllegalArgumentException: does not read back"
  (reify Codec
    (encode [_ x]
      (written x (fn [text]
                   (refuse "a value in a journal has to be EDN, and this does not read back as it is: "
                           (subs text 0 (min 200 (count text)))))))
    (decode [_ text] (read-edn text))
    (data [_ failure]
      (when-let [data (ex-data failure)]
        (into {} (filter #(written % (constantly nil))) data)))))

(defn- text-of
  "A name as text: that of a keyword or symbol with its namespace."
  ^String [x what]
  (cond
    (instance? Named x) (if-let [space (namespace x)] (str space "/" (name x)) (name x))
    (string? x) x
    :else (refuse what " is a keyword, a symbol or a string; got " (shown x))))

;; Functions have names: by these they are found when a program goes on in another process

(defn- demunged [f]
  (let [name (Compiler/demunge (.getName (class f)))]
    (when-not (re-find #"/.*/|--\d|^eval\d" name) name)))

(defn- function-name ^String [f]
  (cond
    (instance? Var f) (str (symbol f))
    (instance? Symbol f) (str f)
    (and (fn? f) (demunged f)) (demunged f)
    :else (refuse "a program is a var or a function that defn has named, so that it is found in another process, too; got "
                  (shown f) ". Write #'name, or {:name …} before the function")))

(defn- program ^Program [f]
  (reify Program (run [_ args] (apply f args))))

(defn- found [name]
  (let [s (symbol name)]
    (when (namespace s)
      (some-> (try (requiring-resolve s) (catch java.io.FileNotFoundException _ nil)) program))))

;; Hosts and their stores

(defn host
  "Runs the programs of `store`, a greenlet.journal.Store, all in one thread. What the functions here call a store is a host. Options:

    :functions  finds the function of a name, a string, where a program goes on whose function has not been executed here. By default
                the name is that of a var, whose namespace is loaded if need be
    :keep       how many programs keep their stacks while they only wait; more are forgotten, and run again when they are due or
                get a message. By default any number, until memory is short: see greenlet.journal.Host.keep
    :codec      a greenlet.journal.Codec in place of `edn`
    :here       true: the programs run in the thread of the current hub, whose tasks steps can be then; by default in a thread of
                their own

  `with-open` closes the host, and `close!` its store as well.

      (with-open [h (host (greenlet.journal.MemoryStore.) {:keep 10})] (execute h \"sum\" + 1 2))   ;=> 3"
  (^Host [store] (host store nil))
  (^Host [store options]
   (let [{:keys [functions keep codec here]} (check-options options [:functions :keep :codec :here] "host")
         ^Codec codec (or codec edn)
         functions (if functions #(some-> (functions %) program) found)]
     (when-not (instance? Store store) (refuse "a host needs a greenlet.journal.Store; got " (shown store)))
     (when-not (or (nil? keep) (nat-int? keep)) (refuse ":keep is a number of programs; got " (shown keep)))
     (let [host (if here (Host/here store codec) (Host. store codec))]
       (when keep (.keep host (int keep)))
       (.functions host (reify Function (apply [_ name] (functions name))))))))

(defn memory
  "A host with a store of its own in memory, which lasts as long as the process. Options: those of `host`.

      (with-open [store (memory)] (execute store \"sum\" + 1 2))   ;=> 3"
  (^Host [] (memory nil))
  (^Host [options] (host (MemoryStore.) options)))

(defn directory
  "A host with a store of its own in the files of a directory: a string, a java.io.File or a java.nio.file.Path. It is made if it is not
  there, for its user alone; nothing else may be in it, and one store at a time has it open. Reads all files, which takes seconds where
  there are millions of entries. `close!` gives them back, at the end of the process at the latest; `with-open` does not. Options:
  those of `host`. Throws java.io.IOException if the directory cannot be had, and greenlet.journal.Corrupt if what is there is not
  what was written.

      (let [path (java.nio.file.Files/createTempDirectory \"sums\" (make-array java.nio.file.attribute.FileAttribute 0))
            sum  (fn [& xs] (let [store (directory path)]
                              (try (apply execute store \"sum\" + xs) (finally (close! store)))))]
        [(sum 1 2) (sum 1 2)])   ;=> [3 3]"
  (^Host [path] (directory path nil))
  (^Host [path options]
   (let [store (DirectoryStore/open (if (instance? Path path) path (.toPath (io/file path))))]
     (try
       (host store options)
       (catch Throwable t
         (.close store)
         (throw t))))))

(defn- the-host ^Host [x]
  (if (instance? Host x) x (refuse "the store is a host, as `memory` and `host` make them; got " (shown x))))

(defn- source-of ^DataSource [x]
  (cond
    (instance? DataSource x) x
    (string? x) (reify DataSource (getConnection [_] (DriverManager/getConnection x)))
    :else (refuse "a database is a javax.sql.DataSource or a JDBC URL; got " (shown x))))

(defn jdbc
  "A host of the tables of a database, which any number of processes share: `source` is a javax.sql.DataSource, or the JDBC URL, of
  PostgreSQL or H2. It runs nothing itself: a `worker`, here or elsewhere, runs the programs that begin here. Options:

    :version      the version of the deployment, a string, which programs are recorded with that begin here; by default the empty one
    :prefix       what the names of the tables begin with, \"greenlet_\" by default
    :connections  how many it has at most: 4 by default
    :patience     how long a call tries to get another connection for one that was lost, 60 seconds by default. Then the store is over
    :poll         how often it looks for messages that nothing tells it of: each second by default
    :codec        a greenlet.journal.Codec in place of `edn`

  `close!` gives its connections back. Throws java.io.IOException if the database cannot be had, or is another one.

      (let [store (jdbc \"jdbc:h2:mem:sums;DB_CLOSE_DELAY=-1\")]
        (try
          (with-open [_ (worker store {\"sum\" +})] (execute store \"sum\" {:name \"sum\"} + 1 2))
          (finally (close! store))))   ;=> 3"
  (^Host [source] (jdbc source nil))
  (^Host [source options]
   (let [{:keys [version prefix connections patience poll codec]}
         (check-options options [:version :prefix :connections :patience :poll :codec] "jdbc")
         store (JdbcStore/open (source-of source)
                               (cond-> JdbcStore$Options/DEFAULT
                                 prefix (.prefix prefix)
                                 connections (.connections (int connections))
                                 patience (.patience (duration patience))
                                 poll (.poll (duration poll))))]
     (Host/client store (or codec edn) (or version "")))))

(defn close!
  "Closes `store`: its programs stop here, and its files are given back. Steps that run are interrupted. nil.

      (close! (memory))   ;=> nil"
  [store]
  (let [host (the-host store)]
    (.close host)
    (.close (.store host))))

(defn resume!
  "Has all programs of `store` go on that have not ended: now, or when they are due or get a message. Without this, only those go on
  that are executed here, and those that are due. nil.

      (with-open [store (memory)] (resume! store))   ;=> nil"
  [store]
  (.resume (the-host store)))

;; From outside

(defn- the-id ^String [x]
  (if (and (string? x) (seq x)) x (refuse "the id of a program is a string that is not empty; got " (shown x))))

(defn- beginning
  "[name program arguments]"
  [f args what]
  (if (map? f)
    (let [{:keys [name]} (check-options f [:name] what)]
      [(if name (text-of name "the name of a function") (function-name (first args)))
       (program (the-function (first args) "a program")) (vec (rest args))])
    [(function-name f) (program (the-function f "a program")) (vec args)]))

(defn start!
  "As `execute`, but does not wait for the end, only until that the program has begun is durable. nil.

      (with-open [store (memory)] (start! store \"sum\" + 1 2) (result store \"sum\"))   ;=> 3"
  {:arglists '([store id f & args] [store id {:keys [name]} f & args])}
  [store id f & args]
  (let [[^String name ^Program program args] (beginning f args "start!")]
    (.start (the-host store) (the-id id) name program args)))

(defn execute
  "Begins the program `id`, which calls `f` with `args`, or has it go on where it was, and waits for its end; its value. One that has
  ended runs nothing. `f` is a var or a function that `defn` has named, by which it is found in another process; or anything, with
  `{:name …}` before it.

      (with-open [store (memory)] (execute store \"sum\" + 1 2))   ;=> 3
      (with-open [store (memory)]
        [(execute store \"a\" {:name :twice} #(* 2 %) 21) (execute store \"a\" {:name :twice} #(* 3 %) 21)])   ;=> [42 42]

  greenlet.journal.ProgramFailed if it has failed, CancellationException if it was cancelled, IllegalStateException if it was executed
  here before, and runs; IllegalArgumentException if it has begun with another function or other arguments; greenlet.journal.Diverged
  if it does not do what its journal says; greenlet.journal.Superseded if it goes on in another host, or the store is over."
  {:arglists '([store id f & args] [store id {:keys [name]} f & args])}
  [store id f & args]
  (let [[^String name ^Program program args] (beginning f args "execute")]
    (.execute (the-host store) (the-id id) name program args)))

(defn result
  "Waits for the end of the program `id`; its value, or what `execute` throws.

      (with-open [store (memory)] (start! store \"sum\" + 1 2) (result store \"sum\"))   ;=> 3"
  [store id]
  (.result (the-host store) (the-id id)))

(defn send!
  "Sends `value` to the program `id`, which has begun; it gets that by `receive!` of `name`. Durable when this returns. Option: `:key`,
  a string that tells that it is the same message, when it is sent again. True; false if one with this key was sent before.

      (with-open [store (memory)]
        (start! store \"echo\" receive! :word)
        [(send! store \"echo\" :word \"hello\") (result store \"echo\")])   ;=> [true \"hello\"]

  IllegalStateException if there is no such program, or if it has ended."
  ([store id name value] (send! store id name value nil))
  ([store id name value options]
   (let [{:keys [key]} (check-options options [:key] "send!")]
     (when-not (or (nil? key) (string? key)) (refuse "the key of a message is a string; got " (shown key)))
     (.send (the-host store) (the-id id) (text-of name "the name of a message") value key))))

(defn cancel!
  "Cancels the program `id`: its main task is killed, so that its `finally` blocks run, with their steps. True; false if it was cancelled
  before.

      (with-open [store (memory)]
        (start! store \"echo\" receive! :word)
        (cancel! store \"echo\"))   ;=> true"
  [store id]
  (.cancel (the-host store) (the-id id)))

(defn- keyword-of [^Enum e]
  (keyword (str/lower-case (.name e))))

(defn- instant-of [millis]
  (when-not (= Park/NEVER millis) (Instant/ofEpochMilli millis)))

(defn- status-map [^Status s]
  (cond-> {:id (.id s), :state (keyword-of (.state s)), :function (.function s), :entries (.entries s), :waits (vec (.waits s))}
    (instant-of (.due s)) (assoc :due (instant-of (.due s)))
    (.problem s) (assoc :problem (.problem s))))

(defn status
  "How the program `id` fares, as a map: `:id`, `:function`, `:entries` (how many), `:waits` (texts of what it waits for from outside:
  steps, with what went wrong, and messages), `:due` (when it goes on by itself, an Instant), `:problem` (why it was stopped) and
  `:state`: :running here, :parked until it is due or gets a message, :idle here, :stopped because of a problem, :ended, :failed. nil
  if there is no such program.

      (with-open [store (memory)]
        (execute store \"sum\" + 1 2)
        (:state (status store \"sum\")))   ;=> :ended"
  [store id]
  (some-> (.status (the-host store) (the-id id)) status-map))

(defn stuck
  "The programs that are stuck, as `status` has them: those that were stopped, and those of which a step has failed and is tried again.

      (with-open [store (memory)] (stuck store))   ;=> []"
  [store]
  (mapv status-map (.stuck (the-host store))))

;; Workers

(defn worker
  "Runs programs of `store`, which `jdbc` has made, until it is closed: those that are due, or have a message, or were begun just now, as
  long as no other worker has them. `functions` is a map from the names that programs were begun with, as `start!` has them, to
  functions; or a collection of vars. It takes over the programs of workers that have died. Close it by `with-open`, before the store.
  Options:

    :name      what it is called, with a number after it; by default the process and the machine. No two have one
    :version   the version of the deployment, a string; by default the empty one
    :versions  it takes the programs that have begun with one of these: by default with its own
    :threads   how many threads run its programs: 1 by default
    :most      how many programs each has at a time: 10,000 by default
    :lease     how long it has its programs where it does not come to renew that, 30 seconds by default: so long they wait if it dies
    :poll      how often it looks for programs that nothing tells it of: each second by default
    :codec     a greenlet.journal.Codec in place of `edn`

  Throws java.io.IOException if the store is over.

      (let [store (jdbc \"jdbc:h2:mem:products;DB_CLOSE_DELAY=-1\")]
        (try
          (start! store \"p\" {:name :product} * 2 3)
          (with-open [_ (worker store {:product *})] (result store \"p\"))
          (finally (close! store))))   ;=> 6"
  (^Worker [store functions] (worker store functions nil))
  (^Worker [store functions options]
   (let [{:keys [version versions threads most lease poll codec] its-name :name}
         (check-options options [:name :version :versions :threads :most :lease :poll :codec] "worker")
         version (or version "")
         named (if (map? functions)
                 (for [[n f] functions] [(text-of n "the name of a function") (the-function f "a program")])
                 (for [f functions] [(function-name f) (the-function f "a program")]))]
     (Worker. (.shared (the-host store)) (or codec edn)
              (into {} (for [[n f] named] [n (program f)]))
              (cond-> (.version WorkerOptions/DEFAULT version (into-array String (or versions [version])))
                its-name (.name its-name)
                threads (.threads (int threads))
                most (.most (int most))
                lease (.lease (duration lease))
                poll (.poll (duration poll)))))))

(defn worker-status
  "What a worker does: {:name :version :functions :programs :stuck :lost :problem}. :programs is how many it has; :stuck has the `status` of
  those of them that were stopped, or of which a step has failed and is tried again; :lost how many of its leases have ended before they
  were renewed; :problem why it works no longer, if it does not.

      (let [store (jdbc \"jdbc:h2:mem:status;DB_CLOSE_DELAY=-1\")]
        (try
          (with-open [w (worker store {:sum +} {:name \"w\"})] ((juxt :name :programs) (worker-status w)))
          (finally (close! store))))   ;=> [\"w\" 0]"
  [^Worker w]
  (let [status (.status w)]
    (cond-> {:name (.name status)
             :version (.version status)
             :functions (set (.functions status))
             :programs (.programs status)
             :stuck (mapv status-map (.stuck status))
             :lost (.lost status)}
      (.problem status) (assoc :problem (.problem status)))))

(defn delete!
  "Removes the program `id`, which has ended. True; false if there is none.

      (with-open [store (memory)]
        (execute store \"sum\" + 1 2)
        [(delete! store \"sum\") (delete! store \"sum\")])   ;=> [true false]"
  [store id]
  (.delete (the-host store) (the-id id)))

(defn prune!
  "Removes the programs that have ended more than so many seconds ago; how many.

      (with-open [store (memory)]
        (execute store \"sum\" + 1 2)
        (prune! store (* 24 3600)))   ;=> 0"
  [store seconds]
  (.prune (the-host store) (.toEpochMilli (.minus (Instant/now) (duration seconds)))))

;; Journals as data

(defn- failure-map [^Codec codec text]
  (let [failure (Failure/parse text)]
    (cond-> {:type (.type failure)}
      (.message failure) (assoc :message (.message failure))
      (.data failure) (assoc :data (.decode codec (.data failure))))))

(defn- entry-map [^Codec codec ^Entry e]
  (let [kind (keyword-of (.kind e)), text (.value e)]
    (cond-> {:number (.number e), :time (Date. (.time e)), :kind kind}
      (seq (.key e)) (assoc :key (.key e))
      (not= 0 (.mark e)) (assoc :mark (.mark e))
      text (merge (if (#{:failure :error} kind)
                    {:failure (failure-map codec text)}
                    (try
                      {:value (.decode codec text)}
                      (catch Exception _ {:text text}))))))) ; a step's own codec

(defn- entry-of ^Entry [^Codec codec {:keys [number ^Date time kind key mark value failure text] :as entry}]
  (Entry. number (.getTime time) (Entry$Kind/valueOf (str/upper-case (name kind))) (or key "") (or mark 0)
          (cond
            text text
            failure (.text (Failure. (:type failure) (:message failure) (when-let [data (:data failure)] (.encode codec data))))
            (contains? entry :value) (.encode codec value))))

(defn programs
  "All programs of `store`, as maps of `:id`, `:function`, `:entries` (how many), `:begun` (an Instant) and, of those that have ended,
  `:ended` and `:result` or `:failure`, as `entries` has it.

      (with-open [store (memory)]
        (execute store \"sum\" + 1 2)
        (map (juxt :id :function) (programs store)))   ;=> ([\"sum\" \"clojure.core/+\"])"
  [store]
  (let [host (the-host store)]
    (mapv (fn [^Standing s]
            (let [begin (.begin s)
                  {:keys [value failure]} (some->> (.end s) (entry-map (.codec host)))]
              (cond-> {:id (.id s), :function (.key begin), :begun (instant-of (.time begin)), :entries (- (.next s) (.number begin))}
                (.end s) (assoc :ended (instant-of (.time (.end s))))
                failure (assoc :failure failure)
                (and (.end s) (not failure)) (assoc :result value))))
          (.programs host))))

(defn entries
  "The journal of the program `id`, as data: a vector of maps of `:number`, `:time`, `:kind` and, where there is one, `:key`, `:mark`,
  `:value` or `:failure`. `replay` takes it.

      (with-open [store (memory)]
        (execute store \"sum\" + 1 2)
        (map (juxt :kind :value) (entries store \"sum\")))   ;=> ([:begin [1 2]] [:result 3])"
  [store id]
  (let [host (the-host store)]
    (mapv #(entry-map (.codec host) %) (.entries host (the-id id)))))

(defn- place-map [^Replay$Place p]
  (cond-> {:path (.path p), :name (.name p), :stack (vec (.stack p)), :tasks (mapv place-map (.spawned p))}
    (.waitsFor p) (assoc :waits-for (.waitsFor p))))

(defn- replay-map [^Replay r]
  (cond-> {:time (.time r), :tasks (mapv place-map (.tasks r)), :waits (vec (.waits r))}
    (and (.isDone r) (not (.failure r))) (assoc :result (.result r))
    (.failure r) (assoc :failure (.failure r))))

(defn replay
  "Looks back: runs a program again as far as its journal goes, and no step. How it stands then, as a map: `:time`, `:tasks`, the main
  task with those that it has spawned as its `:tasks`, each with its `:path`, `:name`, `:waits-for` and `:stack`; `:waits`, the keys
  of what it waits for from outside; `:result` or `:failure`, if it has come to its end. Option: `:until`, the number of the last entry
  that it is given. Takes a store and an id, or `entries` and a function: so a test has a journal as data.

      (with-open [store (memory)]
        (execute store \"sum\" {:name :sum} #(+ (step! :a + 1) (step! :b + 2)))
        [(:waits (replay store \"sum\" {:until 1}))
         (:result (replay (entries store \"sum\") #(+ (step! :a - 1) (step! :b - 2))))])   ;=> [[\"main:b#0\"] 3]

  greenlet.journal.Diverged if the program does not do what the entries say. Nothing is written."
  ([store id] (replay store id nil))
  ([store id options]
   (let [{:keys [until]} (check-options options [:until] "replay")
         until (long (or until Long/MAX_VALUE))]
     (replay-map
      (if (sequential? store)
        (Replay/of "replayed" (program (the-function id "a program")) edn ^List (mapv #(entry-of edn %) store) until)
        (.replay (the-host store) (the-id id) until))))))

;; Inside

(def ^:private step-options [:name :attempts :back-off :longest-back-off :limit :where :codec])

(defn- the-step ^Step [options]
  (let [{:keys [attempts back-off longest-back-off limit where codec] :or {attempts 1, back-off 1}}
        (check-options options step-options "step!")]
    (when-not (pos-int? attempts) (refuse ":attempts is how often a step is tried, 1 or more; got " (shown attempts)))
    (when-not (contains? #{nil :offload :hub} where) (refuse ":where is :offload or :hub; got " (shown where)))
    (cond-> (.attempts (Step/named (text-of (:name options) "the name of a step")) (int attempts) (duration back-off))
      longest-back-off (.longestBackOff (duration longest-back-off))
      limit (.limit (duration limit))
      (= :hub where) .asTask
      codec (.codec codec))))

(defn step!
  "Calls `f` with `args`, once, while the current task alone waits; its value, as it was read back. For all that is not the same at
  every run, or has an effect. Run again, the program gets the value that is kept. `f` does run again where nobody knows what came of
  it: an effect happens at least once, and `step-key` names it. What is given up, by a limit or a kill, is interrupted and never runs
  again. `name` is a keyword, symbol or string, or a map of options with `:name` and

    :attempts          how often it is tried at most; by default once
    :back-off          how many seconds it waits after the first failure, and twice as long after each further one; by default 1
    :longest-back-off  but no longer than this; by default 300
    :limit             how many seconds each try may take; then it is interrupted, and has failed
    :where             :offload, by default: in a virtual thread of its own; :hub: as a task of the hub that hosts the program
    :codec             a greenlet.journal.Codec for its value

  greenlet.journal.StepFailed if `f` has thrown something the last time that it was tried, or its value is not EDN; `(.type e)`,
  `(.reason e)` and `(.data e)` tell of what. IllegalArgumentException if an argument is not EDN.

      (with-open [store (memory)]
        (execute store \"p\" {:name :p} #(step! {:name :divide, :attempts 2, :back-off 0} / 6 %) 3))   ;=> 2"
  {:arglists '([name f & args] [{:keys [name attempts back-off longest-back-off limit where codec]} f & args])}
  [name f & args]
  (let [f (the-function f "what a step calls")]
    (Journal/step (the-step (if (map? name) name {:name name})) ^Callable #(apply f args) (to-array args))))

(defn receive!
  "Waits for a message that is sent by `name`, while the current task alone waits; its value. Each is received once, in the order of
  sending for each name.

      (with-open [store (memory)]
        (start! store \"echo\" receive! :word)
        (send! store \"echo\" :word \"hello\")
        (result store \"echo\"))   ;=> \"hello\""
  [name]
  (Journal/receive (text-of name "the name of a message")))

(defn now
  "The time of the program, that of its last entry: an Instant.

      (with-open [store (memory)] (inst? (execute store \"p\" {:name :p} #(java.util.Date/from (now)))))   ;=> true"
  ^Instant []
  (Journal/now))

(defn random
  "A number by chance, the same at every run: from 0 on and below 1; or a whole one below `bound`.

      (with-open [store (memory)] (execute store \"p\" random 1))   ;=> 0"
  ([] (Journal/random))
  ([bound] (Journal/random (long bound))))

(defn uuid
  "A UUID by chance, the same at every run.

      (with-open [store (memory)] (uuid? (execute store \"p\" uuid)))   ;=> true"
  ^java.util.UUID []
  (Journal/uuid))

(defn step-key
  "In the function of a step: a string that names it, and so its effect, the same each time that it is tried.

      (with-open [store (memory)] (execute store \"p\" {:name :p} #(step! :a step-key)))   ;=> \"p/0/main:a#0\""
  ^String []
  (Journal/stepKey))

(defn version!
  "Which code is to run where that has changed: 0 for a program that has been here with the old code, else `n`, or the number that it
  has gone on with when it was first here. `name` says which change.

      (with-open [store (memory)] (execute store \"p\" version! :tax 1))   ;=> 1"
  [name n]
  (when-not (pos-int? n) (refuse "a version is a number above 0; got " (shown n)))
  (Journal/version (text-of name "the name of a version") (int n)))

(defn restart!
  "Ends the program, with its `finally` blocks, and begins it once more with other `args` and an empty journal; its messages stay. Does
  not return.

      (with-open [store (memory)] (execute store \"p\" {:name :p} #(if (< % 3) (restart! (inc %)) %) 0))   ;=> 3"
  [& args]
  (throw (Journal/restart (vec args))))
