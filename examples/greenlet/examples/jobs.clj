(ns greenlet.examples.jobs
  "A job queue in two tables of PostgreSQL, worked by a hundred tasks on one thread, which share a few connections.

  To take a job is to set the time when it will be due again. Whoever dies with it, in whatever way, does not have to say so: after that
  time, its lease, somebody else takes it. So a job may be begun twice, and its effect is a row with the job for a key, written in the
  transaction that says that the job is done: it is there once.

  `-main` takes the JDBC address of a database, and either `add` and how many, or `work`."
  (:require [greenlet.hub :refer [close! free-count join kill! pool resource-pool run sleep! spawn-in timeout with-resource]])
  (:import (java.sql Connection DriverManager)
           (java.util Properties)))

(set! *warn-on-reflection* true)

(def defaults
  {:tasks 100      ; that work
   :connections 10 ; that they share
   :lease 60       ; seconds that a job may take
   :tries 5        ; of a job
   :pause 0.2      ; seconds before asking again when no job is due
   :on-failure (fn [{:keys [id tries]} e] (binding [*out* *err*] (println "job" id "has failed" tries "times:" (ex-message e))))})

;; SQL

(defn connect
  "A connection to the database at `url`, whose waits are the current task's."
  ^Connection [url]
  (DriverManager/getConnection url (doto (Properties.) (.put "socketFactory" "greenlet.io.HubSocketFactory"))))

(defn query
  "The rows that `sql` has for an answer, as maps."
  [^Connection connection sql & args]
  (with-open [statement (.prepareStatement connection sql)]
    (dorun (map-indexed (fn [i arg] (.setObject statement (inc (long i)) arg)) args))
    (when (.execute statement)
      (doall (resultset-seq (.getResultSet statement))))))

(def ^:private tables
  ["create table if not exists job (id bigint generated always as identity primary key, work text not null,
      tries int not null default 0, due timestamptz not null default now(), done boolean not null default false)"
   "create index if not exists job_due on job (due) where not done"
   "create table if not exists effect (job bigint primary key references job, result text not null)"])

(defn add!
  "Adds a job for each of `works`, strings; makes the tables where they are missing."
  [connection works]
  (run! #(query connection %) tables)
  (query connection "insert into job (work) select unnest(?::text[])" (into-array String works)))

(defn- take-jobs! [connection most {:keys [lease tries]}]
  (query connection
         "update job set tries = tries + 1, due = now() + ? * interval '1 second' where id in
           (select id from job where not done and due <= now() and tries < ? order by due, id limit ? for update skip locked)
           returning id, work, tries"
         lease tries most))

(defn- finish! [^Connection connection {:keys [id]} result]
  (.setAutoCommit connection false)
  (query connection "insert into effect values (?, ?) on conflict do nothing" id result)
  (query connection "update job set done = true where id = ?" id)
  (.commit connection)
  (.setAutoCommit connection true))

(defn- any-left?
  "Whether a job is due, or will be if whoever has it fails."
  [connection {:keys [tries]}]
  (seq (query connection "select id from job where not done and (tries < ? or due > now()) limit 1" tries)))

;; Work

(defn work!
  "Works the jobs of the database at `url` until none is left, with `f`, a function of a map of a job's :id, :work and :tries, which
  returns a string, the effect, and may wait. A job whose `f` throws or outlasts the lease is tried again when the lease is over.
  `options` are as in `defaults`. Whoever is killed in the midst loses nothing."
  [url f options]
  (let [{:keys [tasks lease pause on-failure] :as options} (merge defaults options)
        connections (resource-pool (:connections options) #(connect url))
        workers (pool tasks)
        work (fn [job]
               (try
                 (let [result (timeout lease (f job))]
                   (with-resource [c connections] (finish! c job result)))
                 (catch Exception e (on-failure job e))))]
    (try
      (loop []
        (let [jobs (with-resource [c connections] (take-jobs! c (max 1 (free-count workers)) options))]
          (run! #(spawn-in workers work %) jobs)
          (when (or (seq jobs) (with-resource [c connections] (any-left? c options)))
            (when (empty? jobs) (sleep! pause))
            (recur))))
      (join workers)
      (finally
        (kill! workers)
        (close! connections)))))

(defn -main [url command & [n]]
  (run
    (case command
      "add" (with-open [c (connect url)] (add! c (map #(str "job " %) (range (parse-long n)))))
      "work" (work! url (fn [{:keys [work]}] (sleep! 0.1) (str work " is done")) {:lease 2}))
    (with-open [c (connect url)]
      (let [[{:keys [jobs done effects]}]
            (query c "select count(*) as jobs, count(*) filter (where done) as done, (select count(*) from effect) as effects from job")]
        (println jobs "jobs," done "done," effects "effects")))))
