(ns greenlet.io.server-test
  "greenlet.io.server: the words over Server and Tls, whose own tests are in Java."
  (:require [clojure.java.io :as io]
            [clojure.java.shell :refer [sh]]
            [clojure.test :refer [deftest is testing use-fixtures]]
            [greenlet.hub :refer [join result run spawn]]
            [greenlet.hubs]
            [greenlet.io.server :refer [join-server serve stop! tls-client tls-server]]
            [greenlet.io.socket :refer [accept! connect listen port]]
            [greenlet.test :refer [check-leaks]]
            [greenlet.watchdog :refer [on-each-root]])
  (:import (greenlet.io HubServerSocket HubSocket)
           (java.io File InputStream)
           (java.net InetAddress InetSocketAddress Socket)
           (java.security KeyStore)
           (javax.net.ssl KeyManagerFactory SSLContext SSLSocket TrustManagerFactory)))

(set! *warn-on-reflection* true)

(use-fixtures :each check-leaks)

(defn- key-store ^KeyStore [^File file]
  (let [store (KeyStore/getInstance "PKCS12")]
    (with-open [in (io/input-stream file)]
      (.load store in (.toCharArray "password")))
    store))

(def ^:private tls
  "Has a key for localhost, made at first use, and trusts its certificate."
  (delay
    (let [file (File/createTempFile "greenlet" ".p12")]
      (try
        (.delete file)
        (let [made (sh (str (System/getProperty "java.home") "/bin/keytool") "-genkeypair" "-alias" "test" "-keyalg" "EC"
                       "-dname" "CN=test" "-ext" "san=dns:localhost" "-storepass" "password" "-keystore" (str file))
              _ (assert (zero? (:exit made)) made)
              store (key-store file)
              trusted (doto (KeyStore/getInstance "PKCS12")
                        (.load nil nil)
                        (.setCertificateEntry "test" (.getCertificate store "test")))
              trusts (doto (TrustManagerFactory/getInstance (TrustManagerFactory/getDefaultAlgorithm))
                       (.init ^KeyStore trusted))
              own-keys (doto (KeyManagerFactory/getInstance (KeyManagerFactory/getDefaultAlgorithm))
                         (.init store (.toCharArray "password")))]
          (doto (SSLContext/getInstance "TLS")
            (.init (.getKeyManagers own-keys) (.getTrustManagers trusts) nil)))
        (finally (.delete file))))))

(defn- echo [^Socket socket]
  (.transferTo (.getInputStream socket) (.getOutputStream socket)))

(defn- echoed [^Socket socket n]
  (.write (.getOutputStream socket) (int n))
  (.read ^InputStream (.getInputStream socket)))

(deftest a-server
  (on-each-root
   (run
     (doseq [address [0 ["127.0.0.1" 0] (InetSocketAddress. (InetAddress/getLoopbackAddress) 0)]]
       (let [server (serve address echo)]
         (with-open [socket (HubSocket. "127.0.0.1" (int (port server)))]
           (is (= 7 (echoed socket 7))))
         (is (nil? (stop! server {:grace 5})))
         (is (nil? (join-server server)))
         (is (re-find #"stop! it" (pr-str server))))))))

(deftest options-of-a-server
  (on-each-root
   (run
     (let [failures (atom [])
           server (serve 0 {:bound 1, :backlog 5, :hubs 1, :reuse-port false, :handshake 5, :tls @tls
                            :on-failure (fn [_ e] (swap! failures conj (ex-message e)))}
                         (fn [socket] (echo socket) (throw (ex-info "failed" {}))))]
       (dotimes [n 2]
         (with-open [socket (tls-client "localhost" (port server) {:context @tls})]
           (is (= n (echoed socket n)))))
       (with-open [socket (tls-client (HubSocket. "127.0.0.1" (int (port server))) "localhost" {:context @tls})]
         (is (= 3 (echoed socket 3))))
       (stop! server {:grace 5})
       (is (= ["failed" "failed" "failed"] @failures))))))

(deftest several-hubs
  (run
    (let [server (serve 0 {:hubs 2} echo)]
      (dotimes [n 20]
        (with-open [socket (HubSocket. "127.0.0.1" (int (port server)))]
          (is (= n (echoed socket n)))))
      (is (nil? (stop! server))))))

(deftest tls-of-sockets
  (testing "what `listen` and `connect` make with a context talk TLS, and accepting waits for no handshake"
    (run
      (with-open [server (listen 0 {:host "localhost", :tls @tls})]
        (let [served (spawn #(with-open [_ (accept! server {:timeout 10}), s (accept! server)] (.read (.getInputStream s))))]
          (with-open [_ (connect "localhost" (port server))
                      s (connect "localhost" (port server) {:tls @tls, :timeout 10})]
            (is (instance? SSLSocket s))
            (.write (.getOutputStream s) 42)
            (is (= 42 (result served)))))))))

(deftest tls-on-top
  (on-each-root
   (run
     (with-open [listening (HubServerSocket. 0 50 (InetAddress/getLoopbackAddress))
                 near (HubSocket. "127.0.0.1" (.getLocalPort listening))
                 far (.accept listening)]
       (let [server (tls-server far @tls)
             echoing (spawn echo server)]
         (with-open [client (tls-client near "localhost" {:context @tls})]
           (is (= 9 (echoed client 9))))
         (is (= 1 (result echoing)))
         (is (nil? (join echoing)))
         (.close server))))))

(deftest what-is-refused
  (run
    (doseq [bad [#(serve 0 {:bond 1} echo) #(serve 0 {:grace 1} echo) #(serve 0 {:bound 0} echo) #(serve 0 {:hubs 1.5} echo)
                 #(serve 0 {:tls :yes} echo) #(serve 0 5) #(serve -1 echo) #(serve 65536 echo) #(serve "localhost" echo)
                 #(serve ["localhost"] echo) #(serve 0 {:handshake 0} echo) #(serve 0 {:on-failure 5} echo)
                 #(tls-client "localhost" 1 {:contxt nil}) #(tls-client "localhost" 1 {:context 5}) #(tls-client 5 5)
                 #(tls-server 5 @tls) #(listen 0 {:tls true}) #(connect "localhost" 1 {:tls true}) #(stop! 5) #(port nil)]]
      (is (thrown? IllegalArgumentException (bad))))
    (is (thrown-with-msg? IllegalArgumentException #":bond.*serve takes :bound" (serve 0 {:bond 1} echo)))
    (let [server (serve 0 echo)]
      (is (thrown-with-msg? IllegalArgumentException #":grac\b.*stop! takes :grace" (stop! server {:grac 1})))
      (stop! server))))
