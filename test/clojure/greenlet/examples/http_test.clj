(ns greenlet.examples.http-test
  "The HTTP example. The server and its clients are tasks of one hub; a client is a socket, so that it is known what it sends."
  (:require [clojure.java.io :as java-io]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing use-fixtures]]
            [greenlet.core :refer [generator yield!]]
            [greenlet.examples.http :as http]
            [greenlet.hub :refer [await! done? event join offload run set-event! sleep! spawn timeout]]
            [greenlet.io :as io]
            [greenlet.io.server-test :as server-test]
            [greenlet.process :refer [with-temp-dir]]
            [greenlet.test :refer [check-leaks]]
            [greenlet.watchdog :refer [trace]])
  (:import (clojure.lang Compiler DynamicClassLoader RT)
           (greenlet.io EndOfStreamException)
           (java.io ByteArrayInputStream Closeable File InputStream)
           (java.net ConnectException CookieManager Socket SocketException URI)
           (java.net.http HttpClient HttpClient$Version HttpRequest HttpRequest$BodyPublishers HttpResponse HttpResponse$BodyHandlers)
           (java.nio.charset StandardCharsets)
           (java.time Duration)
           (java.util.function Supplier)
           (java.util.stream Stream)))

(set! *warn-on-reflection* true)

(use-fixtures :each check-leaks)

;; A client

(defrecord ^:private Client [^Socket socket reader]
  Closeable
  (close [_] (.close socket)))

(defn- client
  "Over TLS, if the server has that."
  ^java.io.Closeable [{:keys [port tls]}]
  (let [^Socket socket (if tls (io/tls-client "localhost" port {:context tls}) (io/connect "localhost" port))]
    (.setSoTimeout socket 60000)
    (->Client socket (io/reader socket))))

(defn- say! [{:keys [^Socket socket]} & text]
  (.write (.getOutputStream socket) (.getBytes ^String (str/join text) StandardCharsets/ISO_8859_1)))

