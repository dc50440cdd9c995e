(ns greenlet.examples.dialogs
  "A Swing program whose dialogue is written as one would tell it: ask for a name, for a number, whether all is right, book,
  begin again. It runs on the event thread, which is never blocked: a task of greenlet.hub, whose turns that thread takes,
  waits for the buttons. `bin/dialogs` runs it."
  (:require [clojure.string :as str]
            [greenlet.event :refer [await-event! listener-source]]
            [greenlet.hub :as hub :refer [hub-on kill! now offload result scope sleep! spawn]])
  (:import (greenlet.hub Task)
           (java.awt BorderLayout GridLayout HeadlessException)
           (java.awt.event ActionListener WindowListener)
           (java.util.concurrent CancellationException CompletableFuture ExecutionException)
           (javax.swing BorderFactory JButton JFrame JLabel JPanel JTextField SwingUtilities)))

(set! *warn-on-reflection* true)

;; The form. It can be used without a window.

(defrecord Form [^JPanel panel ^JLabel question ^JTextField answer ^JButton ok ^JButton cancel ^JLabel clock])

(defn new-form ^Form []
  (let [question (JLabel. " ")
        answer (JTextField. 30)
        ok (JButton. "OK")
        cancel (JButton. "Cancel")
        clock (JLabel. " ")
        buttons (doto (JPanel. (GridLayout. 1 3 8 8)) (.add clock) (.add cancel) (.add ok))
        panel (doto (JPanel. (BorderLayout. 8 8))
                (.setBorder (BorderFactory/createEmptyBorder 12 12 12 12))
                (.add question BorderLayout/NORTH)
                (.add answer BorderLayout/CENTER)
                (.add buttons BorderLayout/SOUTH))]
    (->Form panel question answer ok cancel clock)))

(defn- show-question! [{:keys [^JLabel question ^JTextField answer ^JButton ok]} text {:keys [typing pressing]}]
  (.setText answer "")
  (.setEnabled answer typing)
  (.setEnabled ok pressing)
  (.setText question text))

(defn- clicks [^JButton button] (listener-source button ActionListener))

(defn- returns [^JTextField field] (listener-source field ActionListener))

;; Waiting for the user

(defn ask!
  "What the user answers; nil for cancel."
  [{:keys [^JTextField answer ok cancel] :as form} text]
  (show-question! form text {:typing true, :pressing true})
  (let [[what] (await-event! {:ok (clicks ok), :return (returns answer), :cancel (clicks cancel)})]
    (when-not (= what :cancel) (.getText answer))))

(defn ask-until!
  "Asks, and tells what is wrong, until the answer is something to `parse`; nil for cancel."
  [form text hint parse]
  (loop [question text]
    (when-let [answer (ask! form question)]
      (or (parse answer) (recur (str hint " " text))))))

(defn confirm!
  "Whether the user says yes."
  [{:keys [ok cancel] :as form} text]
  (show-question! form text {:typing false, :pressing true})
  (= :yes (first (await-event! {:yes (clicks ok), :no (clicks cancel)}))))

(defn work!
  "The value of `(f)`, which may block, as it runs elsewhere; nil if the user cancels it, which interrupts it."
  [{:keys [cancel] :as form} text f]
  (show-question! form text {:typing false, :pressing false})
  (scope
   (let [work (spawn offload f)]
     (spawn #(do (await-event! (clicks cancel)) (kill! work))) ; the scope ends this, too, and so its listener
     (try (result work) (catch CancellationException _ nil)))))

;; The dialogue

(defn- a-name [answer] (not-empty (str/trim answer)))

(defn- a-number [answer] (let [n (parse-long (str/trim answer))] (when (and n (pos? (long n))) n)))

(defn booking!
  "One booking, a pair of name and number; nil if there is none, ::end if the user wants no other."
  [form book]
  (if-let [name (ask-until! form "Your name?" "A name, please." a-name)]
    (when-let [seats (ask-until! form (str "How many seats, " name "?") "A number, please." a-number)]
      (when (confirm! form (str "Seats: " seats ". Name: " name ". Book them?"))
        (work! form (str "Booking for " name "…") #(book name seats))))
    ::end))

(defn bookings!
  "The whole dialogue: bookings, until the user cancels at the beginning of one. They are made by `(book name seats)`."
  [form book]
  (loop [made []]
    (let [b (booking! form book)]
      (if (= b ::end)
        made
        (recur (cond-> made b (conj b)))))))

(defn- run-clock! [{:keys [^JLabel clock]}]
  (while true
    (.setText clock (format "%.0f s" (now)))
    (sleep! 1)))

(defn program
  "The dialogue in `form`, beside a clock, which shows that the event thread is free. What `bookings!` returns."
  [form book]
  (scope
   (spawn run-clock! form)
   (bookings! form book)))

;; Window and event thread

(defn in-window
  "The value of `(f form)`, in a window with a new form; ::closed if the user closes that first."
  [f]
  (let [{:keys [^JPanel panel] :as form} (new-form)
        frame (doto (JFrame. "Bookings") (.setContentPane panel) .pack (.setVisible true))]
    (try
      (scope
       (let [flow (spawn f form)]
         (spawn #(do (await-event! (listener-source frame WindowListener/windowClosing)) (kill! flow)))
         (try (result flow) (catch CancellationException _ ::closed))))
      (finally (.dispose frame)))))

(defn- require-event-thread []
  (when-not (SwingUtilities/isEventDispatchThread)
    (throw (IllegalStateException.
            (str "Swing is for its event thread, and this task is in " (Thread/currentThread) ": it needs the engine "
                 "continuation, where tasks run in the thread itself; start the JVM with --add-exports "
                 "java.base/jdk.internal.vm=ALL-UNNAMED")))))

(defn on-event-thread
  "A task that calls `f` with `args` on Swing's event thread, in a hub of its own. In any other thread, which is where the
  engine virtual-thread runs it, it fails with an IllegalStateException."
  ^Task [f & args]
  (spawn {:hub (hub-on (fn [^Runnable turn] (SwingUtilities/invokeLater turn)))}
         (fn []
           (require-event-thread)
           (apply f args))))

(defn- pretend-to-book [name seats]
  (Thread/sleep 3000)
  [name seats])

(defn- fail [message]
  (binding [*out* *err*] (println (str "dialogs: " message)))
  (System/exit 2))

(defn -main []
  (let [^CompletableFuture ended (.toCompletableFuture (on-event-thread in-window #(program % pretend-to-book)))]
    (try
      (let [bookings (.get ended)]
        (if (= ::closed bookings)
          (println "Closed.")
          (println "Booked:" (pr-str bookings))))
      (shutdown-agents)
      (catch ExecutionException e
        (let [cause (ex-cause e)]
          (cond
            (instance? HeadlessException cause) (fail "it needs a display to show a window on")
            (instance? IllegalStateException cause) (fail (ex-message cause))
            :else (throw cause)))))))
