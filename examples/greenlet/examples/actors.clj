(ns greenlet.examples.actors
  "Some thousand actors on a meadow, each a script of straight lines that walks, waits, chases, flees and talks; `bin/actors`
  runs it in a terminal.

  Every actor is a task of one hub in virtual time, in which a tick is a second and nobody but the actors passes any: so the
  same seed leads to the same events, however fast they are shown. Between two ticks a frame is drawn, where there is
  somebody to see it, and the thread sleeps until the next one is due."
  (:require [clojure.string :as str]
            [greenlet.core :as g]
            [greenlet.hub :as hub])
  (:import (java.util SplittableRandom)
           (java.util.zip CRC32)))

(set! *warn-on-reflection* true)

;; The meadow has neither walls nor corners: who leaves it on one side comes back on the other. A cell has room for one actor.

(def ^:dynamic ^:private *meadow* "A map of :width, :height, :cells, an array of actors, and :tell, who is told of events." nil)

(def ^:dynamic ^:private *me* "The actor whose script is running: a map of :id, :kind, :random; :at and :task, two atoms." nil)

(defn- wrapped [[x y]]
  [(mod x (:width *meadow*)) (mod y (:height *meadow*))])

(defn- cell ^long [[x y]]
  (+ (* (long (:width *meadow*)) (long y)) (long x)))

(defn- at [place]
  (aget ^objects (:cells *meadow*) (cell place)))

(defn- put-at! [place actor]
  (aset ^objects (:cells *meadow*) (cell place) actor))

(defn- event! [what]
  ((:tell *meadow*) [(long (hub/now)) (:kind *me*) (:id *me*) what @(:at *me*)]))

(defn- offset
  "The shorter way along one axis of so many cells."
  [size ^long from ^long to]
  (let [half (quot (long size) 2)]
    (- (long (mod (+ (- to from) half) size)) half)))

(defn- towards
  "How far the other is to the east and to the south."
  [other]
  (mapv offset [(:width *meadow*) (:height *meadow*)] @(:at *me*) @(:at other)))

;; What a script is made of

(defn- between
  "A number from `from` to `to`, by chance."
  [^long from ^long to]
  (.nextInt ^SplittableRandom (:random *me*) (int from) (int (inc to))))

(defn- one-of [choices]
  (nth choices (between 0 (dec (count choices)))))

(defn- wait! [ticks]
  (hub/sleep! ticks))

(defn- say! [text]
  (event! text))

(defn- step!
  "Takes a tick, and a step by `direction`, [dx dy], unless somebody is there."
  [direction]
  (wait! 1)
  (let [here @(:at *me*)
        there (wrapped (mapv + here direction))]
    (when-not (at there)
      (put-at! here nil)
      (put-at! there *me*)
      (reset! (:at *me*) there)
      (event! :step))))

(def ^:private north [0 -1])
(def ^:private east [1 0])
(def ^:private south [0 1])
(def ^:private west [-1 0])

(defn- walk! [direction steps]
  (dotimes [_ steps] (step! direction)))

(def ^:private rings
  "For each distance, the offsets at that distance, in a fixed order."
  (mapv (fn [d]
          (vec (for [y (range (- d) (inc d)), x (range (- d) (inc d)) :when (= d (max (abs x) (abs y)))] [x y])))
        (range 10)))

(defn- nearest
  "The nearest actor of a kind within so many cells, or nil."
  [kind distance]
  (first (for [ring (subvec rings 1 (inc (long distance)))
               direction ring
               :let [actor (at (wrapped (mapv + @(:at *me*) direction)))]
               :when (= kind (:kind actor))]
           actor)))

(defn- there? [actor]
  (identical? actor (at @(:at actor))))

