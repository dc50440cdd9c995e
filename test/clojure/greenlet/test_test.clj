(ns greenlet.test-test
  "The leak check for users' tests: what it reports and what it does not."
  (:require [clojure.test :as test :refer [deftest is testing]]
            [greenlet.core :refer [current cursor gen-seq generator glet merge-sorted next! parent peek! switch! throw! yield! zip]]
            [greenlet.test :refer [check-leaks no-leaks]]
            [greenlet.watchdog :refer [in-thread on-each-root thrown-by]])
  (:import (java.util.stream Stream StreamSupport)))

(set! *warn-on-reflection* true)

(defn- naturals []
  (generator (run! yield! (range))))

(defn- suspended []
  (doto (glet [] (switch! (parent (current)))) switch!))

(defn- stream ^Stream [g]
  (StreamSupport/stream (.spliterator ^Iterable g) false))

(defn- left
  "How many things `f` leaves suspended, by the report."
  [f]
  (if-let [report (thrown-by (no-leaks (f)))]
    (do (is (instance? AssertionError report))
        (parse-long (re-find #"^\d+" (ex-message report))))
    0))

(deftest what-is-left-half-way
  (on-each-root
   (doseq [[what f] {"greenlet" suspended
                     "seq" #(seq (naturals))
                     "first" #(first (naturals))
                     "take" #(doall (take 3 (naturals)))
                     "confined seq" #(first (gen-seq (naturals) {:confined true}))
                     "sequence" #(first (sequence (map inc) (naturals)))
                     "eduction as a seq" #(first (seq (eduction (map inc) (naturals))))
                     "cursor" #(next! (cursor (naturals)))
                     "cursor that was peeked at" #(peek! (cursor (naturals)))
                     "iterator" #(.next (.iterator ^Iterable (naturals)))
                     "stream" #(.toArray (.limit (stream (naturals)) 2))
                     "with an exception" #(try (doseq [x (naturals)] (when (= 3 x) (throw (Exception.)))) (catch Exception _))}]
     (testing what (is (= 1 (left f)))))
   (testing "the traversals that another one makes"
     (is (= 1 (left #(first (gen-seq (naturals) {:chunk 8})))) "one traversal, whose body runs ahead")
     (is (= 1 (left #(next! (cursor (naturals) {:chunk 8})))))
     (is (= 3 (left #(first (zip (naturals) (naturals))))))
     (is (= 2 (left #(next! (cursor (merge-sorted [(naturals)])))))))))

(deftest what-is-over
  (on-each-root
   (doseq [[what f] {"nothing" #(do)
                     "not begun" #(do (glet []) (cursor (naturals)) (map inc (naturals)) (.iterator ^Iterable (naturals)) (stream (naturals)))
                     "ended" #(switch! (suspended))
                     "killed" #(throw! (suspended))
                     "closed" #(.close ^java.lang.AutoCloseable (suspended))
                     "reduced" #(reduce (fn [_ x] (when (= x 3) (reduced x))) nil (naturals))
                     "transduced" #(into [] (take 3) (naturals))
                     "failed" #(try (run! (fn [_] (throw (Exception.))) (naturals)) (catch Exception _))
                     "realised" #(dorun (generator (run! yield! (range 5))))
                     "realised in chunks" #(dorun (gen-seq (generator (run! yield! (range 5))) {:chunk 2}))
                     "ended ahead of its consumer" #(next! (cursor (generator (run! yield! (range 5))) {:chunk 8}))
                     "realised up to an exception" #(try (dorun (generator (yield! 1) (throw (Exception.)))) (catch Exception _))
                     "with-open" #(with-open [c (cursor (naturals))] (next! c))
                     "closed stream" #(with-open [^Stream s (.stream (greenlet.Generator/of (reify greenlet.Generator$Body (run [_ out] (.yield out 1)))))]
                                        (.findFirst s))
                     "compositions" #(into [] (take 3) (zip (merge-sorted [(naturals) (naturals)]) (naturals)))}]
     (testing what (is (= 0 (left f)))))))

(deftest the-value-and-the-exception
  (on-each-root
   (is (= :value (no-leaks :ignored :value)))
   (is (nil? (no-leaks)))
   (let [e (ex-info "body" {})
         thrown (thrown-by (no-leaks (suspended) (throw e)))]
     (is (identical? e thrown))
     (is (= [1] (map #(parse-long (re-find #"^\d+" (ex-message %))) (.getSuppressed ^Throwable thrown)))))
   (let [e (ex-info "body" {})]
     (is (identical? e (thrown-by (no-leaks (throw e)))))
     (is (empty? (.getSuppressed ^Throwable e))))
   (testing "where"
     (is (re-find #"Greenlet\[greenlet-\d+, suspended.*which stands\n    at greenlet.test_test\$suspended" (ex-message (thrown-by (no-leaks (suspended))))))
     (is (re-find #"traversal of generator-\d+, first pulled from\n    at greenlet.test_test" (ex-message (thrown-by (no-leaks (first (naturals))))))))))

(defn- reports-of
  "What clojure.test is told while `f` runs under the fixture."
  [f]
  (let [reports (atom [])]
    (binding [test/report #(swap! reports conj (select-keys % [:type :message]))]
      (check-leaks f))
    @reports))

(deftest the-fixture
  (on-each-root
   (is (= [] (reports-of #(into [] (take 1) (naturals)))))
   (let [[{:keys [type message]} & more] (reports-of suspended)]
     (is (= :fail type))
     (is (re-find #"^1 left suspended" message))
     (is (nil? more)))
   (is (= 1 (count (reports-of (bound-fn [] (in-thread (first (naturals))))))) "in a thread of the test's")
   (let [e (ex-info "of the fixture inside" {})]
     (is (identical? e (thrown-by (reports-of #(do (suspended) (throw e)))))))
   (testing "names the test, as it is around each"
     (let [tests (atom [])
           leaks (intern 'greenlet.test-test (with-meta 'leaks {:test suspended}))]
       (binding [test/report #(when (= :fail (:type %)) (swap! tests conj test/*testing-vars*))]
         (check-leaks #(test/test-var leaks)))
       (ns-unmap 'greenlet.test-test 'leaks)
       (is (= [[leaks]] @tests))))
   (testing "a test that checks by itself"
     (is (= [] (reports-of #(thrown-by (no-leaks (suspended)))))))))
