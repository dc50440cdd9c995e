(ns greenlet.bench-test
  "The benchmarks: that they run, and not how fast."
  (:require [clojure.java.io :as io]
            [clojure.set :as set]
            [clojure.string :as str]
            [clojure.test :refer [deftest is]]
            [greenlet.process :refer [prints refuses with-temp-dir]])
  (:import (java.io File)))

(set! *warn-on-reflection* true)

(def ^:private ^File results (io/file "bench/target/results.json"))

(def ^:private expected
  "Pairs of a column and a class of benchmarks. --quick leaves carried threads out."
  (set (concat (for [class ["RawBenchmark" "HandOffBenchmark" "PeerBenchmark" "FiberBenchmark" "PipeBenchmark"]]
                 ["no greenlets" class])
               (for [class ["GreenletBenchmark" "GeneratorBenchmark" "TaskletBenchmark" "HubBenchmark" "BridgeBenchmark" "Memory"]
                     engine ["virtual-thread" "continuation"]]
                 [engine class]))))

(defn- measured []
  (set (map #(vec (rest %)) (re-seq #"\"column\":\"(.+?)\",\"benchmark\":\"(\w+)\." (slurp results)))))

(defn- path-with-failing-python
  "Without Python's greenlet, whether it is there or not."
  [dir]
  (doto (io/file dir "python3")
    (spit "#!/bin/sh\nexit 1\n")
    (.setExecutable true))
  (str dir ":" (System/getenv "PATH")))

(deftest ^:bench every-benchmark-runs
  (with-temp-dir [dir]
    (.delete results)
    (let [{:keys [err]} (prints [] ["bin/bench" "--quick" "--python"]
                                :env {"PATH" (path-with-failing-python dir)}, :seconds 1800)]
      (is (str/includes? err "its column is left out")))
    (is (= #{} (set/difference expected (measured))))))

(deftest ^:bench a-profile-tells-phases
  (prints ["rest of Continuation"] ["bin/bench" "--profile" "RawBenchmark.roundTrip$"] :seconds 600))

(deftest ^:bench another-version-is-compared
  (let [core (first (filter #(re-matches #"greenlet-core-[^-]+(-SNAPSHOT)?\.jar" (.getName ^File %)) (.listFiles (io/file "target"))))]
    (is (some? core) "target has no core JAR: mvn package makes it")
    (prints ["| switch C |" "| channel VC |"] ["bin/bench" "--against" core "--quick"] :seconds 600)
    (prints ["| spawn C |"] ["bin/bench" "--against" core "--quick" "--recording" "spawn C"] :seconds 300))
  (refuses 2 "no core of greenlet-clj" ["bin/bench" "--against" "README.md"]))

(def ^:private echo-row
  "Of a server's name, the CPU time of a request under each of four loads, and the heap of a connection under the last two, of which
  what is no JVM has none."
  #"(?m)^\| (.+?) \|(?: \d+\.\d ± \d+\.\d \(\S+\) \|){4}((?: \d+\.\d ± \d+\.\d \|){2})?")

(deftest ^:bench echo-servers-answer
  (let [{:keys [out]} (prints ["| 1 | 100 | 100 of 1000 | 100 of 10000 |"] ["bin/bench" "--echo" "--quick"] :seconds 300)
        [of-java others] ((juxt filter remove) #(nth % 2) (re-seq echo-row out))]
    (is (= 11 (count of-java)) out)
    (is (= "raw NIO, a selector" (second (first of-java))))
    (is (contains? #{[] ["gevent"]} (map second others)) out))
  (refuses 2 "no server matches Twisted" ["bin/bench" "--echo" "Twisted"]))

(def ^:private http-row
  "Of a server's name, the CPU time of a request under each of three loads, and how many there are a second."
  #"(?m)^\| (.+?) \|(?: \d+\.\d ± \d+\.\d \(\S+\) \|){3}(?: [\d,]+ ± [\d,]+ \(\S+\) \|){3}$")

(deftest ^:bench http-servers-answer
  (let [{:keys [out]} (prints [] ["bin/bench" "--http" "--quick"] :seconds 300)]
    (is (= ["virtual threads" "virtual threads, one carrier" "hub on C" "hub on V" "hub on VC"] (map second (re-seq http-row out))) out)))

(deftest ^:bench an-echo-server-that-is-not-there-is-left-out
  (with-temp-dir [dir]
    (spit (io/file dir "gevent.py") "raise ImportError")
    (let [{:keys [err]} (prints ["| raw NIO, a selector |"] ["bin/bench" "--echo" "--quick" "gevent"]
                                :env {"PYTHONPATH" dir}, :seconds 300)]
      (is (str/includes? err "its row is left out")))))

(deftest ^:bench jobs-are-worked
  (let [{:keys [out]} (prints ["| a hundred workers, ten connections | jobs a second | µs of CPU a job |"]
                              ["bin/bench" "--jobs" "--quick"] :seconds 300)]
    (is (= ["tasks of a hub on C" "tasks of a hub on V" "tasks of a hub on VC" "virtual threads, HikariCP"]
           (map second (re-seq #"(?m)^\| (.+?) \| \d+ ± \d+ \| \d+\.\d ± \d+\.\d \|$" out)))
        out))
  (refuses 2 "no workers match ants" ["bin/bench" "--jobs" "ants"]))

(def ^:private journal-row
  "Of a row's name, its figures, some of which may be missing."
  #"(?m)^\| (.+?)((?: \|(?: -?[\d,.]+ ± [\d,.]+(?: \(\d+\.\d+\))?| )?)+) \|$")

(deftest ^:bench journals-are-written-and-replayed
  (let [{:keys [out]} (prints [] ["bin/bench" "--journal" "--quick"] :seconds 1200)
        figures       (into {} (for [[_ row figures] (re-seq journal-row out)] [row (count (re-seq #"±" figures))]))]
    (is (= {"a file, append and force" 3, "journal on C" 5, "journal on V" 5, "journal on VC" 5, "a table, insert and commit" 3, "DBOS Transact" 4
            "replay on C" 3, "replay on V" 3, "replay on VC" 3, "idle on C" 1, "idle on V" 1, "idle on VC" 1, "1,000,000 forgotten in 512 MB" 3,
            "PostgreSQL, workers on C" 3, "1,000,000 parked in PostgreSQL, a worker in 512 MB" 1}
           figures)
        out))
  (refuses 2 "no row matches Temporal" ["bin/bench" "--journal" "Temporal"]))

(deftest ^:bench looks-and-budgets-are-measured
  (prints ["| | C | V | VC |" "| a frame of 10,000 tasklets, beyond its 5 ms"] ["bin/bench" "--looking" "--quick"] :seconds 300)
  (refuses 2 "not understood: --look" ["bin/bench" "--looking" "--look"]))

(deftest ^:bench an-unknown-option-is-refused
  (refuses 2 "unknown option --fast" ["bin/bench" "--fast"]))
