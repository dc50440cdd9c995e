(ns greenlet.examples.arithmetic
  "A tokenizer and a parser, each written as if it were in charge: the one yields token after token, the other pulls them by
  a cursor, with one of look-ahead. `lein run -m greenlet.examples.arithmetic '2 * (3 + 4)'` prints the form and its value.

      expression = term {(+ | -) term}
      term       = factor {(* | /) factor}
      factor     = number | - factor | ( expression )"
  (:require [greenlet.core :refer [cursor generator next! peek! yield!]]))

(set! *warn-on-reflection* true)

(defn- fail [at message]
  (throw (ex-info (str message " at " at) {:at at})))

;; The tokenizer

(def ^:private symbols
  {"+" '+, "-" '-, "*" '*, "/" '/, "(" :open, ")" :close})

(defn- tokenize [text]
  (let [m (re-matcher #"(\d+)|\S" text)]
    (while (.find m)
      (let [at (.start m)
            token (if (.group m 1)
                    (parse-long (.group m))
                    (or (symbols (.group m)) (fail at (str "unknown character " (.group m)))))]
        (yield! {:token token, :at at})))
    (yield! {:token :end, :at (count text)})))

;; The parser

(declare expression)

(defn- accept! [tokens accepted?]
  (when (accepted? (:token (peek! tokens)))
    (:token (next! tokens))))

(defn- unexpected [{:keys [token at]}]
  (fail at (str "unexpected " (case token :open "(" :close ")" :end "end" token))))

(defn- factor [tokens]
  (let [{:keys [token] :as found} (next! tokens)]
    (cond
      (number? token) token
      (= '- token) (list '- (factor tokens))
      (= :open token) (let [inner (expression tokens)]
                        (or (accept! tokens #{:close}) (unexpected (peek! tokens)))
                        inner)
      :else (unexpected found))))

(defn- infix [operators operand tokens]
  (loop [left (operand tokens)]
    (if-let [operator (accept! tokens operators)]
      (recur (list operator left (operand tokens)))
      left)))

(defn- term [tokens]
  (infix '#{* /} factor tokens))

(defn- expression [tokens]
  (infix '#{+ -} term tokens))

(defn parse
  "The arithmetic expression `text` as a Clojure form. Throws an exception with :at, where `text` is wrong."
  [text]
  (with-open [tokens (cursor (generator (tokenize text)))]
    (let [form (expression tokens)]
      (or (accept! tokens #{:end}) (unexpected (peek! tokens)))
      form)))

(defn -main
  ([] (-main "2 * (3 + 4)"))
  ([text] (let [form (parse text)]
            (println form "=" (eval form)))))
