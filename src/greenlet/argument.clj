(ns greenlet.argument
  "What the namespaces of this library say of wrong arguments. Not for users.")

(set! *warn-on-reflection* true)

(defn refuse
  "IllegalArgumentException, with the text of `parts`."
  [& parts]
  (throw (IllegalArgumentException. ^String (apply str parts))))

(defn shown
  "What a message says of the argument `x`: itself where that is short, else its class."
  [x]
  (if (or (nil? x) (keyword? x) (symbol? x) (number? x) (string? x) (map? x)) (pr-str x) (str (class x))))

(defn check-options
  "`options`, of `what`, which have to be nil or a map with keys among `known`."
  [options known what]
  (when-not (or (nil? options) (map? options))
    (refuse "the options of " what " must be a map; got " (pr-str options)))
  (when-let [unknown (seq (remove (set known) (keys options)))]
    (refuse "unknown options " (vec unknown) "; " what " takes " (apply str (interpose " and " known))))
  options)
