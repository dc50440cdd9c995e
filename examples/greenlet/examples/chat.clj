(ns greenlet.examples.chat
  "A chat with rooms, for telnet and for browsers; `bin/chat` runs it.

  Each client has a queue of lines to be told, and a task that writes them. To tell a client something is to put a line into its queue,
  which never waits. A client that does not read has a full queue, is cut off, and disturbs nobody."
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [greenlet.core :refer [engine generator yield!]]
            [greenlet.examples.http :as http]
            [greenlet.hub :refer [close! current-task execute! hub kill! offer! poll! queue run scope sleep! spawn timeout]]
            [greenlet.io :refer [join-server port read-line! reader serve]])
  (:import (java.io IOException Writer)
           (java.net Socket URLDecoder)))

(set! *warn-on-reflection* true)

;; The chat: an atom of the clients by name. Nothing here waits, so no task of the hub sees a half of what another does. A client has a
;; :name, a :room, in an atom, a :key, that browsers have to give, :lines, the queue of what is to be written, and a :task that writes.

(def ^:private most-lines 100) ; that a client may be behind
(def ^:private grace 5)        ; seconds that one who is cut off has to read them

(declare tell-room!)

(defn- cut-off! [chat {:keys [name room lines task]}]
  (swap! chat dissoc name)
  (poll! lines nil)
  (offer! lines "* You do not read what you are told. Good-bye.")
  (close! lines)
  (execute! (hub) (fn [] ; a task of nobody's scope
                    (tell-room! chat @room (str "* " name " does not listen and is cut off"))
                    (sleep! grace)
                    (kill! task))))

(defn- tell! [chat {:keys [name lines] :as client} line]
  (when-not (or (not= client (@chat name)) (offer! lines line))
    (cut-off! chat client)))

(defn- in-room [chat room]
  (filter #(= room @(:room %)) (vals @chat)))

(defn- tell-room! [chat room line]
  (run! #(tell! chat % line) (in-room chat room)))

(defn- move! [chat {:keys [name room]} to]
  (when @room (tell-room! chat @room (str "* " name " leaves " @room)))
  (reset! room to)
  (tell-room! chat to (str "* " name " enters " to)))

(def ^:private bad-name "* That name is taken, or none. Letters and digits will do, twenty at most.")
(defn- enter!
  "A new client of the current task in the room lobby; nil unless the name is good and free."
  [chat name key]
  (when (and (re-matches #"[\p{L}\p{N}_-]{1,20}" name) (not (@chat name)))
    (let [client {:name name, :key key, :room (atom nil), :lines (queue {:size most-lines}), :task (current-task)}]
      (swap! chat assoc name client)
      (move! chat client "lobby")
      client)))

(defn- leave! [chat {:keys [name room lines] :as client}]
  (when (= client (@chat name))
    (swap! chat dissoc name)
    (close! lines)
    (tell-room! chat @room (str "* " name " leaves"))))

(defn- say! [chat {:keys [name room] :as client} line]
  (let [line (str/trim (str/replace (apply str (take 1000 line)) #"\p{Cntrl}" " "))
        [_ command word] (re-matches #"/(\w+) *(.*)" line)]
    (when (= client (@chat name)) ; or it has been cut off
      (case command
        nil (tell-room! chat @room (str name ": " line))
        "join" (move! chat client word)
        "who" (tell! chat client (str "* " (str/join ", " (sort (map :name (in-room chat @room))))))
        "quit" (leave! chat client)
        (tell! chat client "* /join ROOM, /who and /quit are what I know")))))

;; Lines: telnet, nc

(defn- ask-name [chat in write]
  (write "* Your name?")
  (when-let [name (read-line! in)]
    (or (enter! chat (str/trim name) nil)
        (do (write bad-name)
            (recur chat in write)))))

(defn- hear [chat client in]
  (if-let [line (read-line! in)]
    (do (say! chat client line)
        (recur chat client in))
    (leave! chat client)))

(defn- converse [chat ^Socket socket]
  (let [in (reader socket {:most 1000})
        ^Writer out (io/writer socket)
        write (fn [line] (.write out (str line "\r\n")) (.flush out))]
    (when-let [client (timeout 60 :else nil (ask-name chat in write))]
      (try
        (scope
          (spawn hear chat client in)
          (run! write (:lines client)))
        (finally (leave! chat client))))))

;; Browsers: a page that sends what is said by POST, and is told by server-sent events

(defn- fields [text]
  (into {} (for [[_ k v] (re-seq #"([^&=]+)=([^&]*)" (str text))] [k (URLDecoder/decode ^String v "UTF-8")])))

(defn- events [chat {:strs [name key]}]
  (generator
    (if-let [client (enter! chat (str name) key)]
      (try
        (run! #(yield! (http/event {:data %})) (:lines client))
        (yield! (http/event {:event "end", :data "* The end"}))
        (finally (leave! chat client)))
      (yield! (http/event {:event "end", :data bad-name})))))

(defn- respond [chat {:keys [request-method uri query-string body]}]
  (case [request-method uri]
    [:get "/"] {:status 200, :headers {"Content-Type" "text/html"}, :body (slurp (io/resource "greenlet/examples/chat.html"))}
    [:get "/events"] {:status 200, :headers {"Content-Type" "text/event-stream", "Connection" "close"}
                      :body (events chat (fields query-string))}
    [:post "/say"] (let [{:strs [name key line]} (fields (slurp body))
                         client (@chat name)]
                     (if (and key (= key (:key client)))
                       (do (say! chat client line) {:status 204})
                       {:status 403}))
    {:status 404, :body "There is / alone."}))

;; Running

(defn start
  "Starts a chat in the current hub, at two ports of the loopback interface. A map of the :chat and of its servers, for :web and :lines."
  [web lines]
  (let [chat (atom {})]
    {:chat chat
     :web (http/serve web {:bound 1000} #(respond chat %))
     :lines (serve lines {:bound 1000} #(try (converse chat %) (catch IOException _)))})) ; who is gone is gone

(defn -main [& [web lines & more]]
  (try
    (let [number #(if (re-matches #"\d{1,5}" %) (parse-long %) (throw (IllegalArgumentException. (str "not a port: " %))))]
      (when more (throw (IllegalArgumentException. "two ports at most")))
      (run
        (let [{:keys [web lines]} (start (number (or web "8080")) (number (or lines "7070")))]
          (println (str "http://localhost:" (:port web) "/ and telnet localhost " (port lines) " on the engine " (engine) "; Ctrl-C ends it"))
          (join-server lines))))
    (catch Exception e
      (binding [*out* *err*] (println (str "chat: " (ex-message e) "; usage: chat [--engine E] [PORT [PORT-FOR-LINES]]")))
      (flush)
      (System/exit 2))))
