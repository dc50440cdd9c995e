(ns greenlet.event-window
  "The last part of doc/events.md in a real window: what a hub on Swing's event thread does while a task blocks, and while a modal
  dialog is open. Every cell of the table there has a check here. For `greenlet.programs-test`, which gives it a display:
  `clojure.main -m greenlet.event-window`. Exits 1 if anything is wrong."
  (:require [clojure.string :as str]
            [clojure.test :as test :refer [is testing]]
            [greenlet.core :as g]
            [greenlet.event :refer [await-event! listener-source]]
            [greenlet.hub :as hub :refer [hub-on in-host sleep! spawn]]
            [greenlet.watchdog :as watchdog :refer [thrown-by trace]])
  (:import (com.sun.net.httpserver HttpExchange HttpHandler HttpServer)
           (greenlet.hub Hub Task)
           (java.awt Container Rectangle Robot Window)
           (java.awt.event ActionListener InputEvent)
           (java.beans PropertyChangeListener)
           (java.net HttpURLConnection InetAddress InetSocketAddress URI)
           (java.util.concurrent CancellationException ExecutorService Executors TimeUnit)
           (java.util.concurrent.locks ReentrantLock)
           (javax.swing JButton JDialog JFrame JLabel JOptionPane JPanel SwingUtilities Timer)))

(set! *warn-on-reflection* true)

(def ^:private limit-seconds 60)

(def ^:private cooperates?
  "Whether this JVM has the flag that cooperative hubs take."
  (.isOpen (.getModule Thread) "java.lang" (.getModule Hub)))

(def ^:private monitors-give-way?
  "Whether a virtual thread that waits in a monitor leaves its carrier."
  (<= 24 (.feature (Runtime/version))))

(def ^:private tasks-run-in-the-thread? (str/starts-with? (g/engine) "continuation"))

;; The event thread

