(ns greenlet.process
  "Programs in processes of their own, started as a user starts them, and what tests say of them."
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [clojure.test :refer [is testing]])
  (:import (java.io File)
           (java.lang ProcessBuilder$Redirect ProcessHandle)
           (java.nio.file Files)
           (java.nio.file.attribute FileAttribute)
           (java.util.concurrent TimeUnit)))

(set! *warn-on-reflection* true)

(def ^:private limit-seconds 300)

;; Ways to run

(def ways-to-run
  "Those of bin/engines: the :name, the :options of the JVM, and the :engine that these choose."
  (for [line (str/split-lines (slurp "bin/engines")) :when (re-find #"^[a-z]" line)
        :let [[name & options] (str/split line #"\s+")]]
    {:name name, :options options, :engine (some #(second (re-find #"^-Dgreenlet\.engine=(.*)" %)) options)}))

(def fastest
  "The JVM options with which the library chooses the fastest engine that works."
  (filter #(str/starts-with? % "--") (:options (last ways-to-run))))

;; Commands: sequences of words

(defn jdk-tool [name]
  (str (io/file (System/getProperty "java.home") "bin" name)))

(defn clojure-main
  "Runs a namespace in a new JVM with `options` and this one's class path."
  [options namespace & args]
  (concat [(jdk-tool "java")] options ["-cp" (System/getProperty "java.class.path") "clojure.main" "-m" namespace] args))

(defn in-env
  "Calls a function of bin/env in `dir`."
  [dir function & args]
  (list* "bash" "-c" ". bin/env && find_jdk && cd \"$1\" && \"${@:2}\"" "bin/test" dir function args))

(defn there?
  "Fails where `command` is not on the path, and says what installs it."
  [command]
  (is (some #(.canExecute (io/file % command)) (str/split (System/getenv "PATH") #":"))
      (str "there is no " command "; bin/setup installs it")))

;; Running them

(defn process-builder
  ":dir is where the command runs, by default here, and :env what is other in its environment, nil for what is not there."
  ^ProcessBuilder [command & {:keys [dir env]}]
  (let [builder (ProcessBuilder. ^java.util.List (mapv str command))
        environment (.environment builder)]
    (doseq [[k v] (merge {"CLASSPATH" nil} env)] ; which lein sets
      (if v (.put environment k (str v)) (.remove environment k)))
    (doto builder
      (.directory (some-> dir io/file))
      (.redirectInput (File. "/dev/null")))))

(defn- tree [^Process process]
  (cons (.toHandle process) (iterator-seq (.iterator (.descendants process)))))

(defn- dump-threads!
  "Has the JVMs among `handles` print where their threads are."
  [handles]
  (doseq [^ProcessHandle h handles :when (str/ends-with? (.orElse (.command (.info h)) "") "/java")]
    (.waitFor (.start (process-builder ["kill" "-QUIT" (.pid h)]))))
  (Thread/sleep 2000))

(defn- said [{:keys [out err]}]
  (str/replace (str "printed:\n" out "\non standard error:\n" err) #"(?m)^" "    "))

(defn run
  "What comes of `command`: its :exit code, :out and :err. If it takes longer than :seconds, what it has printed is thrown, with
  where the threads of its JVMs were, and it is killed. Other options as for `process-builder`."
  [command & {:keys [seconds] :or {seconds limit-seconds} :as options}]
  (let [[^File out ^File err] (repeatedly #(File/createTempFile "process" ".txt"))
        process (.start (doto (process-builder command options)
                          (.redirectOutput (ProcessBuilder$Redirect/to out))
                          (.redirectError (ProcessBuilder$Redirect/to err))))
        result #(do {:command command, :exit %, :out (slurp out), :err (slurp err)})]
    (try
      (when-not (.waitFor process seconds TimeUnit/SECONDS)
        (dump-threads! (tree process))
        (throw (AssertionError. (str (str/join " " command) " took longer than " seconds " s\n" (said (result nil))))))
      (result (.exitValue process))
      (finally
        (run! #(.destroyForcibly ^ProcessHandle %) (tree process))
        (run! io/delete-file [out err])))))

;; Saying what came of them

(defn- ended [{:keys [exit command] :as result} code stream texts]
  (testing (str/join " " command)
    (is (= {:exit code, :lacks []}
           {:exit exit, :lacks (remove #(str/includes? (stream result) %) texts)})
        (said result)))
  result)

(defn printed
  "The program of `result` succeeded and printed each of `texts`. Returns `result`."
  [texts result]
  (ended result 0 :out texts))

(defn refused
  "The program of `result` ended with `code` and said `text` on standard error. Returns `result`."
  [code text result]
  (ended result code :err [text]))

(defn prints [texts command & options]
  (printed texts (apply run command options)))

(defn refuses [code text command & options]
  (refused code text (apply run command options)))

;; Files

(defn temp-dir ^File []
  (.toFile (Files/createTempDirectory "greenlet" (make-array FileAttribute 0))))

(defn delete-tree [dir]
  (run ["rm" "-rf" dir]))

(defmacro with-temp-dir [[dir] & body]
  `(let [~dir (temp-dir)]
     (try ~@body (finally (delete-tree ~dir)))))
