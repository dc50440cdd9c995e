(ns greenlet.printing-test
  "Printed forms tell what one holds and in which state, and printing runs nothing."
  (:require [clojure.pprint :refer [pprint]]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [greenlet.core :refer [current cursor generator glet greenlet next! switch! yield!]]
            [greenlet.watchdog :as watchdog :refer [on-each-root]])
  (:import (greenlet Greenlet GreenletExit)))

(set! *warn-on-reflection* true)

(def ^:private printers
  {"pr" pr-str
   "print" print-str
   "println" #(with-out-str (println %))
   "pprint" #(with-out-str (pprint %))
   "str" str
   "format" #(format "%s" %)
   "pr, readably or not" #(binding [*print-readably* false, *print-meta* true, *print-length* 2, *print-level* 3] (pr-str %))})

(deftest printing-a-generator-runs-nothing
  (on-each-root
   (let [runs (atom 0)
         g (generator (swap! runs inc) (yield! 1))]
     (doseq [[name text] printers, x [g [g] {:g g} (list g g) #{g} [[[g]]]]]
       (testing name
         (is (str/includes? (text x) "generator-"))))
     (is (= 0 @runs))
     (testing "and tells what to do with it"
       (is (re-find #"#<generator-\d+.*\(seq g\).*\(reduce f init g\)>" (pr-str g)))
       (is (re-find #"^\[#<generator-\d+.*> 1\]$" (pr-str [g 1])))))))

(deftest printing-a-cursor-pulls-nothing
  (on-each-root
   (let [runs (atom 0)
         c (cursor (generator (swap! runs inc) (yield! 1)))]
     (doseq [[name text] printers, x [c [c] {:c c}]]
       (testing name
         (is (re-find #"(?i)(cursor|traversal).*generator-|generator-.*(cursor|traversal)" (text x)))))
     (is (= 0 @runs))
     (is (= 1 (next! c))))))

(deftest printing-a-greenlet-switches-nothing
  (watchdog/call-in-thread
   {:name "home"}
   (bound-fn []
     (let [log (atom [])
           main (current)
           g (greenlet (fn [] (swap! log conj :started) (switch! main) (swap! log conj :resumed)) {:name "worker"})
           everywhere (fn [& parts]
                        (doseq [[name text] printers, x [g [g] {:g g} (list g g)], part parts]
                          (testing name
                            (is (str/includes? (text x) part)))))]
       (everywhere "worker" "unstarted" "home")
       (is (= [] @log))
       (switch! g)
       (everywhere "worker" "suspended" "home")
       (is (= [:started] @log))
       (is (str/includes? (pr-str (atom g)) "worker"))
       (is (re-find #"^#<Greenlet\[worker, suspended, thread \"home\"\]>$" (pr-str g)))
       (switch! g)
       (everywhere "worker" "finished")
       (is (= [:started :resumed] @log))
       (is (re-find #"root, running" (pr-str main)))
       (is (re-find #"greenlet-\d+, running" (switch! (glet [] (pr-str (current))))))
       (is (= "root" (.name ^Greenlet main)))))))

(deftest what-is-of-a-thread-that-has-ended-can-be-printed
  (is (re-find #"dead.*which has ended" (pr-str (watchdog/in-thread (doto (glet [] (switch! (.parent ^Greenlet (current)))) (switch!)))))))

(deftest errors-are-printed-with-the-users-frames
  (on-each-root
   (let [e (try (switch! (glet [] (throw (ex-info "boom" {:a 1})))) (catch Exception e e))]
     (is (= "boom" (:cause (Throwable->map e))))
     (is (= {:a 1} (:data (Throwable->map e))))
     (is (some #(re-find #"printing_test" (str %)) (:trace (Throwable->map e)))))
   (testing "GreenletExit has a message and no trace, and prints"
     (is (str/includes? (pr-str (GreenletExit.)) "was asked to end"))
     (is (= [] (:trace (Throwable->map (GreenletExit.)))))
     (is (str/includes? (pr-str (GreenletExit. "mine")) "mine")))
   (testing "an error that holds a greenlet or a generator"
     (let [g (generator (throw (Exception. "ran")))]
       (is (str/includes? (pr-str (ex-info "e" {:g g, :h (glet [])})) "generator-"))
       (is (str/includes? (pr-str (Throwable->map (ex-info "e" {:g g}))) "generator-"))))))

(deftest printing-an-elements-seq-is-printing-a-seq
  (is (= "(0 1 2)" (pr-str (seq (generator (run! yield! (range 3)))))))
  (is (= "(0 1 ...)" (binding [*print-length* 2] (pr-str (seq (generator (run! yield! (range))))))))
  (is (= "(0 1 2)\n" (with-out-str (pprint (seq (generator (run! yield! (range 3))))))))
  (testing "text forms do not pull"
    (let [steps (atom 0)]
      (str (rest (seq (generator (dotimes [_ 5] (swap! steps inc) (yield! 1))))))
      (is (= 1 @steps)))))
