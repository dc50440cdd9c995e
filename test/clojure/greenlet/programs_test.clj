(ns greenlet.programs-test
  "The programs in bin, run as a user runs them, on every way to run where that can matter. Needs xvfb-run and chromium."
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [greenlet.examples.faulty-site :refer [with-site]]
            [greenlet.process :refer [clojure-main fastest printed prints process-builder refuses run there? ways-to-run with-temp-dir]])
  (:import (java.io File)
           (java.net ServerSocket Socket)
           (java.nio.file Files)
           (java.nio.file.attribute FileAttribute PosixFilePermissions)
           (java.util.concurrent TimeUnit)))

(set! *warn-on-reflection* true)

;; What they refuse, before an engine matters, with exit code 2

(deftest ^:programs arguments-are-refused
  (doseq [[text & command]
          [["no such directory: none"                         "bin/tour" "none"]
           ["not a directory: README.md"                      "bin/tour" "README.md"]
           ["one directory at most"                           "bin/tour" "src" "src"]
           ["unknown option --fast"                           "bin/tour" "--fast"]
           ["no engine is called steam"                       "bin/tour" "--engine" "steam"]
           ["not a port: http"                                "bin/chat" "http"]
           ["two ports at most"                               "bin/chat" "1" "2" "3"]
           ["the seed is a number; got x"                     "bin/queueing" "x"]
           ["the size is a number of megabytes; got x"        "bin/json" "x"]
           ["unknown option --fast"                           "bin/actors" "--fast" "1"]
           ["--headless needs a number from 1 up; got many"   "bin/actors" "--headless" "many"]
           ["not a port: http"                                "bin/web" "http"]
           ["a port is a number from 0 to 65535"              "bin/web" "70000"]
           ["not a port: http"                                "bin/orders" "http"]
           ["it needs the engine continuation"                "bin/dialogs" "--engine" "virtual-thread"]
           ["no such file"                                    "bin/conformance" "none.edn"]]]
    (refuses 2 text command)))

;; bin/tour

(defn- plant!
  "Nine directories, three matches in the first five, a link in a circle, and an unreadable one, which is returned."
  [dir]
  (let [file #(.toPath (io/file dir %))
        locked (file "g/locked")]
    (doseq [d ["a" "b/c" "d" "e" "f" "g/locked"]] (.mkdirs (io/file dir d)))
    (doseq [f ["a/one.clj" "a/other.txt" "b/c/two.java" "d/three.clj" "f/four.clj"]] (spit (io/file dir f) ""))
    (Files/createSymbolicLink (file "e/circle") (.toPath (File. "..")) (make-array FileAttribute 0))
    (Files/setPosixFilePermissions locked (PosixFilePermissions/fromString "---------"))
    (str locked)))

(def ^:private mortal ; root reads everything, unless it does without the right to
  (when (= "root" (System/getProperty "user.name"))
    ["setpriv" "--bounding-set=-dac_override,-dac_read_search" "--"]))

(defn- of-planted-tree [engine]
  [(str "on the engine " engine)
   "    found       d/three.clj"
   "the walk is suspended, 5 directories in"
   "    found       f/four.clj"
   "Opened for 3 matches: 5 of 9 directories."
   "1 directory could not be read"
   "true   leaves looked at: 2000 of 2000"
   "false  leaves looked at: 16 of 2000"
   "its greenlet is dead: true"
   ";=> \"Divide by zero\""
   "guarded: put away"
   ";=> greenlet.GreenletExit"
   (str "engine: " engine)
   "a switch: about "])

(deftest ^:programs tour
  (with-temp-dir [dir]
    (let [locked (plant! dir)]
      (doseq [{:keys [name engine]} ways-to-run]
        (prints (of-planted-tree engine) (concat mortal ["bin/tour" "--engine" name dir])))
      (prints ["Opened for 0 matches: 1 of 1 directory."] ["bin/tour" (io/file dir "e")])
      (refuses 2 (str "cannot read directory: " locked) (concat mortal ["bin/tour" locked]))
      (prints ["Opened for 3 matches" "on the engine continuation"] ["bin/tour"]))))

;; bin/queueing and bin/actors: numbers that a seed leads to

(deftest ^:programs queueing
  (with-temp-dir [dir]
    (doseq [{:keys [name]} ways-to-run
            :let [drawing (io/file dir (str name ".svg"))]]
      (prints ["        0.5   1.017 ±  0.135        1.000"
               "        0.9   8.765 ±  2.806        9.000"
               (str "drawn: " drawing)]
              ["bin/queueing" "--engine" name 1 drawing])
      (is (str/includes? (slurp drawing) "<svg ")))))