(defn- lines [reader]
  (take-while some? (repeatedly #(io/read-line! reader))))

(defn- text [bytes]
  (String. ^bytes bytes StandardCharsets/UTF_8))

(defn- bytes-left [reader]
  (take-while some? (repeatedly #(try (text (io/read-bytes! reader 1)) (catch EndOfStreamException _)))))

(defn- hear-chunk!
  "nil for the last one."
  [{:keys [reader]}]
  (let [size (Long/parseLong (io/read-line! reader) 16)
        chunk (text (io/read-bytes! reader size))]
    (io/read-line! reader)
    (when (pos? size) chunk)))

(defn- hear-head!
  "nil if the server has closed the connection."
  [{:keys [reader]}]
  (when-let [line (io/read-line! reader)]
    {:status (parse-long (second (re-matches #"HTTP/1\.1 (\d{3}) .*" line)))
     :headers (into {} (map #(str/split % #": ?" 2)) (take-while #(not= "" %) (lines reader)))}))

(defn- hear!
  "The next response, of an answer to `method`."
  ([client] (hear! client "GET"))
  ([{:keys [reader] :as client} method]
   (when-let [{:keys [status], {:strs [Content-Length Transfer-Encoding]} :headers :as head} (hear-head! client)]
     (assoc head :body (cond
                         (or (= "HEAD" method) (#{100 204 304} status)) nil
                         (= "chunked" Transfer-Encoding) (str/join (take-while some? (repeatedly #(hear-chunk! client))))
                         Content-Length (text (io/read-bytes! reader (parse-long Content-Length)))
                         :else (str/join (bytes-left reader)))))))

(defn- head-of [method path & more]
  (str method " " path " HTTP/1.1\r\nHost: localhost\r\n" (str/join (map #(str % "\r\n") more)) "\r\n"))

(defn- get! [client path & more]
  (say! client (apply head-of "GET" path more))
  (hear! client))

(def ^:private status-body (juxt :status :body))

(defn- connection-of [response]
  (get-in response [:headers "Connection"]))

(defn- ok [body]
  {:status 200, :headers {}, :body body})

(defn- uri [{:keys [uri]}]
  (ok uri))

(defn- echo [{:keys [body]}]
  (ok (slurp body)))

(defn- with-http* [options handler failures f]
  (let [reported (or failures (trace))]
    (run
      (timeout 120
        (let [server (http/serve 0 (assoc options :on-failure (fn [_ e] (reported (ex-message e)))) handler)]
          (try
            (f server)
            (finally (http/stop! server 5))))))
    (when-not failures (is (= [] @reported)))))

(defmacro ^:private with-http
  "Runs `body` in a hub in which a server runs, which is stopped then. Records what that reports, which otherwise is to be nothing."
  [[server options handler & [failures]] & body]
  `(with-http* ~options ~handler ~failures (fn [~server] ~@body)))

;; Ring's maps

(deftest a-request-is-a-map-as-ring-has-it
  (let [seen (atom nil)]
    (with-http [server {} (fn [request] (reset! seen (update request :body slurp)) (ok ""))]
      (with-open [c (client server)]
        (say! c "POST /a%20b/c?d=e&f HTTP/1.1\r\nHost: example.org:80\r\nX-Two: 1\r\nx-two: 2\r\nCookie: a=1\r\ncookie: b=2\r\n"
              "Content-Length: 5\r\n\r\nhallo")
        (is (= 200 (:status (hear! c))))
        (is (= {:server-port (:port server), :server-name "example.org", :remote-addr "127.0.0.1", :uri "/a%20b/c", :query-string "d=e&f"
                :scheme :http, :request-method :post, :protocol "HTTP/1.1", :body "hallo"
                :headers {"host" "example.org:80", "x-two" "1,2", "cookie" "a=1; b=2", "content-length" "5"}}
               @seen)))
      (doseq [[target expected] {"/" ["localhost" "/" nil], "//a//b?" ["localhost" "//a//b" ""], "http://a:80/b?c" ["a" "/b" "c"]
                                 "http://a?b" ["a" "/" "b"], "HTTP://[::1]" ["[::1]" "/" nil]}]
        (with-open [c (client server)]
          (get! c target)
          (is (= expected ((juxt :server-name :uri :query-string) @seen)) target)))
      (with-open [c (client server)]
        (say! c (head-of "OPTIONS" "*"))
        (is (= 200 (:status (hear! c))))
        (is (= [:options "*"] ((juxt :request-method :uri) @seen)))))))

(deftest the-body-is-a-stream
  (with-http [server {} (fn [{:keys [^InputStream body]}]
                          (let [bytes (byte-array 3)]
                            (ok (str [(.read body) (.read body bytes) (String. bytes) (count (.readAllBytes body)) (.read body) (.read body bytes)]))))]
    (with-open [c (client server)]
      (say! c (head-of "POST" "/" "Content-Length: 6") "abcdef")
      (is (= "[97 3 \"bcd\" 2 -1 -1]" (:body (hear! c))))
      (is (= "[-1 -1 \"\\u0000\\u0000\\u0000\" 0 -1 -1]" (str/replace (:body (get! c "/")) "\u0000" "\\u0000"))))))

(deftest bodies-of-responses
  (let [closed (trace)
        file (doto (File/createTempFile "body" ".txt") (spit "filed"))
        stream #(proxy [ByteArrayInputStream] [(.getBytes "streamed")] (close [] (closed :closed)))
        bodies {"/string" "grün", "/latin" "grün", "/bytes" (.getBytes "bytes"), "/file" file, "/seq" (list "a" 1 (.getBytes "b"))
                "/vector" ["a" "b"], "/generator" (generator (yield! "a") (yield! "b")), "/nil" nil}
        handler (fn [{:keys [uri]}]
                  {:status 200, :body (if (= "/stream" uri) (stream) (bodies uri))
                   :headers (case uri "/latin" {"Content-Type" "text/plain; charset=ISO-8859-1"} "/seq" {"X" ["1" "2"], "Content-Length" 3} nil)})]
    (try
      (with-http [server {} handler]
        (with-open [c (client server)]
          (doseq [[path framing body] [["/string" "5" "grün"] ["/latin" "4" "gr\ufffdn"] ["/bytes" "5" "bytes"] ["/file" "5" "filed"]
                                       ["/stream" "chunked" "streamed"] ["/seq" "3" "a1b"] ["/vector" "chunked" "ab"]
                                       ["/generator" "chunked" "ab"] ["/nil" "0" ""]]
                  :let [{:keys [headers] :as response} (get! c path)]]
            (is (= [framing body] [(some headers ["Content-Length" "Transfer-Encoding"]) (:body response)]) path)
            (is (re-matches #"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT" (headers "Date"))))
          (is (= [:closed] @closed))))
      (finally (.delete file)))))

;; Connections

(deftest keep-alive
  (with-http [server {} uri]
    (with-open [c (client server)]
      (is (= ["keep-alive" "/1"] ((juxt connection-of :body) (get! c "/1"))))
      (is (= ["close" "/2"] ((juxt connection-of :body) (get! c "/2" "Connection: foo, Close"))))
      (is (nil? (hear! c))))
    (testing "HTTP/1.0 closes, unless asked"
      (with-open [c (client server)]
        (say! c "GET /1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        (is (= ["keep-alive" "/1"] ((juxt connection-of :body) (hear! c))))
        (say! c "GET /2 HTTP/1.0\r\n\r\n")
        (is (= ["close" "/2"] ((juxt connection-of :body) (hear! c))))
        (is (nil? (hear! c)))))
    (testing "a body that the handler has not read"
      (with-open [c (client server)]
        (say! c (head-of "POST" "/1" "Content-Length: 5") "hallo" (head-of "GET" "/2"))
        (is (= ["/1" "/2"] [(:body (hear! c)) (:body (hear! c))]))))
    (testing "the handler may close, too"
      (with-open [c (client server)]
        (is (= "/" (:body (get! c "/"))))))))

(deftest pipelining-in-order
  (let [event (trace)]
    (with-http [server {} (fn [{:keys [uri] :as request}]
                            (sleep! (if (= "/1" uri) 0.05 0))
                            (event uri)
                            (ok (str uri (slurp (:body request)))))]
      (with-open [c (client server)]
        (say! c (head-of "GET" "/1") (head-of "POST" "/2" "Content-Length: 3") "abc" (head-of "POST" "/3" "Transfer-Encoding: chunked") "1\r\na\r\n0\r\n\r\n"
              (head-of "GET" "/4"))
        (is (= ["/1" "/2abc" "/3a" "/4"] (repeatedly 4 #(:body (hear! c)))))
        (is (= ["/1" "/2" "/3" "/4"] @event))))))

(deftest chunked-both-ways
  (with-http [server {} (fn [{:keys [^InputStream body]}]
                          (ok (generator (dotimes [_ 3] (yield! (str/upper-case (text (.readNBytes body 3))))))))]
    (with-open [c (client server)]
      (say! c (head-of "POST" "/" "Transfer-Encoding: Chunked") "2;extension=\"x\"\r\nab\r\n")
      (is (= {"Transfer-Encoding" "chunked", "Connection" "keep-alive"} (dissoc (:headers (do (say! c "1\r\nc\r\n") (hear-head! c))) "Date")))
      (is (= "ABC" (hear-chunk! c)) "while the request is still on its way")
      (say! c "6\r\ndefghi\r\n")
      (is (= ["DEF" "GHI"] [(hear-chunk! c) (hear-chunk! c)]))
      (say! c "0\r\nTrailer: is dropped\r\n\r\n")
      (is (nil? (hear-chunk! c)))
      (say! c (head-of "GET" "/"))
      (is (= "" (:body (hear! c))) "and the connection goes on"))
    (testing "HTTP/1.0 has no chunks"
      (with-open [c (client server)]
        (say! c "POST / HTTP/1.0\r\nContent-Length: 4\r\n\r\nabcd")
        (is (= [nil "ABCD"] ((juxt #(get-in % [:headers "Transfer-Encoding"]) :body) (hear! c))))))))

(deftest a-client-that-expects-100-continue-is-asked-by-the-first-read
  (with-http [server {} (fn [{:keys [uri] :as request}] (if (= "/no" uri) {:status 403, :body "no"} (echo request)))]
    (with-open [c (client server)]
      (say! c (head-of "POST" "/" "Content-Length: 5" "Expect: 100-Continue"))
      (is (= 100 (:status (hear! c))))
      (say! c "hallo")
      (is (= [200 "hallo"] (status-body (hear! c))))
      (say! c (head-of "POST" "/no" "Content-Length: 5" "Expect: 100-continue"))
      (is (= [403 "no" "close"] ((juxt :status :body connection-of) (hear! c))) "and what it sends now would be no request")
      (is (nil? (hear! c))))))

(deftest no-body-for-head-and-304
  (let [event (trace)]
    (with-http [server {} (fn [{:keys [uri]}]
                            (case uri
                              "/text" (ok "hallo")
                              "/long" {:status 200, :headers {"content-length" "5"}, :body nil}
                              "/generator" (ok (generator (event :begun) (yield! "a")))
                              {:status (parse-long (subs uri 1)), :headers {"ETag" "\"x\""}, :body "none"}))]
      (with-open [c (client server)]
        (doseq [[method path status framing] [["HEAD" "/text" 200 "5"] ["HEAD" "/long" 200 "5"] ["HEAD" "/generator" 200 "chunked"]
                                              ["GET" "/304" 304 nil] ["GET" "/204" 204 nil] ["GET" "/404" 404 "4"]]]
          (say! c (head-of method path))
          (let [{:keys [headers] :as response} (hear! c method)]
            (is (= [status framing] [(:status response) (some headers ["Content-Length" "Transfer-Encoding"])]) path)))
        (is (= [] @event))))))

(def ^:private tls @#'server-test/tls)

(deftest https
  (with-http [server {:tls @tls} (fn [{:keys [scheme] :as request}] (ok (str (name scheme) (slurp (:body request)))))]
    (with-open [c (client server)]
      (is (= "https" (:body (get! c "/"))))
      (say! c (head-of "POST" "/" "Content-Length: 1") "!")
      (is (= "https!" (:body (hear! c)))))))

(deftest several-hubs
  (with-http [server {:hubs 2} uri]
    (dotimes [i 10]
      (with-open [c (client server)]
        (is (= (str "/" i) (:body (get! c (str "/" i)))))))))

;; Limits

(deftest limits-of-line-headers-and-body
  (let [event (trace)]
    (with-http [server {:line 200, :headers 5, :body 10} (fn [request] (event (:uri request)) (echo request))]
      (doseq [[status & said]
              [[200 (head-of "GET" (str "/" (str/join (repeat 100 "x"))))]
               [431 (head-of "GET" (str "/" (str/join (repeat 200 "x"))))]
               [200 (head-of "GET" "/" "A: 1" "B: 2" "C: 3" "D: 4")]
               [431 (head-of "GET" "/" "A: 1" "B: 2" "C: 3" "D: 4" "E: 5")]
               [431 (head-of "GET" "/" (str "A: " (str/join (repeat 100000 "x"))))]
               [200 (head-of "POST" "/" "Content-Length: 10") "1234567890"]
               [413 (head-of "POST" "/" "Content-Length: 11") "1234567890x"]
               [413 (head-of "POST" "/" "Content-Length: 100000") (str/join (repeat 100000 "x"))]
               [413 (head-of "POST" "/" "Content-Length: 11" "Expect: 100-continue")]
               [200 (head-of "POST" "/" "Transfer-Encoding: chunked") "a\r\n1234567890\r\n0\r\n\r\n"]
               [413 (head-of "POST" "/" "Transfer-Encoding: chunked") "8\r\n12345678\r\n3\r\n123\r\n0\r\n\r\n"]]]
        (with-open [c (client server)]
          (spawn #(try (apply say! c said) (catch SocketException _)))
          (let [response (hear! c)]
            (is (= [status (if (= 200 status) "keep-alive" "close")] ((juxt :status connection-of) response)) (subs (first said) 0 20))
            (when-not (= 200 status) (is (nil? (hear! c)))))))
      (is (= 5 (count @event)) "of those that are refused, only the chunks get to the handler"))))

(deftest an-answer-gets-to-a-client-that-sends-all-before-it-reads
  (let [failures (trace), size 400000, all (str/join (repeat size "x"))]
    (with-http [server {:body size} (fn [_] (throw (Exception. "unread"))) failures]
      (doseq [[status length] [[413 (inc size)] [500 size]]]
        (with-open [socket (io/connect "localhost" (:port server) {:timeout 60, :send-buffer 16384})] ; so that nothing else takes it all
          (let [c (->Client socket (io/reader socket))]
            (say! c (head-of "POST" "/" (str "Content-Length: " length)) all)
            (is (= status (:status (hear! c))))))))
    (is (= ["unread"] @failures))))

(deftest limits-of-time
  (testing "a client that falls silent in a request is told"
    (with-http [server {:patience 0.05} echo]
      (doseq [said ["GET / HTTP/1.1\r\nHost" "GE" (str (head-of "POST" "/" "Content-Length: 5") "hal") (head-of "POST" "/" "Transfer-Encoding: chunked")]]
        (with-open [c (client server)]
          (say! c said)
          (is (= [408 "close"] ((juxt :status connection-of) (hear! c))) said)
          (is (nil? (hear! c)))))))
  (testing "a connection without a request is closed"
    (with-http [server {:idle 0.05} uri]
      (with-open [c (client server)]
        (is (nil? (hear! c))))
      (with-open [c (client server)]
        (is (= "/" (:body (get! c "/"))))
        (is (nil? (hear! c)))))))

;; Smuggling and splitting

(deftest what-could-be-understood-in-two-ways-is-refused
  (let [event (trace)
        with #(str "POST / HTTP/1.1\r\nHost: a\r\n" (str/join (map (fn [h] (str h "\r\n")) %&)) "\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
        chunks #(str "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" %)]
    (with-http [server {} (fn [request] (slurp (:body request)) (event (:uri request)) (ok ""))]
      (doseq [[status raw]
              (concat
               (for [headers [["Content-Length: 5" "Transfer-Encoding: chunked"] ["Transfer-Encoding: chunked" "Content-Length: 5"]
                              ["Content-Length: 5" "Content-Length: 6"] ["Content-Length: 5" "Content-Length: 5"] ["Content-Length: 5, 5"]
                              ["Content-Length: +5"] ["Content-Length: -5"] ["Content-Length: 0x5"] ["Content-Length:"] ["Content-Length: 5 5"]
                              ["Content-Length: 99999999999999999999"] ["Content-Length : 5"] ["Content-Length\t: 5"] [" Content-Length: 5"]
                              ["Transfer-Encoding : chunked"] ["Transfer-Encoding\u000b: chunked"] ["Transfer-Encoding: chunked\u0000"]
                              ["Transfer-Encoding:\r\n chunked"] ["X: y\r\n\tTransfer-Encoding: chunked"] ["X: y\rTransfer-Encoding: chunked"] ["X: y\r"]
                              ["X Y: z"] ["X(: z"] [": z"] ["X"] ["\u00e4: z"] ["Host: b"]]]
                 [400 (apply with headers)])
               (for [encoding ["gzip" "chunked, identity" "identity, chunked" "chunked, chunked" "chunked\r\nTransfer-Encoding: chunked" "\"chunked\""
                               "chunked;q=1" "" "xchunked"]]
                 [501 (with (str "Transfer-Encoding: " encoding))])
               (for [line ["GET  / HTTP/1.1" "GET /  HTTP/1.1" "GET\t/ HTTP/1.1" " GET / HTTP/1.1" "GET / HTTP/1.1 " "GET /a b HTTP/1.1" "GET / HTTP/1.11"
                           "GET / HTTP/01.1" "GET / HTTP/1" "GET / HTTP/0.9" "GET / FTP/1.1" "GET /" "G(T / HTTP/1.1" "GET /\r HTTP/1.1" "GET /\u0000 HTTP/1.1"
                           "GET a HTTP/1.1" "GET * HTTP/1.1" "CONNECT a:80 HTTP/1.1" "GET ftp://a/ HTTP/1.1" "GET http://a@b/ HTTP/1.1"]]
                 [400 (str line "\r\nHost: a\r\n\r\n")])
               (for [host ["" "Host: a b\r\n" "Host: a/b\r\n" "Host: a@b\r\n" "Host: a:b\r\n" "Host: a\r\nHost: a\r\n"]]
                 [400 (str "GET / HTTP/1.1\r\n" host "\r\n")])
               [[400 "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"] [505 "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]]
               (for [body ["g\r\n" "-1\r\n" "0x1\r\na\r\n" "\r\n" "1\r\nab\r\n0\r\n\r\n" "FFFFFFFFFFFFFFFFF\r\na\r\n" "1\r\na\r\n0\r\nX y\r\n\r\n"]]
                 [400 (chunks body)]))]
        (with-open [c (client server)]
          (say! c raw)
          (is (= [status "close"] ((juxt :status connection-of) (hear! c))) (pr-str raw))
          (is (nil? (hear! c)) (pr-str raw))))
      (testing "a request that ends in its midst is none"
        (doseq [raw ["GET / HTTP/1.1\r\nHost: a\r\n" "GET / HTTP/1.1\r\n" "GET / HTTP/1.1" (str (head-of "POST" "/" "Content-Length: 5") "hal") (chunks "5\r\nhal")]]
          (with-open [c (client server)]
            (say! c raw)
            (.shutdownOutput ^Socket (:socket c))
            (is (contains? #{nil 400} (:status (hear! c))) raw))))
      (is (= [] @event) "no handler has heard of any"))))

(deftest no-handler-can-split-a-response
  (let [failures (trace)
        headers [{"X" "a\r\nY: b"} {"X" "a\nb"} {"X" "a\rb"} {"X\r\nY" "a"} {"X: a" "b"} {"" "a"} {"X" "\u010a"} {"X" ["a" "b\u0000"]}]]
    (with-http [server {} (fn [{:keys [uri]}] {:status 200, :headers (headers (parse-long (subs uri 1))), :body ""}) failures]
      (dotimes [i (count headers)]
        (with-open [c (client server)]
          (let [response (get! c (str "/" i))]
            (is (= [500 ""] (status-body response)))
            (is (not-any? #{"X" "Y"} (keys (:headers response)))))
          (is (nil? (hear! c))))))
    (is (= (repeat (count headers) "a header cannot be") (map #(subs % 1 19) @failures)))))

;; Failures

(deftest what-a-handler-throws-is-a-500-and-reported
  (let [failures (trace)]
    (with-http [server {} (fn [{:keys [uri]}]
                            (case uri
                              "/throw" (throw (Exception. "broken"))
                              "/io" (throw (java.net.SocketTimeoutException. "of another connection"))
                              "/nil" nil
                              "/body" (ok 5)
                              (ok "fine")))
                failures]
      (doseq [path ["/throw" "/io" "/nil"]]
        (with-open [c (client server)]
          (is (= [500 "" "close"] ((juxt :status :body connection-of) (get! c path))) path)
          (is (nil? (hear! c)))))
      (with-open [c (client server)]
        (is (= [200 "fine"] (status-body (get! c "/"))))))
    (is (= ["broken" "of another connection" "a response has a :status"] @failures))))

(deftest a-body-that-is-cut-off-does-not-look-complete
  (let [failures (trace)]
    (with-http [server {} (fn [{:keys [uri]}]
                            (case uri
                              "/chunked" (ok (generator (yield! "a") (throw (Exception. "broken"))))
                              "/short" {:status 200, :headers {"Content-Length" "5"}, :body (list "abc")}
                              "/long" {:status 200, :headers {"Content-Length" "2"}, :body (ByteArrayInputStream. (.getBytes "abc"))}))
                failures]
      (with-open [c (client server)]
        (say! c (head-of "GET" "/chunked"))
        (hear-head! c)
        (is (= "a" (hear-chunk! c)))
        (is (nil? (io/read-line! (:reader c))) "and no last chunk"))
      (with-open [c (client server)]
        (say! c (head-of "GET" "/short"))
        (hear-head! c)
        (is (thrown? EndOfStreamException (io/read-bytes! (:reader c) 5))))
      (with-open [c (client server)]
        (is (= "ab" (:body (get! c "/long"))))
        (is (nil? (hear! c)))))
    (is (= ["broken" "a body of 3 bytes where Content-Length says 5" "a body of 3 bytes where Content-Length says 2"] @failures))))

;; Generators

(deftest a-generator-is-sent-as-it-yields
  (let [go (mapv (fn [_] (event)) (range 3)), log (trace)]
    (with-http [server {} (fn [_] (ok (generator (dotimes [i 3] (await! (go i)) (log [:yields i]) (yield! i)))))]
      (with-open [c (client server)]
        (say! c (head-of "GET" "/"))
        (hear-head! c)
        (dotimes [i 3]
          (set-event! (go i))
          (log [:heard (hear-chunk! c)]))
        (is (nil? (hear-chunk! c)))
        (is (= [[:yields 0] [:heard "0"] [:yields 1] [:heard "1"] [:yields 2] [:heard "2"]] @log))
        (say! c (head-of "GET" "/"))
        (is (= "012" (:body (hear! c))) "the connection goes on")))))

(deftest a-generator-is-not-pulled-while-the-client-does-not-read
  (let [yielded (atom 0), block (str/join (repeat 65536 "x")), all 1000]
    (with-http [server {} (fn [_] (ok (generator (dotimes [_ all] (swap! yielded inc) (yield! block)))))]
      (with-open [c (client server)]
        (say! c (head-of "GET" "/"))
        (loop [before -1, same 0]
          (sleep! 0.005)
          (let [now (long @yielded)]
            (when (< same 20) (recur now (if (= before now) (inc same) 0)))))
        (is (< 0 (long @yielded) all))
        (hear-head! c)
        (is (= (* 65536 all) (reduce + (map count (take-while some? (repeatedly #(hear-chunk! c)))))))
        (is (= all @yielded))))))

(deftest a-generator-is-ended-when-the-client-goes-away
  (doseq [[what options pause] [["while it yields:" {} 0] ["while it waits:" {} 1000] ["while it waits, by TLS:" {:tls @tls} 1000]]]
    (testing what
      (let [ended (event), log (trace)]
        (with-http [server options (fn [_] (ok (generator
                                                 (try
                                                   (loop [] (yield! "tick") (sleep! pause) (recur))
                                                   (finally (log :ended) (set-event! ended))))))]
          (with-open [c (client server)]
            (say! c (head-of "GET" "/"))
            (hear-head! c)
            (is (= "tick" (hear-chunk! c))))
          (timeout 60 (await! ended))
          (is (= [:ended] @log)))))))

(deftest a-client-that-goes-on-is-no-client-that-has-left
  (let [go (event)]
    (with-http [server {} (fn [{:keys [uri]}] (ok (generator (yield! uri) (when (= "/1" uri) (await! go)) (yield! "!"))))]
      (with-open [c (client server)]
        (say! c (head-of "GET" "/1"))
        (hear-head! c)
        (is (= "/1" (hear-chunk! c)))
        (say! c (head-of "GET" "/2"))
        (sleep! 1.1) ; the server has looked once
        (set-event! go)
        (is (= ["!" nil] [(hear-chunk! c) (hear-chunk! c)]))
        (is (= "/2!" (:body (hear! c))))))))

(deftest server-sent-events
  (is (= "event: e\nid: 1\nretry: 5\ndata: a\ndata: b\ndata: \n\n" (http/event {:data "a\nb\r\n", :event "e", :id 1, :retry 5})))
  (is (= "data: \n\n" (http/event {:data ""})))
  (is (= "id: a\nid: b\ndata: x\n\n" (http/event {:id "a\nb", :data "x"})) "no line of it is another field")
  (with-http [server {} (fn [_] {:status 200, :headers {"Content-Type" "text/event-stream"}
                                 :body (generator (dotimes [i 3] (yield! (http/event {:data i}))))})]
    (let [lines (offload #(-> (HttpClient/newHttpClient)
                              (.send (-> (HttpRequest/newBuilder (URI/create (str "http://localhost:" (:port server)))) (.build))
                                     (HttpResponse$BodyHandlers/ofLines))
                              ^Stream (.body)
                              (.toList)))]
      (is (= ["data: 0" "" "data: 1" "" "data: 2" ""] lines)))))

;; Stopping

(deftest a-graceful-stop
  (let [begun (event), go (event), log (trace)]
    (with-http [server {:idle 1000} (fn [{:keys [uri]}]
                                      (when (= "/busy" uri) (log :begun) (set-event! begun) (await! go) (log :ends))
                                      (ok uri))]
      (with-open [idle (client server), new (client server), busy (client server)]
        (is (= 200 (:status (get! idle "/"))))
        (say! busy (head-of "GET" "/busy") (head-of "GET" "/after"))
        (await! begun)
        (let [stopping (spawn #(do (http/stop! server 60) (log :stopped)))]
          (is (= [nil nil] [(hear! idle) (hear! new)]) "idle ones are closed")
          (is (thrown? ConnectException (client server)) "no other is accepted")
          (is (not (done? stopping)))
          (set-event! go)
          (is (= [200 "/busy" "close"] ((juxt :status :body connection-of) (hear! busy))) "busy ones are finished")
          (is (nil? (hear! busy)) "and serve no other request")
          (.close ^Closeable busy)
          (join stopping)
          (is (= [:begun :ends :stopped] @log)))))))

(deftest a-stop-ends-what-does-not-end-in-time
  (let [log (trace)]
    (with-http [server {} (fn [_] (ok (generator (try (yield! "a") (sleep! 1000) (finally (log :ended))))))]
      (with-open [c (client server)]
        (say! c (head-of "GET" "/"))
        (hear-head! c)
        (is (= "a" (hear-chunk! c)))
        (http/stop! server 0.01)
        (is (= [:ended] @log))
        (is (nil? (io/read-line! (:reader c))) "no last chunk")))))

(deftest an-unknown-option-is-refused
  (is (thrown-with-msg? IllegalArgumentException #":bodies" (run (http/serve 0 {:bodies 5} uri)))))

;; Real middleware: Debian's

(def ^:private jars (map #(str "/usr/share/java/" % ".jar") ["ring-core" "compojure" "servlet-api"])) ; the manifests name others

(defn- with-jars
  "The value of `code`, which may require what the JARs have."
  [code]
  (doseq [jar jars :when (not (.exists (java-io/file jar)))]
    (throw (AssertionError. (str "there is no " jar "; bin/setup installs it"))))
  (let [loader (DynamicClassLoader. (RT/baseLoader))]
    (run! #(.addURL loader (.toURL (.toURI (java-io/file %)))) jars)
    (with-bindings {Compiler/LOADER loader, #'*ns* (create-ns (gensym "greenlet.ring")), #'*warn-on-reflection* false}
      (refer-clojure)
      (eval code))))

(def ^:private ring-code
  '(do
     (require '[compojure.core :as compojure :refer [GET POST]]
              '[compojure.route :as route]
              'ring.middleware.content-type 'ring.middleware.cookies 'ring.middleware.file 'ring.middleware.head 'ring.middleware.keyword-params
              'ring.middleware.multipart-params 'ring.middleware.multipart-params.byte-array 'ring.middleware.not-modified 'ring.middleware.params
              'ring.middleware.resource 'ring.middleware.session
              'greenlet.hub)
     (fn [dir]
       (-> (compojure/routes
            (GET "/hello/:name" [name greeting] (str greeting ", " name))
            (GET "/count" {{:keys [n] :or {n 0}} :session}
              (greenlet.hub/sleep! 0.001)
              {:status 200, :headers {"Content-Type" "text/plain"}, :body (str n), :session {:n (inc n)}
               :cookies {"other" {:value "x", :path "/"}}})
            (POST "/form" [a b] {:status 201, :headers {"Location" "/"}, :body (list a " and " b)})
            (POST "/upload" [file] (str (:filename file) " has " (count (:bytes file)) " bytes"))
            (route/not-found "nothing here"))
           (ring.middleware.resource/wrap-resource "clojure")
           (ring.middleware.file/wrap-file dir)
           ring.middleware.keyword-params/wrap-keyword-params
           (ring.middleware.multipart-params/wrap-multipart-params {:store (ring.middleware.multipart-params.byte-array/byte-array-store)})
           ring.middleware.params/wrap-params
           ring.middleware.cookies/wrap-cookies
           ring.middleware.session/wrap-session
           ring.middleware.content-type/wrap-content-type
           ring.middleware.not-modified/wrap-not-modified
           ring.middleware.head/wrap-head))))

(deftest ^:heavy real-middleware-of-ring-and-compojure
  (let [app (with-jars ring-code)]
    (with-temp-dir [dir]
      (spit (java-io/file dir "page.html") "<p>filed</p>")
      (with-http [server {} (app (str dir))]
        (let [http (-> (HttpClient/newBuilder) (.version HttpClient$Version/HTTP_1_1) (.cookieHandler (CookieManager.)) (.build))
              send! (fn [method path & [{:keys [type body since]}]]
                      (let [request (-> (HttpRequest/newBuilder (URI/create (str "http://localhost:" (:port server) path)))
                                        (.timeout (Duration/ofSeconds 60))
                                        (.method method (cond
                                                          (nil? body) (HttpRequest$BodyPublishers/noBody)
                                                          (string? body) (HttpRequest$BodyPublishers/ofString body)
                                                          :else (HttpRequest$BodyPublishers/ofInputStream
                                                                 (reify Supplier (get [_] (ByteArrayInputStream. body)))))))
                            _ (when type (.header request "Content-Type" type))
                            _ (when since (.header request "If-Modified-Since" since))
                            ^HttpResponse response (offload #(.send http (.build request) (HttpResponse$BodyHandlers/ofString)))]
                        {:status (.statusCode response), :body (.body response), :headers (.map (.headers response))}))]
          (is (= [200 "grüezi, Ada"] (status-body (send! "GET" "/hello/Ada?greeting=gr%C3%BCezi"))))
          (is (= ["0" "1" "2"] (repeatedly 3 #(:body (send! "GET" "/count")))) "a session, by a cookie")
          (is (= [201 "1 and ü 2"] (status-body (send! "POST" "/form" {:type "application/x-www-form-urlencoded", :body "a=1&b=%C3%BC+2"}))))
          (is (= [200 "f.bin has 100000 bytes"]
                 (status-body (send! "POST" "/upload"
                                     {:type "multipart/form-data; boundary=xyz"
                                      :body (.getBytes (str "--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f.bin\"\r\n"
                                                            "Content-Type: application/octet-stream\r\n\r\n" (str/join (repeat 100000 "x")) "\r\n--xyz--\r\n"))})))
              "in chunks")
          (let [{:keys [headers] :as page} (send! "GET" "/page.html")]
            (is (= [200 "<p>filed</p>"] (status-body page)))
            (is (= [["text/html"] ["12"]] [(get headers "content-type") (get headers "content-length")]))
            (is (= 304 (:status (send! "GET" "/page.html" {:since (first (get headers "last-modified"))}))))
            (is (= [200 "" ["12"]] ((juxt :status :body #(get-in % [:headers "content-length"])) (send! "HEAD" "/page.html")))))
          (is (str/includes? (:body (send! "GET" "/version.properties")) "version=") "out of a JAR")
          (is (= [404 "nothing here"] (status-body (send! "GET" "/nowhere")))))))))