(defn- on-event-thread
  "The value of `(f)` on the event thread."
  [f]
  (let [p (promise)]
    (SwingUtilities/invokeAndWait #(deliver p (f)))
    @p))

(defn- gui ^Hub [cooperative]
  (hub-on (fn [^Runnable turn] (SwingUtilities/invokeLater turn)) {:cooperative cooperative}))

(defn- value-of [^Task task]
  (.get (.toCompletableFuture task) limit-seconds TimeUnit/SECONDS))

(defn- until
  "Waits until `(f)` is truthy and returns that; fails after a bounded time."
  [f]
  (let [end (+ (System/nanoTime) (* 1000000000 (long limit-seconds)))]
    (loop []
      (or (f)
          (if (< (System/nanoTime) end)
            (recur)
            (throw (AssertionError. (str "still not so after " limit-seconds " s\n" (watchdog/thread-dump)))))))))

(defn- until-said [said & whats]
  (until #(every? (set @said) whats)))

(defn- on-action ^ActionListener [f]
  (reify ActionListener (actionPerformed [_ _] (f))))

;; A window

(defrecord ^:private View [^JFrame frame ^JButton button ^JLabel label])

(defn- new-view ^View []
  (on-event-thread
   #(let [button (JButton. "Press")
          label (JLabel. "before")
          panel (doto (JPanel.) (.add button) (.add label))]
      (->View (doto (JFrame. "Events") (.setContentPane panel) .pack (.setVisible true)) button label))))

(defn- press-by-mouse! [^Robot robot ^JButton button]
  (.waitForIdle robot)
  (let [^Rectangle r (on-event-thread #(Rectangle. (.getLocationOnScreen button) (.getSize button)))]
    (.mouseMove robot (.getCenterX r) (.getCenterY r))
    (.mousePress robot InputEvent/BUTTON1_DOWN_MASK)
    (.mouseRelease robot InputEvent/BUTTON1_DOWN_MASK)))

(defn- saying-clicks
  "The value of `(f click)`, where `(click n)` presses the button by the mouse, and returns when it has said [:click n]."
  [^Robot robot ^View {:keys [^JButton button]} said f]
  (let [clicks (atom 0)
        listener (on-action #(said [:click (swap! clicks inc)]))]
    (.addActionListener button listener)
    (try
      (f (fn [n] (press-by-mouse! robot button) (until-said said [:click n])))
      (finally (.removeActionListener button listener)))))

;; While a task blocks

(defn- with-slow-server
  "The value of `(f url asked answer!)`: a server on loopback, in threads of its own, which delivers `asked` when it has been asked
  and answers when `(answer!)` is called."
  [f]
  (let [[asked go] [(promise) (promise)]
        ^ExecutorService threads (Executors/newCachedThreadPool)
        server (doto (HttpServer/create (InetSocketAddress. (InetAddress/getLoopbackAddress) 0) 0)
                 (.setExecutor threads)
                 (.createContext "/" (reify HttpHandler
                                       (handle [_ exchange]
                                         (deliver asked true)
                                         @go
                                         (let [^HttpExchange x exchange]
                                           (.sendResponseHeaders x 200 4)
                                           (with-open [out (.getResponseBody x)] (.write out (.getBytes "slow")))))))
                 .start)]
    (try
      (f (str "http://localhost:" (.getPort (.getAddress server)) "/") asked #(deliver go true))
      (finally
        (deliver go true)
        (.stop server 0)
        (.shutdown threads)))))

(defn- got [^String url]
  (let [^HttpURLConnection c (.openConnection (.toURL (URI. url)))]
    (with-open [in (.getInputStream c)]
      [(.getResponseCode c) (slurp in)])))

(defn- check-sockets [robot view]
  (testing "a plain HttpURLConnection leaves the window alive"
    (with-slow-server
      (fn [url asked answer!]
        (let [said (trace)]
          (saying-clicks robot view said
            (fn [click]
              (let [t (spawn {:hub (gui true)} #(do (said :asks) (said [:got (got url)])))]
                (is (true? (deref asked (* 1000 (long limit-seconds)) :never)))
                (click 1)
                (click 2)
                (answer!)
                (value-of t))))
          (is (= [:asks [:click 1] [:click 2] [:got [200 "slow"]]] @said)))))))

(defn- check-locks [robot view]
  (testing "a contended lock leaves the window alive"
    (let [said (trace)
          lock (ReentrantLock.)]
      (.lock lock)
      (saying-clicks robot view said
        (fn [click]
          (let [t (spawn {:hub (gui true)} #(do (said :asks) (.lock lock) (said :has) (.unlock lock)))]
            (until #(.hasQueuedThreads lock))
            (click 1)
            (.unlock lock)
            (value-of t))))
      (is (= [:asks [:click 1] :has] @said)))))

(defn- check-plain-hub-stops-the-window []
  (testing "a plain hub's task that blocks stops the window"
    (let [said (trace)
          go (promise)
          ticked (promise)
          t (spawn {:hub (gui false)} #(do (said :blocks) @go (said :goes-on)))]
      (until-said said :blocks)
      (SwingUtilities/invokeLater #(do (said :event) (deliver ticked true)))
      (is (= :none (deref ticked 300 :none)))
      (deliver go true)
      (value-of t)
      (until-said said :event)
      (is (= [:blocks :goes-on :event] @said)))))

;; Which thread it is

(defn- threads
  "Whether a task takes its thread for the event thread, by itself and in `in-host`, and who the listener of a component is called
  by that it changes in `in-host`."
  [^View {:keys [^JLabel label]} cooperative]
  (let [changes (trace)
        listener (reify PropertyChangeListener
                   (propertyChange [_ e] (changes [(.getNewValue e) (SwingUtilities/isEventDispatchThread)])))]
    (.addPropertyChangeListener label "text" listener)
    (try
      (value-of (spawn {:hub (gui cooperative)}
                       #(do (in-host (fn [] (.setText label "before")))
                            (in-host (fn [] (.setText label "after")))
                            {:task (SwingUtilities/isEventDispatchThread)
                             :virtual (.isVirtual (Thread/currentThread))
                             :in-host (in-host (fn [] (SwingUtilities/isEventDispatchThread)))
                             :task-in-host (in-host hub/current-task)
                             :label (.getText label)
                             :changes (take-last 1 @changes)})))
      (finally (.removePropertyChangeListener label "text" listener)))))

(defn- check-threads [view]
  (let [in-host {:in-host true, :task-in-host nil, :label "after", :changes [["after" true]]}]
    (testing "a plain hub's tasks"
      (is (= (merge in-host (if tasks-run-in-the-thread? {:task true, :virtual false} {:task false, :virtual true}))
             (threads view false))))
    (when cooperates?
      (testing "a cooperative hub's tasks"
        (is (= (merge in-host {:task false, :virtual true})
               (threads view true)))))))

;; Modal dialogs

(defn- confirm
  "What the user answers in a modal dialog: 0 for yes."
  []
  (JOptionPane/showConfirmDialog nil "Sure?"))

(defn- open-dialog
  "The one that is open; asked on the event thread."
  ^JDialog []
  (first (filter #(and (instance? JDialog %) (.isShowing ^Window %)) (Window/getWindows))))

(defn- buttons [^Container c]
  (mapcat #(if (instance? JButton %) [%] (buttons %)) (filter #(instance? Container %) (.getComponents c))))

(defn- say-yes! []
  (on-event-thread (fn [] (.doClick ^JButton (first (filter #(= "Yes" (.getText ^JButton %)) (buttons (open-dialog)))) 0))))

(defn- events-go-on
  "Returns when the event thread has handled events for longer than the timer of a task takes that waits since before."
  []
  (let [over (promise)]
    (.start (doto (Timer. 300 (on-action #(deliver over true))) (.setRepeats false)))
    (is (true? (deref over (* 1000 (long limit-seconds)) :never)))))

(defn- with-dialog
  "Calls `f` with a map while a dialog is open that `(open)` has opened, in a task of a hub on the event thread: :said is a trace,
  :opener the task, :click! presses a button that another task waits for, :outside! delivers what one awaits that another thread
  does. Other tasks were ready when it opened, and have set a timer."
  [cooperative open f]
  (let [said (trace)
        gui (gui cooperative)
        ^JButton button (on-event-thread #(JButton. "Press"))
        outside (promise)
        listens (spawn {:hub gui} #(do (said :listens)
                                       (await-event! (listener-source button ActionListener))
                                       (said :clicked)))
        awaits (spawn {:hub gui} #(do (said :awaits) (hub/await! outside) (said :outside)))
        _ (until-said said :listens :awaits)
        _ (on-event-thread (fn [])) ; no turn of the hub is left
        others (promise)
        opener (spawn {:hub gui} #(let [ready (spawn (fn [] (said :ready)))
                                        timer (spawn (fn [] (sleep! 0.01) (said :timer)))]
                                    (deliver others [ready timer])
                                    (said :opens)
                                    (said [:answer (open)])))]
    (until #(on-event-thread open-dialog))
    (f {:said said
        :opener opener
        :click! #(SwingUtilities/invokeAndWait (fn [] (.doClick button 0)))
        :outside! #(deliver outside true)})
    (when (on-event-thread open-dialog) (say-yes!))
    (value-of listens)
    (run! value-of (cons awaits @others))
    @said))

(defn- check-others-go-on
  "While the dialog is open: those that are ready, timers, events and what other threads do. Then the opener gets the answer."
  [cooperative open]
  (is (= [:listens :awaits :opens :ready :timer :clicked :outside [:answer 0]]
         (with-dialog cooperative open
           (fn [{:keys [said opener click! outside!]}]
             (until-said said :ready :timer)
             (click!)
             (until-said said :clicked)
             (outside!)
             (until-said said :outside)
             (say-yes!)
             (value-of opener))))))

(defn- check-others-stand-still
  "While the dialog is open, nothing of the hub goes on, until something comes from another thread or the dialog is closed."
  [open]
  (testing "until it is closed"
    (is (= [:listens :awaits :opens [:answer 0]]
           (take 4 (with-dialog false open
                     (fn [{:keys [said opener click! outside!]}]
                       (events-go-on)
                       (click!)
                       (is (= [:listens :awaits :opens] @said))
                       (say-yes!)
                       (value-of opener)
                       (until-said said :ready :timer :clicked)
                       (outside!)))))))
  (testing "until something comes from another thread"
    (is (= [:listens :awaits :opens :ready :clicked :outside :timer [:answer 0]]
           (with-dialog false open
             (fn [{:keys [said opener click! outside!]}]
               (events-go-on)
               (click!)
               (is (= [:listens :awaits :opens] @said))
               (outside!)
               (until-said said :timer)
               (say-yes!)
               (value-of opener)))))))

(defn- check-kill
  "A task that is killed while the dialog is open ends at once. The dialog stays until the user closes it."
  [cooperative]
  (is (= [:listens :awaits :opens :ready :timer :killed :clicked :outside]
         (with-dialog cooperative #(in-host confirm)
           (fn [{:keys [said ^Task opener click! outside!]}]
             (until-said said :timer)
             (hub/interrupt! opener)
             (is (instance? CancellationException (thrown-by (value-of opener))))
             (said :killed)
             (is (some? (on-event-thread open-dialog)))
             (click!)
             (until-said said :clicked)
             (outside!)
             (until-said said :outside))))))

(defn- check-deadlock
  "A cooperative hub's task that gives way while it holds what the event thread then waits for never goes on. Components take such a
  lock. The last check: it never ends."
  [^View {:keys [^JButton button]}]
  (let [said (trace)
        go (promise)
        ^Thread event-thread (on-event-thread #(Thread/currentThread))
        lock (.getTreeLock button)
        task (spawn {:hub (gui true)} #(locking lock (said :holds) @go (said :goes-on)))]
    (until #(str/includes? (str task) "blocked"))
    (SwingUtilities/invokeLater #(locking lock (said :event-thread)))
    (watchdog/await-state event-thread Thread$State/BLOCKED)
    (deliver go true)
    (is (= :none (deref (.toCompletableFuture ^Task task) 500 :none)))
    (is (= Thread$State/BLOCKED (.getState event-thread)))
    (is (= [:holds] @said))))

(defn- check-waits-for-ever
  "The task waits in the dialog, in its own thread, and the event thread for the task: the last check, it never ends."
  []
  (let [thread (promise)
        ^Task opener (spawn {:hub (gui false)} #(do (deliver thread (Thread/currentThread)) (confirm)))
        ticked (promise)]
    (is (.isVirtual ^Thread (deref thread (* 1000 (long limit-seconds)) (Thread/currentThread))))
    (until #(some (fn [^StackTraceElement frame] (= "java.awt.Dialog" (.getClassName frame)))
                  (.getStackTrace ^Thread @thread)))
    (watchdog/await-state @thread Thread$State/WAITING)
    (SwingUtilities/invokeLater #(deliver ticked true))
    (is (= :none (deref ticked 500 :none)) "the event thread handles nothing")
    (is (false? (.isDone opener)))))

;; All of it, in an order

(test/deftest ^:window on-the-event-thread
  (watchdog/call-in-thread
   {:seconds 240}
   (bound-fn []
     (let [robot (Robot.)
           view (new-view)]
       (check-threads view)
       (check-plain-hub-stops-the-window)
       (when cooperates?
         (check-sockets robot view)
         (check-locks robot view))
       (testing "a dialog opened by in-host in a plain hub's task"
         (check-others-go-on false #(in-host confirm))
         (check-kill false))
       (when cooperates?
         (testing "a dialog opened by in-host in a cooperative hub's task"
           (check-others-go-on true #(in-host confirm))
           (check-kill true)))
       (testing "a dialog opened by a plain hub's task itself"
         (if tasks-run-in-the-thread?
           (check-others-stand-still confirm)
           (check-waits-for-ever)))
       (when (and tasks-run-in-the-thread? cooperates? monitors-give-way?)
         (testing "a lock that a cooperative hub's task and the event thread share"
           (check-deadlock view)))))))

(defn -main []
  (let [{:keys [fail error]} (test/run-tests 'greenlet.event-window)]
    (.halt (Runtime/getRuntime) (if (= 0 (+ (long fail) (long error))) 0 1)))) ; the event thread may hang, and so an orderly end
