(ns greenlet.examples.orders
  "A small shop whose orders are programs that outlive their process; `bin/orders` runs it, with a load, and a page that shows what they do.

  An order reserves its items, waits for the approval of a human if it is dear, is charged by a bank that often does not answer, and
  can be cancelled for a week. Then it is shipped. However it ends otherwise, what was charged is refunded, and what was reserved is
  released."
  (:require [clojure.string :as str]
            [greenlet.core :as g]
            [greenlet.examples.durable :refer [programs]]
            [greenlet.examples.http :as http]
            [greenlet.hub :as hub]
            [greenlet.io :as io]
            [greenlet.journal :as journal :refer [receive! step!]])
  (:import (java.io IOException)))

(set! *warn-on-reflection* true)

;; The world outside: what has happened, by the keys of steps, so that a step that runs twice has one effect

(def world "Has what came of each effect." (atom {}))

(defn- effect! [what & _]
  (swap! world assoc (journal/step-key) what)
  what)

(defn- charge! [{:keys [card]}]
  (when (and (= card :slow) (zero? (rand-int 2))) (throw (IOException. "the bank does not answer")))
  (effect! (if (= card :empty) :declined :paid)))

;; The program

(def ^:private dear 500)

(defn- approved? [{:keys [price day]}]
  (or (< price dear)
      (= :yes (hub/timeout (* 2 day) :else :no-answer (receive! :approval)))))

(defn- charged? [{:keys [day] :as order}]
  (= :paid (step! {:name :charge, :attempts 20, :back-off (* 0.01 day), :longest-back-off day} charge! order)))

(defn order
  "How it has ended: :shipped, :rejected, :declined or :cancelled. `day` is how many seconds a day has; `card` is :good, :slow or :empty."
  [{:keys [day] :as order}]
  (step! :reserve effect! :reserved)
  (let [undo (volatile! [:release])]
    (try
      (cond
        (not (approved? order)) :rejected
        (do (vswap! undo conj :refund) ; also of a charge of which nobody knows
            (not (charged? order)))
        (do (vswap! undo pop)
            :declined)
        (hub/timeout (* 7 day) :else nil (receive! :cancel)) :cancelled
        :else (do
                (step! :ship effect! :shipped)
                (vreset! undo [])
                :shipped))
      (finally
        (doseq [step (rseq @undo)] (step! step effect! step))))))

;; The load: orders, and people who approve some and cancel some

(defn- random-order [day]
  {:customer (rand-nth ["Ada" "Bob" "Cem" "Dana"]), :price (rand-int 1000), :card (rand-nth [:good :good :good :slow :empty]), :day day})

(defn- people! [store {:keys [price]} id]
  (when (<= dear price) (when (< (rand) 0.9) (journal/send! store id :approval (if (< (rand) 0.8) :yes :no) {:key "approval"})))
  (when (< (rand) 0.1) (journal/send! store id :cancel true {:key "cancel"})))

