(ns greenlet.examples.actors-test
  "The actors: the same seed, the same events, on every engine."
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [greenlet.examples.actors :as actors]
            [greenlet.watchdog :as watchdog :refer [trace]]))

(set! *warn-on-reflection* true)

(defn- events-of [options]
  (let [event (trace)]
    (watchdog/call-in-thread #(actors/simulate (merge {:seed 1, :actors 100, :ticks 60, :tell event} options)))
    @event))

(defn- headless [options]
  (watchdog/call-in-thread #(actors/run-headless options)))

(deftest the-same-seed-leads-to-the-same-events
  (let [events (events-of {})]
    (is (= events (events-of {})))
    (is (not= events (events-of {:seed 2})))
    (is (apply <= (map first events)) "in the order of time")
    (is (= (range 100) (sort (distinct (map #(nth % 2) events)))) "of all actors")
    (testing "however many more are watched, or for how long"
      (is (= (filter #(< (long (first %)) 30) events)
             (filter #(< (long (first %)) 30) (events-of {:ticks 40})))))))

(deftest the-events-are-the-same-on-every-engine
  (let [{:keys [checksum actors]} (headless {:seed 1, :actors 1000, :ticks 100})]
    (is (= ["5ecb2a31" {:shepherd 10, :sheep 893, :wolf 30}] [checksum actors]))))

(deftest who-is-caught-is-gone
  (let [{:keys [events actors]} (headless {:seed 3, :actors 400, :ticks 200})]
    (is (pos? (long (events :gone))))
    (is (= (events :gone) (events "Yum.")) "each that is gone was caught")
    (is (= 400 (+ (long (events :gone)) (reduce + (vals actors)))) "nobody is lost")
    (is (= {:shepherd 4, :wolf 12} (dissoc actors :sheep)) "sheep alone")))

(deftest no-two-actors-are-in-one-place
  (let [seen (trace)]
    (watchdog/call-in-thread
     #(actors/simulate {:seed 1, :actors 200, :ticks 50
                        :between-ticks (fn [{:keys [actors cells]} _]
                                         (let [places (map (fn [a] @(:at a)) (actors))]
                                           (seen [(or (empty? places) (apply distinct? places))
                                                  (= (count places) (count (remove nil? cells)))])))}))
    (is (= 50 (count @seen)))
    (is (= #{[true true]} (set @seen)))))

(deftest wrong-arguments-are-named
  (doseq [[args message] {["--fast" "1"] "unknown option --fast"
                          ["--seed"] "--seed needs a number from 0 up; got none"
                          ["--actors" "0"] "--actors needs a number from 1 up; got 0"
                          ["--tick" "-1"] "--tick needs a number from 1 up; got -1"}]
    (is (str/starts-with? (ex-message (watchdog/thrown-by (#'actors/parse args))) message))))
