(ns greenlet.examples.crawler-test
  "The crawler, on a site where much is wrong."
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is use-fixtures]]
            [greenlet.examples.crawler :as crawler]
            [greenlet.examples.faulty-site :refer [with-site]]
            [greenlet.hub :refer [kill! run sleep! spawn tasks]]
            [greenlet.test :refer [check-leaks]]
            [greenlet.watchdog :as watchdog]))

(set! *warn-on-reflection* true)

(use-fixtures :each check-leaks)

(def ^:private workers 8)

(def ^:private options {:workers workers, :tries 3, :pause 0.01, :seconds 2.5, :hops 5, :most-bytes 100000})

(def ^:private expected
  "Of each path how often it was tried and, where it was given up, why."
  (merge
   (zipmap (map #(str "many/" %) (range 20)) (repeat [1 nil]))
   {"" [1 nil]
    "a" [1 nil]
    "b" [1 nil]
    "moved" [1 nil]
    "short" [1 nil]
    "flaky" [3 nil]
    "broken" [3 "IOException: status 503"]
    "slow" [3 "more than 2.5 seconds"]
    "drip" [3 "more than 2.5 seconds"]
    "reset" [3 "SocketException: Connection reset"]
    "silent" [3 "NoHttpResponseException"]
    "half" [3 "ParseException: Invalid header"]
    "half-chunk" [3 "TruncatedChunkException"]
    "long" [3 "ConnectionClosedException: Premature end of Content-Length"]
    "endless" [1 "more than 100000 bytes"]
    "circle/1" [1 "more than 5 redirects"]
    "away" [1 "moved to http://elsewhere.invalid/"]
    "missing" [1 "status 404"]
    "garbage" [3 "ParseException"]}))

(defn- closed? [{:keys [open]}]
  (let [end (+ (System/nanoTime) 60000000000)]
    (while (and (pos? (long @open)) (< (System/nanoTime) end)) (Thread/onSpinWait))
    (zero? (long @open))))

(deftest ^:continuation every-page-is-got-or-given-up
  (with-site workers
    (fn [{:keys [url asked most-open] :as site}]
      (watchdog/call-in-thread #(run (crawler/crawl (str url "short") {:seconds 60}))) ; classes are loaded
      (let [[pages left] (watchdog/call-in-thread #(run [(crawler/crawl url options) (count (tasks))]))
            outcome (fn [path] (let [{:keys [tries given-up]} (pages (str url path))] [tries given-up]))]
        (is (= (set (keys expected)) (set (map #(subs % (count url)) (keys pages)))))
        (doseq [[path [tries reason]] expected
                :let [[tried why] (outcome path)]]
          (is (= [path tries reason] [path tried (when why (subs why 0 (min (count why) (count reason))))]) why))
        (is (= {"/circle/1" 3, "/circle/2" 3, "/a" 2, "/flaky" 3, "/broken" 3, "/slow" 3, "/endless" 1}
               (select-keys @asked ["/circle/1" "/circle/2" "/a" "/flaky" "/broken" "/slow" "/endless"])))
        (is (= workers @most-open))
        (is (= 1 left) "no task but the crawl's own")
        (is (closed? site))))))

(deftest what-is-killed-leaves-nothing
  (with-site workers
    (fn [{:keys [url asked] :as site}]
      (watchdog/call-in-thread
       (bound-fn []
         (run (let [crawl (spawn crawler/crawl (str url "slow") {:seconds 1000})]
                (while (empty? @asked) (sleep! 0.001))
                (kill! crawl)
                (is (= 1 (count (tasks))))))))
      (is (closed? site)))))

(deftest no-more-pages-than-asked-for
  (with-site 1
    (fn [{:keys [url]}]
      (is (= {url {:tries 1}, (str url "a") {:tries 1}}
             (watchdog/call-in-thread #(run (crawler/crawl url {:workers 1, :most-pages 2}))))))))
