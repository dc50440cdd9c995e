(ns greenlet.examples.json
  "JSON, read by a tokenizer and a parser that are each written as if in charge: the tokenizer yields, the parser pulls by a cursor
  and looks one token ahead. Nothing has to fit into memory but one value. `bin/json` writes a large file and measures how long it
  takes to read: with a cursor in chunks, with one that is pulled token by token, and by data.json."
  (:require [clojure.java.io :as io]
            [greenlet.core :refer [cursor engine generator next! peek! yield!]])
  (:import (java.io File Reader StringReader Writer PushbackReader)
           (java.util SplittableRandom)))

(set! *warn-on-reflection* true)

(defn- fail [at message]
  (throw (ex-info (str message " at " at) {:at at})))

;; Characters, one of them looked at ahead

(definterface Characters
  (^long look []) ; -1 at the end
  (^long take [])
  (^long place []))

(deftype Source [^Reader in ^chars buffer ^:unsynchronized-mutable ^long at ^:unsynchronized-mutable ^long end
                 ^:unsynchronized-mutable ^long before]
  Characters
  (look [_]
    (if (< at end)
      (long (int (aget buffer at)))
      (let [n (.read in buffer)]
        (set! before (+ before end))
        (set! at 0)
        (set! end (long (max n 0)))
        (if (pos? n) (long (int (aget buffer 0))) -1))))
  (take [this]
    (let [c (.look this)]
      (when-not (neg? c) (set! at (inc at)))
      c))
  (place [_] (+ before at)))

;; The tokenizer

(deftype Token [value ^long at]) ; value: of a string, a number, a boolean, or a keyword for all else

(defn- hex [^Source in]
  (let [at (.place in)
        digit (Character/digit (int (.take in)) (int 16))]
    (if (neg? digit) (fail at "not a hexadecimal digit") digit)))

(defn- escaped [^Source in]
  (let [at (.place in)
        c (.take in)]
    (case (int c)
      (34 47 92) c                      ; " / \
      98 8, 102 12, 110 10, 114 13, 116 9 ; b f n r t
      117 (reduce (fn [n _] (+ (* 16 (long n)) (long (hex in)))) 0 (range 4)) ; u
      (fail at "unknown escape"))))

(defn- string [^Source in ^StringBuilder text]
  (.setLength text 0)
  (loop []
    (let [c (.take in)]
      (case (int c)
        34 (.toString text)
        92 (do (.append text (char (long (escaped in)))) (recur))
        -1 (fail (.place in) "end within a string")
        (do (.append text (char c)) (recur))))))

