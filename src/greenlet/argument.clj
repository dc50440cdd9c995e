(ns greenlet.argument
  "What the namespaces of this library have in common: what they say of wrong arguments, and how one has the names of another.
  Not for users."
  (:import (clojure.lang IFn)
           (greenlet Account)
           (java.io File)
           (java.nio.charset Charset StandardCharsets)
           (java.nio.file Path)
           (java.time Duration)
           (javax.net.ssl SSLContext)))

(set! *warn-on-reflection* true)

(defn refuse
  "IllegalArgumentException, with the text of `parts`."
  [& parts]
  (throw (IllegalArgumentException. ^String (apply str parts))))

(defn shown
  "What a message says of the argument `x`: itself where that is short, else its class."
  [x]
  (if (or (nil? x) (keyword? x) (symbol? x) (number? x) (string? x) (map? x)) (pr-str x) (str (class x))))

(defn- listed [names]
  (apply str (interpose " and " names)))

(defn check-options
  "`options`, of `what`, which have to be nil or a map with keys among `known`."
  [options known what]
  (when-not (or (nil? options) (map? options))
    (refuse "the options of " what " must be a map; got " (pr-str options)))
  (when-let [unknown (seq (remove (set known) (keys options)))]
    (refuse "unknown options " (vec unknown) "; " what " takes " (listed known)))
  options)

(defn leading-options
  "The options, of `what` and among `known`, at the beginning of a macro's body, and the rest of that. A keyword that something
  follows is an option: as a part of the body it would have no effect."
  [body known what]
  (loop [options {}, [k & more :as body] body]
    (cond
      (not (and (keyword? k) more)) [options body]
      (some #{k} known) (recur (assoc options k (first more)) (next more))
      :else (refuse "unknown option " k "; " what " takes " (listed known)))))

(defn duration
  "A time in seconds as a Duration."
  ^Duration [seconds]
  (cond
    (instance? Duration seconds) seconds
    (and (number? seconds) (not (Double/isNaN (double seconds)))) (Duration/ofNanos (Math/round (* 1e9 (double seconds))))
    :else (refuse "a time is a number of seconds or a java.time.Duration; got " (shown seconds))))

(defn in-seconds
  "A Duration in seconds; nil for nil."
  [^Duration d]
  (when d (/ (.toNanos d) 1e9)))

(defn account-map
  "An account as a map, without what is not known; nil for nil."
  [^Account a]
  (when a
    (into {}
          (remove (comp nil? val))
          {:run-time (in-seconds (.runTime a))
           :switches (.switches a)
           :longest-hold (in-seconds (.longestHold a))
           :spawned-by (.spawnedBy a)
           :spawned-at (not-empty (vec (.spawnedAt a)))})))

(defn the-name
  "`x`, which has to be a string or nil; of `what`, for people."
  ^String [x what]
  (if (or (nil? x) (string? x)) x (refuse "the :name of " what " is a string; got " (shown x))))

(defn the-function
  "`f`, which has to be a function; `what` it is, for people."
  ^IFn [f what]
  (if (ifn? f) f (refuse what " must be a function; got " (shown f))))

(defn the-context
  "`x`, which has to be an SSLContext; `what` it is, for people."
  ^SSLContext [x what]
  (if (instance? SSLContext x) x (refuse what " must be a javax.net.ssl.SSLContext; got " (shown x))))

(defn the-port
  "`n`, which has to be the number of a port."
  ^long [n]
  (if (and (int? n) (<= 0 (long n) 65535)) (long n) (refuse "a port is a number from 0 to 65535; got " (shown n))))

(defn the-path
  "`x`, a Path or what stands for one; `what` it is, for people."
  ^Path [x what]
  (cond
    (instance? Path x) x
    (instance? File x) (.toPath ^File x)
    (string? x) (Path/of x (make-array String 0))
    :else (refuse what " is a string, a File or a Path; got " (shown x))))

(defn the-charset
  "`x`, a Charset or its name; UTF-8 for nil."
  ^Charset [x]
  (cond
    (nil? x) StandardCharsets/UTF_8
    (instance? Charset x) x
    (string? x) (Charset/forName x)
    :else (refuse ":encoding is a Charset or its name; got " (shown x))))

(definterface Wrapper
  (unwrapped []))

(defn unwrapped
  "The object of Java that `x` stands for, which Clojure can count or reduce and Java cannot; else `x` itself."
  [x]
  (if (instance? Wrapper x) (.unwrapped ^greenlet.argument.Wrapper x) x))

(defmacro re-export
  "Has this namespace have vars of others, with their docstrings: (re-export [namespace name …] …)."
  [& groups]
  `(do
     ~@(for [[from & names] groups, name names
             :let [var-of `(var ~(symbol (str from) (str name)))]]
         `(do (def ~name (deref ~var-of))
              (alter-meta! (var ~name) merge (dissoc (meta ~var-of) :ns :name))))
     nil))
