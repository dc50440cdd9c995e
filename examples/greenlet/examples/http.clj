(ns greenlet.examples.http
  "An HTTP/1.1 server over Apache's HttpCore. Each connection is a task; a handler is one of Ring's, from a map of the request to one of
  the response, and may wait. The :body of a response is a string, an array of bytes, a File, an InputStream, nil, a seq, or another
  Iterable, such as a generator: what it yields is sent at once, and it goes on when the client has taken that, or is ended if it left."
  (:require [clojure.string :as str]
            [greenlet.hub :as hub :refer [await! current-task interrupt! join set-event! spawn timeout]]
            [greenlet.io :as io])
  (:import (java.io ByteArrayInputStream Closeable File InputStream IOException OutputStream)
           (java.net Socket SocketTimeoutException) (java.nio.charset Charset) (java.util Arrays Locale Set)
           (org.apache.hc.core5.http.config Http1Config) (org.apache.hc.core5.util Timeout)
           (org.apache.hc.core5.http ClassicHttpRequest ConnectionClosedException Header HttpException HttpMessage HttpRequestFactory
                                     HttpVersion MalformedChunkCodingException NotImplementedException UnsupportedHttpVersionException
                                     RequestHeaderFieldsTooLargeException)
           (org.apache.hc.core5.http.impl.io DefaultBHttpServerConnection DefaultHttpRequestParser)
           (org.apache.hc.core5.http.io HttpMessageParser HttpMessageParserFactory SessionInputBuffer)
           (org.apache.hc.core5.http.message BasicClassicHttpRequest BasicClassicHttpResponse)))

(set! *warn-on-reflection* true)

;; What a client does wrong is an exception, which is kept as the :client of its request, whoever else catches it.
(defn- noting [{:keys [client]} f]
  (try (f) (catch Exception e (throw (vreset! client e)))))

(defn- refuse [status what]
  (throw (ex-info what {::status status})))

