(ns greenlet.examples.orders-test
  "The shop, in a directory; a day takes a thousandth of a second, or for ever."
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [greenlet.examples.durable :as durable]
            [greenlet.examples.http :as http]
            [greenlet.examples.orders :as orders]
            [greenlet.hub :as hub]
            [greenlet.journal :as journal]
            [greenlet.process :refer [prints refuses with-temp-dir]]
            [greenlet.watchdog :refer [call-in-thread]])
  (:import (java.io Closeable)
           (java.net URI)
           (java.net.http HttpClient HttpRequest HttpRequest$BodyPublishers HttpResponse HttpResponse$BodyHandlers)))

(set! *warn-on-reflection* true)

(def ^:private short-day 0.001)
(def ^:private long-day 86400)

(defmacro ^:private apart
  "Runs `body`, with its assertions, in a thread of its own."
  [& body]
  `(call-in-thread (bound-fn [] ~@body)))

(defmacro ^:private with-shop [[store dir] & body]
  `(let [shop# (durable/programs (str ~dir "/orders") [#'orders/order])
         ~store (:store shop#)]
     (try ~@body (finally (.close ^Closeable shop#)))))

(defn- begin! [store id & {:as more}]
  (journal/start! store id #'orders/order (merge {:customer "Ada", :price 10, :card :good, :day short-day} more)))

(defn- effects [id]
  (set (for [[k effect] @orders/world :when (str/starts-with? k (str id "/"))] effect)))

(defn- end [store id]
  [(journal/result store id) (effects id)])

(deftest each-end
  (apart
   (with-temp-dir [dir]
     (with-shop [store dir]
       (begin! store "shipped")
       (begin! store "declined" :card :empty)
       (begin! store "slow" :card :slow)
       (begin! store "unanswered" :price 900)
       (begin! store "rejected" :price 900 :day long-day)
       (journal/send! store "rejected" :approval :no)
       (begin! store "cancelled" :price 900 :day long-day)
       (journal/send! store "cancelled" :approval :yes)
       (journal/send! store "cancelled" :cancel true)
       (is (= [:shipped #{:reserved :paid :shipped}] (end store "shipped")))
       (is (= [:declined #{:reserved :declined :release}] (end store "declined")))
       (is (= [:shipped #{:reserved :paid :shipped}] (end store "slow")))
       (is (= [:rejected #{:reserved :release}] (end store "unanswered")))
       (is (= [:rejected #{:reserved :release}] (end store "rejected")))
       (is (= [:cancelled #{:reserved :paid :refund :release}] (end store "cancelled")))
       (is (= {:shipped 2, :declined 1, :rejected 2, :cancelled 1} (orders/counts store)))))))

(deftest one-that-is-cancelled-while-the-bank-is-asked
  (apart
   (with-temp-dir [dir]
     (let [asked (promise)]
       (with-redefs-fn {#'orders/charge! (fn [_] (deliver asked true) (Thread/sleep Long/MAX_VALUE))}
         #(with-shop [store dir]
            (begin! store "asked" :day long-day)
            @asked
            (journal/cancel! store "asked")
            (is (thrown? java.util.concurrent.CancellationException (journal/result store "asked")))
            (is (= #{:reserved :refund :release} (effects "asked")))))))))

(deftest in-a-database
  (apart
   (with-open [^Closeable shop (durable/programs "jdbc:h2:mem:orders;DB_CLOSE_DELAY=-1" [#'orders/order])]
     (begin! (:store shop) "in-h2")
     (is (= [:shipped #{:reserved :paid :shipped}] (end (:store shop) "in-h2"))))))

(deftest one-that-outlives-its-process
  (apart
   (with-temp-dir [dir]
     (with-shop [store dir]
       (begin! store "later" :day long-day)
       (begin! store "killed" :day long-day))
     (with-shop [store dir]
       (is (= {:open 2} (orders/counts store)))
       (journal/cancel! store "killed")
       (is (thrown? java.util.concurrent.CancellationException (journal/result store "killed")))
       (journal/send! store "later" :cancel true)
       (is (= [:cancelled #{:reserved :paid :refund :release}] (end store "later")))
       (is (= {:cancelled 1, :failed 1} (orders/counts store)))))))

(defn- fetch [method port path]
  (let [request (-> (HttpRequest/newBuilder (URI/create (str "http://localhost:" port path)))
                    (.method method (HttpRequest$BodyPublishers/noBody))
                    (.build))
        ^HttpResponse response (.send (HttpClient/newHttpClient) request (HttpResponse$BodyHandlers/ofString))]
    [(.statusCode response) (.body response)]))

(deftest the-page
  (apart
   (with-temp-dir [dir]
     (with-shop [store dir]
       (begin! store "dear" :price 900 :day long-day)
       (hub/run
         (let [{:keys [port] :as server} (orders/serve store 0)
               fetch #(hub/offload fetch %1 port %2)]
           (is (re-find #"<td>open</td><td>1</td>" (second (fetch "GET" "/"))))
           (is (re-find #"Approve" (second (fetch "GET" "/dear"))))
           (is (= 404 (first (fetch "GET" "/another"))))
           (is (= 405 (first (fetch "GET" "/dear/approve"))))
           (is (= 303 (first (fetch "POST" "/dear/reject"))))
           (is (= :rejected (journal/result store "dear")))
           (is (= 303 (first (fetch "POST" "/dear/cancel"))) "too late, and no error")
           (is (re-find #"<td>rejected</td><td>1</td>" (second (fetch "GET" "/"))))
           (http/stop! server 0)))))))

(deftest options
  (testing "what is not understood is refused"
    (refuses 2 "--load is a number" ["bin/orders" "--load" "many"])
    (refuses 2 "unknown option --lode" ["bin/orders" "--lode" "3"])))
