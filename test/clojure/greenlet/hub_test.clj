(ns greenlet.hub-test
  "greenlet.hub: what gevent's users expect of each name. Traces in virtual time are the same every time."
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is testing use-fixtures]]
            [clojure.test.check.clojure-test :refer [defspec]]
            [clojure.test.check.generators :as gen]
            [clojure.test.check.properties :as prop]
            [greenlet.core :as g :refer [generator glet switch! yield!]]
            [greenlet.hub :as hub
             :refer [acquire! async-result await! Awaitable clear-event! close! current-task event event-set? exception execute! fail!
                     free-count holding imap imap-unordered interrupt! iwait join joinall kill! killall link lock now offer!
                     offload on-complete! on-failure! peek! poll! pool put! queue raw-link ready? release! result run run* scope
                     semaphore set-event! sleep! spawn spawn-in spawn-later stack successful? take! task-done! task-name task?
                     tasks timeout wait waiter wake!]]
            [greenlet.random :refer [times]]
            [greenlet.hubs]
            [greenlet.test :refer [check-leaks]]
            [greenlet.watchdog :as watchdog :refer [on-each-root thrown-by trace]])
  (:import (greenlet GreenletExit)
           (greenlet.hub Hub Hub$LoopExit Task)
           (java.time Duration)
           (java.util.concurrent CancellationException CompletableFuture CountDownLatch Executors LinkedBlockingQueue RejectedExecutionException
                                 TimeoutException)
           (java.util.logging Handler Logger LogRecord)))

(set! *warn-on-reflection* true)

(use-fixtures :each check-leaks)

