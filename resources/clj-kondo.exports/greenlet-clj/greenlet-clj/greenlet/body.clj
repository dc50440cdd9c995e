(ns greenlet.body
  "What a body begins with, for clj-kondo: options, one of which is a name that the body sees."
  (:require [clj-kondo.hooks-api :as api]))

(defn- split-options
  "The options as pairs of nodes, and the rest."
  [nodes]
  (loop [options [], nodes nodes]
    (if (and (api/keyword-node? (first nodes)) (next nodes))
      (recur (conj options [(first nodes) (second nodes)]) (nnext nodes))
      [options nodes])))

(defn generator
  "Rewrites (generator :as name :chunk n body …) as what it is short for, in as far as that can be linted."
  [{:keys [node]}]
  (let [[options body] (split-options (rest (:children node)))
        name? (fn [[option _]] (= :as (api/sexpr option)))
        named (mapcat (fn [[_ symbol]] [symbol (api/token-node nil)]) (filter name? options))]
    {:node (with-meta
             (api/list-node
              [(api/token-node 'greenlet.core/generator*)
               (api/list-node
                [(api/token-node 'fn*)
                 (api/vector-node [])
                 (api/list-node (list* (api/token-node 'clojure.core/let) (api/vector-node named) body))])
               (api/map-node (mapcat identity (remove name? options)))])
             (meta node))}))
