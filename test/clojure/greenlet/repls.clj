(ns greenlet.repls
  "REPLs in processes of their own, with this one's class path, and what to talk to them with: a client of nREPL, and one for the
  REPL of clojure.main. All waits are bounded. `with-open` ends a process; those that are not Leiningen's end with this one, too,
  however it ends, as they read until their input does.

  An outcome is a map as `greenlet.doc-examples/run-block` wants it. The result is what was read, or the text if it cannot be."
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [greenlet.watchdog :as watchdog])
  (:import (java.io BufferedInputStream BufferedOutputStream Closeable EOFException File InputStream OutputStream Reader Writer)
           (java.lang ProcessHandle)
           (java.net InetAddress Socket)
           (java.nio.charset StandardCharsets)
           (java.util.concurrent TimeoutException TimeUnit)))

(set! *warn-on-reflection* true)

(def ^:private limit-seconds 60)

;; Processes

(def ^:private java (str (io/file (System/getProperty "java.home") "bin" "java")))

(defn- start-process
  "What `command` starts, as a map: the :process, what it prints as :out, and :in, what it reads."
  [command]
  (let [process (.start (doto (ProcessBuilder. ^java.util.List (vec command))
                          (.redirectErrorStream true)
                          ;; For Leiningen, which has set CLASSPATH if it runs the tests.
                          (-> .environment (doto (.putAll {"JAVA_CMD" java, "LEIN_JAVA_CMD" java}) (.remove "CLASSPATH")))))
        out     (io/reader (.getInputStream process))]
    {:process process, :out out, :in (io/writer (.getOutputStream process))}))

