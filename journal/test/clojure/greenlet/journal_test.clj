(ns greenlet.journal-test
  "greenlet.journal: its words. What stands behind them is tested in Java."
  (:require [clojure.edn :as edn]
            [clojure.test :refer [deftest is use-fixtures]]
            [clojure.test.check.clojure-test :refer [defspec]]
            [clojure.test.check.generators :as gen]
            [clojure.test.check.properties :as prop]
            [greenlet.hub :as hub]
            [greenlet.journal :as journal]
            [greenlet.random :refer [times]]
            [greenlet.watchdog :refer [in-thread on-each-root]])
  (:import (greenlet.journal Append Diverged Host MemoryStore ProgramFailed StepFailed)
           (java.io IOException)
           (java.nio.file Files Path)
           (java.nio.file.attribute FileAttribute)
           (java.util.concurrent CancellationException)))

(set! *warn-on-reflection* true)

(def ^:private effects (atom []))

(use-fixtures :each (fn [run-test] (reset! effects []) (run-test)))

(defn- effect [& what]
  (swap! effects conj what)
  (vec what))

(defn- order [{:keys [customer]}]
  (let [items (journal/receive! :items)
        paid (journal/step! :charge effect customer items)]
    (hub/timeout (* 7 24 3600) :else :abandoned
      (hub/scope
       (hub/spawn journal/step! :mail effect customer)
       (journal/step! :ship effect items paid)))))

