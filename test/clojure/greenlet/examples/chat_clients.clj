(ns greenlet.examples.chat-clients
  "Clients of the chat example, on real sockets, which have a hub and a thread of their own."
  (:require [clojure.string :as str]
            [clojure.test :refer [is]]
            [greenlet.examples.chat :as chat]
            [greenlet.hub :refer [await! event result run set-event! spawn]]
            [greenlet.io :refer [connect port read-line! reader]]
            [greenlet.watchdog :as watchdog])
  (:import (java.net Socket)))

(set! *warn-on-reflection* true)

;; The chat, in another thread

(defn with-chat
  "Calls `f`, in a hub, with a chat that another thread serves, as `start` returns it. Nobody is left in the chat when it has returned."
  [f]
  (let [started (promise)
        over (promise)
        server (watchdog/start-thread {:name "chat"} #(run (deliver started (chat/start 0 0)) (await! over)))
        {:keys [chat] :as servers} (deref started 60000 nil)]
    (try
      (watchdog/call-in-thread {:name "clients"} (bound-fn [] (run (f servers))))
      (finally
        (deliver over nil)
        ((:join server))))
    (is (= {} @chat) "nobody is left")))

;; A client

(defn say
  "Says `words`, as one line."
  [{:keys [^Socket socket]} & words]
  (.write (.getOutputStream socket) (.getBytes (str (apply str words) "\n"))))

(defn hear
  "The next line; nil at the end."
  [{:keys [in]}]
  (read-line! in))

(defn hear-until
  "The lines up to the first that `last?` accepts."
  [client last?]
  (loop [lines []]
    (let [line (or (hear client) (throw (ex-info "the chat has ended" {:heard lines})))
          lines (conj lines line)]
      (if (last? line) lines (recur lines)))))

(defn dial
  "A client that has entered `room`, or the lobby."
  [{:keys [lines]} name & [room]]
  (let [socket (connect "127.0.0.1" (port lines) {:timeout 60})
        client {:socket socket, :in (reader socket), :name name}]
    (say client name)
    (hear-until client #{(str "* " name " enters lobby")})
    (when room
      (say client "/join " room)
      (hear-until client #{(str "* " name " enters " room)}))
    client))

(defn hang-up [{:keys [^Socket socket]}]
  (.close socket))

;; Rooms full of clients

(def sayings "How much each client says." 10)

(defn said
  "What `name` says."
  [name]
  (map #(str name ": " %) (range sayings)))

(defn spoken
  "Of `lines`, those that somebody has said."
  [lines]
  (remove #(str/starts-with? % "*") lines))

(defn- converse
  "What `client` hears in its room, of `n` members who all begin when `all` is set."
  [client n all]
  (await! all)
  (dotimes [i sayings] (say client i))
  (let [heard (into [] (comp (remove #(str/starts-with? % "*")) (take (* (long n) (long sayings)))) (repeatedly #(hear client)))]
    (hang-up client)
    heard))

(defn converse-all
  "Has clients enter rooms, and say all that they have to when all of them are there, and `begin!` has been called. `rooms` is a map of a
  room to the names of its clients; in a room of `others`, a map, so many more are expected to speak. A map by room of what each of its
  clients has heard."
  [servers rooms {:keys [others begin!] :or {begin! (fn [])}}]
  (let [all (event)
        ;; one after the other: the lobby tells each who enters and leaves, and who is slow to hear of a hundred is cut off
        tasks (into {} (for [[room names] rooms]
                         [room (mapv #(spawn converse (dial servers % room) (+ (count names) (get others room 0)) all) names)]))]
    (begin!)
    (set-event! all)
    (update-vals tasks #(mapv result %))))

(defn rooms-of
  "`n` rooms with `m` names each."
  [n m]
  (into {} (for [room (range n)] [(str "room" room) (for [i (range m)] (str "c" room "-" i))])))
