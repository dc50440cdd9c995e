(ns greenlet.examples.dialogs-window
  "Uses the program of dialogs.clj in a real window, by mouse and with a look at the screen. For
  `greenlet.programs-test`, which gives it a display: `clojure.main -m greenlet.examples.dialogs-window PICTURE`. Exits 1 if
  anything is wrong."
  (:require [clojure.java.io :as io]
            [clojure.test :as test :refer [is]]
            [greenlet.event :refer [events listener-source*]]
            [greenlet.examples.dialogs :as dialogs]
            [greenlet.examples.dialogs-test :as driver :refer [on-event-thread]]
            [greenlet.hub :as hub :refer [run timeout]]
            [greenlet.watchdog :as watchdog])
  (:import (greenlet.hub Task)
           (greenlet.examples.dialogs Form)
           (java.awt AWTEvent Component Rectangle Robot Toolkit Window)
           (java.awt.event AWTEventListener InputEvent PaintEvent WindowEvent)
           (java.awt.image BufferedImage)
           (java.io File)
           (javax.imageio ImageIO)
           (javax.swing SwingUtilities)))

(set! *warn-on-reflection* true)

(def ^:private limit "Seconds." 60)

(defn- toolkit-events [^long mask]
  (listener-source* AWTEventListener
                    #(.addAWTEventListener (Toolkit/getDefaultToolkit) % mask)
                    #(.removeAWTEventListener (Toolkit/getDefaultToolkit) %)))

(defn- on-screen ^Rectangle [^Component c]
  (on-event-thread #(Rectangle. (.getLocationOnScreen c) (.getSize c))))

(defn- clicker
  "Presses a component by the mouse, in its middle."
  [^Robot robot]
  (fn [component]
    (let [^Rectangle r (on-screen component)]
      (.mouseMove robot (.getCenterX r) (.getCenterY r))
      (.mousePress robot InputEvent/BUTTON1_DOWN_MASK)
      (.mouseRelease robot InputEvent/BUTTON1_DOWN_MASK))))

(defn- photograph! [^Robot robot ^Form form ^File file]
  (.waitForIdle robot)
  (io/make-parents file)
  (.delete file)
  (ImageIO/write (.createScreenCapture robot (on-screen (.-panel form))) "png" file))

(defn- check-picture [^Form form ^File file]
  (is (.exists file))
  (let [^BufferedImage image (ImageIO/read file)
        ^Rectangle panel (on-screen (.-panel form))
        colours (into #{} (for [x (range (.getWidth image)), y (range (.getHeight image))]
                            (.getRGB image x y)))]
    (is (= [(.width panel) (.height panel)] [(.getWidth image) (.getHeight image)]))
    (is (< 10 (count colours)) "it shows something")
    (println (str file ": " (.getWidth image) " x " (.getHeight image) ", " (count colours) " colours"))))

(defn- new-window
  "Starts a program in a window, and waits until that is painted: the task, and the form."
  [f]
  (let [shown (promise)
        painted (hub/spawn #(run! (fn [_] nil)
                                  (eduction (take-while (fn [^PaintEvent e]
                                                          (not (and (realized? shown)
                                                                    (SwingUtilities/isDescendingFrom
                                                                     (.-panel ^Form @shown) (.getComponent e))))))
                                            (events (toolkit-events AWTEvent/PAINT_EVENT_MASK)))))
        _ (hub/sleep! 0)
        task (dialogs/on-event-thread dialogs/in-window (fn [form] (deliver shown form) (f form)))]
    (timeout limit (hub/join painted))
    [task @shown]))

(defn- check-dialogue [^Robot robot ^File picture]
  (let [office (driver/office)
        go (promise)
        [^Task task ^Form form] (new-window #(do (hub/await! go) (dialogs/program % (:book office))))
        shoot #(do (photograph! robot form picture) (check-picture form picture))
        script (driver/script office)]
    (is (= [["Ada" 2]]
           (driver/drive form #(do (deliver go true) task) (clicker robot)
                         (update script 4 (fn [[text & actions]] (list* text shoot actions))))))
    (is ((:interrupted? office)))
    (is (= 0 (driver/listeners-left form)))))

(defn- check-closing []
  (let [[^Task task ^Form form] (new-window #(dialogs/program % vector))
        window (SwingUtilities/getWindowAncestor (.-panel form))]
    (SwingUtilities/invokeLater #(.dispatchEvent window (WindowEvent. window WindowEvent/WINDOW_CLOSING)))
    (is (= ::dialogs/closed (timeout limit (hub/await! (.toCompletableFuture task)))))
    (is (= 0 (on-event-thread #(driver/listeners-left form))))
    (is (false? (.isDisplayable window)))))

(test/deftest ^:window in-a-window
  (watchdog/call-in-thread
   {:seconds 400}
   (bound-fn []
     (run (check-dialogue (Robot.) (File. (str (first *command-line-args*)))))
     (run (check-closing)))))

(defn -main [_picture]
  (let [{:keys [fail error]} (test/run-tests 'greenlet.examples.dialogs-window)]
    (System/exit (if (= 0 (+ (long fail) (long error))) 0 1))))
