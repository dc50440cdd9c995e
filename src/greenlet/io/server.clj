(ns greenlet.io.server
  "Servers and TLS for greenlet.io. In Java these are the classes Server and Tls of the package greenlet.io. `greenlet.io` has all
  names, too.

  Servers       `serve` `stop!`; `join-server` waits; `port` of greenlet.io.socket says where
  TLS           `tls-client` `tls-server`"
  (:require [greenlet.argument :refer [check-options duration refuse shown the-context the-function the-port]])
  (:import (greenlet.io HubSocket Server Server$Handler Tls)
           (java.io Writer)
           (java.net InetAddress InetSocketAddress Socket)
           (java.util.function BiConsumer)
           (javax.net.ssl SSLContext)))

(set! *warn-on-reflection* true)

(defn- number-above-zero ^long [n what]
  (if (and (pos-int? n) (<= (long n) Integer/MAX_VALUE)) (long n) (refuse what " is a positive number, of 31 bits; got " (shown n))))

(defn- socket-address ^InetSocketAddress [address]
  (cond
    (instance? InetSocketAddress address) address
    (int? address) (InetSocketAddress. (InetAddress/getLoopbackAddress) (int (the-port address)))
    (and (vector? address) (= 2 (count address)) (string? (first address)))
    (InetSocketAddress. ^String (first address) (int (the-port (second address))))
    :else (refuse "an address is a port of the loopback interface, [host port] or an InetSocketAddress; got " (shown address))))

(def ^:private options-of-serve
  [:bound :backlog :tls :handshake :on-failure :hubs :reuse-port])

(defn ^greenlet.io.Server serve
  "Starts a server: accepts connections at `address` and calls `(f socket)` for each, in a task of its own. The address is a port of
  the loopback interface, a vector of host and port, or an InetSocketAddress; port 0 is for a free one. The connection is closed when
  `f` has ended. The server ends with the scope or the run that it is started in, or by `stop!`. Options:

    :bound       how many connections are served at a time; the server accepts no more meanwhile. Without, there is no limit
    :backlog     how many connections the system keeps that have not been accepted; 1024 by default
    :tls         an SSLContext with the server's key: each connection uses TLS
    :handshake   how many seconds a client may take for the handshake of TLS; 10 by default
    :on-failure  called with a task and what `f`, a handshake or an accept has thrown; by default the hub's handler is
    :hubs        how many hubs serve, each in a thread of its own; by default the current one does
    :reuse-port  false: one of several hubs accepts, and hands the connections round

      (run (let [server (serve 0 #(.write (.getOutputStream ^java.net.Socket %) 42))]
             (with-open [socket (greenlet.io.HubSocket. \"localhost\" (port server))]
               [(.read (.getInputStream socket)) (stop! server)])))   ;=> [42 nil]"
  {:arglists '([address f] [address options f])}
  ([address f] (serve address nil f))
  ([address options f]
   (let [{:keys [bound backlog tls handshake on-failure hubs reuse-port]} (check-options options options-of-serve "serve")
         server (Server/on (socket-address address))]
     (the-function f "what serves connections")
     (.handler server (reify Server$Handler (handle [_ socket] (f socket))))
     (when (some? bound) (.bound server (int (number-above-zero bound ":bound"))))
     (when (some? backlog) (.backlog server (int (number-above-zero backlog ":backlog"))))
     (when (some? tls) (.tls server (the-context tls ":tls")))
     (when (some? handshake) (.handshakeLimit server (duration handshake)))
     (when (some? on-failure)
       (the-function on-failure ":on-failure")
       (.onFailure server (reify BiConsumer (accept [_ task e] (on-failure task e)))))
     (when (some? hubs) (.hubs server (int (number-above-zero hubs ":hubs"))))
     (when (some? reuse-port) (.reusePort server (boolean reuse-port)))
     (.start server))))

(defn- the-server ^Server [x what]
  (if (instance? Server x) x (refuse "the argument of " what " must be a server; got " (shown x))))

(defn stop!
  "Stops a server: it refuses new connections at once, waits until those that it serves have ended, and kills those that have not
  within `:grace` seconds, by default 0; waits until all have ended. May be called from any task or thread, and again.

      (run (stop! (serve 0 identity) {:grace 5}))   ;=> nil"
  ([server] (stop! server nil))
  ([server options]
   (let [{:keys [grace] :or {grace 0}} (check-options options [:grace] "stop!")]
     (.stop (the-server server "stop!") (duration grace)))))

(defn join-server
  "Waits until a server has been stopped and its connections have ended.

      (run (let [server (serve 0 identity)] (stop! server) (join-server server)))   ;=> nil"
  [server]
  (.join (the-server server "join-server")))

(defn ^javax.net.ssl.SSLSocket tls-client
  "A socket with TLS that is connected to a host, as a client; or one on top of a `socket` that is connected already, which it closes
  when it is closed. Checks that the server's certificate is for the host. Without a :context, the JDK's default says who is trusted.

      (run (try (tls-client \"localhost\" 1) (catch java.net.ConnectException _ :refused)))   ;=> :refused"
  {:arglists '([host port] [host port options] [socket host] [socket host options])}
  ([a b] (tls-client a b nil))
  ([a b options]
   (let [{:keys [context] :or {context (SSLContext/getDefault)}} (check-options options [:context] "tls-client")
         context (the-context context ":context")]
     (if (instance? Socket a)
       (if (string? b) (Tls/client context a b) (refuse "the host of tls-client must be a string; got " (shown b)))
       (if (string? a)
         (let [socket (HubSocket. ^String a (int (the-port b)))]
           (try
             (Tls/client context socket a)
             (catch Throwable t (.close socket) (throw t))))
         (refuse "the first argument of tls-client must be a host or a socket; got " (shown a)))))))

(defn ^javax.net.ssl.SSLSocket tls-server
  "The server's side of TLS on top of an accepted socket, which it closes when it is closed; `serve` does that by its option :tls.
  Shakes hands at the first read or write.

      (run (try (tls-server 5 nil) (catch IllegalArgumentException _ :refused)))   ;=> :refused"
  [socket context]
  (when-not (instance? Socket socket) (refuse "the first argument of tls-server must be a socket; got " (shown socket)))
  (Tls/server (the-context context "the second argument of tls-server") socket))

(defmethod print-method Server [server ^Writer w]
  (.write w (str "#<" server ": (stop! it) ends it>")))
