(ns greenlet.examples.proxy
  "A TCP proxy in front of several backends. Each connection goes to the backend that has the fewest; one that cannot be reached is left
  out for a while, each time for longer. Two tasks for each connection copy what comes, one for each direction, and read no more than
  they can write: so each side goes no faster than the other.

  `-main` takes a port to listen at and the backends, each as HOST:PORT."
  (:require [clojure.string :as str]
            [greenlet.hub :refer [join now run scope sleep! spawn]]
            [greenlet.io :refer [connect join-server port serve]])
  (:import (java.io IOException)
           (java.net Socket SocketTimeoutException)))

(set! *warn-on-reflection* true)

(def defaults
  {:pause 0.1         ; seconds that a backend is left out for at first, twice as many each further time
   :most-pause 10     ; seconds at most
   :connect-timeout 2 ; seconds
   :idle 300})        ; seconds that a connection may be without a byte either way

;; Backends: an :address, and in an atom the number of :open connections, when it was :chosen last, :until when it is left out, and the
;; :pause that led to that

(defn- candidates [backends]
  (sort-by (comp (juxt :open :chosen) deref :state) (remove #(< (now) (:until @(:state %))) backends)))

(defn- leave-out! [{:keys [state]} {:keys [pause most-pause]}]
  (let [pause (min most-pause (* 2 (or (:pause @state) (/ pause 2))))]
    (swap! state assoc :pause pause, :until (+ (now) pause))))

(defn- reach
  "The first candidate that can be connected to, and the socket; nil if there is none."
  [backends {:keys [connect-timeout] :as options}]
  (loop [[{[host port] :address :as backend} & others] (candidates backends)]
    (when backend
      (swap! (:state backend) assoc :chosen (now))
      (if-let [socket (try
                        (connect host port {:connect-timeout connect-timeout, :no-delay true})
                        (catch IOException _ (leave-out! backend options) nil))]
        [backend socket]
        (recur others)))))

;; Connections

(defn- copy [^Socket from ^Socket to moved]
  (let [in (.getInputStream from)
        out (.getOutputStream to)
        buffer (byte-array 16384)]
    (loop []
      (let [n (.read in buffer)]
        (when-not (neg? n)
          (.write out buffer 0 n)
          (vreset! moved (now))
          (recur))))
    (.shutdownOutput to)))

(defn- watch [moved idle]
  (loop []
    (let [left (- (+ @moved idle) (now))]
      (when (pos? left)
        (sleep! left)
        (recur))))
  (throw (SocketTimeoutException. "idle")))

(defn- relay [^Socket client ^Socket backend idle]
  (let [moved (volatile! (now))
        reset-at-close! (fn [on] (run! #(.setSoLinger ^Socket % on 0) [client backend]))]
    (reset-at-close! true) ; nobody is to take an early end for the end
    (scope
      (spawn watch moved idle)
      (let [there (spawn copy client backend moved)]
        (copy backend client moved)
        (join there)))
    (reset-at-close! false)))

(defn- handle [backends options ^Socket client]
  (.setTcpNoDelay client true)
  (when-let [[{:keys [state]} backend] (reach backends options)]
    (swap! state #(assoc % :open (inc (:open %)), :pause nil))
    (try
      (with-open [^Socket backend backend] (relay client backend (:idle options)))
      (catch IOException _)
      (finally (swap! state update :open dec)))))

(defn start
  "Starts a proxy in the current hub, between `address`, as `serve` takes it, and the `backends`, vectors of a host and a port. `options`
  are as in `defaults`. A map of :backends and of the :server, which `stop!` stops."
  [address backends options]
  (let [options (merge defaults options)
        backends (mapv (fn [at] {:address at, :state (atom {:open 0, :chosen 0, :until 0})}) backends)]
    {:backends backends
     :server (serve address {:bound 5000} #(handle backends options %))}))

(defn -main [listen-at & backends]
  (run
    (let [addresses (for [b backends :let [[host port] (str/split b #":")]] [host (parse-long port)])
          {:keys [server]} (start (parse-long listen-at) addresses {})]
      (println (str "localhost:" (port server) " is in front of " (str/join ", " backends)))
      (join-server server))))
