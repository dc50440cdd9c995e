(ns greenlet.doc-examples
  "Runs the examples in docstrings and Markdown files and tells which do not do what they claim.

  Where examples are. In a docstring: what is indented by four or more beyond the text and has a blank line above it. In a Markdown file: what is fenced
  as ```clojure. A block that is fenced as ```clojure no-test is skipped; that should be rare, and the text should say why
  it cannot be run. One that is fenced as ```clojure cooperative is skipped where the JVM cannot have cooperative hubs.

  How they run. The forms of all blocks of a file, or of a docstring, are evaluated in order, in one namespace that refers
  to all of `greenlet.core`, or of other namespaces, as the root greenlet of a thread of their own. A form that throws is a
  failure.

  What they claim, in the comments between a form and the next one:

      (inc 1)                   ;=> 2                     the result equals the form that is read after the arrow, which may
                                                          go on in the comments below; what follows it on the line is a remark
      (println \"a\" \\newline)    ; prints a                this is printed, but for white space at both ends
      (do (print 1) 2)          ; prints 1 ;=> 2          both
      (/ 1 0)                   ; throws ArithmeticException: Divide
                                                          an exception is thrown: its class, by its simple name, and where
                                                          there is a colon a part of its message

  A claim is about the nearest form before it. Printed text of several lines is claimed line by line, each with `; prints`."
  (:require [clojure.string :as str]
            [greenlet.watchdog :as watchdog])
  (:import (clojure.lang LineNumberingPushbackReader)
           (greenlet CooperativeTree)
           (java.io File StringReader StringWriter)))

(set! *warn-on-reflection* true)

;; Finding blocks: maps of :line and :code

(def can-cooperate?
  "Whether the JVM can have cooperative hubs."
  (try
    (CooperativeTree/requirePossible)
    true
    (catch IllegalStateException _ false)))

(def ^:private tested
  "How blocks are fenced that are to be tested here."
  (if can-cooperate? #{"clojure" "clojure cooperative"} #{"clojure"}))

(defn markdown-blocks
  "The blocks of `text` that are fenced as Clojure and are to be tested."
  [text]
  (loop [lines (map-indexed (fn [i l] [(inc (long i)) l]) (str/split-lines text)), blocks []]
    (if-let [[line ^String l] (first lines)]
      (if-let [[_ indent info] (re-matches #"(\s*)```\s*(\S.*)" l)]
        (let [[inside after] (split-with (fn [[_ l]] (not (re-matches #"\s*```\s*" l))) (rest lines))
              code (str/join "\n" (map (fn [[_ l]] (str/replace-first l (re-pattern (str "^" indent)) "")) inside))]
          (recur (rest after)
                 (if (tested (str/trim info)) (conj blocks {:line (inc (long line)), :code code}) blocks)))
        (recur (rest lines) blocks))
      blocks)))

(defn- indentation [^String l]
  (- (count l) (count (str/triml l))))

(defn docstring-blocks
  "The indented blocks of a docstring."
  [docstring]
  (let [lines (str/split-lines (or docstring ""))
        margin (transduce (comp (remove str/blank?) (map indentation)) min 2 (rest lines))
        code? (fn [[i l]] (and (pos? (long i)) (<= (+ 4 (long margin)) (indentation l))))
        parts (partition-by (fn [[_ l :as line]] (if (str/blank? l) :blank (code? line))) (map-indexed vector lines))]
    (for [[[[_ before]] part] (partition 2 1 parts)
          :when (and (str/blank? before) (code? (first part)) (not (str/blank? (second (first part)))))]
      {:line (inc (long (ffirst part)))
       :code (str/join "\n" (map second part))})))

;; Reading: a form, and the claims in the comments behind it

(defn- comments-before
  "The text of the comments with which `text` begins, a line each."
  [text]
  (into [] (comp (map str/trim) (take-while #(or (= "" %) (str/starts-with? % ";"))) (map #(str/replace % #"^;+" ";")))
        (str/split-lines text)))

(defn- claims [comments]
  (let [text (str/join "\n" comments)
        [before result] (str/split text #";=>" 2)
        lines (fn [re] (seq (keep #(second (re-find re %)) (str/split-lines before))))]
    (cond-> {}
      result (assoc :result (str/replace result #"(?m)^;" ""))
      (lines #"; prints (.*)") (assoc :printed (str/join "\n" (map str/trim (lines #"; prints (.*)"))))
      (lines #"; throws (.*)") (assoc :thrown (str/trim (first (lines #"; throws (.*)")))))))

(def ^:private end (Object.))

(defn- read-form
  "The next form, or `end`, with its text and the comments that stand before it."
  [reader]
  (let [[form text] (read+string reader false end)]
    {:form form, :text (str/replace text #"^(?:\s++|;.*+)*+" ""), :comments (comments-before text)}))

(defn- thrown [^Throwable t]
  {:class (.getSimpleName (class t)), :message (ex-message t)})

(defn- run-form
  "What evaluating `form` here does."
  [{:keys [form]}]
  (let [out (StringWriter.)]
    (merge (binding [*out* out]
             (try
               {:result (eval form)}
               (catch clojure.lang.Compiler$CompilerException e {:thrown (thrown (or (ex-cause e) e))})
               (catch Throwable t {:thrown (thrown t)})))
           {:printed (str out)})))

(defn- thrown-as-claimed? [claim thrown]
  (let [[class-name part] (str/split claim #":\s*" 2)]
    (and (= class-name (:class thrown))
         (or (nil? part) (str/includes? (str (:message thrown)) part)))))

(defn- trimmed-lines [text]
  (str/join "\n" (map str/trim (str/split-lines (str/trim text)))))

(defn- broken-claim
  "nil, or what is wrong with what a form did."
  [claimed {:keys [result thrown printed]}]
  (let [printed (trimmed-lines printed), got (str (:class thrown) ": " (:message thrown))]
    (cond
      (and thrown (not (:thrown claimed))) {:thrown got}
      (and (:thrown claimed) (not thrown)) {:claimed-exception (:thrown claimed), :got (pr-str result)}
      (and thrown (not (thrown-as-claimed? (:thrown claimed) thrown))) {:claimed-exception (:thrown claimed), :got got}
      (and (:printed claimed) (not= (:printed claimed) printed)) {:claimed-output (:printed claimed), :got printed}
      (and (:result claimed) (not= (read-string (:result claimed)) result)) {:claimed (str/trim (:result claimed)), :got (pr-str result)})))

(defn run-block
  "Has `run` run the forms of a block in order. It is called with a map of a :form and its :text, and returns one of the :result,
  or of the :class and :message of what was :thrown, and of what was :printed. Returns a vector of a map for each form: :block,
  the line where the block begins; :form; :claims, how many it makes; and :broken, what came instead, where one does not hold."
  [run {:keys [line code]}]
  (let [reader (LineNumberingPushbackReader. (StringReader. code))]
    (loop [{:keys [form] :as read} (read-form reader), results []]
      (if (identical? form end)
        results
        (let [outcome (run read)
              following (read-form reader)
              claimed (claims (:comments following))
              broken (broken-claim claimed outcome)]
          (recur following
                 (conj results (cond-> {:block line, :form (pr-str form), :claims (count claimed)}
                                 broken (assoc :broken broken)))))))))

(defn run-blocks
  "Runs `blocks` in order, in a fresh thread and namespace that refers to all of the namespaces `referred`, by default
  greenlet.core. Returns what `run-block` returns for each, in one vector."
  ([blocks] (run-blocks blocks '[greenlet.core]))
  ([blocks referred]
   (let [space (create-ns (gensym "greenlet.example"))]
     (try
       (watchdog/call-in-thread
        {:name "examples"}
        (bound-fn []
          (binding [*ns* space, *warn-on-reflection* false]
            (refer-clojure)
            (doseq [r referred] (require (if (symbol? r) [r :refer :all] r)))
            (into [] (mapcat #(run-block run-form %)) blocks))))
       (finally (remove-ns (ns-name space)))))))

(defn broken
  "Those of `results` that do not hold."
  [results]
  (filterv :broken results))

(defn markdown-files
  "README.md and doc/*.md, so far as they exist."
  []
  (filter #(.isFile ^File %)
          (cons (File. "README.md")
                (sort (filter #(str/ends-with? (.getName ^File %) ".md") (.listFiles (File. "doc")))))))