(deftest ^:programs actors
  (doseq [{:keys [name engine]} ways-to-run]
    (prints ["seed 1, 3000 actors, 100 ticks" "checksum 93a1314c" (str "engine " engine)]
            ["bin/actors" "--engine" name "--headless" 100]))
  (testing "in the terminal"
    (prints ["tick 2  sheep 96  shepherd 1  wolf 3"] ["bin/actors" "--actors" 100 "--ticks" 2 "--tick" 1])))

;; bin/json

(deftest ^:programs json
  (doseq [{:keys [name engine]} ways-to-run]
    (prints [(str "0.2 MB, on the engine " engine) "tokens in chunks of 256" "tokens one by one" "data.json  " "all have read the same"]
            ["bin/json" "--engine" name "0.2"])))

;; bin/web

(defn- told
  "What `server` tells in the file `out`, once it does: the groups of `telling`."
  [^Process server out telling]
  (let [end (+ (System/nanoTime) (* 120 1000000000))]
    (loop []
      (or (next (re-find telling (slurp out)))
          (do
            (when-not (and (.isAlive server) (< (System/nanoTime) end))
              (throw (ex-info (str "it does not tell " telling "; it has said:\n" (slurp out)) {})))
            (Thread/sleep 50)
            (recur))))))

(defn- serves
  "Runs `command`, a server, until it has told `telling`, and `(f ports)` has returned; it ends by the signal."
  [command telling f]
  (with-temp-dir [dir]
    (let [out (io/file dir "out.txt")
          server (.start (doto (process-builder command)
                           (.redirectErrorStream true)
                           (.redirectOutput out)))]
      (try
        (f (map parse-long (told server out telling)))
        (.destroy server)
        (is (.waitFor server 60 TimeUnit/SECONDS))
        (is (= 143 (.exitValue server)) "by the signal")
        (finally (.destroyForcibly server))))))

(defn- answer
  "All that comes back for `text`."
  [port ^String text]
  (with-open [socket (doto (Socket. "localhost" (int port)) (.setSoTimeout 60000))]
    (.write (.getOutputStream socket) (.getBytes text))
    (slurp (.getInputStream socket))))

(deftest ^:programs web-answers-and-ends-when-it-is-told-to
  (doseq [{:keys [name engine]} ways-to-run]
    (testing name
      (serves ["bin/web" "--engine" name 0] (re-pattern (str "http://localhost:(\\d+)/ on the engine " engine))
              (fn [[port]]
                (let [page (answer port "GET / HTTP/1.0\r\n\r\n")]
                  (is (str/starts-with? page "HTTP/1.1 200"))
                  (is (str/includes? page "<h1>An evening at the theatre</h1>"))))))))

(deftest ^:programs web-in-a-browser
  (when (there? "chromium")
    (doseq [{:keys [options engine]} ways-to-run]
      (prints ["Welcome, <b>Ada</b> | Please give a number from 0 to 150. | Your age"
               "Is that right? | 3 seats for <b>Ada</b>, 30 in all."
               "Thank you | 3 seats are yours, <b>Ada</b>."
               "booked [{:name \"<b>Ada</b>\", :seats 3, :price 30}] free 7"
               (str "on " engine)]
              (clojure-main options "greenlet.examples.browser" "chromium")))))

