(ns greenlet.io.socket
  "Sockets for greenlet.io whose waits are the task's. In Java these are HubSocket and HubServerSocket of the package greenlet.io:
  sockets of java.net, for all that takes such a one. `greenlet.io` has all names, too, and the examples refer to it."
  (:require [greenlet.argument :refer [check-options duration refuse shown the-context the-port]])
  (:import (greenlet.io HubServerSocket HubSocket HubSslServerSocket LineReader Server Tls)
           (java.io InputStream)
           (java.net InetSocketAddress ServerSocket Socket)
           (java.time Duration)))

(set! *warn-on-reflection* true)

(defn- millis [seconds]
  (int (max 1 (min Integer/MAX_VALUE (.toMillis (.plusNanos ^Duration (duration seconds) 999999))))))

(def ^:private socket-options [:timeout :no-delay :keep-alive :linger :send-buffer :receive-buffer :reuse-address])

(defn- set-options [^Socket socket {:keys [timeout no-delay keep-alive linger send-buffer receive-buffer reuse-address]}]
  (when timeout (.setSoTimeout socket (millis timeout)))
  (when (some? no-delay) (.setTcpNoDelay socket (boolean no-delay)))
  (when (some? keep-alive) (.setKeepAlive socket (boolean keep-alive)))
  (when (some? linger) (.setSoLinger socket (boolean linger) (if linger (int linger) 0)))
  (when send-buffer (.setSendBufferSize socket (int send-buffer)))
  (when receive-buffer (.setReceiveBufferSize socket (int receive-buffer)))
  (when (some? reuse-address) (.setReuseAddress socket (boolean reuse-address)))
  socket)

