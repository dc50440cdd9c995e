(ns greenlet.hub.pool-test
  "greenlet.hub.pool: whatever ends a task or a traversal, no place, no task and no report is left over."
  (:require [clojure.test :refer [deftest is testing use-fixtures]]
            [clojure.test.check.clojure-test :refer [defspec]]
            [clojure.test.check.generators :as gen]
            [clojure.test.check.properties :as prop]
            [greenlet.core :refer [cursor next!]]
            [greenlet.hub :refer [close! free-count imap imap-unordered interrupt! join kill! now pool queue put! result resource-pool
                                  run run* sleep! spawn spawn-in spawn-later task-name tasks timeout timeout* with-resource]]
            [greenlet.random :refer [times]]
            [greenlet.hubs]
            [greenlet.test :refer [check-leaks]]
            [greenlet.watchdog :refer [on-each-root thrown-by trace]])
  (:import (clojure.lang ExceptionInfo)
           (greenlet.hub Hub$LoopExit Pool)
           (java.util.concurrent CancellationException)))

(set! *warn-on-reflection* true)

(use-fixtures :each check-leaks)

(defn- slowly [n] (sleep! n) n)

;; Tasks

(deftest what-is-refused-takes-no-place
  (on-each-root
   (run
     (let [p (pool 1)]
       (doseq [bad [#(spawn-in p {:nam "x"} +) #(spawn-in p {:hub nil} +) #(spawn-in p 5) #(spawn-in p {:after :soon} +)
                    #(spawn {:pool p, :nam "x"} +) #(spawn-in p)]]
         (is (thrown? IllegalArgumentException (bad)))
         (is (= 1 (free-count p))))
       (is (= 3 (result (spawn-in p + 1 2))))))))

(deftest options-of-a-task-in-a-pool
  (on-each-root
   (run :time :virtual
     (let [p (pool 1)]
       (is (= "named" (task-name (spawn-in p {:name "named"} +))))
       (is (= 2.0 (result (spawn {:pool p, :after 2} now))) "its place is taken from now on")
       (is (= "both" (task-name (spawn {:pool p, :name "both"} +))))
       (is (thrown-with-msg? IllegalArgumentException #":pool or :hub" (spawn {:pool p, :hub (greenlet.hub/hub)} +)))))))

(deftest a-pool-made-in-java
  (run
    (let [p (Pool. 2)]
      (is (= [3 4] (vec (imap p inc [2 3]))))
      (is (= 2 (free-count p)))
      (spawn-in p sleep! 1)
      (is (nil? (kill! p)))
      (is (nil? (join p))))))

;; Mapping

(deftest a-traversal-that-ends-early-leaves-no-task
  (on-each-root
   (doseq [mapped [imap imap-unordered], size (range 1 6), n (range 0 6), f [slowly (fn [x] (sleep! 1) x) identity]]
     (run :time :virtual
       (let [p (pool size)]
         (is (= n (count (into [] (take n) (mapped p f (range))))))
         (is (= [1 size 0] [(count (tasks)) (free-count p) (count p)]) (pr-str size n)))))))

(deftest nobody-hears-of-the-tasks-that-a-traversal-kills
  (on-each-root
   (doseq [mapped [imap imap-unordered]]
     (let [reported (trace)]
       (is (= [1] (run :time :virtual, :on-failure (fn [task e] (reported [(str task) (str e)]))
                    (into [] (take 1) (mapped (pool 3) slowly [1 2 3])))))
       (is (= [] @reported))))))

(deftest an-exception-ends-a-traversal
  (on-each-root
   (run :time :virtual
     (doseq [mapped [imap imap-unordered]]
       (let [p (pool 1)]
         (with-open [c (cursor (mapped p / [1 0 2]))]
           (is (= 1 (next! c)))
           (is (thrown? ArithmeticException (next! c)))
           (is (= 1 (count (tasks))))))))))

(deftest results-that-are-tasks-live-on
  (run :time :virtual
    (let [ts (vec (imap (pool 2) #(spawn slowly %) [3 4]))]
      (is (= [3 4] (mapv result ts))))))

(def ^:private gen-traversal
  (gen/let [size (gen/choose 1 4)
            traversal (gen/hash-map :mapped (gen/elements [#'imap #'imap-unordered])
                                    :elements (gen/frequency [[3 (gen/fmap #(range %) (gen/choose 0 9))] [1 (gen/return (range))]])
                                    :sleeps (gen/vector (gen/choose 0 3) 1 5)
                                    :unwinds (gen/choose 0 1)
                                    :taken (gen/choose 0 10)
                                    :failing (gen/one-of [(gen/return nil) (gen/choose 0 6)])
                                    :limit (gen/one-of [(gen/return nil) (gen/choose 0 6)])
                                    :kill (gen/one-of [(gen/return nil) (gen/choose 0 6)])
                                    :kill-one (gen/one-of [(gen/return nil) (gen/tuple (gen/choose 0 6) (gen/choose 0 5))]))]
    (assoc traversal :size size)))

(defn- traverse
  "Traverses as told. What has come of it, and what is left: tasks, places taken, and reports."
  [{:keys [mapped size elements sleeps unwinds taken failing limit kill kill-one]}]
  (let [reports (trace)]
    (run :time :virtual, :on-failure (fn [task e] (reports [(str task) (str e)]))
      (let [p (pool size)
            work (fn [x]
                   (try
                     (sleep! (nth (cycle sleeps) x))
                     (finally (sleep! unwinds)))
                   (if (= x failing) (throw (ex-info "failing" {})) x))
            outcome (atom nil)
            traversing (spawn #(reset! outcome
                                       (try
                                         (timeout* limit (fn [] (into [] (take taken) (mapped p work elements))) (constantly :late))
                                         (catch ExceptionInfo _ :failed)
                                         (catch CancellationException _ :cancelled))))
            killers [(when kill (spawn-later kill interrupt! traversing))
                     (when-let [[at n] kill-one]
                       (spawn-later at #(when-let [t (nth (drop 2 (tasks)) n nil)] (interrupt! t))))]]
        (join traversing)
        (run! kill! (remove nil? killers))
        {:outcome @outcome, :tasks (dec (count (tasks))), :taken (- size (long (free-count p))), :reports @reports}))))

(defn- in-order? [{:keys [mapped elements taken failing limit kill kill-one]} outcome]
  (let [expected (take taken elements)]
    (cond
      (= :failed outcome) failing
      (= :late outcome) limit
      (= :cancelled outcome) kill-one
      (nil? outcome) (or kill kill-one)
      (= mapped #'imap) (= expected outcome)
      :else (and (= (count expected) (count outcome)) (apply distinct? nil outcome)))))

(defspec ^:random nothing-is-left-of-any-traversal (times 200)
  (prop/for-all [traversal gen-traversal]
    (let [{:keys [outcome] :as left} (traverse traversal)]
      (and (= {:tasks 0, :taken 0, :reports []} (dissoc left :outcome))
           (in-order? traversal outcome)))))

;; Resources

(deftest resources
  (on-each-root
   (let [log (trace)
         made (atom 0)]
     (run :time :virtual
       (let [p (resource-pool 1 #(do (sleep! 1) (swap! made inc))
                              {:dispose #(log [:disposed %]), :check #(not= 2 %), :max-age 10
                               :keep-after (constantly false)})
             fail (fn [data] (thrown-by (with-resource [r p] (log [:used r]) (throw (ex-info "" data)))))]
         (is (= 1 (with-resource [r p] r)))
         (is (= 1 (with-resource [r p] r)))
         (is (some? (fail {})))
         (is (= 2 (with-resource [r p] r)))
         (is (= 3 (with-resource [r p] r)) "2 does not pass the check")
         (is (= :late (timeout 1 :else :late (with-resource [r p] (sleep! 5)))))
         (is (= 4 (with-resource [r p] r)) "nobody knows in which state 3 is")
         (sleep! 11)
         (is (= 5 (with-resource [r p] r)) "4 is too old")
         (let [killed (spawn #(with-resource [r p] (sleep! 5)))]
           (sleep! 1)
           (kill! killed)
           (is (= 1 (free-count p))))
         (is (= 6 (with-resource [r p] r)))
         (close! p)
         (is (thrown? IllegalStateException (with-resource [r p] r)))))
     (is (= [[:used 1] [:disposed 1] [:disposed 2] [:disposed 3] [:disposed 4] [:disposed 5] [:disposed 6]] @log))))
  (testing "arguments"
    (doseq [bad [#(resource-pool 0 +) #(resource-pool nil +) #(resource-pool 1 nil) #(resource-pool 1 + {:max 1})
                 #(resource-pool 1 + {:check 5}) #(resource-pool 1 + {:dispose 5}) #(resource-pool 1 + {:max-age :old})
                 #(greenlet.hub/with-resource* :pool identity)]]
      (is (thrown? IllegalArgumentException (bad))))
    (is (thrown-with-msg? IllegalArgumentException #"a name and a pool"
                          (throw (ex-cause (thrown-by (macroexpand '(greenlet.hub/with-resource [r] r)))))))))

(deftest what-throws-a-kept-exception-keeps-its-resource
  (run
    (let [p (resource-pool 1 #(Object.) {:keep-after #(:harmless (ex-data %))})
          one (with-resource [r p] r)]
      (is (thrown? ExceptionInfo (with-resource [_ p] (throw (ex-info "" {:harmless true})))))
      (is (identical? one (with-resource [r p] r))))))

(deftest a-pool-within-its-own-task
  (on-each-root
   (is (thrown? Hub$LoopExit
                (run (let [p (pool 1)] (result (spawn-in p #(result (spawn-in p +))))))))
   (is (= 0 (run (let [p (pool 2)] (result (spawn-in p #(result (spawn-in p +))))))))
   (run :time :virtual
     (let [q (queue), p (pool 3)]
       (spawn #(do (run! (partial put! q) (range 3)) (sleep! 1) (close! q)))
       (is (= [1 2 3] (vec (imap p inc q))) "what a queue gives, too")))))
