(ns greenlet.examples.proxy-test
  "The proxy, between clients and backends that come and go. All of them are tasks of one hub."
  (:require [clojure.test :refer [deftest is use-fixtures]]
            [greenlet.examples.proxy :as proxy]
            [greenlet.hub :refer [await! done? event join result run set-event! sleep! spawn timeout]]
            [greenlet.io :as hub-io :refer [connect port read-line! reader serve stop!]]
            [greenlet.test :refer [check-leaks]]
            [greenlet.watchdog :as watchdog])
  (:import (java.io IOException InputStream)
           (java.net ConnectException Socket SocketException)))

(set! *warn-on-reflection* true)

(use-fixtures :each check-leaks)

(defmacro ^:private in-hub [& body]
  `(watchdog/call-in-thread (bound-fn [] (run :raise-failures true ~@body))))

(defn- write [^Socket socket text]
  (.write (.getOutputStream socket) (.getBytes (str text))))

;; Backends: they answer a line with their name and the line

(defn- answer [name ^Socket socket]
  (try
    (let [in (reader socket)]
      (loop []
        (when-let [line (read-line! in)]
          (write socket (str name " " line "\n"))
          (recur))))
    (catch IOException _)))

(defn- backend
  ([name] (backend name 0))
  ([name at] (serve at #(answer name %))))

(defn- address [server]
  ["127.0.0.1" (port server)])

;; Clients

(defn- ask
  "The name of the backend that answers; nil if none does."
  [server]
  (try
    (with-open [socket (connect "127.0.0.1" (port server))]
      (write socket "hello\n")
      (second (re-matches #"(\S+) hello" (str (read-line! (reader socket))))))
    (catch IOException _)))

(defn- read-nothing [^Socket socket]
  (try (.read (.getInputStream socket)) (catch IOException _)))

(defn- until [what condition]
  (timeout 60 :else (throw (AssertionError. what))
    (while (not (condition)) (sleep! 0.001))))

(deftest ^:continuation clients-go-on-while-backends-die
  (in-hub
    (let [names ["a" "b" "c"]
          ports (mapv #(let [s (backend %)] (stop! s) (port s)) names)
          backends (atom {})
          begin! (fn [i] (swap! backends assoc i (backend (names i) (ports i))))
          end! (fn [i] (stop! (@backends i)))
          _ (run! begin! (range 3))
          {:keys [server]} (proxy/start 0 (map #(vector "127.0.0.1" %) ports) {:pause 0.005, :most-pause 0.02})
          answers (atom [])
          over (atom false)
          clients (repeatedly 20 (fn [] (spawn (fn [] (while (not @over) (swap! answers conj (ask server)))))))
          of-now (fn [] (reset! answers []) (until "no answers" #(< 200 (count @answers))) @answers)
          from (fn [] (set (of-now)))]
      (dorun clients)
      (is (= #{"a" "b" "c"} (from)))
      (end! 0)
      (is (>= 20 (count (filter nil? (of-now)))) "each client loses one connection at most")
      (is (= #{"b" "c"} (from)))
      (end! 1)
      (of-now)
      (is (= #{"c"} (from)))
      (begin! 0)
      (until "the first is used again" #(contains? (from) "a"))
      (end! 0)
      (end! 2)
      (of-now)
      (is (= #{nil} (from)))
      (run! begin! (range 3))
      (until "all are used again" #(= #{"a" "b" "c"} (from)))
      (reset! over true)
      (run! join clients)
      (run! stop! (cons server (vals @backends))))))

(deftest the-fewest-connections-first
  (in-hub
    (let [backends (mapv backend ["a" "b" "c"])
          {:keys [server] [one] :backends} (proxy/start 0 (map address backends) {})
          open (fn [] (let [s (connect "127.0.0.1" (port server))] (write s "hello\n") [(subs (read-line! (reader s)) 0 1) s]))
          opened (vec (repeatedly 6 open))]
      (is (= ["a" "b" "c" "a" "b" "c"] (map first opened)))
      (doseq [i [0 3]] (.close ^Socket (second (opened i))))
      (until "a has none" #(zero? (long (:open @(:state one)))))
      (let [more (vec (repeatedly 3 open))]
        (is (= ["a" "a" "b"] (map first more)))
        (doseq [[_ ^Socket s] (concat opened more)] (.close s)))
      (run! stop! (cons server backends)))))

(deftest who-cannot-be-reached-is-left-out
  (let [tried (atom 0)
        connect hub-io/connect]
    (with-redefs [hub-io/connect (fn [host port & more]
                                   (try
                                     (apply connect host port more)
                                     (catch ConnectException e (swap! tried inc) (throw e))))]
      (in-hub
        (let [dead (doto (backend "dead") (stop!))
              living (backend "living")
              {:keys [server]} (proxy/start 0 (map address [dead living]) {:pause 1000})]
          (is (= (repeat 50 "living") (repeatedly 50 #(ask server))))
          (is (= 1 @tried))
          (run! stop! [server living]))
        (let [dead (doto (backend "dead") (stop!))
              {:keys [server] [{:keys [state]}] :backends} (proxy/start 0 [(address dead)] {:pause 0.001, :most-pause 0.008})]
          (until "longer pauses" #(do (is (nil? (ask server))) (= 0.008 (:pause @state))))
          (let [again (backend "again" (port dead))]
            (until "it is used again" #(= "again" (ask server)))
            (is (nil? (:pause @state)))
            (run! stop! [server again])))))))

(deftest a-half-close-is-passed-on
  (in-hub
    (let [counting (serve 0 (fn [^Socket s] (write s (count (.readAllBytes (.getInputStream s))))))
          {:keys [server]} (proxy/start 0 [(address counting)] {})]
      (with-open [socket (connect "127.0.0.1" (port server))]
        (write socket "12345")
        (.shutdownOutput socket)
        (is (= "5" (slurp (.getInputStream socket)))))
      (run! stop! [server counting]))))

(deftest a-reset-stays-a-reset
  (in-hub
    (let [breaking (serve 0 (fn [^Socket s] (.read (.getInputStream s)) (.setSoLinger s true 0)))
          {:keys [server]} (proxy/start 0 [(address breaking)] {})]
      (with-open [socket (connect "127.0.0.1" (port server))]
        (write socket "?")
        (is (thrown? SocketException (.read (.getInputStream socket)))))
      (run! stop! [server breaking]))))

(deftest ^:continuation each-side-goes-no-faster-than-the-other
  (in-hub
    (let [size 64000000
          ready (event)
          received (atom 0)
          lazy (serve 0 (fn [^Socket s]
                          (await! ready)
                          (let [^InputStream in (.getInputStream s)
                                buffer (byte-array 100000)]
                            (loop []
                              (let [n (.read in buffer)]
                                (when (pos? n)
                                  (swap! received + n)
                                  (recur)))))))
          {:keys [server]} (proxy/start 0 [(address lazy)] {})]
      (with-open [socket (connect "127.0.0.1" (port server))]
        (let [sender (spawn #(do (.write (.getOutputStream socket) (byte-array size)) (.shutdownOutput socket)))]
          (is (not (join sender 0.2)))
          (set-event! ready)
          (join sender)
          (until "all to arrive" #(= size @received))))
      (run! stop! [server lazy]))))

(deftest ^:continuation idle-connections-end
  (in-hub
    (let [ticking (serve 0 (fn [^Socket s] (dotimes [_ 15] (sleep! 0.1) (write s ".")) (write s "done")))
          silent (serve 0 read-nothing)
          [{ticking-server :server} {silent-server :server}] (map #(proxy/start 0 [(address %)] {:idle 1}) [ticking silent])
          all (spawn #(with-open [socket (connect "127.0.0.1" (port ticking-server))] (slurp (.getInputStream socket))))]
      (with-open [socket (connect "127.0.0.1" (port silent-server))]
        (is (thrown? SocketException (.read (.getInputStream socket)))))
      (is (= "...............done" (result all)) "one direction is enough")
      (run! stop! [ticking-server silent-server ticking silent]))))

(deftest a-stop-lets-the-busy-finish
  (in-hub
    (let [one (backend "a")
          {:keys [server]} (proxy/start 0 [(address one)] {})]
      (with-open [socket (connect "127.0.0.1" (port server))]
        (let [in (reader socket)]
          (write socket "1\n")
          (is (= "a 1" (read-line! in)))
          (let [stopping (spawn stop! server {:grace 60})]
            (until "refused" #(nil? (ask server)))
            (is (not (done? stopping)))
            (write socket "2\n")
            (is (= "a 2" (read-line! in)))
            (.shutdownOutput socket)
            (is (nil? (read-line! in)))
            (is (nil? (result stopping))))))
      (stop! one))))
