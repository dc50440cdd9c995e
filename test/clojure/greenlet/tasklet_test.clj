(ns greenlet.tasklet-test
  "Tasklets and channels through the Clojure API; the Java classes have their own tests, row by row. And random programs against
  a model of the scheduler in a page of pure Clojure."
  (:require [clojure.pprint :refer [pprint]]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing use-fixtures]]
            [clojure.test.check.clojure-test :refer [defspec]]
            [clojure.test.check.generators :as gen]
            [clojure.test.check.properties :as prop]
            [greenlet.core :as g]
            [greenlet.poison :as poison]
            [greenlet.tasklet :as t :refer [channel tasklet tasklet*]]
            [greenlet.random :refer [times]]
            [greenlet.test :refer [check-leaks]]
            [greenlet.watchdog :as watchdog :refer [leaves-suspended on-each-root thrown-by trace]])
  (:import (greenlet GreenletExit)
           (greenlet.tasklet Tasklet)
           (java.lang WrongThreadException)
           (java.util NoSuchElementException)))

(set! *warn-on-reflection* true)

(use-fixtures :each check-leaks)

(deftest turns
  (on-each-root
   (let [log (trace)]
     (tasklet (log :a1) (t/schedule!) (log :a2))
     (tasklet (log :b1))
     (is (= 3 (t/run-count)))
     (is (nil? (t/schedule!)))
     (log :main)
     (is (nil? (t/run-all!)))
     (is (= [:a1 :b1 :main :a2] @log)))))

(def ^:dynamic *level* 0)

(deftest bindings-of-where-it-was-made
  (on-each-root
   (let [log (trace)]
     (binding [*level* 1]
       (tasklet (binding [*level* (inc *level*)] (t/schedule!) (log *level*)))
       (tasklet (log *level*)))
     (t/run-all!)
     (is (= [1 2] @log))
     (is (= 0 *level*)))))

