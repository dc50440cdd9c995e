(ns greenlet.io.process
  "Processes of the operating system that wait as tasks; `greenlet.io` has all names, too, and the examples refer to it."
  (:require [greenlet.argument :refer [check-options duration refuse shown the-charset the-function the-path]])
  (:import (greenlet.io HubProcess HubProcess$Body HubProcess$Result)
           (java.io File)
           (java.lang ProcessBuilder$Redirect)
           (java.util List Map)))

(set! *warn-on-reflection* true)

(defn- the-process ^HubProcess [x]
  (if (instance? HubProcess x) x (refuse "a process must be one that `process` makes; got " (shown x))))

(defn- the-file ^File [x option]
  (.toFile (the-path x option)))

(defn- the-bytes ^bytes [x encoding]
  (cond
    (nil? x) (byte-array 0)
    (bytes? x) x
    (string? x) (.getBytes ^String x (the-charset (when-not (= :bytes encoding) encoding)))
    :else (refuse "what is written to a process is a string or an array of bytes; got " (shown x))))

(defn- result-of [bytes encoding]
  (if (= :bytes encoding) bytes (String. ^bytes bytes (the-charset encoding))))

(defn- redirect-in [x]
  (if (= :inherit x) ProcessBuilder$Redirect/INHERIT (ProcessBuilder$Redirect/from (the-file x ":in"))))

(defn- redirect-out [x option]
  (case x
    :inherit ProcessBuilder$Redirect/INHERIT
    :discard ProcessBuilder$Redirect/DISCARD
    (ProcessBuilder$Redirect/to (the-file x option))))

(def ^:private process-options [:in :out :err :env :dir :grace])

(defn- builder ^ProcessBuilder [command {:keys [in out err env dir]}]
  (when-not (and (sequential? command) (seq command) (every? string? command))
    (refuse "a command is a vector of strings, at least one; got " (shown command)))
  (when-not (or (nil? env) (map? env)) (refuse ":env is a map of names and values; got " (shown env)))
  (let [builder (ProcessBuilder. ^List (vec command))
        environment (.environment builder)]
    (doseq [[k v] env
            :let [k (if (keyword? k) (name k) (str k))]]
      (if (nil? v) (.remove ^Map environment k) (.put ^Map environment k (str v))))
    (when dir (.directory builder (the-file dir ":dir")))
    (when in (.redirectInput builder ^ProcessBuilder$Redirect (redirect-in in)))
    (when out (.redirectOutput builder ^ProcessBuilder$Redirect (redirect-out out ":out")))
    (cond
      (= :out err) (.redirectErrorStream builder true)
      err (.redirectError builder ^ProcessBuilder$Redirect (redirect-out err ":err")))
    builder))

(defn- with-grace ^HubProcess [^HubProcess process grace]
  (if (some? grace) (.grace process (duration grace)) process))

(defn process
  "Starts a process with `command`, a vector of strings, and returns it, for `with-open`: that ends it and its descendants when the body
  is left, also by a kill or a limit. Options:

  :in     a file that it reads, or :inherit for the standard input of the JVM; by default `write!` feeds it
  :out    a file that it writes, :inherit, or :discard; by default `read-output` and `communicate` read it
  :err    the same for its standard error, or :out for the same place as its output
  :env    a map of what is different in its environment from the JVM's; nil removes a name
  :dir    the directory that it starts in
  :grace  how many seconds of real time it has to end before it is destroyed by force; by default 1

      (run (with-open [p (process [\"cat\"])]
             (write! p \"fed\")
             (end-input! p)
             [(read-output p) (exit-code p)]))   ;=> [\"fed\" 0]"
  (^HubProcess [command] (process command nil))
  (^HubProcess [command options]
   (let [{:keys [grace] :as options} (check-options options process-options "process")
         grace (when (some? grace) (duration grace))]
     (with-grace (HubProcess/start (builder command options)) grace))))

(defn with-process
  "Calls `f` with a process, as `process` starts it, and ends that when `f` has returned or thrown. Returns the value of `f`.

      (run (with-process [\"sh\" \"-c\" \"exit 3\"] exit-code))   ;=> 3"
  ([command f] (with-process command nil f))
  ([command options f]
   (let [{:keys [grace] :as options} (check-options options process-options "with-process")
         grace (when (some? grace) (duration grace))
         f (the-function f "the last argument of with-process")]
     (HubProcess/run (builder command options)
                     (reify HubProcess$Body (use [_ process] (f (with-grace process grace))))))))

(defn communicate
  "Feeds the process, ends its input, reads its output and its standard error to the end, all at once, and waits for its end. A map of
  :out, :err and :exit. The process is one of `process`, or the command of one that is started and ended here. Options:

  :in        a string or an array of bytes to feed; by default nothing
  :encoding  a charset, or :bytes for arrays of bytes; by default UTF-8

  With a command, also those of `process`, with :in as here.

      (run (communicate [\"cat\"] {:in \"fed\"}))   ;=> {:out \"fed\", :err \"\", :exit 0}"
  ([process] (communicate process nil))
  ([process options]
   (if (sequential? process)
     (let [{:keys [in encoding] :as options} (check-options options (conj process-options :encoding) "communicate")]
       (with-process process (not-empty (dissoc options :in :encoding))
         #(communicate % {:in in, :encoding encoding})))
     (let [{:keys [in encoding]} (check-options options [:in :encoding] "communicate")
           ^HubProcess$Result result (.communicate (the-process process) (the-bytes in encoding))]
       {:out (result-of (.output result) encoding)
        :err (result-of (.errors result) encoding)
        :exit (.exitCode result)}))))

(defn write!
  "Writes a string, in UTF-8, or an array of bytes to the standard input of the process.

      (run (with-process [\"cat\"] #(do (write! % \"a\") (write! % \"b\") (end-input! %) (read-output %))))   ;=> \"ab\""
  [process x]
  (.write (the-process process) (the-bytes x nil)))

(defn end-input!
  "Ends the standard input of the process.

      (run (with-process [\"wc\" \"-c\"] #(do (end-input! %) (read-output %))))   ;=> \"0\\n\""
  [process]
  (.closeInput (the-process process)))

(defn read-output
  "What is left of the standard output of the process, to its end. If it may write much to its standard error as well, use `communicate`.
  Options: :encoding, as for `communicate`.

      (run (with-process [\"echo\" \"hello\"] read-output))   ;=> \"hello\\n\""
  ([process] (read-output process nil))
  ([process options]
   (let [{:keys [encoding]} (check-options options [:encoding] "read-output")]
     (result-of (.readAll (the-process process)) encoding))))

(defn read-errors
  "What is left of the standard error of the process; as `read-output`.

      (run (with-process [\"sh\" \"-c\" \"echo wrong >&2\"] read-errors))   ;=> \"wrong\\n\""
  ([process] (read-errors process nil))
  ([process options]
   (let [{:keys [encoding]} (check-options options [:encoding] "read-errors")]
     (result-of (.readAllErrors (the-process process)) encoding))))

(defn exit-code
  "Waits for the end of the process; its exit code. Limit it by `greenlet.hub/timeout`.

      (run (with-process [\"true\"] exit-code))   ;=> 0"
  [process]
  (.await (the-process process)))
