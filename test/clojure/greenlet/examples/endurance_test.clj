(ns greenlet.examples.endurance-test
  "The chat, the crawler and the job queue together, in one hub, for as many seconds as GREENLET_SECONDS says: nothing grows."
  (:require [clojure.test :refer [deftest is]]
            [greenlet.examples.chat :as chat]
            [greenlet.examples.chat-clients :refer [converse-all rooms-of]]
            [greenlet.examples.crawler :as crawler]
            [greenlet.examples.faulty-site :refer [with-site]]
            [greenlet.examples.jobs :as jobs]
            [greenlet.hub :refer [await! result run sleep! spawn tasks timeout]]
            [greenlet.servers :refer [database]]
            [greenlet.watchdog :as watchdog])
  (:import (com.sun.management UnixOperatingSystemMXBean)
           (java.lang.management ManagementFactory)))

(set! *warn-on-reflection* true)

(def ^:private seconds (parse-long (or (System/getenv "GREENLET_SECONDS") "60")))

;; A round of each: all that it opens is closed in the end

(def ^:private rooms (rooms-of 4 5))

(defn- chat! [servers]
  (let [heard (await! (future (run (converse-all servers rooms {}))))]
    (every? (fn [[_ all]] (apply = all)) heard)))

(defn- crawl! [url]
  (let [pages (crawler/crawl url {:workers 8, :tries 2, :pause 0.01, :seconds 1, :most-bytes 100000})]
    (count pages)))

(defn- work! []
  (with-open [c (jobs/connect (database))]
    (jobs/add! c (map str (range 200)))
    (jobs/work! (database) (fn [{:keys [work]}] (sleep! 0.01) work) {})
    (:n (first (jobs/query c "with gone as (delete from effect), all_gone as (delete from job returning done)
                              select count(*) as n from all_gone where done")))))

;; What is there after it

(defn- descriptors []
  (.getOpenFileDescriptorCount ^UnixOperatingSystemMXBean (ManagementFactory/getOperatingSystemMXBean)))

(defn- threads []
  (.getThreadCount (ManagementFactory/getThreadMXBean)))

(defn- heap []
  (dotimes [_ 2] (System/gc))
  (.getUsed (.getHeapMemoryUsage (ManagementFactory/getMemoryMXBean))))

(defn- sample
  "The numbers of tasks, descriptors and threads, and the bytes of the live heap, once the other sides have heard that all is over."
  [{:keys [chat]} {:keys [open]}]
  (timeout 60 (while (or (seq @chat) (pos? (long @open))) (sleep! 0.001)))
  (sleep! 0.1)
  [(count (tasks)) (descriptors) (threads) (heap)])

(def ^:private fewest "How many rounds there are also on a slow machine." 9)

(defn- rounds [site]
  (let [end (+ (System/nanoTime) (* 1000000000 (long seconds)))
        servers (chat/start 0 0)]
    (loop [samples []]
      (if (or (< (count samples) fewest) (< (System/nanoTime) end))
        (let [all (mapv spawn [#(chat! servers) #(crawl! (:url site)) work!])]
          (is (= [true 39 200] (mapv result all)))
          (recur (conj samples (sample servers site))))
        samples))))

(defn- medians [samples]
  (for [i (range 4)]
    (nth (sort (map #(nth % i) samples)) (quot (count samples) 2))))

(deftest ^:continuation nothing-grows
  (with-site 8
    (fn [site]
      (with-open [c (jobs/connect (database))]
        (jobs/query c "drop table if exists effect, job"))
      (let [samples (watchdog/call-in-thread {:seconds (+ seconds 120)} (bound-fn [] (run :raise-failures true (rounds site))))
            third (quot (count samples) 3)
            [_ [tasks descriptors threads heap] later] (map medians (partition third samples)) ; the first third warms up
            [tasks-later descriptors-later threads-later heap-later] later]
        (println (count samples) "rounds:" tasks "tasks," descriptors "descriptors," threads "threads," heap "bytes, later" later)
        (is (= tasks tasks-later))
        (is (<= descriptors-later descriptors))
        (is (<= threads-later (inc threads)))
        (is (< heap-later (* 1.05 heap)))))))
