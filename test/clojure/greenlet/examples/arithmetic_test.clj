(ns greenlet.examples.arithmetic-test
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is]]
            [clojure.test.check.clojure-test :refer [defspec]]
            [clojure.test.check.generators :as gen]
            [clojure.test.check.properties :as prop]
            [greenlet.examples.arithmetic :as example :refer [parse]]
            [greenlet.test :refer [no-leaks]]
            [greenlet.random :refer [times]]
            [greenlet.watchdog :refer [on-each-root thrown-by]]))

(deftest forms
  (on-each-root
   (is (= 7 (parse "7") (parse " ((7)) ")))
   (is (= '(+ 1 (* 2 3)) (parse "1+2*3")))
   (is (= '(- (- 1 2) 3) (parse "1 - 2 - 3")))
   (is (= '(* (+ 1 2) (- 3)) (parse "(1 + 2) * -3")))
   (is (= '(/ (/ 8 4) 2) (parse "8/4/2")))))

(def ^:private forms-of-expressions
  (gen/recursive-gen
   (fn [form] (gen/one-of [(gen/let [op (gen/elements '[+ - * /]), a form, b form] (list op a b))
                           (gen/let [a form] (list '- a))]))
   gen/nat))

(defn- written
  "`form` as text, with parentheses where an operator of less than `level` would need them."
  [form level]
  (if (number? form)
    (str form)
    (let [[op a b] form
          own (cond (nil? b) 3 ('#{* /} op) 2 :else 1)
          text (if b
                 (str (written a own) " " op " " (written b (inc own)))
                 (str "-" (written a 3)))]
      (if (< own level) (str "(" text ")") text))))

(defspec ^:random what-is-written-is-read (times 300)
  (prop/for-all [form forms-of-expressions]
                (and (= form (parse (written form 0)))
                     (= form (parse (str/replace (written form 0) " " ""))))))

(deftest errors-tell-where
  (on-each-root
   (doseq [[text at message] [["" 0 "unexpected end"] ["1 +" 3 "unexpected end"] ["1 2" 2 "unexpected 2"] ["(1" 2 "unexpected end"]
                              ["1)" 1 "unexpected )"] ["* 1" 0 "unexpected *"] ["1 + $ 2" 4 "unknown character $"]
                              ["1 + ) $" 4 "unexpected )"] ["(1 + 2" 6 "unexpected end"]]]
     (let [e (thrown-by (no-leaks (parse text)))]
       (is (= {:at at} (ex-data e)) text)
       (is (= (str message " at " at) (ex-message e)))))))

(deftest the-program
  (is (= "(* 2 (+ 3 4)) = 14\n" (with-out-str (example/-main "2 * (3 + 4)")))))
