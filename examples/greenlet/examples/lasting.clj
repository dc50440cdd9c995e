(ns greenlet.examples.lasting
  "The form of `greenlet.examples.web`, with sessions that outlive their server: `bin/web --store` runs it.

  A session is a program, which shows a page by a step and receives the answers as a message. Where it is, its journal tells; so any server
  that has the store can answer any request, and begins where the last one has died. The seats are those of one more program, the
  theatre, to which sessions send what they want and which sends back what became of it."
  (:require [clojure.string :as str]
            [greenlet.examples.durable :as durable]
            [greenlet.examples.http :as http]
            [greenlet.examples.web :as web]
            [greenlet.hub :as hub]
            [greenlet.io :as io]
            [greenlet.journal :as journal :refer [receive! step!]])
  (:import (java.io Closeable)))

(set! *warn-on-reflection* true)

(def ^:private idle "For how many seconds a session waits for an answer." 900)
(def ^:private patience "For how many seconds a request waits for the page." 30)

;; Programs. Their steps send messages, by the store of this process.

(defonce ^:private here (atom nil))

(defn- send-on! [id name value]
  (try
    (journal/send! @here id name value {:key (journal/step-key)})
    (catch IllegalStateException _ false))) ; it has ended

(defn theatre
  "Sells `free` seats: answers each request, {:session :seats}, positive to take and negative to give back, by how many are left, or nil if
  there were too few."
  [free]
  (loop [free free, n 0]
    (let [{:keys [session seats]} (receive! :request)
          left (- (long free) (long seats))
          enough? (not (neg? left))
          free (if enough? left free)]
      (step! :answer send-on! session :seats (when enough? free))
      (if (= n 100) (journal/restart! free) (recur free (inc n)))))) ; or the journal would grow for ever

(defn- ask-theatre! [session seats]
  (step! :theatre send-on! "theatre" :request {:session session, :seats seats})
  (receive! :seats))

(defrecord Theatre [session]
  web/Seats
  (free [_] (ask-theatre! session 0))
  (take-seats! [_ n] (ask-theatre! session n))
  (give-back! [_ n] (ask-theatre! session (- (long n))))
  (book! [_ booking] (step! :book identity booking)))

(defn- ask! [page]
  (step! :show identity page)
  (hub/timeout idle :else (throw (ex-info "nobody has answered" {}))
    (receive! :answers)))

(defn session
  "A visitor's way through the form; its last page."
  [id _key]
  (binding [web/*ask* ask!]
    (web/booking (->Theatre id))))

;; Where a session is

(defn- state
  "The :key of a session, its :pages, the :answers, and the last page as :final; nil if there is none."
  [store id]
  (let [entries (journal/entries store id)
        those (fn [kind what] (mapv :value (filter #(and (= kind (:kind %)) (re-find what (str (:key %)))) entries)))]
    (when (seq entries)
      {:id id
       :key (second (:value (first entries)))
       :pages (those :outcome #":show#\d+$")
       :answers (those :message #"<answers#\d+$")
       :final (when (= :result (:kind (peek entries))) (:value (peek entries)))
       :failed? (= :error (:kind (peek entries)))})))

(defn- due
  "The number of the page that the session shows."
  [{:keys [pages final]}]
  (cond-> (count pages) final inc))

(defn- state-after
  "The state as soon as it shows a page after the `n`th, or has failed; nil if that takes too long."
  [store id n]
  (hub/timeout patience :else nil
    (loop []
      (let [state (state store id)]
        (if (or (:failed? state) (< (long n) (long (due state))))
          state
          (do (hub/sleep! 0.02) (recur)))))))

(defn- address [{:keys [id] :as state}]
  (str "/form/" id "/" (due state)))

(def ^:private later
  (web/page 503 {:title "That takes long", :text "Please come back in a moment."}))

(defn- see-next [store id n & headers]
  (let [state (state-after store id n)]
    (cond
      (nil? state) later
      (:failed? state) web/gone
      :else (apply web/see (address state) headers))))

;; Requests

(defn- begin! [store]
  (let [id (web/secret), key (web/secret)]
    (journal/start! store id #'session id key)
    (see-next store id 0 "Set-Cookie" (str "key=" key "; Path=/form/" id "; HttpOnly; SameSite=Lax"))))

(defn- submit! [store {:keys [id pages answers final] :as state} ^long step submitted]
  (let [due (long (due state))
        given #(web/answers (nth pages (dec step)) submitted)]
    (cond
      (and (= step due) (not final)) (do (journal/send! store id :answers (given) {:key (str step)})
                                         (see-next store id step))
      (and (= step (dec due)) (= (given) (peek answers))) (web/see (address state))
      (<= 1 step due) (web/answered-already (address state))
      :else web/not-found)))

(defn- show [{:keys [pages final] :as state} ^long step]
  (let [due (long (due state))]
    (cond
      (not (<= 1 step due)) web/not-found
      (< step due) (web/see (address state))
      final (web/page 200 final)
      :else (web/page 200 (peek pages) (address state) nil))))

(defn- respond [store {:keys [method path key form]}]
  (let [[_ id step] (re-matches #"/form/([\w-]{22})/(\d{1,6})" path)
        state (when id (state store id))]
    (cond
      (and (nil? id) (not= path "/")) web/not-found
      (nil? id) (case method
                  (:get :head) web/welcome
                  :post (begin! store)
                  (web/not-allowed "GET, HEAD, POST"))
      (or (nil? state) (:failed? state)) web/gone
      (not (web/same-secret? (:key state) key)) web/forbidden
      :else (case method
              (:get :head) (show state (parse-long step))
              :post (submit! store state (parse-long step) form)
              (web/not-allowed "GET, HEAD, POST")))))

;; The server

(defn- open-theatre! [store]
  (try
    (journal/start! store "theatre" #'theatre 100)
    (catch IllegalStateException _))) ; it runs here already

(defn start
  "Serves the form at :port of this machine's loopback address; a java.io.Closeable with the :port. `where` is the directory or the
  JDBC URL of the sessions: see `greenlet.examples.durable/programs`. To close leaves them as they are."
  ^Closeable [where {:keys [port] :or {port 0}}]
  (let [programs (durable/programs where [#'session #'theatre])
        store (:store programs)
        started (promise)
        serve #(hub/run
                 (let [server (http/serve port {:body 8192, :bound 200} (partial web/handle (partial respond store)))]
                   (deliver started server)
                   (io/join-server (:server server))))
        thread (Thread. ^Runnable (fn [] (try (serve) (catch Throwable t (or (deliver started t) (throw t))))) "web")]
    (reset! here store)
    (open-theatre! store)
    (.start (doto thread (.setDaemon true)))
    (let [server @started]
      (when (instance? Throwable server)
        (.close ^Closeable programs)
        (throw server))
      (web/->Server (:port server) server thread programs))))
