(ns greenlet.poison
  "A reducing function that throws where whoever reduces breaks the rules: a step after `reduced`, a step or a completion
  with any accumulator but the last one, a step after completion, a second completion, and none at all.")

(set! *warn-on-reflection* true)

;; What the reducer carries around: the value, told from its predecessors by identity.
(deftype ^:private Acc [value])

(defn- broken [rule]
  (throw (AssertionError. (str "reducing function misused: " rule))))

(defn- poisoned
  "`rf` behind accumulators that are good for one use; `state` is an atom of :phase and :acc."
  [rf state]
  (letfn [(fresh [value]
            (:acc (swap! state assoc :acc (Acc. value))))
          (check [acc]
            (case (:phase @state)
              :reduced (broken "a step after reduced")
              :completed (broken "a use after completion")
              nil)
            (when-not (identical? acc (:acc @state))
              (broken "a stale accumulator")))]
    (swap! state assoc :phase :running)
    (fn
      ([] (fresh (rf)))
      ([acc]
       (when-not (= :reduced (:phase @state)) (check acc))
       (when-not (identical? acc (:acc @state)) (broken "completion with a stale accumulator"))
       (swap! state assoc :phase :completed)
       (rf (.-value ^Acc acc)))
      ([acc x]
       (check acc)
       (let [r (rf (.-value ^Acc acc) x)]
         (if (reduced? r)
           (let [last-acc (fresh @r)]
             (swap! state assoc :phase :reduced)
             (reduced last-acc))
           (fresh r)))))))

(defn transduce-with
  "(reducer poisoned-rf), which is to reduce something with it as `transduce` does: from (rf), with one completion."
  [rf reducer]
  (let [state (atom {})
        result (reducer (poisoned rf state))]
    (when-not (= :completed (:phase @state)) (broken "no completion"))
    result))

(defn reduce-with
  "(reducer poisoned-rf init), which is to reduce something with it as `reduce` does: without completion."
  [rf init reducer]
  (let [state (atom {})
        f (poisoned rf state)
        acc (:acc (swap! state assoc :acc (Acc. init)))
        result (reducer f acc)]
    (when (= :completed (:phase @state)) (broken "a completion that nobody asked for"))
    (when-not (identical? result (:acc @state)) (broken "a result that is not the last accumulator"))
    (.-value ^Acc result)))
