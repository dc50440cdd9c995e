(ns greenlet.io.socket-test
  (:require [clojure.java.io :as io]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [greenlet.hub :refer [close-channel! readable! result run sleep! spawn writable!]]
            [greenlet.io.socket :refer [accept! connect listen port read-bytes! read-line! reader]])
  (:import (greenlet.io EndOfStreamException HubSocket)
           (java.io BufferedReader ByteArrayInputStream)
           (java.net ConnectException SocketException SocketTimeoutException)
           (java.nio ByteBuffer)
           (java.nio.channels ClosedChannelException Pipe)))

(set! *warn-on-reflection* true)

(defn- with-server [handler f]
  (run
    (with-open [server (listen 0 {:host "localhost"})]
      (spawn #(try
                (while true (let [s (accept! server)] (spawn (fn [] (with-open [s s] (handler s))))))
                (catch SocketException _ :closed)))
      (f (port server)))))

(deftest streams
  (testing "a socket is what clojure.java.io takes; each connection is a task"
    (is (= "ECHO"
           (with-server (fn [^HubSocket s] (spit s (str/upper-case (.readLine ^BufferedReader (io/reader s)))))
             (fn [port]
               (with-open [s (connect "localhost" port {:no-delay true :timeout 10 :keep-alive true :linger false})]
                 (let [w (io/writer s)]
                   (.write w "echo\n")
                   (.flush w))
                 (slurp s))))))))

(deftest timeouts
  (is (= [:late 7]
         (with-server (fn [^HubSocket s] (.read (.getInputStream s)) (.write (.getOutputStream s) 7))
           (fn [port]
             (with-open [s (connect "localhost" port {:timeout 0.002})]
               [(try (.read (.getInputStream s)) (catch SocketTimeoutException _ :late))
                (do (.write (.getOutputStream s) 1)
                    (.setSoTimeout s 0)
                    (.read (.getInputStream s)))]))))))

(deftest exact-reads
  (testing "lines and numbers of bytes come whole, however the bytes travel; the end in the midst is an error of its own"
    (is (= ["line" "five!" nil ["cut" "cu"]]
           (with-server (fn [^HubSocket s]
                          (let [out (.getOutputStream s)]
                            (doseq [^String part ["li" "ne\r\nfi" "ve!"]]
                              (.write out (.getBytes part))
                              (sleep! 0))))
             (fn [port]
               (with-open [s (connect "localhost" port)]
                 (let [in (reader s {:most 100})]
                   [(read-line! in) (String. (read-bytes! in 5)) (read-line! in)
                    (let [in (reader (ByteArrayInputStream. (.getBytes "cut")))]
                      [(try (read-line! in) (catch EndOfStreamException e (String. (.received e))))
                       (try (read-bytes! (reader (ByteArrayInputStream. (.getBytes "cu"))) 3)
                            (catch EndOfStreamException e (String. (.received e))))])]))))))
    (is (thrown-with-msg? IllegalArgumentException #"made by `reader`" (read-line! nil)))
    (is (thrown-with-msg? IllegalArgumentException #"0 or above" (read-bytes! (reader (ByteArrayInputStream. (byte-array 0))) -1)))
    (is (thrown-with-msg? IllegalArgumentException #"a socket or an InputStream" (reader 1)))
    (is (thrown-with-msg? IllegalArgumentException #"unknown options" (reader (ByteArrayInputStream. (byte-array 0)) {:max 1})))))

(deftest refused
  (run
    (is (thrown-with-msg? IllegalArgumentException #"unknown options \[:nodelay\]" (connect "localhost" 1 {:nodelay true})))
    (is (thrown-with-msg? IllegalArgumentException #"a port is a number" (connect "localhost" 70000)))
    (is (thrown-with-msg? IllegalArgumentException #"the host to connect to is a string; got nil" (connect nil 1)))
    (is (thrown-with-msg? IllegalArgumentException #"unknown options" (listen 0 {:hosts "localhost"})))
    (is (thrown-with-msg? IllegalArgumentException #"must be a server socket" (accept! nil)))
    (is (thrown-with-msg? IllegalArgumentException #"selectable channel" (readable! 1)))
    (is (thrown-with-msg? IllegalArgumentException #"unknown options" (writable! (.sink (Pipe/open)) {:limit 1})))
    (is (thrown-with-msg? IllegalArgumentException #"channel of java.nio" (close-channel! nil)))
    (let [free (with-open [server (listen 0 {:host "localhost"})] (port server))]
      (is (thrown-with-msg? ConnectException (re-pattern (str ":" free)) (connect "localhost" free))))))

(deftest channels
  (run
    (let [pipe (Pipe/open)
          source (doto (.source pipe) (.configureBlocking false))
          sink (doto (.sink pipe) (.configureBlocking false))
          reader (spawn #(try (readable! source) (catch ClosedChannelException _ :closed)))]
      (is (writable! sink))
      (sleep! 0)
      (.write sink (ByteBuffer/wrap (byte-array 1)))
      (is (true? (result reader)))
      (.read source (ByteBuffer/allocate 1))
      (is (false? (readable! source {:timeout 0.001})))
      (let [waits (spawn #(try (readable! source) (catch ClosedChannelException _ :closed)))]
        (sleep! 0)
        (close-channel! source)
        (is (= :closed (result waits))))
      (close-channel! sink))))
