(ns greenlet.examples.dialogs-test
  "The program of dialogs.clj, used by a driver that presses its buttons. The driver is a task as well, of a hub in another
  thread: it waits for what the form shows. Here there is no window; `greenlet.examples.dialogs-window` has one."
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [greenlet.core :as g :refer [cursor next!]]
            [greenlet.event :refer [events listener-source]]
            [greenlet.examples.dialogs :as dialogs]
            [greenlet.hub :as hub :refer [await! run timeout]]
            [greenlet.watchdog :as watchdog :refer [thrown-by]])
  (:import (greenlet.hub Task)
           (greenlet.examples.dialogs Form)
           (java.beans PropertyChangeEvent PropertyChangeListener)
           (javax.swing JButton JLabel JTextField SwingUtilities)))

(set! *warn-on-reflection* true)

(def ^:private limit "Seconds for each step." 60)

(def ^:private in-thread? (str/starts-with? (g/engine) "continuation"))

(defn on-event-thread
  "The value of `(f)` on the event thread; returns when all that the event thread had to do before has been done."
  [f]
  (let [p (promise)]
    (SwingUtilities/invokeAndWait #(deliver p (f)))
    @p))

(defn- questions [^Form form]
  (let [^JLabel question (.-question form)]
    (listener-source question PropertyChangeListener
                     (.addPropertyChangeListener "text") (.removePropertyChangeListener "text"))))

(defn drive
  "Uses the program in `form`, as `steps` say: each is what it shows, and what to do then. `(press button)` presses a button;
  other actions are texts to be typed, and functions to be called. `begin` starts the program, a task of the event thread's.
  Returns its value."
  [^Form form begin press steps]
  (with-open [asked (cursor (events (questions form)))]
    (let [ended (hub/spawn #(await! (.toCompletableFuture ^Task (begin))))] ; its turn comes when this waits, and so listens
      (doseq [[text & actions] steps]
        (is (= text (timeout limit (.getNewValue ^PropertyChangeEvent (next! asked)))))
        (doseq [action actions]
          (cond
            (string? action) (on-event-thread #(.setText ^JTextField (.-answer form) action))
            (= :ok action) (press (.-ok form))
            (= :cancel action) (press (.-cancel form))
            :else (action))))
      (timeout limit (hub/result ended)))))

(defn click [^JButton button]
  (on-event-thread #(.doClick button 0)))

(defn office
  "What books for the program: :book, which blocks until :let-go is called, for Ada, and until it is interrupted, for Bob."
  []
  (let [[go interrupted] [(promise) (promise)]]
    {:book (fn [name seats]
             (case name
               "Ada" (do @go [name seats])
               "Bob" (try @(promise) (catch InterruptedException e (deliver interrupted true) (throw e)))))
     :let-go #(deliver go true)
     :interrupted? #(deref interrupted (* 1000 (long limit)) false)}))

(defn script [{:keys [let-go]}]
  [["Your name?" :ok]
   ["A name, please. Your name?" " Ada " :ok]
   ["How many seats, Ada?" "two" :ok]
   ["A number, please. How many seats, Ada?" "2" :ok]
   ["Seats: 2. Name: Ada. Book them?" :ok]
   ["Booking for Ada…" let-go]
   ["Your name?" "Bob" :ok]
   ["How many seats, Bob?" "1" :ok]
   ["Seats: 1. Name: Bob. Book them?" :ok]
   ["Booking for Bob…" :cancel]
   ["Your name?" "Eve" :ok]
   ["How many seats, Eve?" :cancel]
   ["Your name?" "Eve" :ok]
   ["How many seats, Eve?" "3" :ok]
   ["Seats: 3. Name: Eve. Book them?" :cancel]
   ["Your name?" :cancel]])

(defn listeners-left [^Form form]
  (+ (count (.getActionListeners ^JButton (.-ok form)))
     (count (.getActionListeners ^JButton (.-cancel form)))
     (count (.getActionListeners ^JTextField (.-answer form)))))

(defn- started [form office]
  (dialogs/on-event-thread dialogs/program form (:book office)))

(deftest the-dialogue-is-a-loop-on-the-event-thread
  (when in-thread?
    (watchdog/call-in-thread
     {:seconds 300}
     (bound-fn []
       (let [^Form form (on-event-thread dialogs/new-form)
             office (office)
             event-thread (on-event-thread #(Thread/currentThread))
             threads (atom #{})]
         (.addPropertyChangeListener ^JLabel (.-question form) "text"
                                     (reify PropertyChangeListener
                                       (propertyChange [_ _] (swap! threads conj (Thread/currentThread)))))
         (is (= [["Ada" 2]] (run (drive form #(started form office) click (script office)))))
         (is (= #{event-thread} @threads) "the program ran nowhere else")
         (is ((:interrupted? office)) "Bob's booking was cancelled")
         (is (= 0 (listeners-left form))))))))

(deftest return-answers-as-ok-does
  (when in-thread?
    (watchdog/call-in-thread
     (bound-fn []
       (let [^Form form (on-event-thread dialogs/new-form)
             return #(on-event-thread (fn [] (.postActionEvent ^JTextField (.-answer form))))]
         (is (= [] (run (drive form #(started form (office)) click
                               [["Your name?" "Ada" return]
                                ["How many seats, Ada?" :cancel]
                                ["Your name?" :cancel]])))))))))

(deftest a-program-that-is-killed-leaves-no-listener
  (when in-thread?
    (watchdog/call-in-thread
     (bound-fn []
       (let [^Form form (on-event-thread dialogs/new-form)
             task (promise)
             begin #(do (deliver task (started form (office))) @task)]
         (is (instance? java.util.concurrent.CancellationException
                        (thrown-by (run (drive form begin click
                                               [["Your name?" #(do (is (= 3 (on-event-thread (fn [] (listeners-left form)))))
                                                                   (hub/interrupt! @task))]])))))
         (is (= 0 (on-event-thread #(listeners-left form)))))))))

(deftest the-engine-virtual-thread-is-refused
  (when-not in-thread?
    (watchdog/call-in-thread
     (bound-fn []
       (let [ran (atom false)
             e (thrown-by (run (await! (.toCompletableFuture (dialogs/on-event-thread #(reset! ran true))))))]
         (is (instance? IllegalStateException e))
         (is (str/includes? (ex-message e) "it needs the engine continuation"))
         (is (str/includes? (ex-message e) "--add-exports java.base/jdk.internal.vm=ALL-UNNAMED"))
         (is (false? @ran)))))))