(defn- direction-to [other]
  (mapv #(Long/signum %) (towards other)))

(defn- flee! [other ticks]
  (dotimes [_ ticks]
    (when (there? other)
      (step! (mapv - (direction-to other))))))

(defn- chase!
  "Runs after the other for so many ticks at most; whether it has been caught, and is no more."
  [other ticks]
  (loop [left (long ticks)]
    (cond
      (not (there? other)) false
      (every? #(<= -1 (long %) 1) (towards other)) (do (hub/kill! @(:task other)) true)
      (zero? left) false
      :else (do (step! (direction-to other))
                (recur (dec left))))))

;; The scripts

(defn- sheep []
  (loop []
    (walk! (one-of [north east south west]) (between 1 4))
    (wait! (between 1 6))
    (when-let [wolf (nearest :wolf 4)]
      (say! "Baa!")
      (flee! wolf 6))
    (recur)))

(defn- wolf []
  (loop []
    (wait! (between 5 20))
    (if-let [prey (nearest :sheep 6)]
      (if (chase! prey 15)
        (do (say! "Yum.")
            (wait! 30))
        (say! "Too fast for me."))
      (walk! (one-of [north east south west]) (between 5 10)))
    (recur)))

(defn- shepherd []
  (loop []
    (walk! east 12)
    (say! "Fine weather.")
    (wait! 3)
    (walk! south 6)
    (walk! west 12)
    (say! "Come along!")
    (walk! north 6)
    (recur)))

;; Populating

(def ^:private scripts {:sheep sheep, :wolf wolf, :shepherd shepherd})

(defn- kind-of [^long id]
  (cond
    (zero? (long (mod id 100))) :shepherd
    (zero? (long (mod id 25))) :wolf
    :else :sheep))

(defn- play!
  "One actor's life, from its script's beginning to its end, whoever brings that about."
  []
  (try
    ((scripts (:kind *me*)))
    (finally
      (put-at! @(:at *me*) nil)
      (event! :gone))))

(defn- free-place [^SplittableRandom random]
  (let [place [(.nextInt random (int (:width *meadow*))) (.nextInt random (int (:height *meadow*)))]]
    (if (at place) (recur random) place)))

(defn- add-actor! [^SplittableRandom random id]
  (binding [*me* {:id id, :kind (kind-of id), :random (.split random), :at (atom (free-place random)), :task (atom nil)}]
    (put-at! @(:at *me*) *me*)
    (reset! (:task *me*) (hub/spawn {:name (str (name (:kind *me*)) " " id)} play!))
    *me*))

(defn- meadow [actors tell]
  (let [height (long (Math/ceil (Math/sqrt (* 3.0 (long actors)))))
        width (* 2 height)]
    {:width width, :height height, :cells (object-array (* width height)), :tell tell}))

(defn simulate
  "Runs `actors` actors for `ticks` ticks, and returns a map of the :actors that are left, how many of each kind. `tell` is
  called with each event, a vector of the tick, the actor's kind and id, what it did, and where: a :step, :gone, or a text that
  it said. `between-ticks` is called with the meadow and the number of the tick that is over; the first actor is a shepherd."
  [{:keys [seed actors ticks tell between-ticks] :or {tell (fn [_]), between-ticks (fn [_ _])}}]
  (hub/run :time :virtual
    (binding [*meadow* (meadow actors tell)]
      (let [random (SplittableRandom. seed)
            all (mapv #(add-actor! random %) (range actors))
            left #(filter there? all)]
        (hub/sleep! 1/2)
        (dotimes [tick ticks]
          (hub/sleep! 1)
          (between-ticks (assoc *meadow* :shepherd (first all), :actors left) (inc tick)))
        {:actors (frequencies (map :kind (left)))}))))

;; Headless

(defn- counter
  "A function for events, and one for their summary: a map of how many there were of each, and a checksum of all in order."
  []
  (let [sum (CRC32.)
        counts (atom {})]
    [(fn [[_ _ _ what :as event]]
       (.update sum (.getBytes (pr-str event)))
       (swap! counts update what (fnil inc 0)))
     #(do {:events @counts, :checksum (format "%08x" (.getValue sum))})]))

(defn run-headless
  "Runs without a terminal: a map of what is left in the end, and of what has happened until then."
  [{:keys [ticks] :as options}]
  (let [[tell summary] (counter)
        at-end (atom nil)
        {:keys [actors]} (simulate (assoc options
                                          :tell tell
                                          :between-ticks (fn [_ tick] (when (= tick ticks) (reset! at-end (summary))))))]
    (assoc @at-end :actors actors)))

(defn- print-summary [{:keys [seed actors ticks]} summary]
  (println (str "seed " seed ", " actors " actors, " ticks " ticks"))
  (doseq [kind [:shepherd :sheep :wolf]]
    (println (format "%-10s %6d" (name kind) (get-in summary [:actors kind] 0))))
  (println (format "%-10s %6d" "eaten" (get-in summary [:events :gone] 0)))
  (println (format "%-10s %6d" "steps" (get-in summary [:events :step] 0)))
  (doseq [[text n] (sort (filter (comp string? key) (:events summary)))]
    (println (format "%-20s %6d times" (pr-str text) n)))
  (println "checksum" (:checksum summary)))

;; The terminal

(def ^:private escape "\u001b[")

(def ^:private looks
  {nil (str escape "32m.") :sheep (str escape "97mo"), :wolf (str escape "91mW"), :shepherd (str escape "93m@")})

(defn- terminal-size
  "Rows and columns; 24 and 80 where nobody knows."
  []
  (let [process (.start (.redirectErrorStream (ProcessBuilder. ^"[Ljava.lang.String;" (into-array ["sh" "-c" "stty size </dev/tty"])) true))
        [_ rows columns] (re-matches #"(\d+) (\d+)\s*" (slurp (.getInputStream process)))
        size (fn [n otherwise] (if (or (nil? n) (= "0" n)) otherwise (parse-long n)))]
    [(size rows 24) (size columns 80)]))

(defn- frame
  "What the terminal shows: the meadow around the first shepherd, how many are left, and what was said last."
  [{:keys [width height ^objects cells shepherd actors]} tick said [rows columns]]
  (let [[x y] @(:at shepherd)
        rows (min (long height) (- (long rows) 3))
        columns (min (long width) (long columns))
        end-of-line (str escape "0m" escape "K\n")]
    (str escape "H"
         (str/join (for [row (range rows)
                         part [(for [column (range columns)]
                                 (looks (:kind (aget cells (+ (* (long width) (long (mod (+ y row (- (quot rows 2))) height)))
                                                              (long (mod (+ x column (- (quot columns 2))) width)))))))
                               [end-of-line]]
                         text part]
                     text))
         "tick " tick "  " (str/join "  " (for [[kind n] (sort (frequencies (map :kind (actors))))] (str (name kind) " " n)))
         "  (Ctrl-C ends it)" end-of-line
         (str/join " " said) end-of-line)))

(defn- show
  "Runs in the terminal, a tick every `millis` milliseconds."
  [{:keys [millis] :as options}]
  (let [said (atom [])
        size (terminal-size)
        start (System/nanoTime)
        due (fn [tick] (+ start (* 1000000 (long millis) (long tick))))
        restore #(do (print (str escape "?25h" escape "0m")) (flush))
        tell (fn [[_ kind id what]]
               (when (string? what)
                 (swap! said #(conj (vec (take-last 2 %)) (str (name kind) " " id ": " what)))))]
    (.addShutdownHook (Runtime/getRuntime) (Thread. ^Runnable restore))
    (print (str escape "?25l" escape "2J"))
    (simulate (assoc options
                     :tell tell
                     :between-ticks (fn [meadow tick]
                                      (print (frame meadow tick @said size))
                                      (flush)
                                      (Thread/sleep (max 0 (quot (- (long (due tick)) (System/nanoTime)) 1000000))))))))

;; Arguments

(def ^:private usage "usage: actors [--engine E] [--seed N] [--actors N] [--ticks N] [--tick MILLISECONDS] [--headless TICKS]")

(def ^:private options {"--seed" :seed, "--actors" :actors, "--ticks" :ticks, "--tick" :millis, "--headless" :headless})

(defn- refuse [message]
  (throw (ex-info (str message "; " usage) {:refused true})))

(defn- number [option text]
  (let [n (when (re-matches #"\d{1,9}" (str text)) (parse-long text))
        least (if (= :seed (options option)) 0 1)]
    (if (and n (<= least n))
      n
      (refuse (str option " needs a number from " least " up; got " (or text "none"))))))

(defn- parse [args]
  (into {:seed 1, :actors 3000, :ticks Integer/MAX_VALUE, :millis 100}
        (for [[option value] (partition-all 2 args)]
          [(or (options option) (refuse (str "unknown option " option))) (number option value)])))

(defn -main [& args]
  (try
    (let [{:keys [headless] :as options} (parse args)]
      (if headless
        (let [options (assoc options :ticks headless)]
          (print-summary options (run-headless options))
          (println "engine" (g/engine)))
        (show options)))
    (catch clojure.lang.ExceptionInfo e
      (when-not (:refused (ex-data e)) (throw e))
      (binding [*out* *err*] (println (str "actors: " (ex-message e))))
      (flush)
      (System/exit 2))))
