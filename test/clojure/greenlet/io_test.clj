(ns greenlet.io-test
  "greenlet.io: sockets, names, processes and files in Clojure's words."
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing use-fixtures]]
            [greenlet.core :as g]
            [greenlet.hub :refer [join kill! result run sleep! spawn timeout]]
            [greenlet.hubs]
            [greenlet.io :refer [accept! chunks communicate connect end-input! exit-code lines listen lookup lookup-all port process
                                 read-errors read-output with-process write!]]
            [greenlet.test :refer [check-leaks]]
            [greenlet.watchdog :refer [on-each-root]])
  (:import (greenlet.io HubProcess)
           (java.io BufferedReader File IOException)
           (java.net InetAddress SocketTimeoutException UnknownHostException)
           (java.nio.charset MalformedInputException)
           (java.util.concurrent TimeoutException)))

(set! *warn-on-reflection* true)

(use-fixtures :each check-leaks)

(def ^:private here {:host "localhost"})

(defn- temporary-file ^File [content]
  (doto (File/createTempFile "io-test" ".txt")
    (.deleteOnExit)
    (->> (io/copy (io/input-stream (if (string? content) (.getBytes ^String content "UTF-8") content))))))

(deftest one-name-in-two-namespaces
  (let [names '{greenlet.io.socket [connect listen accept! port reader read-line! read-bytes!]
                greenlet.io.server [serve stop! join-server tls-client tls-server]
                greenlet.io.name [lookup lookup-all]
                greenlet.io.process [process with-process communicate write! end-input! read-output read-errors exit-code]
                greenlet.io.file [lines chunks]}]
    (doseq [[ns names] names]
      (is (= (set names) (set (keys (ns-publics ns)))) "all of them")
      (doseq [name names
              :let [there (ns-resolve ns name), here (ns-resolve 'greenlet.io name)]]
        (is (identical? @there @here) (str name))
        (is (= (select-keys (meta there) [:doc :arglists]) (select-keys (meta here) [:doc :arglists])))))
    (let [table (:doc (meta (the-ns 'greenlet.io)))]
      (doseq [name (keys (ns-publics 'greenlet.io))]
        (is (str/includes? table (str "`" name "`")) "is in the table")))))

(deftest an-echo-for-clojure-java-io
  (on-each-root
   (run
     (with-open [server (listen 0 here)]
       (spawn #(with-open [s (accept! server), in (io/reader s), out (io/writer s)]
                 (doseq [line (line-seq in)]
                   (.write out (str "echo " line "\n"))
                   (.flush out))))
       (with-open [s (connect "localhost" (port server)), in (io/reader s), out (io/writer s)]
         (dotimes [i 3]
           (.write out (str i "\n"))
           (.flush out)
           (is (= (str "echo " i) (.readLine ^BufferedReader in)))))
       (spawn #(with-open [s (accept! server)] (spit s "all")))
       (is (= "all" (slurp (connect "localhost" (port server)))))))))

(deftest time-outs-of-sockets
  (on-each-root
   (run
     (with-open [server (listen 0 (assoc here :timeout 0.01))]
       (is (thrown? SocketTimeoutException (accept! server)))
       (with-open [s (connect "localhost" (port server) {:timeout 0.01, :no-delay true})
                   other (accept! server {:keep-alive true})]
         (is (thrown? SocketTimeoutException (.read (io/input-stream s))))
         (spit other "late")
         (is (= "late" (slurp s))))))))

(deftest lines-and-chunks
  (let [file (temporary-file "a\nb\nc")]
    (on-each-root
     (run
       (doseq [f [file (str file) (.toPath file)]]
         (is (= ["a" "b" "c"] (vec (lines f)))))
       (is (= ["a"] (into [] (take 1) (lines file))) "closed early")
       (with-open [c (g/cursor (lines file))]
         (is (= "a" (.next c))))
       (is (= ["a\nb" "\nc"] (mapv #(String. ^bytes %) (chunks file 3))))
       (is (thrown? IOException (vec (lines "/no/such"))))
       (let [latin (temporary-file (.getBytes "a\nä" "ISO-8859-1")), seen (atom [])]
         (is (thrown? MalformedInputException (run! #(swap! seen conj %) (lines latin))))
         (is (= ["a"] @seen))
         (is (= ["a" "ä"] (vec (lines latin {:encoding "ISO-8859-1"})))))))))

(deftest processes
  (on-each-root
   (run
     (with-open [p (process ["cat"])]
       (write! p "fed ")
       (write! p (.getBytes "twice"))
       (end-input! p)
       (is (= ["fed twice" "" 0] [(read-output p) (read-errors p) (exit-code p)])))
     (let [big (apply str (repeat 300000 "x"))]
       (is (= {:out (str big "\n"), :err big, :exit 3}
              (communicate ["sh" "-c" "x=$(cat); printf %s \"$x\" >&2; echo \"$x\"; exit 3"] {:in big}))))
     (is (= [1 2] (vec (:out (communicate ["cat"] {:in (byte-array [1 2]), :encoding :bytes})))))
     (is (thrown? IOException (process ["/no/such"]))))))

(deftest options-of-processes
  (let [in (temporary-file "from a file"), out (temporary-file "")]
    (on-each-root
     (run
       (is (= "v/\n" (:out (communicate ["sh" "-c" "echo $IO_TEST$HOME; cd /"] {:env {:IO_TEST "v", "HOME" "/"}}))))
       (is (= "\n" (:out (communicate ["sh" "-c" "echo $HOME"] {:env {"HOME" nil}}))))
       (is (= "/\n" (:out (communicate ["pwd"] {:dir "/"}))))
       (is (= 0 (with-process ["cat"] {:in in, :out out} exit-code)))
       (is (= "from a file" (slurp out)))
       (is (= {:out "both\n", :err "", :exit 0} (communicate ["sh" "-c" "echo both >&2"] {:err :out})))
       (is (= "" (:out (communicate ["echo" "x"] {:out :discard, :err :discard}))))
       (let [^HubProcess p (process ["sh" "-c" "trap '' TERM; echo ready; while :; do sleep 0.05; done"] {:grace 0.02})]
         (is (some? (.read p 10)))
         (.close p)
         (is (= 137 (exit-code p))))))))

(deftest processes-end-with-their-task
  (on-each-root
   (run
     (let [left (promise)
           task (spawn #(with-process ["sleep" "60"] (fn [p] (deliver left p) (exit-code p))))]
       (while (not (realized? left)) (sleep! 0.001))
       (kill! task)
       (join task)
       (is (not (.isAlive (.process ^HubProcess @left)))))
     (is (thrown? TimeoutException (timeout 0.05 (communicate ["sleep" "60"]))))
     (is (thrown-with-msg? Exception #"mine" (with-process ["sleep" "60"] (fn [_] (throw (Exception. "mine")))))))))

(deftest look-ups
  (on-each-root
   (run
     (is (= (InetAddress/getByName "localhost") (lookup "localhost")))
     (is (= (vec (InetAddress/getAllByName "localhost")) (lookup-all "localhost")))
     (is (thrown? UnknownHostException (lookup "no-such.invalid")))
     (is (= :other (result (spawn (fn [] (lookup "127.0.0.1") :other))))))))

(deftest wrong-arguments
  (doseq [[f text] {#(connect "localhost" 1 {:time-out 1}) "unknown options [:time-out]; connect takes "
                    #(connect :localhost 1) "the host to connect to is a string; got :localhost"
                    #(connect "localhost" 70000) "a port is a number from 0 to 65535; got 70000"
                    #(listen 0 {:hots "localhost"}) "unknown options [:hots]; listen takes "
                    #(accept! nil) "what accepts must be a server socket"
                    #(accept! nil {:backlog 1}) "unknown options [:backlog]; accept! takes "
                    #(port :p) "what has a port is a socket or a server; got :p"
                    #(process ["cat"] {:directory "/"}) "unknown options [:directory]; process takes :in and "
                    #(process ["cat"] :dir) "the options of process must be a map; got :dir"
                    #(process "cat") "a command is a vector of strings, at least one; got \"cat\""
                    #(process []) "a command is a vector of strings"
                    #(process ["cat"] {:env 1}) ":env is a map of names and values; got 1"
                    #(process ["cat"] {:in 1}) ":in is a string, a File or a Path; got 1"
                    #(process ["cat"] {:grace :long}) "a time is a number of seconds"
                    #(with-process ["cat"] {:charset "x"} identity) "unknown options [:charset]; with-process takes "
                    #(with-process ["cat"] 1) "the last argument of with-process must be a function; got 1"
                    #(communicate ["cat"] {:input "x"}) "unknown options [:input]; communicate takes "
                    #(communicate :p) "a process must be one that `process` makes; got :p"
                    #(write! nil "x") "a process must be one that `process` makes; got nil"
                    #(lookup nil) "the host to look up is a string; got nil"
                    #(lines :f) "a file is a string, a File or a Path; got :f"
                    #(lines "f" {:charset "x"}) "unknown options [:charset]; lines takes :encoding"
                    #(lines "f" {:encoding 1}) ":encoding is a Charset or its name; got 1"
                    #(chunks "f" 0) "a chunk has 1 byte or more; got 0"}]
    (testing text
      (let [message (try (f) "nothing thrown" (catch IllegalArgumentException e (ex-message e)))]
        (is (str/includes? message text))))))
