(ns greenlet.large-file
  "Walks a file of 200 MB by every kind of traversal, to be run in a heap that it does not fit into.

      clojure.main -m greenlet.large-file make FILE
      clojure.main -m greenlet.large-file walk FILE     ; in a JVM with -Xmx64m"
  (:require [clojure.java.io :as io]
            [greenlet.core :as g :refer [cursor gen-seq generator merge-sorted next! yield! yield-all! yield-to! zip]]
            [greenlet.generator :as generator])
  (:import (java.io BufferedReader Writer)
           (java.util Iterator)
           (java.util.function Consumer)
           (java.util.stream Stream)))

(set! *warn-on-reflection* true)

;; The file: numbered lines of 4,000 characters, in blocks, which braces on lines of their own enclose, eight deep

(def ^:private line-count 50000)
(def ^:private line-length 4000)
(def ^:private lines-a-block 100)

(defn- write-line [^Writer out ^String line]
  (.write out line)
  (.write out "\n"))

(defn- make [file]
  (let [text (apply str (repeat (- line-length 9) "x"))]
    (with-open [out (io/writer file :encoding "ISO-8859-1")]
      (doseq [block (range (/ line-count lines-a-block))
              :let [depth (inc (mod block 8))]]
        (dotimes [_ depth] (write-line out "{"))
        (dotimes [i lines-a-block]
          (write-line out (format "%08d %s" (+ i (* block lines-a-block)) text)))
        (dotimes [_ depth] (write-line out "}"))))))

;; The generator: recursive helpers

(defn- block [^BufferedReader in]
  (when-let [line (.readLine in)]
    (case line
      "{" (do (block in) (recur in))
      "}" nil
      (do (yield! line) (recur in)))))

(defn- lines [file]
  (generator
   (with-open [in (io/reader file :encoding "ISO-8859-1")]
     (block in))))

;; Walking it

(defn- step
  "n + 1, where `line` is line n."
  [n ^String line]
  (when-not (and (= line-length (count line)) (= n (parse-long (subs line 0 8))))
    (throw (ex-info "not the line that follows" {:expected n, :got (subs line 0 8)})))
  (inc (long n)))

(defn- by-side-effect
  "The number of lines that `walk`, which gets a function, calls it with."
  [walk]
  (let [n (volatile! 0)]
    (walk #(vswap! n step %))
    @n))

(defn- consumer ^Consumer [f]
  (reify Consumer (accept [_ x] (f x))))

(defn- stream ^Stream [g]
  (.stream (generator/recipe g)))

(defn- walk-iterator [^Iterator it]
  (loop [n 0] (if (.hasNext it) (recur (long (step n (.next it)))) n)))

(defn- walk-seq [s]
  (loop [s (seq s), n 0] (if s (recur (next s) (long (step n (first s)))) n)))

(def ^:private traversals
  [["reduce"                 #(reduce step 0 %)]
   ["transduce"              #(transduce (map identity) (completing step) 0 %)]
   ["run!"                   #(by-side-effect (fn [f] (run! f %)))]
   ["eduction"               #(reduce step 0 (eduction (filter string?) (map identity) %))]
   ["into"                   #(inc (long (last (into [] (map-indexed (fn [n line] (dec (long (step n line))))) %))))]
   ["seq"                    #(walk-seq %)]
   ["reduce of a seq"        #(reduce step 0 (seq %))]
   ["count of a seq"         #(count (seq %))]
   ["doseq"                  #(by-side-effect (fn [f] (doseq [line %] (f line))))]
   ["lazy seqs over a seq"   #(walk-seq (filter string? (map identity (concat % nil))))]
   ["chunked seq"            #(walk-seq (gen-seq % {:chunk 32}))]
   ["confined seq"           #(walk-seq (gen-seq % {:confined true}))]
   ["chunked, confined seq"  #(reduce step 0 (gen-seq % {:chunk 32, :confined true}))]
   ["sequence"               #(walk-seq (sequence (map identity) %))]
   ["iterator-seq"           #(walk-seq (iterator-seq (.iterator ^Iterable %)))]
   ["cursor"                 #(with-open [c (cursor %)]
                                (loop [n 0] (if-let [line (next! c)] (recur (long (step n line))) n)))]
   ["chunked cursor"         #(with-open [c (cursor % {:chunk 32})]
                                (loop [n 0] (if-let [line (next! c)] (recur (long (step n line))) n)))]
   ["reduce of a cursor"     #(with-open [c (cursor %)] (reduce step 0 c))]
   ["iterator"               #(walk-iterator (.iterator ^Iterable %))]
   ["Java's forEach"         #(by-side-effect (fn [f] (.forEach ^Iterable % (consumer f))))]
   ["stream, pushed"         #(by-side-effect (fn [f] (.forEach (stream %) (consumer f))))]
   ["stream, pulled"         #(by-side-effect (fn [f] (.forEach (.limit (stream %) Long/MAX_VALUE) (consumer f))))]
   ["stream's iterator"      #(walk-iterator (.iterator (stream %)))]
   ["yield-all!, pushed"     #(reduce step 0 (nth (iterate (fn [g] (generator (yield-all! g))) %) 5))]
   ["yield-all!, pulled"     #(walk-seq (nth (iterate (fn [g] (generator (yield-all! g))) %) 5))]
   ["yield-all! of a seq"    #(reduce step 0 (generator (yield-all! (seq %))))]
   ["yield-to!"              #(walk-seq (generator :as outer (run! (fn [line] (yield-to! outer line)) %)))]
   ["zip"                    #(reduce (fn [n [line i]] (step n line) (inc (long i))) 0 (zip % (range)))]
   ["merge-sorted"           #(reduce step 0 (merge-sorted [% []]))]])

(defn- walk [file]
  (doseq [[what traverse] traversals]
    (let [start (System/nanoTime)
          n (traverse (lines file))]
      (when (not= line-count n)
        (throw (ex-info "not all lines" {:traversal what, :lines n})))
      (println (format "%-22s %5d ms" what (quot (- (System/nanoTime) start) 1000000)))))
  (let [kept (try (vec (lines file)) (catch OutOfMemoryError _ nil))]
    (println (format "a file of %d bytes, of which every traversal has walked %d lines, %s the heap of %d bytes"
                     (.length (io/file file)) line-count (if kept "fits into" "does not fit into") (.maxMemory (Runtime/getRuntime))))))

(defn -main [what file]
  (case what
    "make" (make file)
    "walk" (do (println (g/engine)) (walk file)))
  (shutdown-agents))
