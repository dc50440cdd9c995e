(ns greenlet.browser
  "A headless Chromium, driven by its DevTools protocol."
  (:require [clojure.java.io :as io]
            [clojure.string :as str])
  (:import (java.io BufferedReader)
           (java.net URI)
           (java.net.http HttpClient HttpRequest HttpRequest$BodyPublishers HttpResponse$BodyHandlers WebSocket WebSocket$Listener)
           (java.nio.file Files Path)
           (java.nio.file.attribute FileAttribute)
           (java.util Base64)
           (java.util.concurrent LinkedBlockingQueue TimeUnit)))

(set! *warn-on-reflection* true)

(def ^:private seconds 30) ; for anything the browser does

;; JSON, as far as it takes: what is read is one string in each message.

(defn json [x]
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

(defn- open-tab
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

(defn call!
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

(defn evaluate!
  "The string that `script` has for a value in the page of `tab`, once the `event` has been seen as well, if one is given."
  ([tab script] (evaluate! tab script nil))
  ([tab script event] (field (call! tab "Runtime.evaluate" {:expression script, :userGesture true} event) "value")))

(defn await!
  "Waits until `condition`, a script, holds in the page of `tab`."
  [tab condition]
  (let [end (+ (System/nanoTime) (* (long seconds) 1000000000))]
    (while (not= "true" (evaluate! tab (str "String(!!(" condition "))")))
      (when (< end (System/nanoTime))
        (throw (ex-info (str "not so in the browser: " condition) {:page (evaluate! tab "document.body.innerText")})))
      (Thread/sleep 20))))

(defn screenshot!
  "Writes what `tab` shows to `file`, as PNG."
  [tab file]
  (let [^String picture (field (call! tab "Page.captureScreenshot" {:format "png"} nil) "data")]
    (with-open [out (io/output-stream file)]
      (.write out (.decode (Base64/getDecoder) picture)))))

(defn- delete-tree [^Path dir]
  (run! #(.delete ^java.io.File %) (reverse (file-seq (.toFile dir)))))

(defn with-tab
  "Calls `f` with a tab of a browser that `command` starts; ends the browser."
  [command f]
  (let [profile (Files/createTempDirectory "browser" (make-array FileAttribute 0))
        browser (start-browser command profile)]
    (try
      (let [tab (open-tab (devtools-port browser))]
        (call! tab "Page.enable" {} nil)
        (f tab))
      (finally
        (.destroy browser)
        (.waitFor browser seconds TimeUnit/SECONDS)
        (delete-tree profile)))))
