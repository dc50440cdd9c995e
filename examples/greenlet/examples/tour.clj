(ns greenlet.examples.tour
  "What greenlets are good for, in five short programs that print what they do; `bin/tour` runs it."
  (:require [clojure.repl :as repl]
            [clojure.string :as str]
            [greenlet.core :as g :refer [current dead? generator glet parent switch! throw! yield!]])
  (:import (java.io IOException)
           (java.nio.file DirectoryIteratorException DirectoryStream Files InvalidPathException LinkOption Path)))

(set! *warn-on-reflection* true)

;; Telling. What is shown is what runs: functions as they stand in this file, expressions as they were compiled.

(defn- tell [& lines]
  (run! println lines))

(defn- title [text]
  (tell text (str/join (repeat (count text) "-")) ""))

(defn- indent [text]
  (str/replace text #"(?m)^(?=.)" "    "))

(defn- source [var-name]
  (tell (indent (repl/source-fn var-name)) ""))

(defmacro ^:private show
  "Prints `form` and its value."
  [form]
  `(let [value# (do (tell (indent (pr-str '~form))) ~form)]
     (tell (indent (str ";=> " (pr-str value#))) "")
     value#))

(defn- plural [n singular plural]
  (str n " " (if (= 1 n) singular plural)))

;; 1. A walk

(def ^:private events (atom []))

(def ^:private no-links (into-array LinkOption [LinkOption/NOFOLLOW_LINKS]))

(defn- directory? [file]
  (Files/isDirectory file no-links))

(defn- list-directory [^Path dir]
  (with-open [^DirectoryStream files (Files/newDirectoryStream dir)]
    (sort (vec files))))

(defn- hidden? [^Path file]
  (str/starts-with? (str (.getFileName file)) "."))

(defn- entries [dir]
  (swap! events conj [:opened dir])
  (try
    (remove hidden? (list-directory dir))
    (catch IOException _ (swap! events conj [:unreadable dir]) nil)
    (catch DirectoryIteratorException _ (swap! events conj [:unreadable dir]) nil)))

(defn walk [dir]
  (doseq [file (entries dir)]
    (yield! file)
    (when (directory? file)
      (walk file))))

(defn- source-file? [file]
  (and (re-find #"\.(clj|java)$" (str file))
       (not (directory? file))))

(defn sources [dir]
  (map (fn [file] (swap! events conj [:found file]) file)
       (filter source-file? (seq (generator (walk dir))))))

(defn- happened [event]
  (count (filter #(= event (first %)) @events)))

(defn- tell-events [^Path dir]
  (let [[earlier latest] (split-at (- (count @events) 12) @events)]
    (when (seq earlier)
      (tell (format "    …           %d events before" (count earlier))))
    (doseq [[event ^Path file] latest]
      (let [relative (str (.relativize dir file))]
        (tell (format "    %-10s  %s" (name event) (if (= "" relative) "." relative)))))))

(defn- tour-walk [^Path dir]
  (title "1. A directory walk, as a lazy sequence")
  (tell "walk is plain recursion. Each file is yielded from whatever depth the recursion has reached, and"
        "generator makes a sequence of that. (entries lists one directory; events is what happened.)" "")
  (source `walk)
  (source `sources)
  (tell (str "The first three Clojure and Java files below " dir " (hidden ones left out), and what happened:") "")
  (reset! events [])
  (let [files (sources dir)
        three (doall (take 3 files))
        opened (happened :opened)
        unfinished (= 3 (count three))]
    (tell-events dir)
    (when unfinished
      (tell "" (str "After the third match nothing more was opened: the walk is suspended, "
                    (plural opened "directory" "directories") " in."))
      (tell "It goes on where it was when somebody asks for more. The next match:" "")
      (reset! events [])
      (first (drop 3 files))
      (tell-events dir))
    (reset! events [])
    (run! identity (generator (walk dir)))
    (tell "" (format "Opened for %s: %d of %s."
                     (plural (count three) "match" "matches") opened (plural (happened :opened) "directory" "directories")))
    (when-not unfinished
      (tell "Fewer than three files match, so the walk had to look everywhere."))
    (when (pos? (happened :unreadable))
      (tell (str (plural (happened :unreadable) "directory" "directories") " could not be read and counted as empty.")))
    (tell "")))

;; 2. Fringes

(defn fringe [visit tree]
  (if (vector? tree)
    (run! (partial fringe visit) tree)
    (visit tree)))

(defn- leaves-seen [a b]
  (let [seen (atom 0)
        look (fn [leaf] (swap! seen inc) (yield! leaf))
        same (= (seq (generator (fringe look a)))
                (seq (generator (fringe look b))))]
    [same @seen]))

(def ^:private shallow (mapv vec (partition 10 (range 1000))))
(def ^:private deep (vec (for [hundred (partition 100 (range 1000))] (mapv #(mapv vector %) (partition 5 hundred)))))
(def ^:private other (assoc-in deep [0 1 2 0] :other))

(defn- tour-fringes []
  (title "2. Two trees with the same leaves")
  (tell "Do two trees of different shape have the same leaves in the same order? Comparing two lazy"
        "sequences looks at no more leaves than it takes. Note yield! inside a function that run! calls:" "")
  (source `fringe)
  (tell "Two trees of 1,000 leaves each, of different depth, and one that differs in its eighth leaf:" "")
  (let [[same seen] (leaves-seen shallow deep)
        [same-other seen-other] (leaves-seen shallow other)]
    (tell (format "    shallow = deep?   %-5s  leaves looked at: %d of 2000" same seen)
          (format "    shallow = other?  %-5s  leaves looked at: %d of 2000" same-other seen-other)
          "")))

;; 3. A dialogue

(defn next-key []
  (switch! (parent (current))))

(defn read-answer []
  (loop [text ""]
    (let [k (next-key)]
      (if (= k \newline)
        text
        (recur (str text k))))))

(defn dialogue []
  (println "      program: what shall it be?")
  (let [order (read-answer)]
    (if (= order "quit")
      (do (println "      program: leave? y or n")
          (if (= "y" (read-answer))
            :closed
            (recur)))
      (do (println (str "      program: one " order ", right away"))
          (recur)))))

(defn- window
  "A toolkit's event loop: calls `on-key` with each key pressed, until that says that the dialogue is over."
  [keys on-key]
  (loop [[k & more] keys]
    (println "      toolkit: key" (pr-str k))
    (when-not (= :closed (on-key k))
      (recur more))))

(defn- tour-dialogue []
  (title "3. A synchronous dialogue in an event-driven window")
  (tell "A GUI toolkit owns the loop and calls back for each key. A dialogue is easiest to write as a loop"
        "that waits for answers. With a greenlet both have their way: to wait is to switch to the parent," "")
  (source `next-key)
  (source `read-answer)
  (source `dialogue)
  (tell "and the toolkit's callback is a switch to the greenlet that waits:" "")
  (let [d (glet [] (dialogue))]
    (tell "    (switch! d key)" "")
    (switch! d)
    (window "tea\nquit\nn\nquit\ny\n" #(switch! d %))
    (tell "" (str "The dialogue has returned, and its greenlet is dead: " (dead? d)) "")))

;; 4. An exception

(defn average [numbers]
  (/ (reduce + numbers) (count numbers)))

(defn- tour-exception []
  (title "4. An exception crosses over")
  (tell "What ends a greenlet with an exception ends up with its parent: the same object, out of the parent's"
        "pending switch!, as if it had been a call." "")
  (source `average)
  (let [g (glet [numbers] (average numbers))]
    (tell (indent "(def g (glet [numbers] (average numbers)))"))
    (show (try (switch! g []) (catch ArithmeticException e (ex-message e))))
    (show (dead? g))))

;; 5. An end

(defn guarded []
  (try
    (switch! (parent (current)) :waiting)
    (finally
      (println "      guarded: put away"))))

(defn- tour-end []
  (title "5. A greenlet is killed")
  (tell "throw! raises a GreenletExit in a greenlet, out of its pending switch!. Its finally runs; the exit"
        "arrives in the parent as a value, quietly. (close and with-open do the same.)" "")
  (source `guarded)
  (let [g (glet [] (guarded))]
    (tell (indent "(def g (glet [] (guarded)))"))
    (show (switch! g))
    (show (class (throw! g)))
    (show (dead? g))))

;; The engine

(defn- nanos-a-switch
  "Of `n` round trips between here and a greenlet, two switches each."
  [n]
  (let [root (current)
        echo (glet [] (while true (switch! root)))
        start (System/nanoTime)]
    (dotimes [_ n] (switch! echo))
    (let [nanos (- (System/nanoTime) start)]
      (.close echo)
      (/ nanos (* 2.0 n)))))

(defn- tour-engine []
  (title "The engine, and what a switch cost")
  (run! nanos-a-switch (repeat 10 5000))
  (let [measured (sort (repeatedly 9 #(nanos-a-switch 5000)))]
    (tell (str "engine: " (g/engine))
          (format "a switch: about %.0f ns (the median of 9 loops of 10,000 switches each on JDK %s, %s; a simple measurement)"
                  (nth measured 4) (System/getProperty "java.version")
                  (plural (.availableProcessors (Runtime/getRuntime)) "processor" "processors")))))

;; Arguments

(def ^:private usage "usage: tour [--engine E] [DIR]")

(defn- refuse [message]
  (throw (ex-info message {:refused true})))

(defn- directory ^Path [^String text]
  (let [dir (try
              (Path/of text (make-array String 0))
              (catch InvalidPathException e (refuse (str "not a path: " (ex-message e)))))]
    (cond
      (not (Files/exists dir (make-array LinkOption 0))) (refuse (str "no such directory: " text))
      (not (Files/isDirectory dir (make-array LinkOption 0))) (refuse (str "not a directory: " text)))
    (try
      (list-directory dir)
      (catch IOException _ (refuse (str "cannot read directory: " text)))
      (catch DirectoryIteratorException _ (refuse (str "cannot read directory: " text))))
    dir))

(defn- argument [args]
  (let [[dir & more] args]
    (cond
      (nil? dir) (refuse usage)
      more (refuse (str "one directory at most; " usage))
      (str/starts-with? dir "-") (refuse (str "unknown option " dir "; " usage))
      :else (directory dir))))

(defn- engine []
  (try
    (g/engine)
    (catch IllegalStateException e (refuse (ex-message e)))))

(defn -main [& args]
  (try
    (let [dir (argument args)]
      (tell (str "A tour of greenlet-clj on the engine " (engine)) "")
      (tour-walk dir)
      (tour-fringes)
      (tour-dialogue)
      (tour-exception)
      (tour-end)
      (tour-engine)
      (tell "" "README.md shows the same at the REPL; doc/guide.md goes on from here."))
    (catch clojure.lang.ExceptionInfo e
      (when-not (:refused (ex-data e)) (throw e))
      (binding [*out* *err*] (println (str "tour: " (ex-message e))))
      (flush)
      (System/exit 2))))