(deftest ^:programs web-goes-on-in-another-process
  (with-temp-dir [dir]
    (let [store (str dir "/sessions")
          session (atom nil)
          request (fn [method path] (str method " " path " HTTP/1.0\r\nContent-Length: 0\r\n" (:cookie @session) "\r\n"))]
      (serves ["bin/web" "--store" store 0] #"http://localhost:(\d+)/"
              (fn [[port]]
                (let [said (answer port (request "POST" "/"))]
                  (reset! session {:path (second (re-find #"(?m)^Location: (\S+)" said))
                                   :cookie (str "Cookie: " (re-find #"key=[\w-]+" said) "\r\n")}))))
      (serves ["bin/web" "--store" store 0] #"http://localhost:(\d+)/"
              (fn [[port]]
                (is (str/includes? (answer port (request "GET" (:path @session))) "<h1>Who are you?</h1>"))))))
  (refuses 2 "unknown option --stor" ["bin/web" "--stor" "x"]))

(deftest ^:programs web-in-a-browser-outlives-its-servers
  (when (there? "chromium")
    (prints ["Who are you? | Your name"
             "Welcome, Ada | Your age"
             "Seats | 100 seats are free. | How many would you like?"
             "Is that right? | 3 seats for Ada, 30 in all."
             "Thank you | 3 seats are yours, Ada."
             "Seats | 97 seats are free. | How many would you like?"]
            (clojure-main fastest "greenlet.examples.lasting-browser" "chromium"))))

(deftest ^:programs orders-tell-what-they-do-and-end-when-they-are-told-to
  (serves ["bin/orders" "--load" 20 "--day" 0.001 0] #"http://localhost:(\d+)/"
          (fn [[port]]
            (is (str/includes? (answer port "GET / HTTP/1.0\r\n\r\n") "<h1>Orders</h1>")))))

;; bin/chat

(deftest ^:programs chat-answers-and-ends-when-it-is-told-to
  (doseq [{:keys [name engine]} ways-to-run]
    (testing name
      (serves ["bin/chat" "--engine" name 0 0]
              (re-pattern (str "http://localhost:(\\d+)/ and telnet localhost (\\d+) on the engine " engine))
              (fn [[web lines]]
                (is (str/includes? (answer web "GET / HTTP/1.0\r\n\r\n") "<h1>Chat</h1>"))
                (is (= "* Your name?\r\n* Ada enters lobby\r\nAda: hello\r\n" (answer lines "Ada\nhello\n/quit\n"))))))))

(deftest ^:programs chat-in-a-browser
  (when (there? "chromium")
    (let [picture (io/file "target/chat.png")]
      (.delete picture)
      (prints ["* Browser enters room0" "* c0-9 enters room0"
               "all that is spoken in its room is there, in the same order: true"
               "what it has said is there: true"
               "clients on sockets: 99"]
              (clojure-main fastest "greenlet.examples.chat-browser" "chromium" picture))
      (is (< 0 (.length picture))))))

;; The other programs on the network; jobs-test has the job queue's

(deftest ^:programs crawler
  (with-site 1
    (fn [{:keys [url]}]
      (prints [(str url "few\n" url "flaky, tries: 3\n" url "missing given up: status 404\n" url "short\n")]
              (clojure-main fastest "greenlet.examples.crawler" (str url "few"))))))

(deftest ^:programs a-proxy
  (with-open [backend (ServerSocket. 0)]
    (.start (Thread. #(with-open [socket (.accept backend)]
                        (.transferTo (.getInputStream socket) (.getOutputStream socket)))))
    (let [address (str "127.0.0.1:" (.getLocalPort backend))]
      (serves (clojure-main fastest "greenlet.examples.proxy" 0 address)
              (re-pattern (str "localhost:(\\d+) is in front of " address))
              (fn [[port]]
                (with-open [socket (doto (Socket. "localhost" (int port)) (.setSoTimeout 60000))]
                  (.write (.getOutputStream socket) (.getBytes "to and fro"))
                  (.shutdownOutput socket)
                  (is (= "to and fro" (slurp (.getInputStream socket))))))))))

;; bin/dialogs

(deftest ^:programs dialogs-without-a-display
  (refuses 2 "it needs a display" ["bin/dialogs"] :env {"DISPLAY" nil}))

(deftest ^:programs dialogs-in-a-window
  (when (there? "xvfb-run")
    (let [picture (io/file "target/dialogs.png")]
      (.delete picture)
      (prints [] (concat ["xvfb-run" "-a" "-s" "-screen 0 1024x768x24"]
                         (clojure-main fastest "greenlet.examples.dialogs-window" picture)))
      (is (< 0 (.length picture))))))

(deftest ^:programs hubs-on-the-event-thread-of-a-window
  (when (there? "xvfb-run")
    (doseq [{:keys [options]} ways-to-run]
      (prints ["0 failures, 0 errors"] (concat ["xvfb-run" "-a" "-s" "-screen 0 1024x768x24"]
                                               (clojure-main options "greenlet.event-window"))))))

;; bin/conformance

(deftest ^:programs conformance
  (doseq [{:keys [name engine]} ways-to-run]
    (prints [(str "engine: " engine) "400 passed, 0 failed"] ["bin/conformance" "--engine" name "test/conformance/programs.edn"])))

(deftest ^:programs conformance-finds-a-difference
  (with-temp-dir [dir]
    (let [wrong (io/file dir "wrong.edn")]
      (spit wrong "[{:id 1 :scripts {0 [[:log 1]]} :trace [[:log 0 2] [:end 0 nil]]}]")
      (let [{:keys [exit out]} (run ["bin/conformance" wrong])]
        (is (= 1 exit))
        (is (str/includes? out "program 1 differs at event 0"))
        (is (str/includes? out "0 passed, 1 failed"))))))

;; Little memory

(deftest ^:programs every-traversal-walks-a-file-that-is-larger-than-the-heap
  (with-temp-dir [dir]
    (let [file (io/file dir "large.txt")]
      (printed [] (run (clojure-main [] "greenlet.large-file" "make" file)))
      (is (< 200000000 (.length file)))
      (doseq [{:keys [options]} ways-to-run]
        (prints ["does not fit into the heap"] (clojure-main (cons "-Xmx64m" options) "greenlet.large-file" "walk" file))))))
