(ns greenlet.hub.sync-test
  "greenlet.hub.sync: what is not in greenlet.hub-test; printed forms, objects that were made in Java, and wrong arguments."
  (:require [clojure.test :refer [deftest is testing use-fixtures]]
            [greenlet.hub :as hub
             :refer [acquire! async-result await! close! event exception fail! free-count holding join kill! lock offer! peek! poll!
                     pool put! queue ready? release! resource-pool result run semaphore set-event! sleep! spawn spawn-in take!
                     task-done! timeout wait wake! waiter with-resource]]
            [greenlet.hub.sync]
            [greenlet.hubs]
            [greenlet.test :refer [check-leaks]]
            [greenlet.watchdog :refer [on-each-root thrown-by]])
  (:import (greenlet.hub AsyncResult Event Hub$LoopExit Lock Queue Semaphore)))

(set! *warn-on-reflection* true)

(use-fixtures :each check-leaks)

(deftest printed-forms-say-what-one-holds-and-what-to-do-with-it
  (run
    (let [e (event), r (async-result), failed (async-result), s (semaphore 2), l (lock), q (queue), p (pool 3), rp (resource-pool 2 #(Object.))]
      (is (= "#<an event: (await! e) waits until it is set>" (pr-str e)))
      (is (= "#<an async-result: (result r) waits for what comes of it>" (pr-str r)))
      (is (= "#<a semaphore of 2 permits: (acquire! s) takes one>" (pr-str s)))
      (is (= "#<a lock: (holding l …) takes it>" (pr-str l)))
      (is (= "#<a queue of 0 items: (take! q) takes the next>" (pr-str q) (pr-str (hub/queue {:order :lifo}))))
      (is (= "#<a pool of 0 tasks, at most 3: (spawn-in p f) adds one>" (pr-str p)))
      (is (= "#<a pool of 2 resources, 0 in use, 0 idle: (with-resource [r p] …) uses one>" (pr-str rp)))
      (is (= "#<a waiter for a word: (await! w) waits until somebody wakes it>" (pr-str (waiter "a word"))))
      (set-event! e)
      (wake! r 1)
      (fail! failed (Exception.))
      (acquire! s)
      (put! q :item)
      (close! q)
      (spawn-in p sleep! 100)
      (is (= ["an event that is set" "an async-result with a value" "an async-result that has failed" "a semaphore of 1 permit"
              "a closed queue of 1 item" "a pool of 1 task, at most 3"]
             (map str [e r failed s q p])))
      (holding l (is (re-find #"^a lock of Task\[" (str l))))
      (with-resource [_ rp] (is (= "a pool of 2 resources, 1 in use, 0 idle" (str rp))))
      (is (= "a pool of 0 tasks" (str (pool)))))))

(deftest what-java-has-made
  (on-each-root
   (run
     (let [q (Queue/fifo), e (Event.), r (AsyncResult.), s (Semaphore. 1), l (Lock.)]
       (put! q 1)
       (is (= [1 1 :none] [(peek! q) (take! q) (poll! q :none)]))
       (is (true? (offer! q 2)))
       (task-done! q)
       (task-done! q)
       (join q)
       (close! q)
       (is (= [2] (into [] q)))
       (is (re-find #"^#<a closed queue of 0 items" (pr-str q)))
       (set-event! e)
       (is (true? (await! e)))
       (wake! r :value)
       (is (= [:value true nil] [(result r) (ready? r) (exception r)]))
       (is (= [0 0] (holding s (holding l [(free-count s) (free-count l)]))))
       (is (= [e r] (wait [e r])))))))

(deftest one-name-in-two-namespaces
  (doseq [[ns names] '{greenlet.hub.sync [event set-event! clear-event! event-set? async-result semaphore lock acquire! release! holding
                                          free-count queue put! take! offer! poll! peek! close! task-done!]
                       greenlet.hub.pool [pool spawn-in imap imap-unordered resource-pool with-resource with-resource*]}]
    (is (= (set names) (set (keys (ns-publics ns)))) "all of them")
    (doseq [name names
            :let [there (ns-resolve ns name), here (ns-resolve 'greenlet.hub name)]]
      (is (identical? @there @here) (str name))
      (is (= (select-keys (meta there) [:doc :arglists :macro]) (select-keys (meta here) [:doc :arglists :macro]))))))

(deftest wrong-arguments
  (run
    (doseq [[f text] {#(set-event! :e) "must be an event; got :e"
                      #(put! nil 1) "the first argument of put! must be a queue; got nil"
                      #(take! (event)) "must be a queue; got class greenlet.hub.Event"
                      #(release! 5) "must be a semaphore or a lock; got 5"
                      #(acquire! nil 1) "must be a semaphore or a lock; got nil"
                      #(free-count nil) "must be a semaphore, a lock or a pool; got nil"
                      #(spawn-in :p +) "must be a pool; got :p"
                      #(close! nil) "must be a queue or a resource pool; got nil"
                      #(wake! nil 1) "wake! takes a waiter or an async-result; got nil"
                      #(wake! (event) 1) "set-event! sets an event"
                      #(fail! :w (Exception.)) "fail! takes a waiter or an async-result; got :w"
                      #(fail! (async-result) :no) "fail! takes a Throwable; got :no"
                      #(kill! nil) "the first argument of kill! must be a task, as `spawn` makes them; got nil"
                      #(kill! (async-result)) "fail! completes it with an exception"
                      #(kill! (queue)) "close! closes it"
                      #(kill! (spawn +) {:exception 5}) "the :exception of kill! must be a Throwable; got 5"
                      #(hub/offload "contents") "got \"contents\", so the call has been made already, in this thread. Write (offload #(…))"
                      #(queue {:order :priority, :by 5}) ":by is a comparator; got 5"}]
      (is (= [text true] (let [message (str (ex-message (thrown-by (f))))]
                           [text (.contains message ^String text)]))
          (pr-str (thrown-by (f)))))))

(deftest a-sleep-for-ever
  (on-each-root
   (let [e (thrown-by (run :time :virtual (sleep! ##Inf)))]
     (is (instance? Hub$LoopExit e))
     (is (re-find #"waits for a time that never comes" (ex-message e))))
   (is (= :late (run :time :virtual (timeout 1e6 :else :late (sleep! ##Inf)))))
   (is (= :value (run :time :virtual (timeout ##Inf (sleep! 1e6) :value))))))

(deftest a-comparator-that-fails
  (testing "fails who puts the item, at once or when there is room for it, and nobody else"
    (run :time :virtual
      (let [q (queue {:order :priority, :size 2})]
        (put! q 3)
        (is (thrown? ClassCastException (put! q "three")))
        (put! q 1)
        (let [putter (spawn #(thrown-by (put! q "two"))), next-one (spawn put! q 2)]
          (sleep! 0)
          (is (= [1 2 3 :none] [(take! q) (take! q) (take! q) (poll! q :none)]))
          (is (instance? ClassCastException (result putter)))
          (is (nil? (result next-one))))))))