(defn- number [^Source in ^StringBuilder text]
  (.setLength text 0)
  (let [at (.place in)]
    (loop [integer true]
      (let [c (.look in)]
        (cond
          (or (<= 48 c 57) (= 45 c) (= 43 c)) (do (.append text (char (.take in))) (recur integer))
          (or (= 46 c) (= 101 c) (= 69 c))    (do (.append text (char (.take in))) (recur false)) ; . e E
          :else
          (let [s (.toString text)]
            (when-not (re-matches #"-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?" s)
              (fail at (str "not a number: " s)))
            (if integer
              (or (parse-long s) (bigint s))
              (parse-double s))))))))

(defn- word [^Source in ^StringBuilder text]
  (.setLength text 0)
  (let [at (.place in)]
    (while (<= 97 (.look in) 122) (.append text (char (.take in))))
    (case (.toString text)
      "true" true
      "false" false
      "null" :null
      (fail at (str "unknown word " text)))))

(defn- tokenize [reader]
  (let [in (Source. reader (char-array 65536) 0 0 0)
        text (StringBuilder.)
        mark (fn [value] (.take in) value)]
    (loop []
      (let [at (.place in)
            c (.look in)]
        (case (int c)
          (32 10 13 9) (.take in)
          123 (yield! (Token. (mark :open-object) at))
          125 (yield! (Token. (mark :close-object) at))
          91 (yield! (Token. (mark :open-array) at))
          93 (yield! (Token. (mark :close-array) at))
          58 (yield! (Token. (mark :colon) at))
          44 (yield! (Token. (mark :comma) at))
          34 (do (.take in) (yield! (Token. (string in text) at)))
          -1 (yield! (Token. :end at))
          (cond
            (or (<= 48 c 57) (= 45 c)) (yield! (Token. (number in text) at))
            (<= 97 c 122)              (yield! (Token. (word in text) at))
            :else                      (fail at (str "unknown character " (char c)))))
        (when-not (neg? c) (recur))))))

;; The parser

(defn- unexpected [^Token token]
  (fail (.-at token) (str "unexpected " (if (string? (.-value token)) (pr-str (.-value token)) (.-value token)))))

(defn- accept! [tokens value]
  (when (identical? value (.-value ^Token (peek! tokens)))
    (next! tokens)))

(defn- expect! [tokens value]
  (or (accept! tokens value) (unexpected (peek! tokens))))

(declare value)

(defn- array [tokens]
  (if (accept! tokens :close-array)
    []
    (loop [all (transient [])]
      (let [all (conj! all (value tokens))]
        (if (accept! tokens :comma)
          (recur all)
          (do (expect! tokens :close-array)
              (persistent! all)))))))

(defn- object [tokens]
  (if (accept! tokens :close-object)
    {}
    (loop [all (transient {})]
      (let [^Token key (next! tokens)]
        (when-not (string? (.-value key)) (unexpected key))
        (expect! tokens :colon)
        (let [all (assoc! all (.-value key) (value tokens))]
          (if (accept! tokens :comma)
            (recur all)
            (do (expect! tokens :close-object)
                (persistent! all))))))))

(defn- value [tokens]
  (let [^Token token (next! tokens)
        found (.-value token)]
    (if (keyword? found)
      (case found
        :open-object (object tokens)
        :open-array (array tokens)
        :null nil
        (unexpected token))
      found)))

(defn values
  "A generator of the JSON values in `source`, which is anything that io/reader takes: one after the other, as Clojure's. It is open
  while a traversal is under way. `options` are those of the cursor of tokens."
  [source options]
  (generator
    (with-open [in (io/reader source)
                tokens (cursor (generator (tokenize in)) options)]
      (while (not (accept! tokens :end))
        (yield! (value tokens))))))

(defn parse
  "The one JSON value in `text`. Throws an exception with :at, where `text` is wrong."
  ([text] (parse text {:chunk 32}))
  ([text options]
   (let [[one & more :as all] (into [] (values (StringReader. text) options))]
     (when (or (empty? all) more) (fail (count text) (str "one value is needed, got " (count all))))
     one)))

;; A large file: a record a line

(defn- record [^SplittableRandom random id]
  (let [pick #(nth % (.nextInt random (count %)))
        word #(apply str (repeatedly (+ 3 (.nextInt random 6)) (fn [] (char (+ 97 (.nextInt random 26))))))]
    (format (str "{\"id\": %d, \"name\": \"%s \\\"%s\\\" %s\", \"born\": %d, \"weight\": %d.%02d, \"member\": %s,"
                 " \"tags\": [\"%s\", \"%s\", \"%s\"], \"place\": {\"street\": \"%s\\u00e9\", \"number\": %d, \"geo\": [%d.%d, -%d.5e-1]},"
                 " \"note\": %s}\n")
            id (word) (word) (word) (+ 1940 (.nextInt random 70)) (+ 40 (.nextInt random 60)) (.nextInt random 100)
            (pick ["true" "false"]) (word) (word) (word) (word) (inc (.nextInt random 200)) (.nextInt random 90) (.nextInt random 1000)
            (.nextInt random 180) (pick ["null" "[]" "\"\"" "{}"]))))

(defn write-records!
  "Writes records to `file` until it has `size` bytes; the same ones each time."
  [file size]
  (let [random (SplittableRandom. 1)]
    (with-open [^Writer out (io/writer file)]
      (loop [id 0, written 0]
        (when (< written size)
          (let [^String line (record random id)]
            (.write out line)
            (recur (inc id) (+ written (count line)))))))))

;; The measurement

(defn- by-data-json
  "All values by data.json, where it is on the class path, else nil."
  [file]
  (when-let [read-value (try (requiring-resolve 'clojure.data.json/read) (catch java.io.FileNotFoundException _ nil))]
    (reify clojure.lang.IReduceInit
      (reduce [_ f init]
        (with-open [in (PushbackReader. (io/reader file) 64)]
          (loop [acc init]
            (let [v (read-value in :eof-error? false :eof-value ::end)]
              (if (= ::end v) acc (recur (f acc v))))))))))

(defn- summary
  "How many there are, and one number that depends on all of them."
  [records]
  (reduce (fn [[n h] record] [(inc (long n)) (unchecked-add-int (unchecked-multiply-int 31 h) (hash record))]) [0 (int 7)] records))

(defn- timed [f]
  (let [start (System/nanoTime)
        v (f)]
    [(/ (- (System/nanoTime) start) 1e9) v]))

(def ^:private chunk-size 256)

(defn report
  "Prints how long it takes to read `file` in each way. Whether all have read the same."
  [^File file]
  (println (format "%s, %.1f MB, on the engine %s" file (/ (.length file) 1e6) (engine)))
  (let [line #(println (format "%-36s %8.2f s%s" %1 %2 %3))
        [alone n] (timed #(with-open [in (io/reader file)]
                            (reduce (fn [n _] (inc (long n))) 0 (generator (tokenize in)))))
        _ (line "tokenizer alone, by reduce" alone (format "  %,d tokens" n))
        [in-chunks read] (timed #(summary (values file {:chunk chunk-size})))
        _ (line (str "tokens in chunks of " chunk-size) in-chunks (format "  %,d records" (first read)))
        [one-by-one read-one-by-one] (timed #(summary (values file nil)))
        _ (line "tokens one by one" one-by-one (format "  %.1f times as long as in chunks" (/ one-by-one in-chunks)))
        others (by-data-json file)
        [by-others read-by-others] (timed #(if others (summary others) read))]
    (if others
      (line "data.json" by-others (format "  %.1f times as long as in chunks" (/ by-others in-chunks)))
      (println "data.json is not on the class path"))
    (let [same (= read read-one-by-one read-by-others)]
      (println (if same "all have read the same" "they have NOT read the same"))
      same)))

(defn -main
  ([] (-main "50"))
  ([megabytes]
   (let [file (File/createTempFile "records" ".json")]
     (try
       (-main megabytes (str file))
       (finally (.delete file)))))
  ([megabytes file]
   (write-records! file (* 1e6 (parse-double megabytes)))
   (let [same (report (io/file file))]
     (shutdown-agents)
     (when-not same (throw (ex-info "different results" {}))))))