(defn begin-orders!
  "Begins `n` orders with ids of their own, which people approve or cancel; the ids."
  [store n day]
  (let [run (Long/toString (System/currentTimeMillis) 36)]
    (vec (for [i (range n)]
           (let [id (str "order-" run "-" i), order-map (random-order day)]
             (journal/start! store id #'order order-map)
             (try (people! store order-map id) (catch IllegalStateException _)) ; it has ended already
             id)))))

;; The page

(defn counts
  "How many orders there are of each end, and how many have not ended."
  [store]
  (frequencies (map (fn [{:keys [ended result failure]}]
                      (cond failure :failed, ended result, :else :open))
                    (journal/programs store))))

(defn- escape [x]
  (str/escape (str x) {\& "&amp;", \< "&lt;", \> "&gt;", \" "&quot;"}))

(defn- html [title & body]
  {:status 200
   :headers {"Content-Type" "text/html; charset=utf-8", "Cache-Control" "no-store"}
   :body (str "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>" (escape title) "</title>\n<h1>" (escape title) "</h1>\n"
              (str/join body) "</html>\n")})

(defn- table [rows]
  (str "<table>\n"
       (str/join (for [row rows] (str "<tr>" (str/join (for [cell row] (str "<td>" cell "</td>"))) "</tr>\n")))
       "</table>\n"))

(defn- overview [store]
  (let [open (remove :ended (journal/programs store))]
    (html "Orders"
          "<meta http-equiv=\"refresh\" content=\"2\">\n"
          (table (for [[end n] (sort-by (comp str key) (counts store))] [(escape (name (or end :nil))) n]))
          "<h2>Some that are open</h2>\n"
          (table (for [{:keys [id entries begun]} (take 50 open)]
                   [(str "<a href=\"/" (escape id) "\">" (escape id) "</a>") (str entries " entries") (escape begun)])))))

(defn- button [id what label]
  (str "<form method=\"post\" action=\"/" (escape id) "/" what "\"><button>" label "</button></form>\n"))

(defn- details [store id]
  (html id
        (table (for [{:keys [number time kind key value failure]} (journal/entries store id)]
                 [number (escape time) (name kind) (escape key) (escape (or failure (pr-str value)))]))
        (when-not (= :ended (:state (journal/status store id)))
          (str (button id "approve" "Approve") (button id "reject" "Reject") (button id "cancel" "Cancel")))
        "<p><a href=\"/\">All orders</a></p>\n"))

(defn- act! [store id what]
  (try
    (case what
      "approve" (journal/send! store id :approval :yes {:key "approval"})
      "reject" (journal/send! store id :approval :no {:key "approval"})
      "cancel" (journal/send! store id :cancel true {:key "cancel"}))
    (catch IllegalStateException _)) ; it has ended
  {:status 303, :headers {"Location" (str "/" id)}, :body ""})

(defn- handle [store {:keys [request-method uri]}]
  (let [[_ id what] (re-matches #"/([\w-]+)(?:/(approve|reject|cancel))?" uri)]
    (cond
      (= "/" uri) (overview store)
      (or (nil? id) (nil? (journal/status store id))) {:status 404, :headers {}, :body "There is no such order"}
      (and what (= :post request-method)) (act! store id what)
      what {:status 405, :headers {"Allow" "POST"}, :body ""}
      :else (details store id))))

(defn serve
  "Serves the page of `store` at `port` of this machine, in the current hub: an HTTP server."
  [store port]
  (http/serve port {:body 1024} #(handle store %)))

;; Running

(def ^:private usage "orders [--engine E] [--store DIR|JDBC-URL] [--load N] [--day SECONDS] [PORT]")

(defn- number [text least what]
  (let [n (parse-double (str text))]
    (if (and n (<= least n)) n (throw (IllegalArgumentException. (str what " is a number, " least " or more; got " text))))))

(defn- options [args]
  (loop [options {:port 8080, :load 0, :day 86400.0}, [arg value & more :as args] args]
    (cond
      (empty? args) options
      (= "--store" arg) (recur (assoc options :store (or value (throw (IllegalArgumentException. "--store needs a directory or a JDBC URL")))) more)
      (= "--load" arg) (recur (assoc options :load (long (number value 0 arg))) more)
      (= "--day" arg) (recur (assoc options :day (number value 0.001 arg)) more)
      (re-matches #"\d{1,5}" arg) (recur (assoc options :port (parse-long arg)) (rest args))
      :else (throw (IllegalArgumentException. (str (if (str/starts-with? arg "-") "unknown option " "not a port: ") arg))))))

(defn -main [& args]
  (try
    (let [{:keys [port store day] n :load} (options args)
          shop (programs store [#'order])]
      (.addShutdownHook (Runtime/getRuntime) (Thread. #(.close shop)))
      (hub/run
        (let [server (serve (:store shop) port)]
          (println (str "http://localhost:" (:port server) "/ on the engine " (g/engine) "; Ctrl-C ends it"))
          (hub/offload #(begin-orders! (:store shop) n day))
          (io/join-server (:server server)))))
    (catch Exception e
      (binding [*out* *err*] (println (str "orders: " (ex-message e) "; usage: " usage)))
      (flush)
      (System/exit 2))))
