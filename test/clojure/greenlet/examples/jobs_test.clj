(ns greenlet.examples.jobs-test
  "The job queue, on a PostgreSQL of its own."
  (:require [clojure.test :refer [deftest is use-fixtures]]
            [greenlet.examples.jobs :as jobs]
            [greenlet.hub :refer [await! event join kill! result run set-event! sleep! spawn tasks]]
            [greenlet.process :refer [clojure-main process-builder ways-to-run]]
            [greenlet.servers :refer [database]]
            [greenlet.test :refer [check-leaks]]
            [greenlet.watchdog :as watchdog])
  (:import (java.io File)
           (java.lang ProcessBuilder$Redirect)
           (java.util.concurrent TimeUnit)))

(set! *warn-on-reflection* true)

(use-fixtures :each check-leaks)

(defmacro ^:private in-hub [& body]
  `(watchdog/call-in-thread (bound-fn [] (run :raise-failures true ~@body))))

(defn- query [sql]
  (with-open [c (jobs/connect (database))] (jobs/query c sql)))

(defn- add-anew! [n]
  (query "drop table if exists effect, job")
  (with-open [c (jobs/connect (database))] (jobs/add! c (map str (range n)))))

(defn- work!
  "Nothing may fail, unless it is `:on-failure`."
  [f options]
  (let [failed (atom [])]
    (jobs/work! (database) f (merge {:on-failure (fn [_ e] (swap! failed conj e))} options))
    (is (= [] @failed))))

(defn- done
  "How many jobs there are, how many are done, and how many effects there are of how many jobs."
  []
  (let [[{:keys [jobs done]}] (query "select count(*) as jobs, count(*) filter (where done) as done from job")
        [{:keys [effects of]}] (query "select count(*) as effects, count(distinct job) as of from effect")]
    [jobs done effects of]))

(deftest ^:heavy a-hundred-tasks-share-ten-connections
  (in-hub
    (add-anew! 500)
    (let [working (atom 0)
          most (atom 0)
          connected (atom 0)
          connect jobs/connect
          all (event)]
      (with-redefs [jobs/connect (fn [url] (swap! connected inc) (connect url))]
        (work! (fn [{:keys [id work]}]
                 (when (= 100 (swap! most max (swap! working inc))) (set-event! all))
                 (await! all)
                 (swap! working dec)
                 (str id "." work))
               {}))
      (is (= [500 500 500 500] (done)))
      (is (= 100 @most))
      (is (= 10 @connected))
      (is (empty? (query "select * from effect, job where job = id and result <> id || '.' || work")))
      (is (= [{:sum 500}] (query "select sum(tries) from job")) "each was begun once")
      (is (= 1 (count (tasks)))))))

(deftest ^:continuation nobody-takes-what-another-is-taking
  (in-hub
    (add-anew! 1000)
    (let [f (fn [i] (fn [_] (sleep! 0.001) (str i)))
          workers (mapv #(spawn work! (f %) {:tasks 25, :connections 3}) (range 4))]
      (run! result workers)
      (is (= [1000 1000 1000 1000] (done)))
      (is (= [{:sum 1000}] (query "select sum(tries) from job")) "each was begun once")
      (is (= [{:workers 4}] (query "select count(distinct result) as workers from effect"))))))

(deftest ^:continuation what-fails-is-tried-again
  (in-hub
    (add-anew! 10)
    (let [failed (atom [])]
      (work! (fn [{:keys [work ^long tries]}]
               (cond
                 (and (= "3" work) (< tries 3)) (throw (Exception. "not yet"))
                 (= "5" work) (throw (Exception. "never"))
                 (and (= "7" work) (= 1 tries)) (sleep! 1000))
               work)
             {:tasks 4, :connections 2, :lease 0.3, :tries 4, :pause 0.01
              :on-failure (fn [{:keys [work tries]} e] (swap! failed conj [work tries (class e)]))})
      (is (= [10 9 9 9] (done)))
      (is (= [["3" 1 Exception] ["3" 2 Exception]
              ["5" 1 Exception] ["5" 2 Exception] ["5" 3 Exception] ["5" 4 Exception]
              ["7" 1 java.util.concurrent.TimeoutException]]
             (sort-by (juxt first second) @failed))))))

(deftest ^:heavy what-is-done-twice-has-one-effect
  (in-hub
    (add-anew! 1)
    (let [begun (atom 0)
          both (event)]
      (work! (fn [{:keys [tries]}]
               (case (long (swap! begun inc))
                 1 (query "update job set due = now()") ; as if its lease were over
                 2 (set-event! both))
               (await! both)
               (str "try " tries))
             {:pause 0.01})
      (is (= [1 1 1 1] (done)))
      (is (= 2 @begun)))))

(deftest ^:continuation a-hub-is-killed-and-another-goes-on
  (in-hub
    (add-anew! 300)
    (let [some-are-done (event)
          n (atom 0)
          options {:tasks 50, :lease 0.5, :pause 0.05}
          f (fn [_] (sleep! 0.01) (when (< 100 (long (swap! n inc))) (set-event! some-are-done)) "done")
          worker (spawn work! f options)]
      (await! some-are-done)
      (kill! worker)
      (is (= 1 (count (tasks))))
      (let [[_ done-before] (done)]
        (is (< 0 (long done-before) 300)))
      (work! f options)
      (is (= [300 300 300 300] (done))))))

(defn- start-process ^Process [& command]
  (let [{:keys [options]} (last ways-to-run)]
    (.start (doto (process-builder (apply clojure-main options "greenlet.examples.jobs" (database) command))
              (.redirectErrorStream true)
              (.redirectOutput (ProcessBuilder$Redirect/appendTo (File. "target/jobs.txt")))))))

(defn- finish! [^Process process]
  (is (.waitFor process 60 TimeUnit/SECONDS))
  (is (zero? (.exitValue process)) (slurp "target/jobs.txt")))

(deftest ^:continuation a-process-is-killed-and-another-goes-on
  (.delete (File. "target/jobs.txt"))
  (with-open [c (jobs/connect (database))]
    (jobs/query c "drop table if exists effect, job")
    (finish! (start-process "add" 600))
    (let [killed (start-process "work")
          so-far #(long (:n (first (jobs/query c "select count(*) as n from effect"))))]
      (while (and (.isAlive killed) (< (so-far) 100)) (Thread/sleep 10))
      (is (.isAlive killed) (slurp "target/jobs.txt"))
      (.waitFor (.destroyForcibly killed))
      (is (< (so-far) 600)))
    (finish! (start-process "work"))
    (is (= "600 jobs, 0 done, 0 effects\n600 jobs, 600 done, 600 effects\n" (slurp "target/jobs.txt")))
    (is (< 600 (long (:sum (first (jobs/query c "select sum(tries) from job"))))) "some were begun again")))
