(ns greenlet.examples.browser
  "Walks the web example's form in a headless Chromium, by its DevTools protocol, and prints the pages.
  `greenlet.programs-test` runs it: main takes the browser's command."
  (:require [clojure.string :as str]
            [greenlet.core :as g]
            [greenlet.examples.web :as web])
  (:import (java.io BufferedReader Closeable)
           (java.net URI)
           (java.net.http HttpClient HttpRequest HttpRequest$BodyPublishers HttpResponse$BodyHandlers WebSocket WebSocket$Listener)
           (java.nio.file Files Path)
           (java.nio.file.attribute FileAttribute)
           (java.util.concurrent LinkedBlockingQueue TimeUnit)))

(set! *warn-on-reflection* true)

(def ^:private seconds 30) ; for anything the browser does

;; JSON, as far as it takes: what is read is one string in each message.

(defn- json [x]
  (cond
    (map? x) (str "{" (str/join "," (for [[k v] x] (str (json (name k)) ":" (json v)))) "}")
    (string? x) (str \" (str/escape x {\" "\\\"", \\ "\\\\", \newline "\\n"}) \")
    :else (str x)))

(defn- field [message name]
  (second (re-find (re-pattern (str "\"" name "\":\\s*\"([^\"]*)\"")) message)))

;; The browser

(defn- start-browser ^Process [command ^Path profile]
  (-> (ProcessBuilder. ^"[Ljava.lang.String;" (into-array String
                       [command "--headless" "--no-sandbox" "--disable-gpu" "--disable-dev-shm-usage" "--no-first-run"
                        "--disable-background-networking" "--disable-features=BackForwardCache" "--remote-debugging-port=0" (str "--user-data-dir=" profile) "about:blank"]))
      (.redirectErrorStream true)
      (.start)))

(defn- devtools-port [^Process browser]
  (let [said (BufferedReader. (.inputReader browser))]
    (loop [lines []]
      (if-let [line (.readLine said)]
        (if-let [[_ port] (re-find #"DevTools listening on ws://[^:]*:(\d+)/" line)]
          (do (future (while (.readLine said))) ; or the browser would wait for its output to be read
              port)
          (recur (conj lines line)))
        (throw (ex-info (str "the browser has ended:\n" (str/join "\n" lines)) {}))))))

(defn- listener [^LinkedBlockingQueue messages]
  (let [text (StringBuilder.)]
    (reify WebSocket$Listener
      (onOpen [_ socket] (.request socket Long/MAX_VALUE))
      (onText [_ _ part last]
        (.append text part)
        (when last
          (.put messages (str text))
          (.setLength text 0))
        nil))))

(defn- connect
  "A connection to a new tab."
  [port]
  (let [client (HttpClient/newHttpClient)
        tab (.body (.send client
                          (-> (HttpRequest/newBuilder (URI/create (str "http://127.0.0.1:" port "/json/new?about:blank")))
                              (.PUT (HttpRequest$BodyPublishers/noBody))
                              (.build))
                          (HttpResponse$BodyHandlers/ofString)))
        messages (LinkedBlockingQueue.)]
    {:messages messages
     :ids (atom 0)
     :socket (.get (.buildAsync (.newWebSocketBuilder client) (URI/create (field tab "webSocketDebuggerUrl")) (listener messages))
                   seconds TimeUnit/SECONDS)}))

(defn- call!
  "Calls a method of the protocol: what comes back, once the event has been seen as well, if one is given. They may come in
  either order."
  [{:keys [^WebSocket socket ids ^LinkedBlockingQueue messages]} method params event]
  (let [id (swap! ids inc)
        reply (str "\"id\":" id ",")]
    (.get (.sendText socket (str "{" reply "\"method\":" (json method) ",\"params\":" (json params) "}") true) seconds TimeUnit/SECONDS)
    (loop [replied nil, due event]
      (if (and replied (not due))
        replied
        (let [^String message (or (.poll messages seconds TimeUnit/SECONDS)
                                  (throw (ex-info (str "the browser says nothing after " method " " params) {})))]
          (recur (if (str/includes? message reply) message replied)
                 (when-not (str/includes? message (str "\"method\":\"" event "\"")) due)))))))

(defn- evaluate!
  ([tab script] (evaluate! tab script nil))
  ([tab script event] (field (call! tab "Runtime.evaluate" {:expression script, :userGesture true} event) "value")))

(defn- tell [tab]
  (println (evaluate! tab "[document.title, ...[...document.querySelectorAll('p')].map(p => p.innerText.trim())].join(' | ')")))

(defn- load!
  "Loads another page by a method of the protocol."
  [tab method params]
  (call! tab method params "Page.loadEventFired")
  (tell tab))

(defn- run-script!
  "Runs what makes the browser load another page."
  [tab script]
  (evaluate! tab script "Page.loadEventFired")
  (tell tab))

(defn- click! [tab selector]
  (run-script! tab (str "document.querySelector(" (json selector) ").click()")))

(defn- answer! [tab text]
  (evaluate! tab (str "document.querySelector('input').value = " (json text)))
  (click! tab "button"))

(defn- walk [tab url]
  (call! tab "Page.enable" {} nil)
  (load! tab "Page.navigate" {:url url})
  (click! tab "button")
  (answer! tab "<b>Ada</b>")
  (answer! tab "young")
  (answer! tab "12")
  (run-script! tab "history.back()") ; leads to an earlier step, which leads here again
  (answer! tab "3")
  (load! tab "Page.reload" {})
  (click! tab "button[value=yes]")
  (load! tab "Page.reload" {}))

(defn- delete-tree [^Path dir]
  (run! #(.delete ^java.io.File %) (reverse (file-seq (.toFile dir)))))

(defn -main [command]
  (let [profile (Files/createTempDirectory "browser" (make-array FileAttribute 0))
        booked (atom [])
        free (atom 10)
        browser (start-browser command profile)]
    (try
      (with-open [^Closeable server (web/start #(web/booking free booked) {})]
        (walk (connect (devtools-port browser)) (str "http://localhost:" (:port server) "/"))
        (println "booked" (pr-str @booked) "free" @free "on" (re-find #"^[\w-]+" (g/engine))))
      (finally
        (.destroy browser)
        (.waitFor browser seconds TimeUnit/SECONDS)
        (delete-tree profile)
        (shutdown-agents)))))
