(ns greenlet.locking-test
  "The lint rule for switches inside `locking`, with a stand-in for the part of clj-kondo's hooks API that it uses: nodes
  are vectors of a form's parts, or tokens."
  (:require [clojure.java.io :as io]
            [clojure.test :refer [deftest is testing]]))

(set! *warn-on-reflection* true)

(def ^:private findings (atom []))

(defn- node [form]
  (let [tag (cond (not (seqable? form)) :token, (= 'fn* (and (seq? form) (first form))) :fn, :else :list)]
    (with-meta
      (if (= :token tag) {:tag tag, :form form} {:tag tag, :children (mapv node form)})
      {:row 1, :col 1})))

(def ^:private names
  (merge (zipmap '[switch! throw! yield! glet generator] (repeat 'greenlet.core))
         (zipmap '[schedule! receive! tasklet] (repeat 'greenlet.tasklet))
         (zipmap '[sleep! await! spawn] (repeat 'greenlet.hub))
         (zipmap '[<! >! alt! go] (repeat 'greenlet.async))
         (zipmap '[locking fn let map] (repeat 'clojure.core))))

(defn- hooks-api []
  (let [api (create-ns 'clj-kondo.hooks-api)]
    (intern api 'token-node? #(= :token (:tag %)))
    (intern api 'sexpr :form)
    (intern api 'tag :tag)
    (intern api 'resolve (fn [{:keys [name]}] {:ns (names name), :name name}))
    (intern api 'reg-finding! (fn [finding] (swap! findings conj finding)))
    (dosync (commute @#'clojure.core/*loaded-libs* conj 'clj-kondo.hooks-api))))

(def ^:private check
  (delay
    (hooks-api)
    (binding [*ns* *ns*]
      (load-reader (io/reader (io/resource "clj-kondo.exports/greenlet-clj/greenlet-clj/greenlet/locking.clj"))))
    (requiring-resolve 'greenlet.locking/check)))

(defn- found [form]
  (reset! findings [])
  (@check {:node (node form)})
  (mapv :type @findings))

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
