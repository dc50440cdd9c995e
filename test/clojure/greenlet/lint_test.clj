(ns greenlet.lint-test
  "The rules for clj-kondo that the JAR brings, with a stand-in for the part of clj-kondo's hooks API that they use: nodes are
  maps of a form's parts, or tokens. Where clj-kondo is on the path, it is run as well."
  (:require [clojure.edn :as edn]
            [clojure.java.io :as io]
            [clojure.java.shell :refer [sh]]
            [clojure.string :as str]
            [clojure.test :refer [deftest is testing]])
  (:import (java.io File)))

(set! *warn-on-reflection* true)

(def ^:private rules "clj-kondo.exports/greenlet-clj/greenlet-clj/")

(def ^:private config (edn/read-string (slurp (io/resource (str rules "config.edn")))))

(def ^:private findings (atom []))

(defn- node [form]
  (let [tag (cond (map? form) :map, (vector? form) :vector, (not (coll? form)) :token, (= 'fn* (first form)) :fn, :else :list)]
    (with-meta
      (if (= :token tag) {:tag tag, :form form} {:tag tag, :children (mapv node (if (map? form) (mapcat identity form) form))})
      {:row 1, :col 1})))

(defn- form [{:keys [tag children] :as node}]
  (case tag
    :token (:form node)
    :map (apply hash-map (map form children))
    :vector (mapv form children)
    (map form children)))

(def ^:private names
  (merge (zipmap '[switch! throw! yield! glet generator] (repeat 'greenlet.core))
         (zipmap '[schedule! receive! tasklet] (repeat 'greenlet.tasklet))
         (zipmap '[sleep! await! spawn with-resource] (repeat 'greenlet.hub))
         (zipmap '[take! put!] (repeat 'greenlet.hub.sync))
         (zipmap '[<! >! alt! go] (repeat 'greenlet.async))
         (zipmap '[locking fn let map] (repeat 'clojure.core))))

(defn- parent-of [tag]
  (fn [children] {:tag tag, :children (vec children)}))

(def ^:private hooks-api
  {'token-node? #(= :token (:tag %))
   'keyword-node? #(keyword? (:form %))
   'sexpr form
   'tag :tag
   'token-node node
   'list-node (parent-of :list)
   'vector-node (parent-of :vector)
   'map-node (parent-of :map)
   'resolve (fn [{:keys [name]}] {:ns (names name), :name name})
   'reg-finding! (fn [finding] (swap! findings conj finding))})

(def ^:private hooks
  "By the name of what each is for."
  (delay
    (let [api (create-ns 'clj-kondo.hooks-api)]
      (doseq [[name f] hooks-api] (intern api name f))
      (dosync (commute @#'clojure.core/*loaded-libs* conj 'clj-kondo.hooks-api)))
    (into {}
          (for [[macro hook] (:analyze-call (:hooks config))]
            (do (binding [*ns* *ns*]
                  (load-reader (io/reader (io/resource (str rules (str/replace (namespace hook) "." "/") ".clj")))))
                [macro (requiring-resolve hook)])))))

(defn- found [form]
  (reset! findings [])
  ((@hooks 'clojure.core/locking) {:node (node form)})
  (mapv :type @findings))

(defn- rewritten [form-before]
  (form (:node ((@hooks 'greenlet.core/generator) {:node (node form-before)}))))

(deftest every-hook-is-tested-here
  (is (= '#{clojure.core/locking greenlet.core/generator} (set (keys @hooks)))))

(deftest what-the-rules-name-is-there
  (doseq [var (concat (keys (:lint-as config)) (vals (:lint-as config)) (keys (:analyze-call (:hooks config))))
          :when (not= 'potemkin/import-vars var)] ; clj-kondo knows what that does; nobody need have it
    (is (var? (requiring-resolve var)) (str var)))
  @hooks
  (doseq [[ns names] @(resolve 'greenlet.locking/switches), name names]
    (is (var? (requiring-resolve (symbol (str ns) (str name)))) (str ns "/" name)))
  (doseq [[ns name] @(resolve 'greenlet.locking/later) :when (not= 'fn* name)]
    (is (var? (requiring-resolve (symbol (str ns) (str name)))) (str ns "/" name))))

(deftest a-switch-inside-locking-is-found
  (testing "L2"
    (doseq [form '[(locking o (yield! 1))
                   (locking o (let [x (switch! g 1)] x))
                   (locking o (map yield! xs))
                   (locking o 1 (throw! g))
                   (locking o (schedule!))
                   (locking o (inc (receive! ch)))
                   (locking o (sleep! 1))
                   (locking o (inc (await! x)))
                   (locking o (inc (take! q)))
                   (locking o (with-resource [c p] 1))
                   (locking o (inc (<! c)))
                   (locking o (alt! c 1))]]
      (is (= [:greenlet/switch-in-locking] (found form)) (pr-str form)))))

(deftest what-runs-outside-the-lock-is-not-found
  (doseq [form '[(locking o (map inc xs))
                 (locking (switch! g) 1)
                 (locking o (glet [] (switch! g)))
                 (locking o (generator (yield! 1)))
                 (locking o (tasklet (receive! ch)))
                 (locking o (spawn sleep! 1))
                 (locking o (go (>! c 1)))
                 (locking o (fn [] (yield! 1)))
                 (locking o #(yield! %))
                 (locking o yield)]]
    (is (= [] (found form)) (pr-str form))))

(deftest the-body-of-a-generator-sees-the-name
  (is (= '(greenlet.core/generator* (fn* [] (clojure.core/let [out nil] (yield-to! out 1) 2)) {})
         (rewritten '(generator :as out (yield-to! out 1) 2))))
  (is (= '(greenlet.core/generator* (fn* [] (clojure.core/let [out nil] (yield! 1))) {:chunk n, :confined true})
         (rewritten '(generator :chunk n :as out :confined true (yield! 1)))))
  (is (= '(greenlet.core/generator* (fn* [] (clojure.core/let [])) {})
         (rewritten '(generator)))
      "no body"))

;; With clj-kondo itself

(def ^:private clj-kondo
  (some (fn [dir] (let [file (io/file dir "clj-kondo")] (when (.canExecute file) (str file))))
        (str/split (or (System/getenv "PATH") "") (re-pattern File/pathSeparator))))

(defn- lint [& paths]
  (:out (apply sh clj-kondo "--cache" "false" "--config-dir" (str "resources/" rules) "--lint" paths)))

(deftest clj-kondo-finds-what-is-wrong-and-no-more
  (if-not clj-kondo
    (println "clj-kondo is not on the path: the rules for it are tested with a stand-in alone")
    (let [wrong (File/createTempFile "wrong" ".clj")
          finding #"(?m)^(.+):(\d+):\d+: (?:error: |.* inside locking: ).*"]
      (try
        (spit wrong (str "(require '[greenlet.core :refer [generator yield! yield-to!]])\n"
                         "(generator :as out :chunk 2 (locking out (yield! 1)))\n"
                         "(locking (Object.) (generator :as out (yield-to! out 1)))\n"))
        (let [said (lint "src" "examples" (str wrong))]
          (is (= [[(str wrong) "2"]] (map rest (re-seq finding said))) said))
        (finally (.delete wrong))))))
