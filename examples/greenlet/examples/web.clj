(ns greenlet.examples.web
  "A form of several pages over `greenlet.examples.http`, written as one function that asks and waits; `bin/web` runs it.

  Each visitor's run of that function is a greenlet, suspended while the visitor thinks. All of them live in one thread, that of a
  hub, and one request is answered after the other: what they share is safe, and a function that waits keeps everybody waiting.
  Reading requests and writing responses waits as a task, at the pace of each visitor.

  What a session is to withstand:
    twice        the answer to a step that has just been given leads to the page it led to before; nothing runs again
    out of order an older step, or other answers to the last one: 409, with a link to the step that is due
    too late     a session that has been idle for too long, or had to make room: 410, with a link to begin again
    elsewhere    a session's address without its cookie: 403
    too many     the one that has been idle for the longest makes room, so that there is always a way in
  However a session ends, its function is unwound and its `finally` blocks run."
  (:require [clojure.string :as str]
            [greenlet.core :as g :refer [current dead? parent set-parent! switch!]]
            [greenlet.examples.http :as http]
            [greenlet.hub :refer [holding lock run scope sleep! spawn]]
            [greenlet.io :as io])
  (:import (greenlet Greenlet)
           (java.io Closeable IOException)
           (java.net URLDecoder)
           (java.nio.charset StandardCharsets)
           (java.security MessageDigest SecureRandom)
           (java.util Base64 LinkedHashMap Map$Entry)))

(set! *warn-on-reflection* true)

;; Asking: what the function of a session calls. A page is a map:
;;   :title, :text       strings
;;   :fields             [[:name "Your name"] …]: key and label
;;   :buttons            [[:answer "Yes"] …]: the one pressed is the answer to :button
;;   :values :complaint  what the visitor has filled in before, and what is wrong with it

(defn- check-page [page]
  (when-not (and (map? page) (string? (:title page)))
    (throw (IllegalArgumentException. (str "a page is a map with a :title, a string; got " (pr-str page)))))
  page)

(def ^:dynamic *ask*
  "Gives a page to whoever has the function run, and returns the answers."
  (fn [page] (switch! (parent (current)) page)))

(defn ask!
  "Shows the page to the visitor and waits for the answers: a map of strings, with the keys of the page's fields."
  [page]
  (*ask* (check-page page)))

(defn ask-until
  "Asks until `accept` makes something of the answers, and returns that. It throws ex-info to complain."
  [page accept]
  (loop [page page]
    (let [answers (ask! page)
          [accepted complaint] (try
                                 [(accept answers)]
                                 (catch clojure.lang.ExceptionInfo e [nil (ex-message e)]))]
      (if complaint
        (recur (assoc page :values answers :complaint complaint))
        accepted))))

;; The function: seats in a theatre. Those that a visitor is asked to confirm are taken, and given back unless confirmed,
;; also when the visitor never comes back.

(defn- complain [text]
  (throw (ex-info text {})))

(defn- text-of [field]
  (fn [answers]
    (let [text (str/trim (field answers))]
      (cond
        (str/blank? text) (complain "Please fill this in.")
        (< 60 (count text)) (complain "Sixty characters will have to do.")
        :else text))))