(deftest every-function-that-takes-a-tasklet
  (on-each-root
   (let [log (trace)
         me (t/current)
         paused (tasklet* #(log [:got (t/schedule-remove!)]) {:name "worker", :paused true})]
     (is (and (t/tasklet? me) (not (t/tasklet? (g/current)))))
     (is (= me (t/main)))
     (is (and (t/main? me) (t/current? me) (t/alive? me) (t/scheduled? me) (not (t/paused? me)) (not (t/blocked? me))))
     (is (= [true false] [(t/paused? paused) (t/scheduled? paused)]))
     (is (= "worker" (.name ^Tasklet paused)))
     (is (= (t/thread me) (t/thread paused)))
     (is (= [] (t/stack paused)))
     (t/run-now! paused)
     (is (some #(str/includes? (str %) "tasklet_test") (t/stack paused)))
     (is (seq (t/stack me)))
     (is (identical? paused (t/insert! paused 7)))
     (is (identical? paused (t/remove! paused)))
     (is (identical? paused (t/insert! paused 8)))
     (t/run-all!)
     (is (= [[:got 8]] @log))
     (is (not (t/alive? paused)))
     (is (identical? me (t/set-block-trap! me true)))
     (is (t/block-trap? me))
     (is (thrown-with-msg? IllegalStateException #"block trap" (t/receive! (channel))))
     (t/set-block-trap! me nil)
     (is (= :back (t/switch! (tasklet (t/insert! me :back)))))
     (is (= [0 1] [(t/switch-trap! 1) (t/switch-trap! -1)])))))

(deftest throw-and-kill
  (on-each-root
   (let [log (trace)
         waiting (fn [] (doto (tasklet (try (t/schedule-remove!) (catch Exception e (log (ex-message e))) (finally (log :unwound))))
                          (t/run-now!)))]
     (is (nil? (t/throw! (waiting) (Exception. "now"))))
     (log :main)
     (is (nil? (t/throw! (waiting) (Exception. "later") {:pending true})))
     (log :main)
     (t/run-all!)
     (is (= ["now" :unwound :main :main "later" :unwound] @log))
     (t/kill! (waiting))
     (t/kill! (waiting) {:pending true})
     (is (= 7 (count @log)))
     (t/run-all!)
     (is (= 8 (count @log)))
     (let [e (Exception.)]
       (is (identical? e (thrown-by (t/throw! (t/current) e))))
       (tasklet (throw e))
       (is (identical? e (thrown-by (t/run-all!))))))))

(deftest channels-from-clojure
  (on-each-root
   (doseq [options [nil {:shared true}]]
     (let [log (trace)
           ch (channel (merge options {:name "words" :preference 7}))]
       (is (= (boolean (:shared options)) (t/shared? ch)))
       (is (= [1 false false false 0 nil] [(t/preference ch) (t/schedule-all? ch) (t/closing? ch) (t/closed? ch) (t/balance ch) (t/queue ch)]))
       (is (identical? ch (t/set-preference! ch Long/MIN_VALUE)))
       (is (= -1 (t/preference ch)))
       (is (identical? ch (t/set-schedule-all! ch true)))
       (is (t/schedule-all? ch))
       (t/set-schedule-all! ch false)
       (let [r (tasklet (log [(t/receive! ch) (t/receive! ch)]))]
         (t/schedule!)
         (is (= r (t/queue ch)))
         (is (= -1 (t/balance ch)))
         (is (nil? (t/send! ch nil)))
         (is (nil? (t/send! ch false))))
       (is (= [[nil false]] @log))
       (tasklet (log (t/send-sequence! ch (eduction (map inc) [1 2]))) (t/send-exception! ch (ex-info "sent" {:a 1})))
       (is (= [2 3] [(t/receive! ch) (t/receive! ch)]))
       (is (= {:a 1} (ex-data (thrown-by (t/receive! ch)))))
       (t/run-all!)
       (is (= [[nil false] 2] @log))
       (is (nil? (t/close! ch)))
       (is (= [true true] [(t/closing? ch) (t/closed? ch)]))
       (is (nil? (t/open! ch)))
       (is (t/channel? ch))
       (is (not (t/channel? [])))))))

(deftest javas-channels-work-as-well
  (on-each-root
   (let [ch (greenlet.tasklet.Channel/confined)]
     (is (t/channel? ch))
     (tasklet (t/send! ch 1) (t/close! ch))
     (is (= [1] (into [] ch))))))

(defn- sending
  "A channel on which a tasklet sends all of `xs`, of which each is logged, and closes it."
  [log xs]
  (let [ch (channel)]
    (tasklet (doseq [x xs] (log x) (t/send! ch x)) (t/close! ch))
    ch))

(deftest reducing
  (leaves-suspended "a sender that nobody receives from"
    (on-each-root
     (let [log (trace)]
       (is (= [0 1 2] (into [] (sending log (range 3)))))
       (is (= 3 (reduce + (sending log (range 3)))))
       (is (= 13 (transduce (map inc) + 7 (sending log (range 3)))))
       (is (= [] (into [] (sending log []))))
       (is (= 0 (reduce + (sending log []))))
       (is (= :only (reduce (fn [_ _] :wrong) (sending log [:only]))))
       (is (= [nil false] (into [] (sending log [nil false]))))
       (is (= {1 2} (frequencies (sending log [1 1])))))
     (testing "no value more than is asked for, and the rest is still there"
       (let [log (trace), ch (sending log (range 5))]
         (is (= [0 1] (into [] (take 2) ch)))
         (is (= [0 1] @log))
         (is (= [2] (poison/reduce-with conj [] (fn [rf init] (reduce (fn [acc x] (reduced (rf acc x))) init ch)))))
         (is (= [3 4] (into [] ch)))
         (is (= [] (into [] ch)))))
     (testing "ended by a sender"
       (let [ch (channel)]
         (tasklet (t/send! ch 1) (t/send-exception! ch (NoSuchElementException.)) (t/send! ch 2))
         (is (= [1] (into [] ch)))
         (is (= 2 (t/receive! ch)) "it is not closed")
         (tasklet (t/send! ch 1) (t/send-exception! ch (ex-info "broken" {})))
         (is (thrown-with-msg? clojure.lang.ExceptionInfo #"broken" (into [] ch))))))))

(deftest as-a-seq
  (on-each-root
   (doseq [options [{} {:shared true}]]
     (let [log (trace), ch (channel options)]
       (tasklet (doseq [x (range 5)] (log x) (t/send! ch x)) (t/close! ch))
       (let [s (seq ch)]
         (is (= [0] @log) "nothing ahead")
         (is (= 0 (first s) (first s)))
         (is (= [0 1] (doall (take 2 s))))
         (is (= [0 1] @log))
         (is (= [1 3] (filter odd? s)))
         (is (= [0 1 2 3 4] s) "it is kept"))
       (is (nil? (seq ch)))))
   (testing "a tasklet can walk it, too"
     (let [log (trace), ch (channel)]
       (tasklet (run! log (map inc ch)))
       (t/schedule!)
       (is (= -1 (t/balance ch)))
       (t/send-sequence! ch [1 2 3])
       (t/send-exception! ch (NoSuchElementException.))
       (is (= [2 3 4] @log))))))

(deftest in-generators-and-greenlets
  (leaves-suspended "a seq that is only forgotten"
    (on-each-root
     (let [ch (channel)
           doubled (g/generator (loop [] (g/yield! (* 2 (t/receive! ch))) (recur)))]
       (tasklet (t/send-sequence! ch (range)))
       (is (= [0 2 4] (take 3 doubled)))
       (is (= [6 8] (into [] (take 2) doubled)))
       (is (= 5 (g/switch! (g/glet [] (t/receive! ch)))))))))

(deftest callbacks
  (on-each-root
   (let [log (trace), ch (channel)
         on-switch (fn [from to] (log [(.name ^Tasklet from) (.name ^Tasklet to)]))
         on-action (fn [c t sending will-block] (log [(= c ch) (.name ^Tasklet t) sending will-block]))]
     (is (nil? (t/set-schedule-callback! on-switch)))
     (is (nil? (t/set-channel-callback! on-action)))
     (tasklet* #(t/send! ch 1) {:name "sender"})
     (is (= 1 (t/receive! ch)))
     (is (identical? on-switch (t/set-schedule-callback! nil)))
     (is (identical? on-action (t/set-channel-callback! nil)))
     (is (= [[true "main" false true] ["main" "sender"] [true "sender" true false] ["sender" "main"]] @log))
     (t/run-all!))))

(deftest between-threads
  (leaves-suspended "a receiver whose thread has ended"
    (let [requests (channel {:shared true}), answers (channel {:shared true})
          {:keys [join]} (watchdog/start-thread #(do (tasklet (doseq [x requests] (t/send! answers (inc x))))
                                                     (t/run-all! {:threadblock true})
                                                     :served))]
      (is (= (range 1 11) (mapv #(do (t/send! requests %) (t/receive! answers)) (range 10))))
      (t/send-exception! requests (NoSuchElementException.))
      (is (= :served (join))))
    (let [ch (channel)]
      (watchdog/in-thread (tasklet (t/receive! ch)) (t/schedule!))
      (is (thrown-with-msg? WrongThreadException #"shared channel" (t/send! ch 1))))))

(deftest deadlock-lists-who-waits-for-what
  (leaves-suspended "those in the deadlock"
    (on-each-root
     (let [a (channel {:name "a"}), b (channel {:name "b"})]
       (tasklet* #(t/receive! b) {:name "worker"})
       (t/run-all!)
       (is (thrown-with-msg? IllegalStateException #"deadlock: .*main sending on a, worker receiving from b" (t/send! a 1)))
       (is (= [0 -1] [(t/balance a) (t/balance b)]))))))

(deftest wrong-arguments-are-named
  (on-each-root
   (letfn [(refused [part f] (is (thrown-with-msg? IllegalArgumentException part (f))))]
     (refused #"a function to run; got 1" #(tasklet* 1))
     (refused #"unknown options \[:nme\]" #(tasklet* inc {:nme "x"}))
     (refused #":name of a tasklet must be a string; got :x" #(tasklet* inc {:name :x}))
     (refused #"must be a map; got :shared" #(channel :shared))
     (refused #"unknown options \[:buffered\]" #(channel {:buffered 1}))
     (refused #":shared is true or false; got 1" #(channel {:shared 1}))
     (refused #"must be an integer; got 0.5" #(channel {:preference 0.5}))
     (refused #"must be an integer; got nil" #(t/set-preference! (channel) nil))
     (refused #"target of send! must be a channel, .*got nil" #(t/send! nil 1))
     (refused #"argument of receive! must be a channel, .*got class .*PersistentVector" #(t/receive! []))
     (refused #"takes a Throwable; got 1" #(t/send-exception! (channel) 1))
     (refused #"takes a Throwable; got nil" #(t/throw! (t/current) nil))
     (refused #"argument of kill! must be a tasklet, .*got class greenlet.Greenlet" #(t/kill! (g/current)))
     (refused #"unknown options \[:later\]" #(t/kill! (t/current) {:later true}))
     (refused #"unknown options \[:threads\]" #(t/run-all! {:threads true}))
     (refused #"must be a function of two tasklets; got 1" #(t/set-schedule-callback! 1))
     (refused #"must be a function of four arguments; got 1" #(t/set-channel-callback! 1))
     (refused #"cannot be -1: it is 0" #(t/switch-trap! -1)))))

(deftest printing-runs-nothing
  (leaves-suspended "a receiver"
    (watchdog/call-in-thread
     {:name "home"}
     (bound-fn []
       (let [log (trace)
             ch (channel {:name "words"})
             worker (tasklet* #(log (t/receive! ch)) {:name "worker"})]
         (doseq [text [pr-str print-str str #(with-out-str (pprint %))]]
           (is (str/includes? (text worker) "Tasklet[worker, scheduled, thread \"home\"]"))
           (is (str/includes? (text ch) "Channel[words]"))
           (is (str/includes? (text [ch {:ch ch}]) "Channel[words]")))
         (is (= [] @log))
         (t/schedule!)
         (is (re-find #"^#<Tasklet\[worker, receiving from words, .*\]>$" (pr-str worker)))
         (is (re-find #"^#<Channel\[words, 1 receiving\]: \(send! ch v\), \(receive! ch\)>$" (pr-str ch)))
         (is (= -1 (t/balance ch))))))))

(defn- sieve
  "A lazy seq of the primes: each that arrives gets a tasklet that lets through what it does not divide."
  [in]
  (lazy-seq
   (let [prime (t/receive! in), out (channel)]
     (tasklet (t/send-sequence! out (eduction (remove #(zero? (rem (long %) (long prime)))) in)))
     (cons prime (sieve out)))))

(deftest a-pipeline-of-a-thousand-stages
  (leaves-suspended "the stages of an endless pipeline"
    (on-each-root
     (let [numbers (channel)]
       (tasklet (t/send-sequence! numbers (iterate inc 2)))
       (let [primes (take 1000 (sieve numbers))]
         (is (= [2 3 5 7 11] (take 5 primes)))
         (is (= 7919 (last primes))))))))

;; The model: the ring is a vector of tasklets, the running one first; a queue is a vector of those that wait, senders with
;; what they send. An event is what an operation of a tasklet returned, at the time when it does.

(defn- insert-after-first [ring x]
  (into [(first ring) x] (rest ring)))

(defn- rotate [ring]
  (conj (subvec ring 1) (first ring)))

(defn- without [xs x]
  (into [] (remove #{x}) xs))

(defn- met
  "What the ring is when the first of it has met `partner` on a channel that it uses in `direction`."
  [ring partner direction {:keys [preference schedule-all]}]
  (cond
    schedule-all (rotate (conj ring partner))
    (= preference (- (long direction))) (rotate (insert-after-first ring partner))
    :else (conj ring partner)))

(defn- act [{:keys [ring] :as m} direction c sent]
  (let [me (first ring)
        {:keys [queue closed] :as ch} (get-in m [:channels c])
        partners (get ch (- (long direction)))
        ok (if (= 1 direction) :sent sent)]
    (cond
      (seq partners)
      (let [[partner value] (first partners)]
        (-> m
            (update-in [:channels c (- (long direction))] subvec 1)
            (assoc-in [:results partner] (if (= 1 direction) sent :sent))
            (assoc-in [:results me] (if (= 1 direction) ok value))
            (update :ring met partner direction ch)))
      closed (assoc-in m [:results me] :refused)
      :else (-> m
                (update-in [:channels c direction] (fnil conj []) [me sent])
                (update :ring subvec 1)))))

(defn- kill [{:keys [ring] :as m} victim]
  (let [me (first ring)
        blocked (first (for [c (keys (:channels m)), d [1 -1], [t :as entry] (get-in m [:channels c d]) :when (= t victim)]
                         [c d entry]))]
    (cond
      (= me victim) (assoc-in m [:results me] :killed)
      (contains? (:ended m) victim) (assoc-in m [:results me] :kill)
      blocked (let [[c d entry] blocked]
                (-> m
                    (update-in [:channels c d] without entry)
                    (update :ring conj victim)
                    (assoc-in [:results victim] :killed)
                    (assoc-in [:results me] :kill)))
      :else (-> m (assoc-in [:results victim] :killed) (assoc-in [:results me] :kill)))))

(defn- end [m me & event]
  (-> m (update :ring subvec 1) (update :ended conj me) (update :trace into event)))

(defn- step [{:keys [ring results programs begun] :as m}]
  (let [me (first ring)
        result (get results me)
        [[op x y] & more] (get programs me)
        m (update m :begun conj me)
        todo (assoc-in m [:programs me] more)]
    (cond
      (and (= :killed result) (not (contains? begun me))) (end m me)
      (= :killed result) (end m me [me :killed])
      (some? result) (-> m (update :trace conj [me result]) (update :results dissoc me))
      (nil? op) (end m me [me :end])
      :else (case op
              :send (act todo 1 x y)
              :receive (act todo -1 x nil)
              :schedule (-> todo (assoc-in [:results me] :scheduled) (update :ring rotate))
              :close (-> todo (assoc-in [:channels x :closed] true) (assoc-in [:results me] :close))
              :kill (kill todo x)))))

(defn- balance-in-model [{waiting-to-send 1, waiting-to-receive -1}]
  (- (count waiting-to-send) (count waiting-to-receive)))

(defn- model [{:keys [channels programs]}]
  (loop [m {:ring (vec (range (count programs))), :programs programs, :channels (zipmap (range) channels)
            :results {}, :trace [], :ended #{}, :begun #{}}]
    (if (seq (:ring m))
      (recur (step m))
      {:trace (:trace m), :balances (mapv #(balance-in-model (get-in m [:channels %])) (range (count channels)))})))

(defn- real [{:keys [channels programs]} options]
  (let [log (trace)
        channels (mapv (fn [{:keys [preference schedule-all]}]
                         (t/set-schedule-all! (channel (assoc options :preference preference)) schedule-all))
                       channels)
        tasklets (promise)
        perform (fn [op x y]
                  (try
                    (case op
                      :send (do (t/send! (channels x) y) :sent)
                      :receive (t/receive! (channels x))
                      :schedule (do (t/schedule!) :scheduled)
                      :close (do (t/close! (channels x)) :close)
                      :kill (do (t/kill! (@tasklets x) {:pending true}) :kill))
                    (catch IllegalStateException _ :refused)))
        run (fn [id program]
              (try
                (doseq [[op x y] program] (log [id (perform op x y)]))
                (log [id :end])
                (catch GreenletExit _ (log [id :killed]))))]
    (deliver tasklets (vec (map-indexed (fn [id program] (tasklet (run id program))) programs)))
    (t/run-all!)
    (let [outcome {:trace @log, :balances (mapv t/balance channels)}]
      (run! t/kill! (filter t/alive? @tasklets)) ; those that wait for ever
      outcome)))

(def ^:private programs
  (gen/let [channels (gen/vector (gen/hash-map :preference (gen/elements [-1 0 1]), :schedule-all (gen/frequency [[4 (gen/return false)] [1 (gen/return true)]]))
                                 1 3)
            tasklets (gen/choose 1 6)]
    (let [c (gen/choose 0 (dec (count channels)))
          op (gen/frequency [[8 (gen/tuple (gen/return :send) c gen/small-integer)]
                             [8 (gen/tuple (gen/return :receive) c)]
                             [4 (gen/tuple (gen/return :schedule))]
                             [1 (gen/tuple (gen/return :close) c)]
                             [1 (gen/tuple (gen/return :kill) (gen/choose 0 (dec (long tasklets))))]])]
      (gen/hash-map :channels (gen/return channels)
                    :programs (gen/vector (gen/vector op 0 8) tasklets)))))

(defspec ^:random random-programs-leave-the-trace-of-the-model (times 300)
  (prop/for-all [program programs]
    (let [expected (model program)]
      (= expected
         (watchdog/in-thread (real program {}))
         (watchdog/call-in-thread {:virtual true} #(real program {}))
         (watchdog/in-thread (real program {:shared true}))))))
