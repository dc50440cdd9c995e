(ns greenlet.bridge-program
  "Sends more through the bridges than there is memory, in a JVM of its own."
  (:require [clojure.edn :as edn]
            [clojure.java.io :as io]
            [clojure.string :as str]
            [greenlet.bridge :as bridge])
  (:import (java.io BufferedReader BufferedWriter File OutputStream Writer)
           (java.lang.management ManagementFactory)
           (java.nio.file Files)
           (java.util.concurrent TimeUnit)))

(set! *warn-on-reflection* true)

(def ^:private text-lines 2500000) ; of 80 bytes: 200 MB
(def ^:private line (apply str (repeat 79 "x")))
(def ^:private items 500000) ; of 100 bytes and more: 50 MB

(def expected
  "What it prints."
  {:bytes (* 80 text-lines), :characters (* 80 text-lines), :lines text-lines, :pushed-lines text-lines
   :starts (inc items), :texts (* items 76), :ends (inc items)})

(defn- write-text [^Writer out]
  (let [out (BufferedWriter. out)]
    (dotimes [_ text-lines] (.write out ^String line) (.write out "\n"))
    (.flush out)))

(defn- write-xml [^Writer out]
  (let [out (BufferedWriter. out)
        text (subs line 0 76)]
    (.write out "<items>")
    (dotimes [i items] (.write out (str "<item id='" i "'>")) (.write out text) (.write out "</item>\n"))
    (.write out "</items>")
    (.flush out)))

(defmacro ^:private with-file [[f write] & body]
  `(let [~f (File/createTempFile "greenlet" ".txt")]
     (try
       (with-open [w# (io/writer ~f)] (~write w#))
       ~@body
       (finally (io/delete-file ~f)))))

(defn- total [read-some]
  (loop [n 0]
    (let [k (long (read-some))]
      (if (neg? k) n (recur (+ n k))))))

(defn- text-counts []
  (with-file [f write-text]
    {:bytes (with-open [in (bridge/input-stream (fn [^OutputStream out] (Files/copy (.toPath ^File f) out)))]
              (let [buffer (byte-array 5000)]
                (total #(.read in buffer))))
     :characters (with-open [in (bridge/reader write-text)]
                   (let [buffer (char-array 5000)]
                     (total #(.read in buffer))))
     :lines (with-open [in (BufferedReader. (bridge/reader #(io/copy f %)))] (count (iterator-seq (.iterator (.lines in)))))
     :pushed-lines (reduce (fn [n _] (inc n)) 0 (bridge/lines write-text))}))

(defn- xml-counts []
  (with-file [f write-xml]
    (let [events (bridge/sax-events f)]
      (reduce (fn [counts {:keys [event text]}]
                (case event
                  :start-element (update counts :starts inc)
                  :end-element (update counts :ends inc)
                  :text (update counts :texts + (if (= "\n" text) 0 (count text)))))
              {:starts 0, :texts 0, :ends 0}
              (iterator-seq (.iterator ^Iterable events))))))

(defn -main []
  (prn (merge (text-counts) (xml-counts)))
  (shutdown-agents))

(defn in-new-jvm
  "What it prints in a JVM with this one's engine and `options`."
  [& options]
  (let [engine (filter #(re-find #"^(-Dgreenlet\.|--add-exports|--add-opens|java\.base/)" %)
                       (.getInputArguments (ManagementFactory/getRuntimeMXBean)))
        java (str (io/file (System/getProperty "java.home") "bin" "java"))
        classpath (System/getProperty "java.class.path")
        command (concat [java] engine options ["-cp" classpath "clojure.main" "-m" "greenlet.bridge-program"])
        out (File/createTempFile "program" ".txt")]
    (try
      (let [process (.start (doto (ProcessBuilder. ^java.util.List (vec command))
                              (.redirectErrorStream true)
                              (.redirectOutput out)))]
        (when-not (.waitFor process 120 TimeUnit/SECONDS)
          (.destroyForcibly process)
          (throw (AssertionError. (str "took longer than 120 s: " (str/join " " command)))))
        (if (zero? (.exitValue process))
          (edn/read-string (slurp out))
          {:exit-code (.exitValue process), :printed (slurp out)}))
      (finally (io/delete-file out)))))
