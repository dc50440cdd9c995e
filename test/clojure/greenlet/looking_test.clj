(ns greenlet.looking-test
  "What greenlet.repl shows, datafy and nav, and that looking changes nothing."
  (:require [clojure.datafy :refer [datafy nav]]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing use-fixtures]]
            [greenlet.core :as g]
            [greenlet.examples.pictures :as pictures]
            [greenlet.hub :as hub]
            [greenlet.repl :as repl]
            [greenlet.tasklet :as t]
            [greenlet.test :refer [check-leaks]]
            [greenlet.watchdog :refer [leaves-suspended on-each-root]]))

(set! *warn-on-reflection* true)

(use-fixtures :each check-leaks)

(defn- waits-here [q]
  (hub/take! q))

(deftest a-tree-of-a-hub
  (on-each-root
   (hub/run :time :virtual :name "shop" :known true
     (let [orders (hub/queue {:name "orders"})
           clerk (hub/spawn {:name "clerk"} #(waits-here orders))]
       (hub/sleep! 90)
       (let [[hub _ clerk-seen :as all] (repl/snapshot (hub/hub))]
         (is (= [:hub :task :task] (map :kind all)))
         (is (= {:kind :hub, :name "shop"} (select-keys hub [:kind :name])))
         (is (= {:kind :task, :name "clerk", :state "suspended", :parent "shop", :depth 1, :waits {:for "an item of the queue orders", :seconds 90.0}}
                (dissoc clerk-seen :place)))
         (is (str/starts-with? (get-in clerk-seen [:place :class]) "greenlet.looking_test$waits_here")))
       (is (some #{"shop"} (map :name (repl/snapshot :known))))
       (is (re-find #"(?m)^  task clerk, suspended, waits for an item of the queue orders since 1m30s ago, at greenlet.looking_test"
                    (with-out-str (repl/tree (hub/hub)))))
       (is (re-find #"(?m)^    task clerk" (with-out-str (repl/tree))) "as a part of the thread")
       (is (str/starts-with? (.getClassName ^StackTraceElement (first (repl/where clerk))) "greenlet.looking_test"))
       (hub/kill! clerk)))))

(deftest tasklets-within-a-task
  (on-each-root
   (hub/run
     (let [task (hub/spawn {:name "task"} #(let [ch (t/channel {:name "ch"})
                                                 receiver (t/tasklet* (fn [] (t/receive! ch)) {:name "receiver"})]
                                             (t/schedule!)
                                             (try
                                               (hub/sleep! 1000)
                                               (finally (t/kill! receiver)))))]
       (hub/sleep! 0)
       (let [all (repl/snapshot (hub/hub))
             receiver (first (filter #(= "receiver" (:name %)) all))]
         (is (= {:kind :tasklet, :state "blocked", :parent "task", :depth 2, :waits {:for "a sender on ch"}}
                (select-keys receiver [:kind :state :parent :depth :waits]))))
       (hub/kill! task)))))

(deftest looking-realises-nothing
  (on-each-root
   (let [touched (atom 0)
         lazy (map (fn [x] (swap! touched inc) x) (iterate inc 0))
         gen (g/generator (swap! touched inc) (g/yield! 1))
         endless (reify Object (toString [_] (swap! touched inc) "text"))]
     (hub/run
       (doseq [what [lazy gen endless {:lazy lazy} [lazy]]]
         (hub/spawn #(hub/await! (hub/waiter what))))
       (hub/sleep! 0)
       (is (= 7 (count (repl/snapshot (hub/hub)))))
       (is (string? (repl/text)))
       (is (= {:text (str gen)} (datafy gen))))
     (is (zero? @touched)))))

(deftest datafied
  (on-each-root
   (testing "a hub, its tasks and back"
     (hub/run :name "shop" :accounting true
       (let [sleeper (hub/spawn {:name "sleeper"} hub/sleep! 1000)]
         (hub/sleep! 0)
         (let [h (datafy (hub/hub))
               task (nav h :tasks (:tasks h))
               of-task (datafy (second task))]
           (is (= "sleeper" (second (:tasks h))))
           (is (identical? sleeper (second task)))
           (is (= {:kind :task, :name "sleeper", :hub "shop"} (select-keys of-task [:kind :name :hub])))
           (is (= 1 (get-in of-task [:account :switches])))
           (is (identical? (hub/hub) (nav of-task :hub (:hub of-task)))))
         (hub/kill! sleeper))))
   (testing "greenlets"
     (let [g (g/greenlet + {:name "adder"})]
       (is (= {:kind :greenlet, :name "adder", :state "unstarted", :parent "root"} (select-keys (datafy g) [:kind :name :state :parent])))
       (is (identical? (g/current) (nav (datafy g) :parent "root")))))
   (testing "what lies between"
     (is (= {:text "the queue q, of 1 item", :size 1, :closed false, :unfinished 1}
            (hub/run (let [q (hub/queue {:name "q"})] (hub/put! q 1) (datafy q)))))
     (is (= {:text "Channel[ch, 1 buffered]", :balance 0, :buffered 1, :closing false, :shared false}
            (let [ch (t/channel {:name "ch", :buffer 2})] (t/send! ch 1) (datafy ch))))
     (is (= [:tasklet "main" "current"] ((juxt :kind :name :state) (datafy (t/current)))))
     (with-open [c (g/cursor (g/generator (g/yield! 1)))]
       (is (str/starts-with? (:text (datafy c)) "Cursor["))))))

(deftest the-pictures-of-the-documentation
  (let [sources (leaves-suspended "seqs of generators that are walked to their middle" (pictures/sources))]
    (is (= (set (map #(str % ".svg") (keys sources)))
           (set (filter #(str/ends-with? % ".svg") (.list (java.io.File. "doc/pictures"))))) "bin/pictures has drawn each")
    (doseq [[name source] sources]
      (testing name
        (is (str/starts-with? source "@startuml\nparticipant"))
        (is (< 4 (count (str/split-lines source))))))
    (is (str/includes? (sources "kitchen") "hnote over p3 : waits for the lock stove of Task[Ann, suspended]"))
    (is (re-find #"(?m)^p2 --> p1 : " (sources "walk")))))

(deftest wrong-arguments
  (is (thrown-with-msg? IllegalArgumentException #"what can be looked at is a greenlet.*; got :all" (repl/tree :all)))
  (is (thrown-with-msg? IllegalArgumentException #"what has a stack is .*; got 1" (repl/where 1)))
  (is (thrown-with-msg? IllegalArgumentException #"the :name of a hub is a string; got 1" (hub/run :name 1 nil)))
  (is (thrown-with-msg? IllegalArgumentException #"accounting is true, :stacks or nil; got 1" (hub/run :accounting 1 nil)))
  (is (thrown-with-msg? IllegalArgumentException #"the :name of a queue" (hub/queue {:name 1})))
  (is (thrown-with-msg? IllegalArgumentException #"the :buffer of a channel" (t/channel {:buffer -1})))
  (is (thrown-with-msg? IllegalArgumentException #"above zero" (t/run-for! 0)))
  (is (thrown-with-msg? IllegalArgumentException #"1 turn or more" (t/run-n! 0))))