(defn- number-of [field from to]
  (fn [answers]
    (let [text (str/trim (field answers))
          n (when (re-matches #"\d{1,4}" text) (parse-long text))]
      (if (and n (<= from n to))
        n
        (complain (str "Please give a number from " from " to " to "."))))))

(defprotocol Seats
  (free [seats] "How many there are.")
  (take-seats! [seats n] "Takes `n` of them; whether there were so many.")
  (give-back! [seats n] "Gives `n` of those back that were taken.")
  (book! [seats booking] "Those that were taken are sold: a map of :name, :seats and :price."))

(defrecord Theatre [left booked] ; atoms
  Seats
  (free [_] @left)
  (take-seats! [_ n] (let [rest (- (long @left) (long n))] (when-not (neg? rest) (reset! left rest))))
  (give-back! [_ n] (swap! left + n))
  (book! [_ booking] (swap! booked conj booking)))

(defn booking
  "One visitor's way through the form. `free` is an atom of the number of free seats, `booked` one of what has been booked; or they are
  those of a theatre, which has Seats."
  ([free booked] (booking (->Theatre free booked)))
  ([theatre]
   (let [name  (ask-until {:title "Who are you?", :fields [[:name "Your name"]]} (text-of :name))
         age   (ask-until {:title (str "Welcome, " name), :fields [[:age "Your age"]]} (number-of :age 0 150))
         seats (ask-until {:title "Seats", :text (str (free theatre) " seats are free."), :fields [[:seats "How many would you like?"]]}
                          (number-of :seats 1 6))
         price (* seats (if (< age 18) 10 20))
         paid  (volatile! false)]
     (if-not (take-seats! theatre seats)
       {:title "Sold out", :text "Others have been faster."}
       (try
         (let [{:keys [button]} (ask! {:title "Is that right?", :text (str seats " seats for " name ", " price " in all.")
                                       :buttons [[:yes "Yes"] [:no "No"]]})]
           (if (= :yes button)
             (do (vreset! paid true)
                 (book! theatre {:name name, :seats seats, :price price})
                 {:title "Thank you", :text (str seats " seats are yours, " name ".")})
             {:title "As you like", :text "Nothing has been booked."}))
         (finally
           (when-not @paid
             (give-back! theatre seats))))))))

;; HTML

(defn- escape [text]
  (str/escape (str text) {\& "&amp;", \< "&lt;", \> "&gt;", \" "&quot;", \' "&#39;"}))

(defn- input [values [key label]]
  (let [name (escape (name key))]
    (str "<p><label>" (escape label) " <input name=\"" name "\" value=\"" (escape (get values key "")) "\" autofocus></label></p>\n")))

(defn- button [[key label]]
  (str "<button name=\"button\" value=\"" (escape (name key)) "\">" (escape label) "</button>\n"))

(defn- html
  "The page as a document. With `action`, the address that its answers go to, it is a form."
  [{:keys [title text fields buttons values complaint link]} action]
  (str "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>" (escape title) "</title>\n<h1>" (escape title) "</h1>\n"
       (when text (str "<p>" (escape text) "</p>\n"))
       (when complaint (str "<p role=\"alert\">" (escape complaint) "</p>\n"))
       (when action
         (str "<form method=\"post\" action=\"" (escape action) "\">\n"
              (str/join (map #(input values %) fields))
              (str/join (map button (or buttons [[:go-on "Go on"]])))
              "</form>\n"))
       (when-let [[address label] link]
         (str "<p><a href=\"" (escape address) "\">" (escape label) "</a></p>\n"))
       "</html>\n"))

(defn page
  ([status content] (page status content nil nil))
  ([status content action headers] {:status status, :headers headers, :body (html content action)}))

(defn see [address & {:as headers}]
  {:status 303, :headers (assoc headers "Location" address), :body ""})

(def ^:private begin-again ["/" "Begin again"])

(def welcome
  (page 200 {:title "An evening at the theatre", :buttons [[:begin "Book seats"]]} "/" nil))

(def not-found
  (page 404 {:title "There is no such page", :link begin-again}))

(def gone
  (page 410 {:title "This form has expired", :text "Nothing that was not confirmed has been kept.", :link begin-again}))

(def forbidden
  (page 403 {:title "This form belongs to somebody else", :link begin-again}))

(def failed
  (page 500 {:title "Something went wrong here", :text "This form cannot be continued.", :link begin-again}))

(defn answered-already [address]
  (page 409 {:title "You have answered that already", :text "Your first answer counts; nothing has changed."
             :link [address "Go on where you were"]}))

(defn not-allowed [methods]
  (page 405 {:title "That cannot be done here", :link begin-again} nil {"Allow" methods}))

;; Sessions: maps in `sessions`, by id, the one that was used least lately first. Who touches them holds the app's lock.
;;   :greenlet  runs the function         :page     what it asked last, or returned
;;   :step      the number of that page   :answers  those that led to it
;;   :key       the cookie's value        :used     when, by the clock

(def ^:private ^SecureRandom random (SecureRandom.))

(defn secret
  "128 bits that nobody can guess, as 22 characters."
  []
  (let [bytes (byte-array 16)]
    (.nextBytes random bytes)
    (.encodeToString (.withoutPadding (Base64/getUrlEncoder)) bytes)))

(defn- report [^Throwable thrown]
  (let [thread (Thread/currentThread)]
    (.uncaughtException (.getUncaughtExceptionHandler thread) thread thrown)))

(defn- address [{:keys [id step]}]
  (str "/form/" id "/" step))

(defn- keep! [{:keys [^LinkedHashMap sessions clock]} session]
  (.remove sessions (:id session))
  (.put sessions (:id session) (assoc session :used (clock))))

(defn- end!
  "Forgets the session and unwinds its function."
  [{:keys [^LinkedHashMap sessions]} {:keys [id greenlet]}]
  (.remove sessions id)
  (try
    (.close ^Greenlet greenlet)
    (catch Throwable t (report t))))

(defn- least-used [{:keys [^LinkedHashMap sessions]}]
  (when-not (.isEmpty sessions)
    (.getValue ^Map$Entry (.next (.iterator (.entrySet sessions))))))

(defn- expired? [{:keys [clock ^long idle]} session]
  (< (* 1000000000 idle) (- (long (clock)) (long (:used session)))))

(defn- sweep!
  "Ends the sessions that have been idle for too long."
  [app]
  (loop []
    (when-let [session (least-used app)]
      (when (expired? app session)
        (end! app session)
        (recur)))))

(defn- resume!
  "Has the session's function begin, or go on with the answers, and keeps the session with the page that comes of it."
  [app {:keys [greenlet step] :as session} answers]
  (try
    (set-parent! greenlet (current)) ; each request is another task
    (let [page (check-page (if answers (switch! greenlet answers) (switch! greenlet)))
          session (assoc session :page page, :answers answers, :step (inc (long step)))]
      (keep! app session)
      session)
    (catch Throwable t
      (report t)
      (end! app session)
      nil)))

(defn- begin! [{:keys [^LinkedHashMap sessions ^long most form] :as app}]
  (when (<= most (.size sessions))
    (end! app (least-used app)))
  (let [id (secret)
        key (secret)]
    (if-let [session (resume! app {:id id, :key key, :step 0, :greenlet (g/greenlet form {:name (str "session " id)})} nil)]
      (see (address session) "Set-Cookie" (str "key=" key "; Path=/form/" id "; HttpOnly; SameSite=Lax"))
      failed)))

(defn answers
  "What was submitted, as far as the page asks for it."
  [{:keys [fields buttons]} submitted]
  (into {:button (some (fn [[key]] (when (= (name key) (get submitted "button")) key)) buttons)}
        (map (fn [[key]] [key (get submitted (name key) "")]))
        fields))

(defn- submit! [app {:keys [page asked] :as session} step submitted]
  (let [ended (dead? (:greenlet session))
        due (long (:step session))]
    (cond
      (and (= step due) (not ended))
      (if-let [session (resume! app (assoc session :asked page) (answers page submitted))]
        (see (address session))
        failed)

      (and (= step (dec due)) (= (:answers session) (answers asked submitted)))
      (see (address session))

      (<= step due) (answered-already (address session))
      :else not-found)))

(defn- show [session step]
  (let [due (long (:step session))]
    (cond
      (< step due) (see (address session))
      (= step due) (page 200 (:page session) (when-not (dead? (:greenlet session)) (address session)) nil)
      :else not-found)))

(defn same-secret? [^String a ^String b]
  (MessageDigest/isEqual (.getBytes a StandardCharsets/UTF_8) (.getBytes (str b) StandardCharsets/UTF_8)))

(defn- in-session [app session step {:keys [method key form]}]
  (cond
    (nil? session) gone
    (not (same-secret? (:key session) key)) forbidden
    :else (do (keep! app session)
              (case method
                (:get :head) (show session step)
                :post (submit! app session step form)
                (not-allowed "GET, HEAD, POST")))))

(defn respond
  "The response to a request: a map of :status, :headers, :body for one of :method, :path, :key and :form."
  [{:keys [^LinkedHashMap sessions] :as app} {:keys [method path] :as request}]
  (sweep! app)
  (let [[_ id step] (re-matches #"/form/([\w-]{22})/(\d{1,6})" path)]
    (cond
      id (in-session app (.get sessions id) (parse-long step) request)
      (not= path "/") not-found
      :else (case method
              (:get :head) welcome
              :post (begin! app)
              (not-allowed "GET, HEAD, POST")))))

;; HTTP. What is wrong with a request is thrown, as ex-info that has the response.

(defn- refuse [status title]
  (throw (ex-info title {:response (page status {:title title, :link begin-again})})))

(defn- submitted [{:keys [headers body]}]
  (let [text (slurp body)]
    (when-not (or (= "" text) (re-find #"(?i)^application/x-www-form-urlencoded\s*(;|$)" (get headers "content-type" "")))
      (refuse 415 "That is not a form's answer"))
    text))

(defn- decode [^String text]
  (try
    (URLDecoder/decode text StandardCharsets/UTF_8)
    (catch IllegalArgumentException _ (refuse 400 "That cannot be read"))))

(defn- form [text]
  (into {}
        (comp (remove str/blank?)
              (map #(str/split % #"=" 2))
              (map (fn [[k v]] [(decode k) (decode (or v ""))])))
        (str/split text #"&")))

(defn- request [{:keys [request-method uri headers] :as request}]
  {:method request-method
   :path uri
   :key (second (re-find #"(?:^|;\s*)key=([\w-]{22})(?:\s*;|$)" (get headers "cookie" "")))
   :form (when (= :post request-method) (form (submitted request)))})

(def ^:private headers
  {"Content-Type" "text/html; charset=utf-8"
   "Cache-Control" "no-store"
   "Content-Security-Policy" "default-src 'none'; form-action 'self'; frame-ancestors 'none'"
   "Referrer-Policy" "no-referrer"
   "X-Content-Type-Options" "nosniff"})

(defn handle
  "The response to a request of HTTP; `answer` is a function from what `respond` takes to what it returns."
  [answer http-request]
  (update (try
            (answer (request http-request))
            (catch clojure.lang.ExceptionInfo e
              (or (:response (ex-data e)) (throw e))))
          :headers #(merge headers %)))

;; The server: the thread of a hub

(defrecord Server [port server ^Thread thread programs]
  Closeable
  (close [_]
    (http/stop! server 0)
    (.join thread)
    (when programs (.close ^Closeable programs))))

(defn- sweep-for-ever! [{:keys [turn idle] :as app}]
  (sleep! (max 1 (quot (long idle) 10)))
  (holding turn (sweep! app))
  (recur app))

(defn- serve
  "Serves the app until its server is stopped, which is given to `started`."
  [{:keys [port turn ^LinkedHashMap sessions] :as app} started]
  (run
    (let [server (http/serve port {:body 8192, :bound 200} (partial handle #(holding turn (respond app %))))]
      (started server)
      (scope
        (spawn sweep-for-ever! app)
        (io/join-server (:server server)))
      (run! #(end! app %) (vec (.values sessions))))))

(defn start
  "Serves `form` on this machine's loopback address, and returns a java.io.Closeable with the :port. `form` is a function that
  calls `ask!`, from any depth, and returns its last page. To close ends the sessions, and waits until their `finally` blocks
  have run. Options:

    :port   0, for any that is free, by default
    :idle   for how many seconds a session is kept that nobody uses: 900
    :most   how many sessions there are at most: 1000
    :clock  a function that tells the time in nanoseconds, System/nanoTime"
  ^Closeable [form {:keys [port idle most clock] :or {port 0, idle 900, most 1000, clock #(System/nanoTime)}}]
  (let [app {:port port, :form form, :idle idle, :most most, :clock clock, :sessions (LinkedHashMap.), :turn (lock)}
        started (promise)
        thread (doto (Thread. #(try (serve app (partial deliver started)) (catch Throwable t (or (deliver started t) (throw t)))) "web")
                 (.setDaemon true)
                 (.start))
        server @started]
    (when (instance? Throwable server) (throw server))
    (->Server (:port server) server thread nil)))

;; Running

(defn- options [args]
  (loop [options {:port 8080}, [arg value & more :as args] args]
    (cond
      (empty? args) options
      (= "--store" arg) (recur (assoc options :store (or value (throw (IOException. "--store needs a directory or a JDBC URL")))) more)
      (re-matches #"\d{1,5}" arg) (recur (assoc options :port (parse-long arg)) (rest args))
      :else (throw (IOException. (str (if (str/starts-with? arg "-") "unknown option " "not a port: ") arg))))))

(defn- begin ^Closeable [{:keys [store port]}]
  (if store
    ((requiring-resolve 'greenlet.examples.lasting/start) store {:port port})
    (let [free (atom 100)]
      (start #(booking free (atom [])) {:port port}))))

(defn -main [& args]
  (try
    (let [server (begin (options args))]
      (.addShutdownHook (Runtime/getRuntime) (Thread. #(.close server)))
      (println (str "http://localhost:" (:port server) "/ on the engine " (g/engine) "; Ctrl-C ends it"))
      @(promise))
    (catch Exception e
      (binding [*out* *err*] (println (str "web: " (ex-message e) "; usage: web [--engine E] [--store DIR|JDBC-URL] [PORT]")))
      (flush)
      (System/exit 2))))