(defmacro ^:private virtually
  "Runs `body` in virtual time, as the root of each kind of thread; `log` is a recorder of [what time]. The trace."
  [[log] & body]
  `(let [traces# (atom [])]
     (on-each-root
      (let [recorder# (trace)
            ~log (fn [what#] (recorder# [what# (now)]) what#)]
        (run :time :virtual ~@body)
        (swap! traces# conj @recorder#)))
     (is (apply = @traces#) "the same on every kind of thread")
     (first @traces#)))

;; Tasks

(deftest spawning
  (is (= [[:caller 0.0] [[:a 1] 0.0] [[:b 2] 0.0]]
         (virtually [log]
           (spawn log [:a 1])
           (spawn #(log [:b 2]))
           (log :caller)
           (sleep! 0))))
  (on-each-root
   (run
     (is (= "named" (task-name (spawn {:name "named"} +))))
     (is (= 6 (result (spawn + 1 2 3))))
     (is (task? (current-task)))
     (is (= (current-task) (result (let [me (current-task)] (spawn (constantly me))))))
     (is (nil? (result (spawn (fn [])))))
     (is (thrown? IllegalArgumentException (spawn 5)))
     (is (thrown? IllegalArgumentException (spawn nil)))
     (is (thrown-with-msg? IllegalArgumentException #"unknown options \[:nam\]" (spawn {:nam "x"} +))))
   (is (nil? (current-task)))))

(deftest spawning-later
  (is (= [[:b 1.0] [:a 2.0]]
         (virtually [log]
           (spawn-later 2 log :a)
           (spawn {:after 1} log :b)
           (killall [(spawn-later 1 log :never)])
           (wait)))))

(deftest spawning-in-another-hub
  (on-each-root
   (run
     (let [here (hub/hub)]
       (is (= [:there true]
              (offload #(deref (.toCompletableFuture ^Task (spawn {:hub here} (fn [] [:there (.isHere here)]))))))))
     (is (= :put (let [q (queue), h (hub/hub)] @(future (execute! h put! q :put)) (take! q)))))
   (let [over (run (hub/hub))]
     (doseq [f [#(spawn {:hub over} +) #(execute! over +)]]
       (is (thrown? RejectedExecutionException (f)))))))

(deftest joining-and-results
  (on-each-root
   (run :time :virtual
     (let [t (spawn #(do (sleep! 5) :value))]
       (is (= [false :late 2.0] [(join t 1) (result t 1 :late) (now)]))
       (is (thrown? TimeoutException (result t 1)))
       (is (= [nil :value :value 5.0] [(join t) (result t) (result t 1 :late) (now)]))
       (is (= [true true nil] [(ready? t) (successful? t) (exception t)])))
     (let [e (ex-info "failed" {})
           t (spawn #(throw e))]
       (is (identical? e (thrown-by (result t))))
       (is (identical? e (exception t)))
       (is (= [true false nil] [(ready? t) (successful? t) (join t)])))
     (is (thrown? IllegalArgumentException (join :no-task)))
     (is (thrown? IllegalStateException (join (current-task)))))))

(deftest killing
  (is (= [[:waiting 0.0] [:unwound 2.0] [[:dead true false] 2.0] [:itself 2.0] [["hurry" true] 2.0]]
         (virtually [log]
           (let [t (spawn #(try (log :waiting) (sleep! 100) (catch Exception _ (log :swallowed)) (finally (sleep! 1) (log :unwound))))]
             (sleep! 1)
             (kill! t)
             (log [:dead (ready? t) (successful? t)])
             (is (instance? GreenletExit (exception t)))
             (is (thrown? CancellationException (result t)))
             (kill! t))
           (let [t (spawn log :never)]
             (kill! t)
             (is (ready? t)))
           (let [t (spawn #(do (log :itself) (kill! (current-task)) (log :not-here)))]
             (join t)
             (is (instance? GreenletExit (exception t))))
           (let [t (spawn #(try (sleep! 100) (catch Exception e (ex-message e))))]
             (sleep! 0)
             (kill! t {:exception (Exception. "hurry")})
             (log [(result t) (successful? t)]))
           (let [t (spawn #(try (sleep! 100) (finally (sleep! 10))))]
             (sleep! 0)
             (kill! t {:wait false})
             (is (not (ready? t)))
             (kill! t {:wait 0.1})
             (is (ready? t) "killed again, while it unwound"))
           (is (thrown? IllegalArgumentException (kill! nil)))
           (is (thrown? IllegalArgumentException (interrupt! (current-task) :no-throwable)))))))

(deftest links
  (is (= [[:raw 1.0] [:linked 1.0] [:late 1.0]]
         (virtually [log]
           (let [t (spawn sleep! 1)]
             (link t (fn [ended] (is (= t ended)) (log :linked)))
             (raw-link t (fn [ended] (is (= t ended)) (log :raw)))
             (join t)
             (sleep! 0)
             (link t (fn [_] (log :late)))
             (wait))))))

(deftest many-tasks
  (on-each-root
   (run :time :virtual
     (let [sleepers (fn [] (mapv #(spawn (fn [] (sleep! %) %)) [3 1 2]))]
       (is (= [1 2 3] (mapv result (joinall (sleepers)))))
       (is (= [1] (mapv result (joinall (sleepers) {:count 1}))))
       (is (= [1 2] (mapv result (joinall (sleepers) {:timeout 2.5}))))
       (is (thrown-with-msg? Exception #"no" (joinall (conj (sleepers) (spawn #(throw (Exception. "no")))) {:raise true})))
       (let [ts (sleepers)]
         (sleep! 0)
         (killall ts)
         (is (every? ready? ts))
         (is (not-any? successful? ts)))
       (wait)
       (is (= [(current-task)] (tasks)))))))

(deftest joining-those-that-fail
  (on-each-root
   (run :time :virtual
     (testing "the first one that fails counts, wherever it stands, and as often as one asks"
       (let [late (spawn #(do (sleep! 1) (throw (ex-info "late" {}))))
             early (spawn #(throw (ex-info "early" {})))]
         (is (= ["early" 0.0] [(ex-message (thrown-by (joinall [late early] {:raise true}))) (now)]))
         (is (= "early" (ex-message (thrown-by (joinall [early] {:raise true})))))
         (is (= [early late] (joinall [late early])))))
     (testing "where it is not to be raised, a failure is an end like others"
       (let [sleeper (spawn sleep! 100)
             careless (spawn #(throw (ex-info "" {})))]
         (on-failure! (hub/hub) (fn [task _] (is (= careless task))))
         (is (= [careless] (joinall [sleeper careless] {:count 1})))
         (is (not (ready? sleeper)))))
     (testing "a task may be given twice"
       (let [[a b] [(spawn +) (spawn +)]]
         (is (= [a a b] (joinall [a b a])))))
     (testing "one that does not end in time"
       (let [begin (now), never (spawn-later 100 +)]
         (is (= [[] 1.0] [(joinall [never] {:timeout 1}) (- (now) begin)]))
         (is (= [:outer 2.0] (timeout 1 :else [:outer (- (now) begin)] (joinall [never] {:timeout 50})))))))))

(deftest killing-many
  (let [e (ex-info "failure" {})]
    (is (= (for [[options how] [[{} :killed] [{:wait false} :killed] [{:exception e} :failed] [{:exception e, :wait false} :failed]]
                 what ["ready" "later" "asleep"]] ; the first two end at once
             [options what how])
           (map first
                (virtually [log]
                  (doseq [options [{} {:wait false} {:exception e} {:exception e, :wait false}]]
                    (let [body #(do (sleep! 10) (log :goes-on))
                          asleep (spawn {:name "asleep"} body)
                          _ (sleep! 0)
                          ts [asleep (spawn {:name "ready"} #(log :begins)) (spawn {:name "later", :after 1} #(log :begins))]]
                      (doseq [t ts]
                        (link t #(log [options (task-name %) (cond (identical? e (exception %)) :failed
                                                                   (instance? GreenletExit (exception %)) :killed)])))
                      (killall ts options)
                      (is (= (:wait options true) (ready? asleep)))
                      (joinall ts)
                      (killall ts options)
                      (sleep! 20))))))))
  (testing "in a greenlet of its own, and by a pool"
    (run
      (let [in-greenlet (spawn (fn [] (switch! (glet [] (killall [(current-task)]))) (sleep! 0) :alive))
            p (pool)
            in-pool (spawn-in p #(kill! p))]
        (joinall [in-greenlet in-pool])
        (is (= [false false] [(successful? in-greenlet) (successful? in-pool)]))
        (is (every? #(instance? GreenletExit (exception %)) [in-greenlet in-pool])))))
  (testing "the current one comes last"
    (is (= [[:unwound 0.0] [:killed 0.0]]
           (virtually [log]
             (let [t (spawn #(try (sleep! 10) (finally (log :unwound))))
                   killer (spawn (fn [] (sleep! 0) (killall [(current-task) t]) (log :lives)))]
               (join killer)
               (log (if (instance? GreenletExit (exception killer)) :killed :not)))))))
  (run
    (let [t (spawn sleep! 100)]
      (doseq [bad [42 "text" Exception]]
        (is (thrown? IllegalArgumentException (killall [t] {:exception bad})))
        (is (thrown? IllegalArgumentException (kill! t {:exception bad}))))
      (is (not (ready? t))))))

(deftest waiting-for-anything
  (on-each-root
   (run :time :virtual
     (let [e (event), r (async-result), p (promise), t (spawn sleep! 3)]
       (spawn #(do (sleep! 1) (set-event! e) (sleep! 1) (fail! r (Exception.))))
       (is (= [] (wait [e r t] {:timeout 0.5})))
       (is (= [e] (wait [e r t] {:count 1})))
       (is (= [e r t] (wait [e r t])))
       (is (= [] (wait [])))
       (deliver p 1)
       (is (= [p] (vec (iwait [p]))))
       (is (= [e] (into [] (take 1) (iwait [e (event)]))) "what is left is given up")
       (is (= 1 (count (tasks))))))))

(deftype Bell [])

(deftest what-cannot-be-waited-for
  (extend-protocol Awaitable
    Bell (on-complete! [_ w] (wake! w :ding) nil))
  (run
    (doseq [bad [(semaphore 0) (lock) (queue) (pool) 42 nil :x {} "text"]]
      (let [refusal (fn [f] (let [e (thrown-by (f))] (is (instance? IllegalArgumentException e)) (ex-message e)))
            refused (refusal #(await! bad))]
        (is (re-find #"^await! cannot wait for" refused))
        (is (= refused (refusal #(wait [bad])) (refusal #(wait [(spawn +) bad] {:timeout 1})) (refusal #(vec (iwait [bad])))))))
    (let [bell (Bell.), all [bell (waiter "w") (promise) (delay 1) (fn [callback] (callback 1)) (event) (async-result)]]
      (wake! (all 1) nil)
      (deliver (all 2) nil)
      (set-event! (all 5))
      (fail! (all 6) (Exception.))
      (is (= (set all) (set (wait all)))))))

(deftest names-and-stacks
  (run
    (let [t (spawn {:name "sleeper"} (fn [] (sleep! 100)))]
      (sleep! 0)
      (is (some #(re-find #"hub_test" (str %)) (stack t)))
      (is (re-find #"^#<Task\[sleeper, suspended\].*\(result t\)" (pr-str t)))
      (is (re-find #"^#<Hub@" (pr-str (hub/hub))))
      (is (some #{t} (tasks))))))

;; Time

(deftest sleeping
  (is (= [[:b 0.0] [:a 0.0] [:c 0.25] [:d 1.0]]
         (virtually [log]
           (spawn #(log :b))
           (spawn-later 0.25 log :c)
           (sleep! 0)
           (log :a)
           (sleep! (Duration/ofSeconds 1))
           (log :d))))
  (doseq [bad [nil :x "1" Double/NaN]]
    (is (thrown? IllegalArgumentException (sleep! bad)))))

(deftest limits
  (on-each-root
   (run :time :virtual
     (is (= 1 (timeout 5 1)))
     (is (= 1 (timeout nil :else 2 1)) "no limit")
     (is (thrown-with-msg? TimeoutException #"a limit of 1 s ran out" (timeout 1 (sleep! 10))))
     (is (= [:outer 3.0] (timeout 2 :else [:outer (now)] (timeout 9 :else :inner (sleep! 10)))))
     (is (= [:inner 5.0] (timeout 9 :else :outer (timeout 2 :else [:inner (now)] (sleep! 10)))))
     (is (thrown-with-msg? TimeoutException #"limit of 1 s" (timeout 9 :else :outer (timeout 1 (sleep! 10))))
         "one limit's exception is not the other's business")
     (is (= :else (timeout 1 :else :else (try (sleep! 10) (catch Exception _ :swallowed)))))
     (is (= :nested-in-else (timeout 1 :else (timeout 1 :else :nested-in-else (sleep! 10)) (sleep! 10))))
     (sleep! 100))))

(deftest virtual-time-and-the-world-outside
  (on-each-root
   (is (= [:late 5.0] (run :time :virtual (timeout 5 :else [:late (now)] (await! (promise))))))
   (is (= #{[:delivered 7.0]} ; time and again: another thread may hear of it first
          (set (repeatedly 2000 #(run :time :virtual
                                   (let [p (promise)]
                                     (spawn (fn [] (sleep! 7) (deliver p :delivered)))
                                     [(timeout 9 :else :late (await! p)) (now)]))))))
   (let [go (CountDownLatch. 1)]
     (is (= [:from-outside 0.0] (run :time :virtual :hold true
                                  (spawn #(.countDown go))
                                  (timeout 1 :else :late [(offload #(do (watchdog/await-latch go) :from-outside)) (now)])))))
   (is (thrown? IllegalArgumentException (run :time :lunar 1)))
   (is (thrown? IllegalArgumentException (run :hold true 1)))
   (is (thrown? IllegalArgumentException (run* + {:clock 1})))))

(deftest options-of-run
  (on-each-root
   (testing "a failure that nobody asks for ends the run"
     (let [e (thrown-by (run :raise-failures true (spawn #(throw (ex-info "first" {}))) (sleep! 1000)))]
       (is (= "first" (ex-message e))))
     (is (= :asked (run :raise-failures true (try (result (spawn #(throw (ex-info "" {})))) (catch Exception _ :asked)))))
     (is (thrown-with-msg? IllegalArgumentException #":on-failure or :raise-failures"
                           (run :raise-failures true :on-failure (fn [_ _]) 1))))
   (testing "a hub of virtual time has patience with the world outside"
     (is (thrown-with-msg? Hub$LoopExit #"has waited for 0.01 s of real time"
                           (run :time :virtual :patience 0.01 (await! (promise)))))
     (is (= 1 (run :time :virtual :patience (Duration/ofMinutes 1) (await! (future 1)))))
     (is (thrown-with-msg? IllegalArgumentException #":patience is for :time :virtual" (run :patience 1 1))))))

(defmacro ^:private logging
  "The value of `body`; `logged` is an atom with what the hubs' watchdogs log meanwhile."
  [[logged] & body]
  `(let [logger# (Logger/getLogger "greenlet.hub.Hub")
         passed-on# (.getUseParentHandlers logger#)
         ~logged (atom [])
         handler# (proxy [Handler] []
                    (publish [^LogRecord r#] (swap! ~logged conj (.getMessage r#)))
                    (flush [])
                    (close []))]
     (.setUseParentHandlers logger# false)
     (.addHandler logger# handler#)
     (try
       ~@body
       (finally
         (.removeHandler logger# handler#)
         (.setUseParentHandlers logger# passed-on#)))))

(defn- hold-until-logged
  "Does not give way before there is something in the atom `logged`; fails after a bounded time."
  [logged]
  (let [end (+ (System/nanoTime) 20000000000)]
    (while (and (empty? @logged) (< (System/nanoTime) end)) (Thread/onSpinWait))))

(deftest a-watchdog
  (on-each-root
   (testing "reports who holds the thread, of each kind of hub"
     (doseq [options [{:watchdog 0.02} {:watchdog (Duration/ofMillis 20), :time :virtual}]]
       (logging [logged]
         (run* #(result (spawn {:name "holder"} hold-until-logged logged)) options)
         (is (= 1 (count @logged)))
         (is (re-find #"Task\[holder, running\] has held the thread of Hub@.* for [\d.]+ s" (str (first @logged))))))
     (logging [logged]
       (run :watchdog 0.02 (hold-until-logged logged))
       (is (= 1 (count @logged))))
     (logging [logged]
       (with-open [host (Executors/newSingleThreadExecutor)]
         (let [task (spawn {:hub (hub/hub-on host {:watchdog 0.02}), :name "guest"} hold-until-logged logged)]
           @(.toCompletableFuture ^Task task)))
       (is (re-find #"Task\[guest, running\] has held the thread" (str (first @logged))))))
   (testing "reports nothing else, and none is set by nil"
     (logging [logged]
       (is (= :slept (run :watchdog 0.02 (sleep! 0.1) :slept)))
       (is (= 1 (run :watchdog nil 1)))
       (is (= [] @logged))))
   (testing "takes a time above 0"
     (doseq [wrong [0 -1 "1" false]]
       (is (thrown-with-msg? IllegalArgumentException #"time" (run* + {:watchdog wrong})))
       (is (thrown-with-msg? IllegalArgumentException #"time" (hub/hub-on identity {:watchdog wrong}))))
     (is (thrown-with-msg? IllegalArgumentException #"hub-on takes :timers and :watchdog" (hub/hub-on identity {:watchdogs 1}))))))

(deftest a-keyword-at-the-beginning-is-an-option
  (doseq [[form option known] '[[(run :tme :virtual 1) ":tme" ":time and :hold and :patience and :on-failure and :raise-failures and :watchdog and :cooperative and :grace"]
                                [(run :time :virtual :hod true 1) ":hod" ":time and"]
                                [(scope :joins true 1) ":joins" ":join"]
                                [(timeout 1 :otherwise 2 3) ":otherwise" ":else"]
                                [(timeout 1 :else 2 :other 3 4) ":other" ":else"]]]
    (let [e (thrown-by (binding [*ns* (the-ns 'greenlet.hub-test)] (macroexpand form)))]
      (is (instance? IllegalArgumentException (or (ex-cause e) e)))
      (is (str/includes? (ex-message (or (ex-cause e) e)) (str "unknown option " option "; ")))
      (is (str/includes? (ex-message (or (ex-cause e) e)) known))))
  (is (= [:a :b nil] [(run :a) (run (timeout 1 :b)) (run :time :virtual)])))

;; Structure

(deftest scopes
  (is (= [[:unwound 1.0] [:after 1.0] [:joined 3.0] [:sibling 4.0] [:failed 4.0]]
         (virtually [log]
           (is (= :value (scope (spawn #(try (sleep! 100) (finally (log :unwound))))
                                (sleep! 1)
                                (spawn log :never)
                                :value)))
           (log :after)
           (scope :join true (spawn #(do (sleep! 2) (log :joined))))
           (let [first-one (ex-info "first" {})
                 e (thrown-by (scope (spawn #(do (sleep! 1) (throw first-one)))
                                     (spawn #(try (sleep! 100) (finally (log :sibling) (throw (ex-info "second" {})))))
                                     (sleep! 100)))]
             (log :failed)
             (is (identical? first-one e))
             (is (= ["second"] (mapv ex-message (.getSuppressed ^Throwable e)))))
           (is (= "body" (ex-message (thrown-by (scope (spawn sleep! 100) (throw (ex-info "body" {})))))))))))

(deftest failures-that-nobody-asks-for
  (on-each-root
   (let [failed (trace)]
     (run :on-failure (fn [task e] (failed [(task-name task) (ex-message e)]))
       (let [t (spawn {:name "a"} #(throw (ex-info "kept" {})))]
         (spawn {:name "b"} #(throw (ex-info "other" {})))
         (join t)
         (is (= "kept" (ex-message (thrown-by (result t))))))
       (on-failure! (hub/hub) (fn [task _] (failed (task-name task))))
       (join (spawn {:name "c"} #(throw (ex-info "" {})))))
     (is (= [["a" "kept"] ["b" "other"] "c"] @failed)))))

(deftest a-hub-that-cannot-wake
  (on-each-root
   (let [e (thrown-by (run (spawn {:name "vladimir"} await! (waiter "godot"))
                           (spawn {:name "estragon"} take! (queue))
                           (await! (event))))]
     (is (instance? Hub$LoopExit e))
     (is (str/includes? (ex-message e) "vladimir, suspended] waits for godot"))
     (is (str/includes? (ex-message e) "estragon, suspended] waits for an item of a queue"))
     (is (str/includes? (ex-message e) "waits for an event"))
     (is (= 3 (count (.tasks ^Hub$LoopExit e)))))
   (is (= :usable (run :usable)))))

(deftest outside-of-tasks
  (on-each-root
   (is (= 3 (result (spawn + 1 2))))
   (is (= 4 (await! (future 4))))
   (is (nil? (current-task)))
   (is (thrown? Hub$LoopExit (await! (event))))
   (is (thrown-with-msg? IllegalStateException #"use a scope" (result (spawn #(run 1)))))))

(deftest bindings-are-the-tasks-own
  (on-each-root
   (let [log (trace)]
     (run
       (doseq [i (range 3)]
         (binding [*print-length* i]
           (spawn #(do (log *print-length*)
                       (binding [*print-level* i]
                         (sleep! 0)
                         (log [*print-length* *print-level*]))))))
       (wait)
       (is (= :seen (binding [*print-length* :seen] (offload (fn [] *print-length*)))))
       (doseq [from-elsewhere [(fn [h f] (execute! h f))
                               (fn [h f] (spawn {:hub h} f))
                               (fn [^java.util.concurrent.Executor h f] (.execute h f))]] ; as CompletableFuture does, given a hub
         (let [h (hub/hub), seen (promise)]
           (binding [*print-length* :the-hub's]
             (offload #(binding [*print-length* :spawner's] (from-elsewhere h (fn [] (deliver seen *print-length*)))))
             (is (= :spawner's (await! seen)))))))
     (is (= [0 1 2 [0 0] [1 1] [2 2]] @log)))))

(deftest waits-from-any-depth
  (is (= [[0 1.0] [10 2.0] [1 3.0] [11 4.0]]
         (virtually [log]
           (let [elements (generator (run! #(do (sleep! 1) (yield! %)) (range 2)))]
             (doseq [x elements]
               (log x)
               (log (result (spawn (fn [] (sleep! 1) (+ 10 x)))))))))))

;; Anything that completes

(deftype Source [callbacks])

(deftest awaiting
  (on-each-root
   (run
     (testing "what completes"
       (is (= [1 2 3 4 5 nil]
              [(await! (future 1))
               (await! (doto (promise) (deliver 2)))
               (await! (delay 3))
               (await! (CompletableFuture/completedFuture 4))
               (await! (spawn + 2 3))
               (await! (doto (promise) (deliver nil)))])))
     (testing "in the course of the wait"
       (let [p (promise), d (delay (Thread/yield) :forced), f (CompletableFuture.)]
         (spawn deliver p :delivered)
         (spawn #(.complete f :completed))
         (is (= [:delivered :forced :forced :completed] [(await! p) (await! d) (await! d) (await! f)]))))
     (testing "failed"
       (is (= "in future" (ex-message (thrown-by (await! (future (throw (ex-info "in future" {}))))))))
       (is (= "in delay" (ex-message (thrown-by (await! (delay (throw (ex-info "in delay" {}))))))))
       (is (= "stage" (ex-message (thrown-by (await! (CompletableFuture/failedFuture (ex-info "stage" {}))))))))
     (testing "cancelled"
       (is (thrown? CancellationException (await! (doto (CompletableFuture.) (.cancel true)))))
       (is (thrown? CancellationException (await! (doto (future (watchdog/await-latch (CountDownLatch. 1))) future-cancel)))))
     (testing "callbacks"
       (is (= :once (await! (fn [callback] (callback :once) (callback :twice)))))
       (is (= :later (await! (fn [callback] (spawn callback :later)))))
       (is (= :elsewhere (await! (fn [callback] (future (callback :elsewhere nil))))))
       (is (= "no" (ex-message (thrown-by (await! (fn [callback] (callback nil (ex-info "no" {}))))))))
       (is (= "registering" (ex-message (thrown-by (await! (fn [_] (throw (ex-info "registering" {})))))))))
     (testing "what the protocol is extended to; a wait that is given up is undone"
       (extend-protocol Awaitable
         Source
         (on-complete! [source w]
           (swap! (.-callbacks ^Source source) conj w)
           #(swap! (.-callbacks ^Source source) (partial remove #{w}))))
       (let [source (Source. (atom []))]
         (spawn #(wake! (first @(.-callbacks source)) :told))
         (is (= :told (await! source)))
         (reset! (.-callbacks source) [])
         (is (= :late (timeout 0.001 :else :late (await! source))))
         (is (= [] @(.-callbacks source)))))
     (testing "nothing else"
       (doseq [x [nil 1 :keyword {} "text"]]
         (is (thrown-with-msg? IllegalArgumentException #"await! cannot wait for" (await! x))))))))

(deftest a-dialogue-waits-in-a-straight-line
  (is (= [[:question 0.0] ["Ada" 1.0] [:yes 2.0]]
         (virtually [log]
           (let [listeners (atom nil)
                 next-event #(await! (fn [callback] (reset! listeners callback)))]
             (spawn #(doseq [e ["Ada" :yes]] (sleep! 1) (@listeners e)))
             (log :question)
             (log (next-event))
             (log (next-event)))))))

(deftest ^:heavy awaiting-under-fire
  (testing "10,000 rounds with what completes before, during and after the wait, fails, is cancelled, or comes with the limit"
    (let [random (java.util.Random. 2)
          other (Executors/newSingleThreadExecutor)
          outcomes (atom {})]
      (try
        (watchdog/call-in-thread
         {:seconds 180}
         #(run
            (dotimes [n 10000]
              (let [p (if (zero? (.nextInt random 4)) (promise) (CompletableFuture.))
                    stage? (instance? CompletableFuture p)
                    kind (if stage? (.nextInt random 4) (* 3 (.nextInt random 2)))
                    spins (.nextInt random 100)
                    complete (fn []
                               (dotimes [_ spins] (Thread/onSpinWait))
                               (case (int kind)
                                 (0 3) (if stage? (.complete ^CompletableFuture p n) (deliver p n))
                                 1 (.completeExceptionally ^CompletableFuture p (ex-info (str n) {}))
                                 2 (.cancel ^CompletableFuture p false)))]
                (if (zero? (.nextInt random 4)) (complete) (.execute other complete))
                (dotimes [_ (.nextInt random 100)] (Thread/onSpinWait))
                (let [outcome (try
                                (if (= 3 kind)
                                  (timeout (* 1e-9 (.nextInt random 60000)) :else :late (await! p))
                                  (await! p))
                                (catch CancellationException _ :cancelled)
                                (catch clojure.lang.ExceptionInfo e [(ex-message e)]))]
                  (when-not (case (int kind) 0 (= n outcome), 1 (= [(str n)] outcome), 2 (= :cancelled outcome), 3 (contains? #{n :late} outcome))
                    (throw (AssertionError. (pr-str n kind outcome))))
                  (when (= :late outcome) (when-not (= n (await! p)) (throw (AssertionError. "lost"))))
                  (swap! outcomes update (cond (number? outcome) :value (vector? outcome) :failed :else outcome) (fnil inc 0)))))
            (is (= [(current-task)] (tasks)))))
        (is (= 10000 (reduce + (vals @outcomes))))
        (is (= #{:value :failed :cancelled :late} (set (keys @outcomes))))
        (finally (.shutdown other))))))

(deftest offloading
  (on-each-root
   (run
     (is (= 3 (offload + 1 2)))
     (is (= "boom" (ex-message (thrown-by (offload #(throw (ex-info "boom" {})))))))
     (let [interrupted (promise), inside (promise)
           t (spawn offload #(try (deliver inside true) (.await (CountDownLatch. 1)) (catch InterruptedException _ (deliver interrupted true))))]
       (await! inside)
       (kill! t)
       (is (await! interrupted))))))

(deftest giving-up-a-request
  (on-each-root
   (run
     (let [cancelling (fn [^CompletableFuture f] (try (await! f) (finally (.cancel f true))))
           late (CompletableFuture.), killed (CompletableFuture.), task (spawn cancelling killed)]
       (is (= [:late true] [(timeout 0.001 :else :late (cancelling late)) (.isCancelled late)]))
       (kill! task)
       (is (.isCancelled killed))
       (is (= 1 (cancelling (CompletableFuture/completedFuture 1))))))))

(deftest in-an-event-loop-of-somebody-elses
  (on-each-root
   (let [events (LinkedBlockingQueue.)
         log (trace)
         h (hub/hub-on #(.add events %))
         home (Thread/currentThread)]
     (spawn {:hub h} (fn []
                       (log [:in-hub (= h (hub/hub))])
                       (.add events #(do (log :event)
                                         (log (class (thrown-by (sleep! 1))))))
                       (sleep! 0)
                       (log :after-event)
                       (sleep! 0.001)
                       (log (await! (future :from-outside)))
                       (scope (spawn #(log :scoped)) (sleep! 0))
                       (.add events #(log :over))))
     (while (not= :over (last @log)) (.run ^Runnable (.take events)))
     (is (= [[:in-hub true] :event IllegalStateException :after-event :from-outside :scoped :over] @log))
     (is (identical? home (Thread/currentThread))))))

;; Between tasks

(deftest events
  (is (= [[:set 1.0] [[:a true] 1.0] [[:b true] 1.0] [[false :late] 2.0] [[true true] 2.0]]
         (virtually [log]
           (let [e (event)]
             (doseq [who [:a :b]] (spawn #(log [who (await! e)])))
             (sleep! 1)
             (set-event! e)
             (clear-event! e)
             (log :set)
             (sleep! 0)
             (log [(event-set? e) (timeout 1 :else :late (await! e))])
             (set-event! e)
             (log [(event-set? e) (await! e)])))))
  (is (thrown? IllegalArgumentException (set-event! :no-event))))

(deftest async-results
  (is (= [[[:a 42] 1.0] [[:b 42] 1.0]]
         (virtually [log]
           (let [r (async-result)]
             (doseq [who [:a :b]] (spawn #(log [who (result r)])))
             (is (= [false :late] [(ready? r) (result r 0.5 :late)]))
             (sleep! 0.5)
             (is (= [true false false] [(wake! r 42) (wake! r 43) (fail! r (Exception.))]))
             (is (= [true true nil 42] [(ready? r) (successful? r) (exception r) (await! r)]))
             (sleep! 0)
             (let [failed (async-result), e (Exception.)]
               (spawn fail! failed e)
               (is (identical? e (thrown-by (result failed))))
               (is (= [true false] [(ready? failed) (successful? failed)])))))))
  (testing "as the target of a link"
    (run (let [r (async-result)] (link (spawn + 1 2) #(wake! r (result %))) (is (= 3 (result r)))))))

(deftest waiters
  (on-each-root
   (run :time :virtual
     (let [early (waiter "early")]
       (is (= [true false :value :value] [(wake! early :value) (wake! early :other) (await! early) (await! early)])))
     (let [w (waiter "late"), t (spawn await! w)]
       (sleep! 0)
       (is (thrown? IllegalStateException (await! w)))
       (fail! w (ex-info "failed" {}))
       (is (= "failed" (ex-message (thrown-by (result t))))))
     (let [given-up (waiter "given up"), t (spawn await! given-up)]
       (sleep! 0)
       (kill! t)
       (is (false? (wake! given-up 1)))))))

(deftest semaphores
  (is (= [[:a 0.0] [:b 0.0] [:c 1.0] [:d 1.0]]
         (virtually [log]
           (let [s (semaphore 2)]
             (doseq [who [:a :b :c :d]] (spawn #(holding s (log who) (sleep! 1))))
             (sleep! 0)
             (is (= [0 false] [(free-count s) (acquire! s 0.5)]))
             (wait)
             (is (= [2 true 1] [(free-count s) (acquire! s) (free-count s)]))))))
  (testing "who gives up does not take a permit with it"
    (run :time :virtual
      (let [s (semaphore 1), _ (acquire! s), a (spawn acquire! s), b (spawn acquire! s)]
        (sleep! 0)
        (kill! a {:wait false})
        (release! s)
        (is (true? (result b)))
        (is (= 0 (free-count s))))))
  (is (thrown? IllegalStateException (release! (semaphore 1 {:bounded true}))))
  (is (nil? (release! (semaphore 1))))
  (doseq [bad [-1 nil 1.5]] (is (thrown? IllegalArgumentException (semaphore bad)))))

(deftest locks
  (is (= [[:in 0.0] [:again 1.0] [:other 2.0]]
         (virtually [log]
           (let [l (lock)]
             (spawn #(holding l (log :in) (sleep! 1) (holding l (log :again) (sleep! 1))))
             (sleep! 0)
             (is (thrown? IllegalStateException (release! l)))
             (is (= 0 (free-count l)))
             (holding l (log :other))
             (is (= 1 (free-count l))))))))

(deftest queues
  (testing "unbounded, first in, first out, nil among the items"
    (run (let [q (queue)]
           (run! #(put! q %) [1 nil 3])
           (is (= [3 1 1 nil :other] [(count q) (peek! q) (take! q) (poll! q :none) (do (poll! q :none) (poll! q :other))]))
           (is (nil? (peek! q))))))
  (testing "who waits is served in the order of coming"
    (is (= [[[:a 1] 1.0] [[:b 2] 1.0]]
           (virtually [log]
             (let [q (queue)]
               (doseq [who [:a :b]] (spawn #(log [who (take! q)])))
               (sleep! 1)
               (put! q 1)
               (put! q 2)
               (is (= 0 (count q)))
               (sleep! 0)))))
    (is (= [[1 0.0] [2 1.0] [3 2.0] [4 3.0]]
           (virtually [log]
             (let [q (queue {:size 1})]
               (spawn #(doseq [x [1 2 3 4]] (put! q x)))
               (dotimes [_ 4] (sleep! 0) (log (take! q)) (sleep! 1)))))))
  (testing "a queue without room hands over"
    (is (= [[:taken 1.0] [:put 1.0]]
           (virtually [log]
             (let [q (queue {:size 0})]
               (is (false? (offer! q :nobody-takes-it)))
               (is (= :none (poll! q :none)))
               (spawn #(do (put! q :item) (log :put)))
               (sleep! 1)
               (is (= :item (take! q)))
               (log :taken)
               (sleep! 0))))))
  (testing "order"
    (run (let [q (queue {:order :lifo})] (run! #(put! q %) [1 2 3]) (close! q) (is (= [3 2 1] (into [] q)))))
    (run (let [q (queue {:order :priority, :by #(compare (first %1) (first %2))})]
           (run! #(put! q %) [[2 :a] [1 :a] [2 :b] [1 :b]])
           (close! q)
           (is (= [[1 :a] [1 :b] [2 :a] [2 :b]] (into [] q))))))
  (testing "limits, and giving up"
    (run :time :virtual
      (let [q (queue {:size 1})]
        (is (= [:none 1.0] [(poll! q :none 1) (now)]))
        (is (= [true false 2.0] [(offer! q 1 1) (offer! q 2 1) (now)]))
        (is (= [1 :none] [(take! q) (poll! q :none)]) "what was given up is not put later")
        (let [[a b] [(spawn take! q) (spawn take! q)]]
          (sleep! 0)
          (kill! a {:wait false})
          (put! q :item)
          (is (= :item (result b)) "nothing goes to who has given up")))))
  (testing "closed"
    (run :time :virtual
      (let [q (queue {:size 1}), _ (put! q 1), putter (link (spawn put! q 2) identity), empty-queue (queue), taker (spawn take! empty-queue :end)]
        (sleep! 0)
        (close! q)
        (close! empty-queue)
        (is (= :end (result taker)))
        (is (thrown? IllegalStateException (result putter)))
        (is (thrown? IllegalStateException (put! q 3)))
        (is (thrown? IllegalStateException (offer! q 3)))
        (is (= [1 :end nil] [(take! q) (take! q :end) (take! q)]))
        (is (= [] (into [] q))))
      (let [q (queue)]
        (spawn #(run! (fn [x] (put! q x)) (range 10)))
        (is (= [0 1 2] (into [] (take 3) q)) "reduced leaves the rest")
        (is (= 3 (take! q))))))
  (testing "the work on the items"
    (is (= [[:done 3.0]]
           (virtually [log]
             (let [q (queue)]
               (spawn #(run! (fn [_] (sleep! 1) (task-done! q)) q))
               (run! #(put! q %) (range 3))
               (join q)
               (log :done)
               (is (thrown? IllegalStateException (task-done! q)))
               (is (nil? (join q))))))))
  (doseq [bad [{:size -1} {:order :random} {:by compare} {:sise 1} 5]]
    (is (thrown? IllegalArgumentException (queue bad)))))

(deftest what-lies-between-tasks-is-for-one-hub
  (on-each-root
   (run
     (let [e (event), q (queue), s (semaphore 0)]
       (doseq [f [#(await! e) #(take! q) #(acquire! s)]] (spawn f))
       (sleep! 0)
       (doseq [f [#(set-event! e) #(put! q 1) #(release! s)]]
         (is (thrown-with-msg? java.lang.WrongThreadException #"execute!" (offload f))))
       (let [h (hub/hub)]
         (offload #(execute! h set-event! e))
         (is (await! e)))))))

(deftest links-to-what-lies-between-tasks
  (on-each-root
   (run :time :virtual
     (let [t (spawn + 60 40), q (queue)]
       (dotimes [_ 4] ; before it has ended, and after
         (let [r (async-result)]
           (link t #(wake! r (result %)))
           (link t #(put! q %))
           (is (= [100 100] [(result r) (result (take! q))])))))
     (let [e (ex-info "failed" {}), t (spawn #(throw e))]
       (dotimes [_ 4]
         (let [r (async-result)]
           (link t #(fail! r (exception %)))
           (is (identical? e (thrown-by (result r)))))))
     (let [q (queue {:size 0})]
       (doseq [n [101 102 103]] (link (spawn + n) #(put! q %)))
       (is (= [101 102 103] (vec (repeatedly 3 #(result (take! q))))))))))

;; Many

(deftest pools
  (is (= [[[:full 0 2] 0.0] [0 1.0] [1 1.0] [[:room 0] 1.0] [2 2.0] [:joined 2.0]]
         (virtually [log]
           (let [p (pool 2)
                 work #(do (sleep! 1) (log %))]
             (spawn-in p work 0)
             (spawn {:pool p} work 1)
             (log [:full (free-count p) (count p)])
             (spawn-in p work 2)
             (sleep! 0)
             (log [:room (- (free-count p) 1)])
             (join p)
             (log :joined)
             (is (= [2 0] [(free-count p) (count p)]))
             (killall [(spawn-in p sleep! 100)])
             (is (= 2 (free-count p)) "also of a task that never began")
             (spawn-in p sleep! 100)
             (kill! p)
             (is (= 0 (count p)))
             (is (nil? (free-count (pool))))))))
  (doseq [bad [0 -1 :x]] (is (thrown? IllegalArgumentException (pool bad)))))

(deftest mapping
  (on-each-root
   (run :time :virtual
     (let [f #(do (sleep! %) %)
           running (atom 0), most (atom 0)
           counted #(do (swap! most max (swap! running inc)) (sleep! %) (swap! running dec) %)]
       (is (= [3 1 2] (vec (imap (pool 3) f [3 1 2]))))
       (is (= [1 2 3] (vec (imap-unordered (pool 3) f [3 1 2]))))
       (is (= [1 3 2] (vec (imap-unordered (pool 2) f [3 1 2]))) "the third waits for room")
       (is (= (range 20) (vec (imap (pool 4) counted (range 20)))))
       (is (= 4 @most))
       (is (= [0 1 2] (into [] (take 3) (imap (pool 2) f (range)))) "no further than needed, of infinitely many")
       (is (= 1 (count (tasks))) "and nothing is left")
       (is (= [5 6] (vec (imap (pool) f [5 6]))))
       (is (thrown-with-msg? Exception #"at 2" (vec (imap (pool 2) #(if (= 2 %) (throw (Exception. "at 2")) %) (range 5)))))
       (is (= [] (vec (imap-unordered (pool) f nil))))))))

;; Where gevent's names do something else, as doc/hub.md says

(deftest unlike-gevent
  (testing "peek! does not wait"
    (is (= :none (run (peek! (queue) :none)))))
  (testing "a queue that has been closed and is empty gives nil; what lies in it can be taken"
    (is (= [1 nil] (run (let [q (queue)] (put! q 1) (close! q) [(take! q) (take! q)]))))
    (is (= [] (run (let [q (queue)] (put! q 1) (close! q) (into [] q) (into [] q)))) "which empties it"))
  (testing "put! into a queue of size 0 goes on where a taker waits"
    (is (= [:put [:taken :item]]
           (run (let [q (queue {:size 0}), log (trace)]
                  (spawn #(log [:taken (take! q)]))
                  (sleep! 0)
                  (put! q :item)
                  (log :put)
                  (wait)
                  @log)))))
  (testing "await! of an event that is set returns at once, before those that waited for it"
    (is (= [3 1 2] (run (let [e (event), log (trace)]
                          (doseq [n [1 2]] (spawn #(do (await! e) (log n))))
                          (sleep! 0)
                          (set-event! e)
                          (await! e)
                          (log 3)
                          (wait)
                          @log)))))
  (testing "an exception ends imap"
    (is (= [1] (run (let [log (trace)]
                      (thrown-by (run! log (imap (pool 1) / [1 0 2])))
                      @log)))))
  (testing "a task of a full pool that waits for another task in it waits for ever"
    (is (thrown? Hub$LoopExit (run (let [p (pool 1)] (result (spawn-in p #(result (spawn-in p +)))))))))
  (testing "wait without sources has no limit of its own"
    (is (= [] (run (spawn sleep! 100) (wait nil {:timeout 50})) ) "nothing to wait for")
    (is (= :late (run :time :virtual (spawn sleep! 100) (timeout 50 :else :late (wait))))))
  (testing "join of a pool throws nothing"
    (is (= [nil "failed"] (run :on-failure (fn [_ _])
                            (let [p (pool), t (spawn-in p #(throw (Exception. "failed")))]
                              [(join p) (ex-message (thrown-by (joinall [t] {:raise true})))]))))))

;; Any program: the same trace twice, and no timer early

(def ^:private gen-step
  (gen/one-of
   [(gen/tuple (gen/return :sleep) (gen/choose 0 5))
    (gen/tuple (gen/return :spawn) (gen/vector (gen/tuple (gen/return :sleep) (gen/choose 0 5)) 0 3))
    (gen/tuple (gen/return :put) (gen/choose 0 2))
    (gen/tuple (gen/return :take) (gen/choose 0 2) (gen/choose 0 5))
    (gen/tuple (gen/return :limit) (gen/choose 0 5) (gen/choose 0 5))
    (gen/tuple (gen/return :kill) (gen/choose 0 5))
    (gen/tuple (gen/return :join) (gen/choose 0 5) (gen/choose 0 5))
    (gen/tuple (gen/return :hold) (gen/choose 0 3))
    (gen/tuple (gen/return :set))
    (gen/tuple (gen/return :await) (gen/choose 0 5))
    (gen/tuple (gen/return :scope) (gen/choose 0 4) (gen/choose 0 4))]))

(def ^:private gen-program
  (gen/vector (gen/vector gen-step 0 6) 1 5))

(defn- perform
  "The trace of `program`: of each task's steps, with the time; [:early …] where a timer was."
  [program]
  (let [log (trace)]
    (run :time :virtual
      (let [queues (vec (repeatedly 3 #(queue {:size 1})))
            e (event), s (semaphore 1)
            all (atom [])
            slept (fn [n] (let [begin (now)] (sleep! n) (when (< (- (now) begin) n) (log [:early n]))))
            step (fn step [id [op a b]]
                   (log [id op (now)])
                   (log [id op (now)
                         (case op
                           :sleep (slept a)
                           :spawn (do (swap! all conj (spawn #(run! (partial step [id :child]) a))) nil)
                           :put (offer! (queues a) id 3)
                           :take (poll! (queues a) :none b)
                           :limit (let [begin (now)]
                                    (timeout a :else (if (< (- (now) begin) a) (log [:early a]) :late) (slept b) :in-time))
                           :kill (when-let [t (get @all a)] (when-not (= t (current-task)) (interrupt! t) :killed))
                           :join (when-let [t (get @all a)] (when-not (= t (current-task)) (join t b)))
                           :hold (holding s (slept a))
                           :set (do (set-event! e) (clear-event! e))
                           :await (timeout a :else :late (await! e))
                           :scope (scope (spawn #(try (slept a) (finally (log [id :unwound (now)])))) (slept b)))]))]
        (doseq [[id steps] (map-indexed vector program)]
          (swap! all conj (spawn (fn [] (run! (partial step id) steps) (log [id :end (now)])))))
        (wait)
        (log [:all (mapv successful? @all) (now)])))
    @log))

(defn- deterministic? [program]
  (let [once (perform program)]
    (and (= once (perform program))
         (not-any? #(= :early (first %)) once)
         (= :all (first (last once))))))

(defspec ^:heavy ^:random any-program-leaves-the-same-trace-twice (times 10000)
  (prop/for-all [program gen-program]
    (deterministic? program)))

;; The table in doc/hub.md

(deftest each-name-of-the-table-is-there-and-tested
  (let [rows (for [line (str/split-lines (slurp "doc/hub.md"))
                   :let [[_ theirs ours test] (re-matches #"\| (`.*?) \| (.*) \| (?:`([\w-]+)`)? ?\|" line)]
                   :when (and theirs (not= theirs "name"))]
               [theirs ours test])]
    (is (< 80 (count rows)))
    (doseq [[theirs ours test] rows]
      (testing theirs
        (if (str/starts-with? ours "–")
          (is (nil? test) "what is not there is not tested")
          (do
            (is (some? test))
            (is (:test (meta (ns-resolve 'greenlet.hub-test (symbol (str test))))))))
        (doseq [[_ name] (re-seq #"`\(?([a-z][\w*!?-]*)" ours)]
          (is (or (ns-resolve 'greenlet.hub (symbol name)) (ns-resolve 'greenlet.core (symbol name)) (ns-resolve 'clojure.core (symbol name)))
              name))))))