(defn- connection ^DefaultBHttpServerConnection [{:keys [line headers]} ^Socket socket]
  (let [config (-> (Http1Config/custom) (.setMaxLineLength line) (.setMaxHeaderCount (inc (long headers))) .build)
        strict (fn [^SessionInputBuffer buffer] ; the parser calls nothing but readLine
                 (reify SessionInputBuffer
                   (readLine [_ line in]
                     (when (neg? (.readLine buffer line in)) (throw (ConnectionClosedException. "the client has left")))
                     (if (re-matches #"([!#$%&'*+.^`|~\w-]+( [!-~\x80-\xff]+ HTTP/[1-9]\.\d|:[\t -~\x80-\xff]*))?" (str line))
                       (.length line)
                       (refuse 400 "a malformed line")))))
        requests (reify HttpRequestFactory ; HttpCore's own takes what follows // for a host
                   (^org.apache.hc.core5.http.HttpRequest newHttpRequest [_ ^String method ^String target]
                     (doto (BasicClassicHttpRequest. method "/") (.setPath target))))
        parser (DefaultHttpRequestParser. config nil requests)
        parsers (reify HttpMessageParserFactory
                  (create [_ _] (reify HttpMessageParser (parse [_ buffer in] (.parse parser ^SessionInputBuffer (strict buffer) in)))))]
    (doto (DefaultBHttpServerConnection. nil config nil nil nil nil parsers nil) (.bind socket))))

(defn- value ^String [^HttpMessage message ^String name]
  (some-> message (.getFirstHeader name) .getValue str/trim (.toLowerCase Locale/ROOT)))

(defn- old? [^HttpMessage request]
  (.lessEquals (.getVersion request) HttpVersion/HTTP_1_0))

(defn- receive ^ClassicHttpRequest [{:keys [body ^DefaultBHttpServerConnection conn unasked]}]
  (let [request (.receiveRequestHeader conn)
        [encoding length expected host] (map #(value request %) ["Transfer-Encoding" "Content-Length" "Expect" "Host"])]
    (cond
      (or (< 1 (.countHeaders request "Host")) (not (or host (old? request)))) (refuse 400 "one Host, please")
      (and encoding (or length (old? request))) (refuse 400 "a Transfer-Encoding beside a Content-Length, or in HTTP/1.0")
      (not (re-matches #"\d{1,18}" (or length "0"))) (refuse 400 "not a Content-Length")
      (< (long body) (long (parse-long (or length "0")))) (refuse 413 "the body is too long"))
    (vreset! unasked (boolean (and (= "100-continue" expected) (or encoding length))))
    (doto request (->> (.receiveRequestEntity conn)))))

(defn- body-stream
  ^InputStream [{:keys [body ^DefaultBHttpServerConnection conn unasked] :as x} ^ClassicHttpRequest request]
  (let [^InputStream in (if-let [entity (.getEntity request)] (.getContent entity) (ByteArrayInputStream. (byte-array 0)))
        left (volatile! body)]
    (proxy [InputStream] []
      (read
        ([] (let [b (byte-array 1)] (if (neg? (.read ^InputStream this b 0 1)) -1 (bit-and 0xff (aget b 0)))))
        ([b] (.read ^InputStream this b 0 (alength ^bytes b)))
        ([b off len]
         (noting x #(do (when @unasked (doto conn (.sendResponseHeader (BasicClassicHttpResponse. 100)) .flush))
                        (vreset! unasked false)
                        (let [n (.read in b off len)]
                          (if (neg? (long (vswap! left - n))) (refuse 413 "the body is too long") n)))))))))

(defn- request-map [{:keys [tls ^Socket socket]} ^ClassicHttpRequest request body]
  (let [[_ authority path] (re-matches #"(?i)(?:https?://([^/?]*))?(\*|[/?].*|)" (.getPath request))
        [_ host] (re-matches #"(?i)(\[[0-9a-f:.]+\]|[^\s:/?#@\[\]]*)(?::\d{0,5})?" (or authority (value request "Host") ""))
        [uri query] (str/split (str path) #"\?" 2)]
    (when-not (and host (or authority (= \/ (first path)) (= ["*" "OPTIONS"] [path (.getMethod request)]))) (refuse 400 "no target"))
    {:server-port (.getLocalPort socket), :server-name host, :remote-addr (.getHostAddress (.getInetAddress socket))
     :uri (if (= "" uri) "/" uri), :query-string query, :scheme (if tls :https :http), :protocol (str (.getVersion request))
     :request-method (keyword (.toLowerCase (.getMethod request) Locale/ROOT)), :body body
     :headers (into {} (for [[name all] (group-by #(.toLowerCase (.getName ^Header %) Locale/ROOT) (.getHeaders request))]
                         [name (str/join (if (= "cookie" name) "; " ",") (map #(.getValue ^Header %) all))]))}))

(defn- pieces [body]
  (condp instance? body
    File (io/chunks body 16384)
    InputStream (iteration (fn [_] (let [b (byte-array 16384), n (.read ^InputStream body b)] (when (pos? n) (Arrays/copyOf b n)))))
    Iterable body
    (if (bytes? body) [body] (throw (IllegalArgumentException. (str "a body cannot be a " (class body)))))))

(defn- write-body [{:keys [^Socket socket] :as x} ^OutputStream out body ^Charset charset length]
  (try
    (let [put (fn [n piece]
                (let [b (if (bytes? piece) piece (.getBytes (str piece) charset))]
                  (noting x #(do (.write out ^bytes b) (when-not (seq? body) (.flush out))))
                  (+ (long n) (alength ^bytes b))))
          n (reduce put (if (bytes? body) 0 (put 0 "")) (pieces body))]
      (when-not (= n (or length n)) (throw (IllegalStateException. (str "a body of " n " bytes where Content-Length says " length)))))
    (catch Throwable t
      (.close socket) ; or HttpCore would send the end of a body that is cut off
      (throw t))))

(defn- while-client-is-there [{:keys [^DefaultBHttpServerConnection conn client]} f]
  (let [done (hub/event), me (current-task), gone (ConnectionClosedException. "the client has gone away")
        watch (spawn (fn [] (when-not (timeout 1 :else false (await! done))
                              (if (.isStale conn) (interrupt! me (vreset! client gone)) (recur)))))]
    (try (f) (finally (set-event! done) (join watch)))))

(defn- send!
  [{:keys [^DefaultBHttpServerConnection conn stopping unasked begun] :as x} ^ClassicHttpRequest request {:keys [status headers body]}]
  (when-not (int? status) (throw (IllegalArgumentException. "a response has a :status")))
  (let [head (BasicClassicHttpResponse. (int status))
        _ (doseq [[^String k v] headers, v (if (coll? v) v [(str v)])]
            (when-not (and (re-matches #"[!#$%&'*+.^`|~\w-]+" k) (re-matches #"[\t -~\x80-\xff]*" v))
              (throw (IllegalArgumentException. (pr-str "a header cannot be" k v))))
            (.addHeader head k v))
        charset (Charset/forName (or (second (re-find #"charset=\"?([^\s;\"]+)" (str (value head "Content-Type")))) "UTF-8"))
        body (if (string? body) (.getBytes ^String body charset) body)
        to-head? (and request (= "HEAD" (.getMethod request)))
        length (cond (bytes? body) (alength ^bytes body), (instance? File body) (.length ^File body)
                     (or body to-head?) (some-> (value head "Content-Length") parse-long), :else 0)
        asks (set (str/split (str (value request "Connection") "," (value head "Connection")) #"[,\s]+"))
        keep? (and request (not (or @unasked @stopping (asks "close"))) (or (not (old? request)) (and length (asks "keep-alive"))))]
    (doseq [^String name ["Content-Length" "Transfer-Encoding"]] (.removeHeaders head name))
    (cond (#{204 304} status) nil
          length (.addHeader head "Content-Length" length)
          (not (old? request)) (.addHeader head "Transfer-Encoding" "chunked"))
    (.setHeader head "Connection" (if keep? "keep-alive" "close"))
    (.setHeader head "Date" (.getCurrentDate org.apache.hc.core5.http.protocol.HttpDateGenerator/INSTANCE))
    (vreset! begun true)
    (noting x #(.sendResponseHeader conn head))
    (when-not (or (nil? body) to-head? (#{204 304} status))
      (.setEntity head (org.apache.hc.core5.http.io.entity.EntityTemplate.
                        -1 nil nil (reify org.apache.hc.core5.io.IOCallback (execute [_ out] (write-body x out body charset length)))))
      (if (and (instance? Iterable body) (nil? (.getEntity request)))
        (while-client-is-there x #(.sendResponseEntity conn head))
        (.sendResponseEntity conn head)))
    (noting x #(.flush conn))
    keep?))

(defn- serve-request
  "Whether the connection is kept for another one, or what else than the client has failed."
  [{:keys [handler] :as http} conn socket]
  (let [client (volatile! nil), begun (volatile! false)
        x (assoc http :conn conn, :socket socket, :client client, :begun begun, :unasked (volatile! false))]
    (try
      (let [request (noting x #(receive x))
            body (body-stream x request)
            response (handler (noting x #(request-map x request body)))]
        (with-open [^Closeable _ (if (instance? Closeable (:body response)) (:body response) body)]
          (and (send! x request response) (.transferTo body (OutputStream/nullOutputStream)) true)))
      (catch Exception e
        (let [mistake @client
              status (or (when-not mistake 500)
                         (::status (ex-data mistake))
                         (condp instance? mistake
                           SocketTimeoutException 408, RequestHeaderFieldsTooLargeException 431, NotImplementedException 501
                           UnsupportedHttpVersionException 505, HttpException 400, MalformedChunkCodingException 400, nil))
              answer {:status status, :headers {"Content-Type" "text/plain"}, :body (str (some-> mistake ex-message))}]
          (when (and status (not @begun)) (try (send! x nil answer) (catch IOException _)))
          (when-not mistake e))))))

(defn- serve-connection [{:keys [idle patience ^Set waiting stopping] :as http} ^Socket socket]
  (let [conn (connection http socket), outcome (volatile! nil), millis #(long (* 1000 (double %)))
        quietly #(try (%) (catch IOException _))] ; the client has left, or `stop!` has closed the socket
    (doto socket (.setTcpNoDelay true) (.setSoTimeout (millis patience)))
    (try
      (while (and (.add waiting socket) (not @stopping)
                  (quietly #(.isDataAvailable conn (Timeout/ofMilliseconds (long (millis idle)))))
                  (.remove waiting socket)
                  (true? (vreset! outcome (serve-request http conn socket)))))
      (quietly #(do (.shutdownOutput socket) ; and reads on: to close what has unread input takes the answer back
                    (timeout 1 :else nil (.transferTo (.getInputStream socket) (OutputStream/nullOutputStream)))))
      (when (instance? Exception @outcome) (throw @outcome))
      (finally (.remove waiting socket)))))

(defn stop!
  "Closes the connections that wait for a request, lets the others end theirs within so many seconds, then ends them."
  [{:keys [server ^Set waiting stopping]} seconds]
  (reset! stopping true)
  (doseq [^Socket socket waiting :when (.remove waiting socket)] (.close socket))
  (io/stop! server {:grace seconds}))

(defn serve
  "Serves HTTP at `address` in the current hub; a map with the :port, for `stop!`. Address and options are those of greenlet.io's serve
  and limits: the bytes of a line and of a body, the number of headers, the seconds without a request, :idle, and silent in one, :patience."
  [address options handler]
  (let [limits {:line 8192, :headers 100, :body 1048576, :idle 30, :patience 10}
        http (merge limits options {:handler handler, :waiting (java.util.concurrent.ConcurrentHashMap/newKeySet), :stopping (atom false)})
        server (io/serve address (not-empty (apply dissoc options (keys limits))) #(serve-connection http %))]
    (assoc http :server server :port (io/port server))))

(defn event
  "The text of a server-sent event, a map of :data, and perhaps of :event, :id and :retry."
  [fields]
  (str (str/join (for [k [:event :id :retry :data], :when (k fields), line (str/split (str (k fields)) #"\r\n|[\r\n]" -1)]
                   (str (name k) ": " line "\n")))
       "\n"))
