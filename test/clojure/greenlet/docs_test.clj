(ns greenlet.docs-test
  "Every example in the documentation does what it claims."
  (:require [clojure.edn :as edn]
            [clojure.set :as set]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [greenlet.core :refer [generator yield!]]
            [greenlet.doc-examples :as examples]
            [greenlet.watchdog :refer [on-each-root]])
  (:import (java.io File)))

(set! *warn-on-reflection* true)

(defn- text [& lines]
  (apply str (interpose "\n" lines)))

(defn- outcomes [code]
  (mapv (juxt :form :broken) (examples/run-blocks [{:line 1, :code code}])))

(deftest claims-are-checked
  (testing "results"
    (is (= [["(inc 1)" nil]] (outcomes "(inc 1) ;=> 2")))
    (is (= [["(inc 1)" {:claimed "3", :got "2"}]] (outcomes "(inc 1) ;=> 3")))
    (is (= [["(inc 1)" nil]] (outcomes "(inc 1) ;=> 2, for example")))
    (is (= [["(range 3)" nil] [":b" nil]] (outcomes (text "(range 3)" ";=> (0 1" ";    2)" "" ":b ;=> :b"))))
    (is (= [["nil" {:claimed "false", :got "nil"}]] (outcomes "nil ;=> false")))
    (is (= [["(def a 1)" nil] ["a" {:claimed "2", :got "1"}]] (outcomes "(def a 1) a ;=> 2")))
    (is (= [["(range 2)" nil]] (outcomes (text "; what this is about" "(range 2) ;=> [0 1]" "; and a remark")))))
  (testing "output"
    (is (= [["(print 1 2)" nil]] (outcomes "(print 1 2) ; prints 1 2")))
    (is (= [["(print 1 2)" {:claimed-output "1", :got "1 2"}]] (outcomes "(print 1 2) ; prints 1")))
    (is (= [["(do (println 1) (println 2) 3)" nil]]
           (outcomes (text "(do (println 1) (println 2) 3)" "; prints 1" "; prints 2" ";=> 3"))))
    (is (= [["(do (println 1) 2)" {:claimed "3", :got "2"}]] (outcomes "(do (println 1) 2) ; prints 1 ;=> 3"))))
  (testing "exceptions"
    (is (= [["(/ 1 0)" nil]] (outcomes "(/ 1 0) ; throws ArithmeticException: zero")))
    (is (= [["(/ 1 0)" nil]] (outcomes "(/ 1 0) ; throws ArithmeticException")))
    (is (= [:thrown] (keys (second (first (outcomes "(/ 1 0)"))))))
    (is (= [:thrown] (keys (second (first (outcomes "(/ 1 0) ;=> 0"))))))
    (is (= [:claimed-exception :got] (keys (second (first (outcomes "(/ 1 0) ; throws ClassCastException"))))))
    (is (= [:claimed-exception :got] (keys (second (first (outcomes "(/ 1 0) ; throws ArithmeticException: one"))))))
    (is (= [:claimed-exception :got] (keys (second (first (outcomes "(/ 1 1) ; throws ArithmeticException")))))))
  (testing "a form that cannot be compiled"
    (is (= [:thrown] (keys (second (first (outcomes "(unknown 1)")))))))
  (testing "one namespace for all blocks, which refers to greenlet.core"
    (is (= [] (examples/broken (examples/run-blocks [{:line 1, :code "(def g (glet [] 1))"} {:line 5, :code "(switch! g) ;=> 1"}]))))
    (is (= [5] (map :block (examples/broken (examples/run-blocks [{:line 1, :code "1"} {:line 5, :code "2 ;=> 3"}])))))
    (is (= [] (examples/broken (examples/run-blocks [{:line 1, :code "(ns my.app (:require [greenlet.core :as g])) (g/switch! (g/glet [] ::k)) ;=> :my.app/k"}]))))))

(deftest blocks-are-found
  (is (= [{:line 3, :code "(a)\n\n(b)"} {:line 12, :code "(c)"}]
         (examples/markdown-blocks (text "# Title" "```clojure" "(a)" "" "(b)" "```" "```clojure no-test" "(skipped)" "```"
                                         "- in a list" "  ```clojure" "  (c)" "  ```" "```java" "x();" "```" "```" "plain" "```"))))
  (is (= (if examples/can-cooperate? ["(a)" "(b)"] ["(b)"])
         (map :code (examples/markdown-blocks (text "```clojure cooperative" "(a)" "```" "```clojure" "(b)" "```")))))
  (is (= [{:line 3, :code "      (a)\n        (b)"} {:line 9, :code "      (c)"}]
         (vec (examples/docstring-blocks (text "First." "" "      (a)" "        (b)" "" "    :option  text," "             and more" "" "      (c)" "" "  Last."))))))