(defn connect
  "A HubSocket that is connected to `host`, a name or an address, and `port`, by the first of the host's addresses that answers. A name
  is looked up in another thread while the task waits. It is a java.net.Socket, for `with-open`, for clojure.java.io and for all that
  takes one. Outside of tasks it blocks its thread. Options:

  :timeout          how many seconds each read waits at most, else java.net's SocketTimeoutException; the socket stays usable
  :connect-timeout  how many seconds connecting takes at most for each address
  :no-delay :keep-alive :reuse-address   true or false
  :linger           seconds, or false
  :send-buffer :receive-buffer           bytes
  :bind             a port of this machine's to connect from
  :tls              an SSLContext: it is an SSLSocket then, as `tls-client` makes it

      (run (with-open [server (listen 0 {:host \"localhost\"})]
             (spawn #(with-open [s (accept! server)] (spit s \"hello\")))
             (with-open [s (connect \"localhost\" (port server))] (slurp s))))   ;=> \"hello\""
  (^Socket [host port] (connect host port nil))
  (^Socket [host port options]
   (let [{:keys [connect-timeout bind tls] :as options}
         (check-options options (conj socket-options :connect-timeout :bind :tls) "connect")
         port (int (the-port port))
         tls (some-> tls (the-context ":tls"))
         socket (HubSocket.)]
     (when-not (string? host) (refuse "the host to connect to is a string; got " (shown host)))
     (try
       (set-options socket options)
       (when bind (.bind socket (InetSocketAddress. (int (the-port bind)))))
       (.connect socket (InetSocketAddress/createUnresolved host port) (if connect-timeout (millis connect-timeout) 0))
       (if tls (Tls/client tls socket host) socket)
       (catch Throwable t
         (.close socket)
         (throw t))))))

(defn listen
  "A HubServerSocket that is bound to `port`, 0 for one that is free. It is a java.net.ServerSocket. Options:

  :host           an address of this machine's; all, by default
  :backlog        how many connections wait to be accepted at most; 50, by default
  :timeout        how many seconds `accept!` waits at most, else java.net's SocketTimeoutException
  :receive-buffer bytes, of accepted sockets
  :reuse-address :reuse-port   true or false
  :tls            an SSLContext with the server's key: it is a HubSslServerSocket then, and what it accepts are SSLSockets, which shake
                  hands at the first read or write

      (run (with-open [server (listen 0 {:host \"localhost\", :timeout 0.001})]
             (try (accept! server) (catch java.net.SocketTimeoutException _ :nobody))))   ;=> :nobody"
  (^ServerSocket [port] (listen port nil))
  (^ServerSocket [port options]
   (let [{:keys [^String host backlog timeout receive-buffer reuse-address reuse-port tls]}
         (check-options options [:host :backlog :timeout :receive-buffer :reuse-address :reuse-port :tls] "listen")
         port (int (the-port port))
         ^ServerSocket server
         (if (some? tls) (.createServerSocket (Tls/server (the-context tls ":tls"))) (HubServerSocket.))]
     (try
       (when timeout (.setSoTimeout server (millis timeout)))
       (when receive-buffer (.setReceiveBufferSize server (int receive-buffer)))
       (when (some? reuse-address) (.setReuseAddress server (boolean reuse-address)))
       (when (some? reuse-port)
         (.setOption server java.net.StandardSocketOptions/SO_REUSEPORT (boolean reuse-port)))
       (.bind server (if host (InetSocketAddress. host (int port)) (InetSocketAddress. (int port))) (int (or backlog 50)))
       server
       (catch Throwable t
         (.close server)
         (throw t))))))

(defn port
  "The port that a server, or a server socket, listens at, or that a socket is bound to here.

      (run (with-open [server (listen 0 {:host \"localhost\"})] (pos? (port server))))   ;=> true"
  [x]
  (cond
    (instance? Server x) (.port ^Server x)
    (instance? ServerSocket x) (.getLocalPort ^ServerSocket x)
    (instance? Socket x) (.getLocalPort ^Socket x)
    :else (refuse "what has a port is a socket or a server; got " (shown x))))

(defn accept!
  "Has the current task wait for a connection to `server`; its socket. Options: those of `connect` that concern reads and writes.

      (run (with-open [server (listen 0 {:host \"localhost\"})
                       client (connect \"localhost\" (port server))
                       s (accept! server {:no-delay true})]
             (= (port client) (.getPort s))))   ;=> true"
  (^Socket [server] (accept! server nil))
  (^Socket [^ServerSocket server options]
   (check-options options socket-options "accept!")
   (when-not (or (instance? HubServerSocket server) (instance? HubSslServerSocket server))
     (refuse "what accepts must be a server socket, as `listen` makes them; got " (shown server)))
   (let [socket (.accept server)]
     (set-options socket options))))

(defn reader
  "A LineReader for `read-line!` and `read-bytes!` over `source`, a socket or an InputStream; an InputStream itself. Make one for each
  stream: it keeps what it has read ahead. Options: `:most`, how many bytes a line may have, 8192 by default.

      (read-line! (reader (java.io.ByteArrayInputStream. (.getBytes \"one\\ntwo\"))))   ;=> \"one\""
  (^LineReader [source] (reader source nil))
  (^LineReader [source options]
   (let [{:keys [most] :or {most LineReader/DEFAULT_MOST}} (check-options options [:most] "reader")
         in (if (instance? Socket source) (.getInputStream ^Socket source) source)]
     (when-not (instance? InputStream in)
       (refuse "what is read is a socket or an InputStream; got " (shown source)))
     (when-not (pos-int? most) (refuse "the most bytes of a line are a positive number; got " (shown most)))
     (LineReader. in (int most)))))

(defn- the-reader ^LineReader [x what]
  (if (instance? LineReader x) x (refuse "what " what " reads from is made by `reader`; got " (shown x))))

(defn read-line!
  "The next line, of UTF-8 text, without its end, which is LF or CRLF; nil at the end of the stream. greenlet.io's EndOfStreamException
  if the stream ends within a line; an IOException if the line is longer than the reader allows.

      (let [r (reader (java.io.ByteArrayInputStream. (.getBytes \"one\\r\\ntwo\\n\")))]
        [(read-line! r) (read-line! r) (read-line! r)])   ;=> [\"one\" \"two\" nil]"
  [reader]
  (.readLine (the-reader reader "read-line!")))

(defn read-bytes!
  "The next `n` bytes, as an array. greenlet.io's EndOfStreamException if the stream ends before; it has those that came.

      (String. (read-bytes! (reader (java.io.ByteArrayInputStream. (.getBytes \"exactly\"))) 5))   ;=> \"exact\""
  ^bytes [reader n]
  (when-not (nat-int? n) (refuse "the number of bytes to read is 0 or above; got " (shown n)))
  (.readBytes (the-reader reader "read-bytes!") (int n)))