;; Journals were written by `pr-str`, and are compared with what is written now
(def ^:private gen-value
  (gen/recursive-gen
   (fn [inner]
     (gen/one-of [(gen/vector inner) (gen/map inner inner) (gen/set inner) (gen/list inner)
                  (gen/fmap #(with-meta % {:of "it"}) (gen/vector inner))]))
   (gen/one-of [gen/any-printable gen/string gen/keyword gen/keyword-ns (gen/fmap keyword gen/string)
                (gen/elements [nil #{} () \newline 1/3 1M 1N ##Inf ##NaN 'a/b :a.b/c #"x" #inst "2026-11-27" (Object.)])])))

(defspec values-are-written-as-pr-str-has-it (times 300)
  (prop/for-all [value gen-value]
    (let [text (binding [*print-namespace-maps* false] (pr-str value))
          reads-back? (= value (try (edn/read-string text) (catch Exception _ ::unreadable)))]
      (= (if reads-back? text :refused)
         (try (.encode journal/edn value) (catch IllegalArgumentException _ :refused))))))

(deftest the-example
  (on-each-root
   (reset! effects [])
   (with-open [store (journal/memory)]
     (is (nil? (journal/start! store "order-17" order {:customer "Ada"})))
     (is (true? (journal/send! store "order-17" :items [:tea] {:key "1"})))
     (is (false? (journal/send! store "order-17" :items [:tea] {:key "1"})))
     (is (= [[:tea] ["Ada" [:tea]]] (journal/result store "order-17")))
     (is (= [[:tea] ["Ada" [:tea]]] (journal/execute store "order-17" order {:customer "Ada"})))
     (is (= ["Ada" [:tea]] (first @effects)))
     (is (= 1 (count (filter #{["Ada" [:tea]]} @effects))))
     (let [program (first (journal/programs store))]
       (is (= ["order-17" "greenlet.journal-test/order"] ((juxt :id :function) program)))
       (is (inst? (:ended program))))
     (is (= {:id "order-17", :state :ended, :function "greenlet.journal-test/order", :waits []}
            (dissoc (journal/status store "order-17") :entries)))
     (is (nil? (journal/status store "order-18")))
     (is (= 1 (journal/prune! store -1)))
     (is (= [] (journal/programs store))))))

(defn- asks [n]
  (+ n (long (journal/receive! "more"))))

(deftest a-function-is-found-by-its-name
  (on-each-root
   (let [store (greenlet.journal.MemoryStore.)]
     (with-open [h (journal/host store)]
       (journal/start! h "p" #'asks 1)
       (journal/start! h "q" asks 2))
     (with-open [h (journal/host store)]
       (is (= :parked (:state (journal/status h "p"))))
       (journal/resume! h)
       (journal/send! h "p" :more 10)
       (journal/send! h "q" 'more 10)
       (is (= [11 12] (mapv #(journal/result h %) ["p" "q"])))
       (is (thrown-with-msg? IllegalArgumentException #"has begun with \[1\], and not with \[3\]" (journal/start! h "p" asks 3)))
       (doseq [f [(fn [] 1) #(+ 1 2)]]
         (is (thrown-with-msg? IllegalArgumentException #"a program is a var or a function that defn has named" (journal/start! h "r" f))))))))

(deftest values-are-edn
  (on-each-root
   (with-open [store (journal/memory)]
     (doseq [value [nil 1 "a\n\"b\"" :a/b 'c [1 '(2) #{3} {:a {}}] 1.5 1M 1N \a #inst "2026-01-01" (random-uuid) (range 5) ##Inf]]
       (is (= value (journal/execute store (str (random-uuid)) identity value)))
       (is (= value (journal/execute store (str (random-uuid)) {:name :step} #(journal/step! :s (constantly value))))))
     (doseq [value [(Object.) ##NaN #"a" inc (keyword "a b") (keyword nil "a/b") (float 0.1) [(Object.)] (ex-info "" {})]]
       (is (thrown-with-msg? IllegalArgumentException #"does not read back" (journal/start! store "refused" identity value)))
       (let [e (try
                 (journal/execute store (str (random-uuid)) {:name :step}
                                  #(try
                                     (journal/step! :s (constantly value))
                                     (catch StepFailed e [(.type e) (.reason e)])))
                 (catch Exception e e))]
         (is (= "java.lang.IllegalArgumentException" (first e)))
         (is (re-find #"does not read back" (second e))))))))

(deftest failures-have-their-data
  (on-each-root
   (with-open [store (journal/memory)]
     (let [fails #(throw (ex-info "no money" {:missing 5, :who (Object.)}))
           told (fn [] (try (journal/step! {:name :pay, :attempts 2, :back-off 0} fails)
                            (catch StepFailed e [(.type e) (.reason e) (.data e) (.key e)])))
           expected ["clojure.lang.ExceptionInfo" "no money" {:missing 5} "main:pay#0"]]
       (is (= expected (journal/execute store "p" {:name :told} told)))
       (is (= expected (:result (journal/replay store "p"))))
       (is (= {:type "clojure.lang.ExceptionInfo", :message "no money", :data {:missing 5}}
              (:failure (second (journal/entries store "p")))))
       (let [e (try (journal/execute store "q" {:name :fails} fails) (catch ProgramFailed e e))]
         (is (= {:missing 5} (.data ^ProgramFailed e))))
       (is (instance? clojure.lang.ExceptionInfo (:failure (journal/replay store "q"))))))))

(deftest a-journal-as-data
  (on-each-root
   (let [data (with-open [store (journal/memory)]
                (journal/start! store "p" order {:customer "Ada"})
                (journal/send! store "p" :items [:tea])
                (journal/result store "p")
                (journal/entries store "p"))
         data (edn/read-string (pr-str data))]
     (reset! effects [])
     (is (= [[:tea] ["Ada" [:tea]]] (:result (journal/replay data order))))
     (is (= ["main<items#0"] (:waits (journal/replay data order {:until 0}))))
     (is (= [{:path "main", :name "main", :waits-for "step main:ship#0", :below ["main/.0"]}]
            (for [t (:tasks (journal/replay data order {:until 2}))]
              (-> t (dissoc :stack :tasks) (assoc :below (map :path (:tasks t)))))))
     (is (= [] @effects) "no step runs")
     (is (thrown-with-msg? Diverged #"nothing asks for main<items#0"
                           (journal/replay data (fn [_] (journal/receive! :other))))))))

(deftest inside
  (on-each-root
   (with-open [store (journal/memory)]
     (let [all #(vector (inst-ms (journal/now)) (journal/random) (journal/random 10) (journal/uuid)
                        (journal/version! :tax 2) (journal/step! :key journal/step-key))]
       (is (= (journal/execute store "p" {:name :all} all) (:result (journal/replay store "p"))))
       (is (= [2 "p/0/main:key#0"] (drop 4 (journal/result store "p"))))))
   (with-open [store (journal/memory)]
     (let [done (promise)]
       (journal/start! store "p" {:name :long} #(try (journal/receive! :never) (finally (journal/step! :undo (fn [] (deliver done :undone) nil)))))
       (is (journal/cancel! store "p"))
       (is (thrown? CancellationException (journal/result store "p")))
       (is (= :undone (deref done 0 nil)))
       (is (= :failed (:state (journal/status store "p"))))))
   (is (thrown-with-msg? IllegalStateException #"step is for the tasks of a program" (journal/step! :s +)))))

(deftest arguments
  (on-each-root
   (with-open [store (journal/memory)]
     (doseq [call [#(journal/start! store "" +) #(journal/start! store :p +) #(journal/start! :store "p" +)
                   #(journal/send! store "p" 5 :x) #(journal/send! store "p" :x :x {:kee "1"}) #(journal/host :store)
                   #(journal/memory {:keep -1}) #(journal/step! {:name :a, :where :there} +) #(journal/step! {:name :a, :tries 2} +)
                   #(journal/step! {:name :a, :attempts 0} +) #(journal/step! {} +) #(journal/step! :a 5) #(journal/version! :a 0)
                   #(journal/replay store "p" {:til 1})]]
       (is (thrown? IllegalArgumentException (call))))
     (is (thrown-with-msg? IllegalStateException #"there is no program p" (journal/send! store "p" :x 1)))
     (is (instance? Host store)))))

(deftest in-this-hub
  (on-each-root
   (is (= [true 42]
          (hub/run
            (let [me (hub/hub), here (atom nil)]
              (with-open [store (journal/memory {:here true})]
                (let [value (journal/execute store "p" {:name :p}
                                             #(journal/step! {:name :s, :where :hub}
                                                             (fn [] (hub/sleep! 0.001) (reset! here (= me (hub/hub))) 42)))]
                  [@here value]))))))))

;; Random programs, as data: run by a host, replayed, cut at every entry and continued by another host

(def ^:private action
  "[:step name], [:fails], [:sleep ms], [:receive], [:version], [:limit ms actions], [:scope actions of each task], [:kill actions of a task]."
  (gen/recursive-gen
   (fn [inner]
     (let [actions (gen/vector inner 0 3)]
       (gen/one-of [(gen/tuple (gen/return :limit) (gen/choose 0 3) actions)
                    (gen/fmap #(into [:scope] %) (gen/vector actions 1 3))
                    (gen/tuple (gen/return :kill) actions actions)])))
   (gen/one-of [(gen/tuple (gen/return :step) (gen/elements [:a :b]))
                (gen/return [:fails])
                (gen/tuple (gen/return :sleep) (gen/choose 0 2))
                (gen/return [:receive])
                (gen/return [:version])])))

(declare acts)

(defn- act [[kind & [x & more :as args]]]
  (case kind
    :step (journal/step! x identity [:did x])
    :fails (try (journal/step! :fails #(throw (ex-info "by chance" {:a 1})))
                (catch StepFailed e [(.type e) (.data e)]))
    :sleep (do (hub/sleep! (/ x 1000)) :slept)
    :receive (journal/receive! :m)
    :version (journal/version! :v 1)
    :limit (hub/timeout (/ x 1000) :else :late (acts (first more)))
    :scope (let [tasks (atom [])]
             (hub/scope
              (doseq [actions (rest args)] (swap! tasks conj (hub/spawn acts actions)))
              [(acts x) (mapv hub/result @tasks)]))
    :kill (hub/scope
           (let [task (hub/spawn acts x)
                 mine (acts (first more))]
             (hub/kill! task)
             [mine (some-> (hub/exception task) class .getSimpleName)]))))

(defn- acts [actions]
  (mapv (fn [a] [(act a) (inst-ms (journal/now))]) actions))

(defn- ended
  "The journal of the program, which `store` has run to its end."
  [^Host h actions]
  (journal/start! h "p" acts actions)
  (dotimes [i 30] (try (journal/send! h "p" :m i) (catch IllegalStateException _)))
  (try (journal/result h "p") (catch ProgramFailed _))
  (journal/entries h "p"))

(defn- holds? [actions entries]
  (let [{:keys [result failure]} (journal/replay entries acts)
        end (peek entries)]
    (if (= :result (:kind end)) (= (:value end) result) (some? failure))))

(defn- cut
  "A host of a store in which the program is where it was after `n` of the entries."
  ^Host [^MemoryStore from n]
  (let [store (MemoryStore.)]
    (.append store [(Append. "p" 0 0 (take n (.read from "p")) [] nil)])
    (journal/host store)))

(defspec random-programs (times 15)
  (prop/for-all [actions (gen/vector action 1 4)]
    (in-thread
     (let [store (MemoryStore.)
           entries (with-open [h (journal/host store)] (ended h actions))]
       (and (holds? actions entries)
            (every? (fn [n] (with-open [h (cut store n)] (holds? actions (ended h actions))))
                    (range 1 (count entries))))))))

;; The killer's version may come in a batch with the outcome by which the other asks for its own
(deftest a-version-that-is-given-up
  (let [actions [[:scope [[:kill [[:step :a] [:version]] [[:step :a] [:version]]]]]]]
    (in-thread
     (dotimes [_ 30]
       (is (true? (holds? actions (with-open [h (journal/host (MemoryStore.))] (ended h actions)))))))))

(deftest a-directory
  (let [^Path above (Files/createTempDirectory "journal" (make-array FileAttribute 0))
        path (.resolve above "orders")
        other (.resolve above "other")
        store (journal/directory path {:keep 10})]
    (journal/start! store "order-17" order {:customer "Ada"})
    (is (thrown-with-msg? IOException #"is open already.*process" (journal/directory (str path))))
    (is (thrown? IllegalArgumentException (journal/directory other {:kep 1})))
    (journal/close! store)
    (let [store (journal/directory (.toFile path))]
      (journal/send! store "order-17" :items [:tea])
      (is (= [[:tea] ["Ada" [:tea]]] (journal/execute store "order-17" order {:customer "Ada"})))
      (journal/close! store))
    (let [store (journal/directory (str path))]
      (is (= [[:tea] ["Ada" [:tea]]] (journal/result store "order-17")))
      (journal/close! store))
    (journal/close! (journal/directory other)))) ; that the option was wrong has not kept it open
