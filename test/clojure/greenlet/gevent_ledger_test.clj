(ns greenlet.gevent-ledger-test
  "Cases of gevent's own tests that are nowhere else; doc/ledgers/gevent.md has all."
  (:require [clojure.test :refer [deftest is testing use-fixtures]]
            [greenlet.core :refer [generator yield!]]
            [greenlet.hub :refer [async-result await! clear-event! event fail! imap imap-unordered join joinall link now pool put! queue
                                  ready? result run set-event! sleep! spawn spawn-in take! wait wake!]]
            [greenlet.test :refer [check-leaks]]
            [greenlet.watchdog :refer [on-each-root thrown-by trace]]))

(set! *warn-on-reflection* true)

(use-fixtures :each check-leaks)

(deftest what-a-task-has-put-that-has-ended-since
  (on-each-root
   (run
     (let [q (queue)]
       (join (spawn put! q :sent))
       (is (= :sent (take! q)))))))

(deftest two-tasks-of-a-pool-one-of-which-waits-for-the-other
  (on-each-root
   (run :time :virtual
     (let [e (event), log (trace), p (pool 2)
           consumer (spawn-in p #(do (log :before) (await! e) (log :after)))]
       (spawn-in p #(do (sleep! 0.001) (log :produced) (set-event! e)))
       (result consumer)
       (is (= [:before :produced :after] @log))))))

(deftest elements-that-wait-after-the-last
  (on-each-root
   (run :time :virtual
     (doseq [size [1 2 3 10 nil], mapped [imap imap-unordered]]
       (is (= [0 1 4] (vec (mapped (pool size) #(* % %) (generator (run! yield! (range 3)) (sleep! 0.2))))))))))

(deftest no-further-ahead-than-the-pool-has-room-for
  (on-each-root
   (run :time :virtual
     (doseq [size [1 2 3 10], mapped [imap imap-unordered]]
       (let [started (atom 0), seen (atom 0)]
         (run! (fn [_]
                 (is (<= @started (+ size (swap! seen inc))))
                 (sleep! 0.01))
               (mapped (pool size) #(do (swap! started inc) %) (range 100)))
         (is (= 100 @seen)))))))

(deftest an-exception-through-a-link
  (on-each-root
   (run
     (let [all (async-result), values (async-result), exceptions (async-result)
           to (fn [r] #(try (wake! r (result %)) (catch Exception e (fail! r e))))
           failing (spawn #(throw (ex-info "failed" {})))]
       (link failing (to all))
       (link failing #(when-not (thrown-by (result %)) (wake! values :value)))
       (link failing #(when (thrown-by (result %)) ((to exceptions) %)))
       (is (= ["failed" :late "failed"]
              [(ex-message (thrown-by (result all))) (result values 0.001 :late) (ex-message (thrown-by (result exceptions)))]))))))

(deftest set-and-cleared-at-once
  (on-each-root
   (doseq [n [1 100 1000]]
     (run
       (let [e (event), waiting (vec (repeatedly n #(spawn await! e)))]
         (sleep! 0)
         (set-event! e)
         (clear-event! e)
         (is (= n (count (joinall waiting)))))))))

(deftest five-events-and-five-results
  (on-each-root
   (doseq [[options expected sender-ended] [[{:timeout 1} 10 true] [nil 10 true] [{:count 1} 1 false] [{:count 2} 2 false]]]
     (run :time :virtual
       (let [events (vec (repeatedly 5 event)), results (vec (repeatedly 5 async-result))
             sender (spawn #(doseq [[e r] (map vector events results)]
                              (sleep! 0.01)
                              (set-event! e)
                              (sleep! 0.01)
                              (wake! r nil)))
             complete (wait (into events results) options)]
         (is (= (take expected (interleave events results)) complete))
         (sleep! 0)
         (is (= sender-ended (ready? sender)))
         (is (< (Math/abs (- (now) (* 0.01 expected))) 1e-6)))))))

(deftest to-wait-twice-for-an-event-that-is-set
  (on-each-root
   (run
     (let [e (event)]
       (set-event! e)
       (is (= [[e] [e]] [(wait [e]) (wait [e])]))))))
