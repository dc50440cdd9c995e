(ns greenlet.examples.durable
  "Where the examples keep the programs that outlive their process: in memory, in a directory, or in a database that several of them share."
  (:require [clojure.string :as str]
            [greenlet.journal :as journal])
  (:import (java.io Closeable)
           (java.lang AutoCloseable)))

(set! *warn-on-reflection* true)

(defrecord Programs [store worker]
  Closeable
  (close [_]
    (when worker (.close ^AutoCloseable worker))
    (journal/close! store)))

(defn programs
  "Runs programs, of the functions named by `vars`, until it is closed. The :store is a host, as greenlet.journal has them. `where` is nil for
  memory, the JDBC URL of a database, which a worker shares with those of other processes, or the path of a directory."
  ^Closeable [where vars]
  (cond
    (nil? where) (->Programs (journal/memory) nil)
    (str/starts-with? where "jdbc:") (let [store (journal/jdbc where)]
                                       (->Programs store (journal/worker store vars {:lease 5})))
    :else (let [store (journal/directory where)]
            (journal/resume! store)
            (->Programs store nil))))
