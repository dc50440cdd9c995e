(ns greenlet.queueing-test
  "The example of a simulation does what it says."
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is]]
            [clojure.xml :as xml]
            [greenlet.examples.queueing :as queueing])
  (:import (java.io File)
           (java.util SplittableRandom)))

(set! *warn-on-reflection* true)

(deftest the-mean-waiting-time-is-that-of-the-formula
  (is (= 4 (queueing/mean-wait 4/5)))
  (let [estimate #(queueing/estimate (SplittableRandom. %) 0.5)
        e (estimate 1)]
    (is (queueing/agrees? e))
    (is (= e (estimate 1)) "the same seed, the same numbers")
    (is (not= (:mean e) (:mean (estimate 2))))
    (is (not (queueing/agrees? (assoc e :formula 1.2))) "it could have failed")))

(deftest the-first-customer-never-waits-and-no-wait-is-negative
  (let [waits (queueing/waiting-times (SplittableRandom. 1) 0.9 1000)]
    (is (= 0.0 (first waits)))
    (is (every? #(<= 0.0 %) waits))
    (is (some pos? waits))))

(deftest the-drawing-is-svg
  (System/setProperty "java.awt.headless" "true")
  (let [file (File/createTempFile "queueing" ".svg")]
    (try
      (queueing/draw [{:utilisation 0.5, :mean 1.0, :error 0.1} {:utilisation 0.6, :mean 1.5, :error 0.1}] file)
      (let [text (str/replace (slurp file) #"<!DOCTYPE[^>]*>" "")
            svg (xml/parse (java.io.ByteArrayInputStream. (.getBytes text)))]
        (is (= :svg (:tag svg)))
        (is (< 20 (count (filter #(contains? #{:path :line} (:tag %)) (xml-seq svg))))))
      (finally (.delete file)))))
