(ns greenlet.repl-test
  "REPLs, in processes of their own: what README.md and the guide show, a form at a time, each an evaluation of its own; several
  sessions; interrupts."
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is testing use-fixtures]]
            [greenlet.doc-examples :as examples]
            [greenlet.repls :as repls])
  (:import (java.io Closeable)))

(set! *warn-on-reflection* true)

(def ^:private engines
  "Those of bin/engines: the name and the JVM options."
  (for [line (str/split-lines (slurp "bin/engines")), :when (re-find #"^[a-z]" line)]
    (let [[engine & options] (str/split line #"\s+")]
      [engine options])))

(defn- documents
  "The guide takes the two engines that differ most."
  [engine]
  (cond-> ["README.md"] (not= "virtual-thread-carried" engine) (conj "doc/guide.md")))

(defmacro ^:private on-each-engine
  "Runs `body` with the name and the JVM options of each engine."
  [bindings & body]
  `(doseq [[engine# :as all#] engines]
     (testing (str "on " engine# ":")
       (let [~bindings all#] ~@body))))

(def ^:private ^:dynamic *servers*
  "An atom with the nREPL servers by their JVM options: one for each engine, started when it is needed, serves all tests."
  nil)

(use-fixtures :once
  (fn [tests]
    (binding [*servers* (atom {})]
      (try
        (tests)
        (finally (run! #(.close ^Closeable %) (vals @*servers*)))))))

(defn- connect
  "A client of the nREPL server with the JVM options `options`."
  ^java.io.Closeable [options]
  (repls/connect (or (@*servers* options)
                     (get (swap! *servers* assoc options (repls/nrepl options)) options))))

(defn- check-document
  "Runs the examples in `file`, each form by `run`, a function of its text that returns its outcome. Calls `before-block` before
  each block. README.md is run where a REPL begins, any other document in a namespace of its own."
  [file before-block run]
  (testing file
    (when-not (= "README.md" file)
      (is (= {:result nil, :printed ""} (run (str "(ns " (re-find #"\w+(?=\.md)" file) ")")))))
    (let [results (into [] (mapcat #(do (before-block) (examples/run-block (comp run :text) %)))
                        (examples/markdown-blocks (slurp file)))]
      (is (< 10 (reduce + (map :claims results))))
      (is (= [] (examples/broken results))))))

(defn- check-engine
  "The JVM options do what they are for."
  [options run]
  (let [engine (:result (run "(do (require 'greenlet.core) (greenlet.core/engine))"))]
    (is (some #{(str "-Dgreenlet.engine=" (re-find #"^[\w-]+" engine))} options))
    (is (= (not (str/includes? engine "not carried")) (boolean (some #(str/starts-with? % "--add-opens") options))))))

(defn- check-interrupt
  "Interrupts `session` while it waits."
  [client session]
  (let [id (repls/start! client session "(do (println 'waiting) @(promise))")]
    (repls/await-output! client id "waiting")
    (is (true? (repls/interrupt! client session id)))))

(deftest ^:repl documents-through-nrepl
  (on-each-engine [engine options]
    (with-open [client (connect options)]
      (let [[reader other interrupted] (repeatedly 3 #(repls/session! client))
            counted (atom 0)
            ask #(:result (repls/evaluate! client other %))
            run (fn [code]
                  (let [outcome (repls/evaluate! client reader code)]
                    (is (= (swap! counted inc) (ask "(switch! counter)"))) ; between any two forms, another session
                    outcome))]
        (run! ask ["(ns other (:require [greenlet.core :refer :all]))"
                   "(def counter (glet [] (loop [n 1] (switch! (parent (current)) n) (recur (inc n)))))"])
        (check-engine options run)
        (doseq [document (documents engine)]
          ;; What a block of README.md shows does not need greenlets of those before; the guide's root does.
          (check-document document #(check-interrupt client ({"README.md" reader} document interrupted)) run))))))

(deftest ^:repl documents-through-clojure-main
  (on-each-engine [engine options]
    (with-open [console (repls/console options)]
      (let [run #(repls/enter! console %)]
        (check-engine options run)
        (doseq [document (documents engine)] (check-document document (fn []) run))
        (is (= 0 (repls/leave! console)))))))

(deftest ^:repl documents-through-lein-repl
  (let [server (repls/lein-repl)]
    (when (string? server)
      (println "lein repl is tested with Debian's nREPL alone, as Leiningen cannot have its own:" (re-find #"Could not .*" server)))
    (with-open [^Closeable server (if (string? server) (repls/lein-repl-with-debian's-nrepl) server)
                client (repls/connect server)]
      (let [session (repls/session! client)
            run #(repls/evaluate! client session %)]
        (check-engine ((into {} engines) "continuation") run) ; unasked
        (check-document "README.md" #(check-interrupt client session) run)))))

;; Sessions and interrupts

(defn- session
  "A function that evaluates a form in a new session: the result, or the name of the exception's class."
  [client]
  (let [id (repls/session! client)
        evaluate #(let [{:keys [result thrown]} (repls/evaluate! client id %)] (if thrown (symbol (:class thrown)) result))]
    (evaluate "(ns sessions (:require [greenlet.core :refer :all] [greenlet.hub :as hub] [greenlet.watchdog :as watchdog]))")
    (with-meta evaluate {:id id})))

(deftest ^:repl a-greenlet-or-cursor-belongs-to-a-session-and-a-seq-to-all
  (on-each-engine [_ options]
    (with-open [client (connect options)]
      (let [[one two] (repeatedly 2 #(session client))
            interrupt #(check-interrupt client (:id (meta one)))
            thread "(let [t (Thread/currentThread)] [(.getName t) (.threadId t)])"]
        (run! one ["(def echo (glet [& sent] (loop [sent sent] (recur (switch! (parent (current)) [:got sent])))))"
                   "(def naturals (generator (run! yield! (range))))"
                   "(def pulled (cursor naturals))"
                   "(def kept (seq naturals))"])
        (is (= '[:got (1)] (one "(switch! echo 1)")))
        (is (= 0 (one "(next! pulled)")))
        (is (= '(0 1) (one "(take 2 kept)")))
        (testing "another session"
          (is (= 'WrongThreadException (two "(switch! echo 2)")))
          (is (= 'WrongThreadException (two "(next! pulled)")))
          (is (= '(0 1 2 3) (two "(take 4 kept)")))
          (is (= [:new 5] (two "(switch! (glet [x] [:new x]) 5)")))
          (is (= [0 1] (two "(with-open [c (cursor naturals)] [(next! c) (next! c)])"))))
        (testing "the first one again"
          (is (= [:got 3] (one "(switch! echo 3)")))
          (is (= 1 (one "(next! pulled)")))
          (is (= '(0 1 2 3 4 5) (one "(take 6 kept)"))))
        (testing "after an interrupt"
          (let [[before two-before] [(one thread) (two thread)]]
            (two "(def of-two (glet [x] (switch! (parent (current)) x) :end))")
            (is (= 4 (two "(switch! of-two 4)")))
            (interrupt)
            (is (= (first before) (first (one thread))))
            (is (not= before (one thread)))
            (is (= two-before (two thread))))
          (is (= 'WrongThreadException (one "(switch! echo 4)")))
          (is (= 'WrongThreadException (one "(next! pulled)")))
          (is (= '(0 1 2 3 4 5 6 7) (one "(take 8 kept)")))
          (is (= [:new 5] (one "(switch! (glet [x] [:new x]) 5)")))
          (is (= [0 1] (one "(with-open [c (cursor naturals)] [(next! c) (next! c)])")))
          (is (= :end (two "(switch! of-two)"))))))))

(deftest ^:repl interrupts-reach-what-blocks
  (on-each-engine [_ options]
    (with-open [client (connect options)]
      (let [[one two] (repeatedly 2 #(session client))]
        (doseq [blocked ["(block)"
                         "(switch! (glet [] (block)))"
                         "(next! (cursor (generator (block))))"
                         "(seq (generator (block)))"
                         "(reduce + (generator (block)))"
                         "(hub/run (block))"]]
          (testing blocked
            (run! two ["(def blocked (promise))"
                       "(def interrupted (promise))"
                       "(defn block []
                          (deliver blocked (Thread/currentThread))
                          (try
                            @(promise)
                            (catch InterruptedException e (deliver interrupted true) (throw e))))"])
            (let [id (repls/start! client (:id (meta one)) blocked)]
              (two "(watchdog/await-state @blocked Thread$State/WAITING)")
              (is (true? (repls/interrupt! client (:id (meta one)) id))))
            (is (true? (two "(deref interrupted 10000 :not-seen)")))
            (is (= [:new 5] (one "(switch! (glet [x] [:new x]) 5)")))))))))