(def ^:private public-namespaces
  "Each with those that its examples refer to."
  '{greenlet.core [greenlet.core]
    greenlet.test [greenlet.core greenlet.test]
    greenlet.hub [greenlet.hub]
    greenlet.hub.pool [greenlet.hub]
    greenlet.hub.sync [greenlet.hub]
    greenlet.io [greenlet.hub greenlet.io]
    greenlet.io.file [greenlet.hub greenlet.io]
    greenlet.io.name [greenlet.hub greenlet.io]
    greenlet.io.process [greenlet.hub greenlet.io]
    greenlet.io.socket [greenlet.hub greenlet.io.socket]
    greenlet.io.server [greenlet.hub greenlet.io.socket greenlet.io.server]
    greenlet.journal [greenlet.journal [greenlet.hub :as hub]]
    greenlet.event [greenlet.hub greenlet.event]
    greenlet.tasklet [greenlet.tasklet]
    greenlet.repl [greenlet.repl]
    greenlet.trace [greenlet.trace]
    greenlet.bridge [greenlet.bridge]
    greenlet.async [greenlet.async [clojure.core.async :as async] [greenlet.core :as g] [greenlet.hub :as hub]]})

(deftest every-public-var-has-a-docstring-with-an-example-that-holds
  (doseq [[namespace referred] (sort public-namespaces)
          [name v] (sort (ns-publics (doto namespace require)))]
    (testing (str namespace "/" name)
      (let [results (examples/run-blocks (examples/docstring-blocks (:doc (meta v))) referred)]
        (is (= [] (examples/broken results)))
        (is (pos? (reduce + (map :claims results))) "claims a result")))))

(deftest every-example-in-the-guides-holds
  (doseq [^File file (examples/markdown-files)]
    (testing (.getPath file)
      (is (= [] (examples/broken (examples/run-blocks (examples/markdown-blocks (slurp file)))))))))

(defn- unindented [text]
  (str/trim (str/replace text #"(?m)^ +" "")))

(def ^:private java-code
  "The examples, and tests that doc/network.md quotes."
  (concat (.listFiles (File. "examples/java/examples"))
          (map #(File. (str "test/java/greenlet/io/" % "Test.java")) ["ClientLibraries" "DatabaseClients"])))

(deftest every-block-of-java-is-one-of-the-examples
  (let [code (unindented (str/join (map slurp java-code)))
        blocks (for [^File file (examples/markdown-files)
                     [_ block] (re-seq #"(?ms)^```java\n(.*?)^```$" (slurp file))]
                 [(.getPath file) block])]
    (is (< 10 (count blocks)))
    (is (= [] (remove (fn [[_ block]] (str/includes? code (unindented block))) blocks)))))

;; Links: a file, relative to the page, and perhaps an anchor: a heading in small letters, with hyphens for spaces and nothing but letters

(defn- pages []
  (concat (map #(File. ^String %) ["README.md" "CHANGELOG.md" "CONTRIBUTING.md" "SECURITY.md"])
          (filter #(str/ends-with? (.getName ^File %) ".md") (file-seq (File. "doc")))))

(defn- anchors [^File page]
  (set (for [[_ heading] (re-seq #"(?m)^#+ (.*)$" (slurp page))]
         (-> heading (str/replace #"\[([^\]]*)\]\([^)]*\)" "$1") str/lower-case (str/replace #"[^\p{L}\p{N} _-]" "") (str/replace " " "-")))))

(defn- dead-link? [^File page link]
  (let [[path anchor] (str/split link #"#" 2)
        target (if (= "" path) page (File. (.getParentFile (.getAbsoluteFile page)) ^String path))]
    (not (and (.exists target)
              (or (nil? anchor) (contains? (anchors target) anchor))))))

(deftest every-link-leads-somewhere
  (let [links (for [page (pages), [_ link] (re-seq #"\]\(([^)\s]+)\)" (str/replace (slurp page) #"(?s)```.*?```" ""))
                    :when (not (re-find #"^\w+:" link))]
                [page link])]
    (is (< 100 (count links)))
    (is (= [] (filter (fn [[page link]] (dead-link? page link)) links)))))

(deftest every-page-is-in-the-tree-of-cljdoc
  (let [tree (edn/read-string (slurp "doc/cljdoc.edn"))
        in-tree (keep :file (filter map? (tree-seq coll? seq tree)))]
    (is (= [] (remove #(.exists (File. ^String %)) in-tree)))
    (is (= #{} (set/difference (set (map #(.getPath ^File %) (filter #(= "doc" (.getParent ^File %)) (pages)))) (set in-tree))))))

(defn- steps
  "How many steps the body of a generator of 100 elements takes where the form in `code` is evaluated with it as g."
  [code space]
  (let [taken (atom 0)
        ask (binding [*ns* space] (eval `(fn [~'g] ~(read-string code))))]
    (ask (generator (dotimes [i 100] (swap! taken inc) (yield! i))))
    @taken))

(deftest every-cell-of-the-table-of-laziness-holds
  (let [section (re-find #"(?s)### Laziness\n.*?\n## " (slurp "doc/guide.md"))
        cells (for [[_ cell taken] (re-seq #"(?m)^\| (.*) \| (\d+) \|$" section), [_ code] (re-seq #"`(\(.*?)`(?=[,; ]|$)" cell)]
                [code (parse-long taken)])
        space (create-ns (gensym "greenlet.laziness"))]
    (is (< 40 (count cells)))
    (try
      (binding [*ns* space, *warn-on-reflection* false]
        (refer-clojure)
        (require '[greenlet.core :refer :all])
        (on-each-root
         (doseq [[code taken] cells]
           (is (= taken (steps code space)) code))))
      (finally (remove-ns (ns-name space))))))
