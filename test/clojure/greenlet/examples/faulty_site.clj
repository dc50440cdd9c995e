(ns greenlet.examples.faulty-site
  "A site for crawlers with everything that can be wrong with one. It speaks HTTP byte by byte, as no server would."
  (:require [clojure.string :as str]
            [greenlet.hub :refer [await! event run set-event! sleep!]]
            [greenlet.io :refer [port read-line! reader serve]]
            [greenlet.watchdog :as watchdog])
  (:import (java.io IOException)
           (java.net Socket)))

(set! *warn-on-reflection* true)

(defn- write [^Socket socket & parts]
  (.write (.getOutputStream socket) (.getBytes ^String (apply str parts))))

(defn- page [text]
  (str "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: " (count text) "\r\n\r\n" text))

(defn- status [code & [header]]
  (str "HTTP/1.1 " code " So\r\n" (when header (str header "\r\n")) "Content-Length: 0\r\n\r\n"))

(defn- redirect [to]
  (status 302 (str "Location: " to)))

(defn- in-chunk [text]
  (str (Long/toHexString (count text)) "\r\n" text "\r\n"))

(def ^:private chunked "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")

(defn- wait-for-end
  "Until the client has closed the connection."
  [^Socket socket]
  (while (not (neg? (.read (.getInputStream socket))))))

(def ^:private front
  (page (str/join (for [to ["/a" "b" "/moved" "/flaky" "/broken" "/slow" "/drip" "/reset" "/silent" "/half" "/half-chunk" "/long" "/short"
                            "/endless" "/circle/1" "/away" "/missing" "/garbage" "http://elsewhere.invalid/" "mailto:a@b.invalid" "/a#there" "/bad uri"]]
                    (str "<a href=\"" to "\">" to "</a>\n")))))

(defn- answer
  "Answers the request for `path`, which has been asked for `n` times."
  [^Socket socket path n {:keys [many-open]}]
  (case path
    "/" (write socket front)
    "/a" (write socket (page "<a href=/>no quotes</a> <A HREF='/b'>b</A> <a href='/'>front</a>"))
    "/b" (write socket chunked (in-chunk (str/join (for [i (range 20)] (str "<a href='/many/" i "'>")))) (in-chunk ""))
    "/few" (write socket (page "<a href='/flaky'> <a href='/missing'> <a href='/short'>"))
    "/moved" (write socket (redirect "a"))
    "/flaky" (write socket (if (< (long n) 3) (status 500) (page "at last")))
    "/broken" (write socket (status 503))
    "/slow" (wait-for-end socket)
    "/drip" (do (write socket chunked)
                (while true (write socket (in-chunk ".")) (sleep! 0.01)))
    "/reset" (.setSoLinger socket true 0)
    "/silent" nil
    "/half" (write socket "HTTP/1.1 200 OK\r\nContent-Len")
    "/half-chunk" (write socket chunked "64\r\nto be contin")
    "/long" (write socket (str/replace (page "four") "Length: 4" "Length: 5"))
    "/short" (write socket (str/replace (page "four") "Length: 4" "Length: 3"))
    "/endless" (do (write socket chunked)
                   (while true (write socket (in-chunk (str/join (repeat 1000 "<a href='/more'>"))))))
    "/away" (write socket (redirect "http://elsewhere.invalid/"))
    "/circle/1" (write socket (redirect "/circle/2"))
    "/circle/2" (write socket (redirect "/circle/1"))
    "/garbage" (write socket "How do you do?\r\n\r\n")
    (if (str/starts-with? path "/many/")
      (do (await! many-open)
          (sleep! 0.05) ; for one more to come, if too many do
          (fn [] (write socket (page "one of many")))) ; once it no longer counts as open
      (write socket (status 404)))))

(defn- respond [{:keys [asked open most-open many many-open] :as site} socket path]
  (let [n (get (swap! asked update path (fnil inc 0)) path)]
    (swap! most-open max (swap! open inc))
    (when (= many @open) (set-event! many-open))
    (let [finish (try
                   (answer socket path n site)
                   (finally (swap! open dec)))]
      (when finish (finish)))))

(defn- handle [site socket]
  (try
    (let [in (reader socket)]
      (when-let [request (read-line! in)]
        (while (seq (read-line! in)))
        (respond site socket (second (re-matches #"GET (\S+) HTTP/1.1" request)))))
    (catch IOException _))) ; the client has gone

(defn with-site
  "Calls `f` with a site that another thread serves: its :url, and atoms of how often each path was :asked for, how many requests are
  :open, and how many were, at :most-open. Pages below /many/ are answered as soon as `many` requests are open."
  [many f]
  (let [started (promise)
        over (promise)
        site {:asked (atom {}), :open (atom 0), :most-open (atom 0), :many many}
        thread (watchdog/start-thread
                {:name "site"}
                #(run
                   (let [site (assoc site :many-open (event))
                         server (serve 0 {:on-failure (fn [_ e] (.printStackTrace ^Throwable e))} (fn [socket] (handle site socket)))]
                     (deliver started (port server))
                     (await! over))))]
    (try
      (f (assoc site :url (str "http://127.0.0.1:" (deref started 60000 nil) "/")))
      (finally
        (deliver over nil)
        ((:join thread))))))
