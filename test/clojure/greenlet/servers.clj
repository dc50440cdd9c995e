(ns greenlet.servers
  "The PostgreSQL that `test/servers` runs."
  (:require [clojure.string :as str])
  (:import (java.io BufferedReader)
           (java.util.concurrent TimeUnit)))

(set! *warn-on-reflection* true)

(defn- said
  "What it prints up to \"ready\", as a map."
  [^BufferedReader lines]
  (loop [values {}, others []]
    (let [line (or (.readLine lines) (throw (ex-info (str "test/servers: " (str/join "\n" others)) {})))
          [_ k v] (re-matches #"(?s)([A-Z_]+)=(.*)" line)]
      (cond
        (= "ready" line) values
        k (recur (assoc values k v) others)
        :else (recur values (conj others line))))))

(def ^:private started
  "Ends with this JVM."
  (delay
    (let [process (.start (doto (ProcessBuilder. ["test/servers"]) (.redirectErrorStream true)))
          stop #(do (.close (.getOutputStream process))
                    (when-not (.waitFor process 10 TimeUnit/SECONDS) (.destroyForcibly process)))]
      (.addShutdownHook (Runtime/getRuntime) (Thread. ^Runnable stop "stop servers"))
      (said (.inputReader process)))))

(defn database
  "The JDBC address of the database, with user and password."
  []
  (let [{:strs [POSTGRESQL_PORT POSTGRESQL_USER PASSWORD]} @started]
    (str "jdbc:postgresql://127.0.0.1:" POSTGRESQL_PORT "/postgres?user=" POSTGRESQL_USER "&password=" PASSWORD "&sslmode=disable")))