(defn- end!
  "Ends `process` and those that it started, in the end by force."
  [^Process process]
  (let [handles (cons (.toHandle process) (vec (.toArray (.descendants process))))
        ended?  (fn [^ProcessHandle handle]
                  (try
                    (.get (.onExit handle) 10 TimeUnit/SECONDS)
                    (catch TimeoutException _)))]
    (run! #(.destroy ^ProcessHandle %) handles)
    (doseq [^ProcessHandle handle handles]
      (when-not (ended? handle) (.destroyForcibly handle)))))

(defn- read-until
  "What comes from `reader` up to a match of the regex `end`, or to the end of the stream."
  [^Reader reader end]
  (watchdog/call-in-thread
   {:seconds limit-seconds, :name (str "output up to " end)}
   (fn []
     (let [text (StringBuilder.)]
       (loop []
         (let [c (.read reader)]
           (when-not (neg? c)
             (.append text (char c))
             (when-not (re-find end text) (recur)))))
       (str text)))))

(defn- jvm
  "The command for a JVM with this one's class path and the JAR files `jars`, and with `options`."
  [options jars & args]
  (concat [java "-XX:TieredStopAtLevel=1"] ; as Leiningen does, to start soon
          options
          ["-cp" (str/join File/pathSeparator (cons (System/getProperty "java.class.path") jars))]
          args))

;; Outcomes

(defn- readable [text]
  (try
    (read-string text)
    (catch RuntimeException _ text)))

(defn- thrown
  "What `error`, the text that a REPL prints for an exception, tells; nil if it is none."
  [error]
  (when-let [[_ class-name message] (re-find #"(?ms)^(?:Execution|Syntax) error (?:\((\w+)\) )?[^\n]*\n(.*)" error)]
    {:class class-name, :message (str/trim message)}))

;; The REPL of clojure.main

(def ^:private prompt #"(?:^|\n)[\w.]+=> $")

(defn- read-answer [out]
  (let [text (read-until out prompt)]
    (if (re-find prompt text)
      (str/replace text prompt "")
      (throw (EOFException. (str "the REPL has ended, and said: " text))))))

(defrecord ^:private Console [process out in]
  Closeable
  (close [_] (end! process)))

(defn console
  "The REPL of clojure.main, in a JVM with `options`, which reads standard input."
  ^java.io.Closeable [options]
  (let [{:keys [process out in]} (start-process (jvm options [] "clojure.main"))]
    (try
      (read-answer out)
      (->Console process out in)
      (catch Throwable t
        (end! process)
        (throw t)))))

(defn enter!
  "The outcome of `code`, one form, in a console. What it prints has to end with a newline."
  [{:keys [^Writer in out]} code]
  (.write in (str code "\n"))
  (.flush in)
  (let [answer (read-answer out)
        [_ printed value] (re-matches #"(?s)(.*\n)??([^\n]*)" answer)]
    (if-let [t (thrown answer)]
      {:thrown t, :printed answer}
      {:result (readable value), :printed (str printed)})))

(defn leave!
  "Ends the input of a console: the exit code of its JVM."
  [{:keys [^Process process ^Writer in]}]
  (.close in)
  (when (.waitFor process limit-seconds TimeUnit/SECONDS)
    (.exitValue process)))

;; nREPL: messages are maps of strings, in bencode, through a socket

(def ^:private nrepl-jar
  (delay
    (let [jar (io/file "/usr/share/java/nrepl.jar")]
      (if (.exists jar)
        (str jar)
        (throw (AssertionError. (str "there is no " jar ", of Debian's package libnrepl-clojure; bin/setup installs it")))))))

(defn- write-string! [^OutputStream out ^String s]
  (let [bytes (.getBytes s StandardCharsets/UTF_8)]
    (.write out (.getBytes (str (alength bytes) ":")))
    (.write out bytes)))

(defn- write-message! [^OutputStream out message]
  (.write out (int \d))
  (doseq [[k v] (sort message)]
    (write-string! out k)
    (write-string! out v))
  (.write out (int \e))
  (.flush out))

(defn- read-char! [^InputStream in]
  (let [c (.read in)]
    (if (neg? c) (throw (EOFException. "the nREPL server has closed the connection")) (char c))))

(defn- read-number! [in start end]
  (loop [digits start]
    (let [c (read-char! in)]
      (if (= end c) (parse-long digits) (recur (str digits c))))))

(defn- read-value! [^InputStream in]
  (let [all #(into [] (take-while (partial not= ::end)) (repeatedly (fn [] (read-value! in))))
        c   (read-char! in)]
    (case c
      \d (apply hash-map (all))
      \l (all)
      \i (read-number! in "" \e)
      \e ::end
      (String. (.readNBytes in (read-number! in (str c) \:)) StandardCharsets/UTF_8))))

(defrecord ^:private Server [process port]
  Closeable
  (close [_] (end! process)))

(defrecord ^:private Client [^Socket socket in out responses]
  Closeable
  (close [_] (.close socket)))

(defn connect
  "A client of an nREPL server."
  ^java.io.Closeable [{:keys [port]}]
  (let [socket (doto (Socket. (InetAddress/getLoopbackAddress) (int port))
                 (.setSoTimeout (* 1000 limit-seconds)))]
    (->Client socket (BufferedInputStream. (.getInputStream socket)) (BufferedOutputStream. (.getOutputStream socket)) (atom {}))))

(defn- receive-until!
  "The responses to message `id`, once one of them is `wanted`."
  [{:keys [in responses]} id wanted]
  (loop []
    (let [got (@responses id)]
      (if (some wanted got)
        got
        (let [response (read-value! in)]
          (swap! responses update (response "id") (fnil conj []) response)
          (recur))))))

(defn- status? [status] #(some #{status} (% "status")))

(defn- send! [client message]
  (let [id (str (random-uuid))]
    (write-message! (:out client) (assoc message "id" id))
    id))

(defn- ask! [client message]
  (receive-until! client (send! client message) (status? "done")))

(defn session!
  "The id of a new session."
  [client]
  (some #(% "new-session") (ask! client {"op" "clone"})))

(defn start!
  "Has `code` evaluated: an id."
  [client session code]
  (send! client {"op" "eval", "session" session, "code" code}))

(defn outcome!
  "That of what was started as `id`, when it is done."
  [client id]
  (let [responses (receive-until! client id (status? "done"))
        text      (fn [k] (str/join (keep #(% k) responses)))]
    (merge (cond
             (some #(% "ex") responses) {:thrown (or (thrown (text "err")) {:message (text "err")})}
             (some #(% "value") responses) {:result (readable (text "value"))})
           {:printed (text "out")})))

(defn evaluate!
  "The outcome of `code`, one form."
  [client session code]
  (outcome! client (start! client session code)))

(defn await-output!
  "Waits until what was started as `id` has printed `text`."
  [client id text]
  (receive-until! client id #(str/includes? (% "out" "") text)))

(defn interrupt!
  "Interrupts what was started as `id`. Whether the server says so."
  [client session id]
  (ask! client {"op" "interrupt", "session" session, "interrupt-id" id})
  (boolean (some (status? "interrupted") (receive-until! client id (status? "done")))))

;; nREPL servers

(defn- serve
  "The nREPL server that `command` starts, which tells its port as the regex `port` matches it. Where none does, throws an
  exception with what was :said."
  [command port]
  (let [{:keys [process out]} (start-process command)]
    (try
      (let [said  (read-until out port)
            [_ n] (re-find port said)]
        (when-not n (throw (ex-info (str "no nREPL server: " said) {:said said})))
        (watchdog/start-thread {:name "what else the server prints"} #(slurp out))
        (->Server process (parse-long n)))
      (catch Throwable t
        (end! process)
        (throw t)))))

(defn nrepl
  "An nREPL server in a new JVM with `options`."
  ^java.io.Closeable [options]
  (serve (jvm options [@nrepl-jar] "clojure.main" "-e"
              "(require 'nrepl.server) (println (:port (nrepl.server/start-server))) (read-line) (System/exit 0)")
         #"(\d+)\n"))

(def ^:private announced #"server started on port (\d+) on host")

;; Leiningen does not compile, by the profile prepared: this process, which is using the classes, has been compiled.
(defn lein-repl
  "The nREPL server of `lein repl`, or where Leiningen cannot have nREPL, what it says."
  []
  (try
    (serve ["lein" "with-profile" "+prepared" "repl" ":headless" ":port" "0"] announced)
    (catch clojure.lang.ExceptionInfo e
      (let [{:keys [said]} (ex-data e)]
        (if (re-find #"Could not (find|transfer) artifact nrepl:" said) said (throw e))))))

(defn lein-repl-with-debian's-nrepl
  "The nREPL server of `lein repl` where nREPL is Debian's."
  ^java.io.Closeable []
  (serve ["lein" "with-profile" "-base,+prepared"
          ;; The boot class path, as the JAR's manifest would have another Clojure on the class path.
          "update-in" ":jvm-opts" "conj" (pr-str (str "-Xbootclasspath/a:" @nrepl-jar)) "--"
          "repl" ":headless" ":port" "0"]
         announced))
