(ns greenlet.examples.web-test
  "The web example, by a real client. Time is the test's."
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is testing]]
            [greenlet.examples.web :as web :refer [ask!]]
            [greenlet.hub :refer [sleep!]]
            [greenlet.watchdog :as watchdog :refer [trace]])
  (:import (java.io Closeable)
           (java.net CookieManager InetAddress Socket URI URLEncoder)
           (java.net.http HttpClient HttpClient$Redirect HttpClient$Version HttpRequest HttpRequest$BodyPublishers HttpResponse
                          HttpResponse$BodyHandlers)
           (java.nio.charset StandardCharsets)
           (java.time Duration)
           (java.util.concurrent CompletableFuture TimeUnit)))

(set! *warn-on-reflection* true)

;; A visitor: a client with cookies of its own

(defn- visitor
  ([server] (visitor server HttpClient$Redirect/ALWAYS))
  ([server redirect]
   {:base (str "http://localhost:" (:port server))
    :client (-> (HttpClient/newBuilder)
                (.version HttpClient$Version/HTTP_1_1)
                (.followRedirects redirect)
                (.cookieHandler (CookieManager.))
                (.build))}))

(defn- encode [s]
  (URLEncoder/encode (str s) StandardCharsets/UTF_8))

(defn- request ^HttpRequest [{:keys [base]} method path {:keys [type body]}]
  (-> (HttpRequest/newBuilder (URI/create (str base path)))
      (.timeout (Duration/ofSeconds 60))
      (.header "Content-Type" (or type "application/x-www-form-urlencoded"))
      (.method method (if body (HttpRequest$BodyPublishers/ofString body) (HttpRequest$BodyPublishers/noBody)))
      (.build)))

(defn- seen [^HttpResponse response]
  (let [body (.body response)]
    {:status (.statusCode response)
     :path (.getPath (.uri response))
     :title (second (re-find #"<h1>(.*)</h1>" body))
     :body body
     :headers (dissoc (into {} (.map (.headers response))) "date")}))

(defn- send! [{:keys [^HttpClient client] :as v} method path & {:as content}]
  (seen (.send client (request v method path content) (HttpResponse$BodyHandlers/ofString))))

(defn- send-async! ^CompletableFuture [{:keys [^HttpClient client] :as v} method path & {:as content}]
  (.sendAsync client (request v method path content) (HttpResponse$BodyHandlers/ofString)))

(defn- visit! [v path]
  (send! v "GET" path))

(defn- body-of [answers]
  (str/join "&" (for [[k v] answers] (str (name k) "=" (encode v)))))

(defn- submit! [v path answers]
  (send! v "POST" path :body (body-of answers)))

(defn- begin! [v]
  (submit! v "/" {}))

(defn- answer!
  "Submits what is asked for on the page last seen."
  [v page answers]
  (submit! v (:path page) answers))

(defn- step
  "The address of step `n` of the form that `page` is of."
  [page n]
  (str/replace (:path page) #"\d+$" (str n)))

(def ^:private status-title (juxt :status :title))

;; Servers

(defn- two-steps
  "A function that records what happens to it."
  [event]
  (fn []
    (try
      (event :began)
      (event (ask! {:title "One", :fields [[:a "A"]]}))
      (event (ask! {:title "Two", :fields [[:b "B"]]}))
      {:title "Done"}
      (finally (event :unwound)))))

(defmacro ^:private with-server [[server form options] & body]
  `(watchdog/call-in-thread {:name "web test"}
     (bound-fn []
       (with-open [~(with-meta server {:tag `Closeable}) (web/start ~form ~options)]
         ~@body))))

;; Tests

(deftest a-form-from-beginning-to-end
  (let [free (atom 10), booked (atom [])]
    (with-server [server #(web/booking free booked) {}]
      (let [v (visitor server)
            pages (reductions (fn [page answers] (answer! v page answers))
                              (begin! v)
                              [{:name " "} {:name "Ada"} {:age "old"} {:age 12} {:seats 3} {:button "yes"}])]
        (is (= [200 "An evening at the theatre"] (status-title (visit! v "/"))))
        (is (= [[200 "Who are you?"] [200 "Who are you?"] [200 "Welcome, Ada"] [200 "Welcome, Ada"] [200 "Seats"]
                [200 "Is that right?"] [200 "Thank you"]]
               (map status-title pages)))
        (is (str/includes? (:body (nth pages 1)) "Please fill this in."))
        (is (str/includes? (:body (nth pages 3)) "value=\"old\""))
        (is (str/includes? (:body (nth pages 5)) "3 seats for Ada, 30 in all."))
        (is (not (str/includes? (:body (last pages)) "<form")))
        (is (= [7 [{:name "Ada", :seats 3, :price 30}]] [@free @booked]))))))

(deftest a-form-that-is-declined-gives-back-what-it-took
  (let [free (atom 10), booked (atom [])]
    (with-server [server #(web/booking free booked) {}]
      (let [v (visitor server)
            asked (reduce (partial answer! v) (begin! v) [{:name "Ada"} {:age 30} {:seats 6}])
            w (visitor server)]
        (is (= 4 @free))
        (is (= [200 "Sold out"] (status-title (reduce (partial answer! w) (begin! w) [{:name "Bob"} {:age 30} {:seats 5}]))))
        (is (= [200 "As you like"] (status-title (answer! v asked {:button "no"}))))
        (is (= [10 []] [@free @booked]))))))

(deftest what-comes-twice-runs-once
  (let [event (trace)]
    (with-server [server (two-steps event) {}]
      (let [v (visitor server)
            one (begin! v)
            two (answer! v one {:a 1})]
        (testing "one after the other"
          (is (= [200 "Two"] (status-title two)))
          (is (= two (answer! v one {:a 1})))
          (is (= two (visit! v (:path two))))
          (is (= [:began {:button nil, :a "1"}] @event)))
        (testing "at once"
          (let [all (mapv (fn [_] (send-async! v "POST" (:path two) :body "b=2")) (range 8))]
            (is (= #{[200 "Done"]} (set (map #(status-title (seen (.get ^CompletableFuture % 60 TimeUnit/SECONDS))) all))))
            (is (= [:began {:button nil, :a "1"} {:button nil, :b "2"} :unwound] @event))))
        (testing "at the end"
          (is (= [200 "Done"] (status-title (answer! v two {:b 2}))))
          (is (= 4 (count @event))))))))

(deftest what-comes-out-of-order-changes-nothing
  (let [event (trace)]
    (with-server [server (two-steps event) {}]
      (let [v (visitor server)
            one (begin! v)
            two (answer! v one {:a 1})]
        (testing "other answers to the last step"
          (let [refused (answer! v one {:a 2})]
            (is (= [409 "You have answered that already"] (status-title refused)))
            (is (str/includes? (:body refused) (str "href=\"" (:path two) "\"")))))
        (testing "the address of an earlier step leads to the current one"
          (is (= two (visit! v (:path one)))))
        (testing "a step that has not been reached"
          (is (= 404 (:status (visit! v (step one 3)))))
          (is (= 404 (:status (submit! v (step one 3) {:b 1}))))
          (is (= 404 (:status (visit! v (step one 9999999)))))
          (is (= [200 "Two"] (status-title (visit! v (:path two))))))
        (testing "a step before the last, also after the end"
          (let [done (answer! v two {:b 2})]
            (is (= 409 (:status (answer! v one {:a 1}))))
            (is (= 409 (:status (answer! v done {:b 3}))))
            (is (= done (visit! v (:path one))))))
        (is (= [:began {:button nil, :a "1"} {:button nil, :b "2"} :unwound] @event))))))

(deftest what-comes-too-late-finds-nothing
  (let [event (trace)
        seconds (atom 0)]
    (with-server [server (two-steps event) {:idle 100, :clock #(* 1000000000 (long @seconds))}]
      (let [v (visitor server), w (visitor server)
            one (begin! v), other (begin! w)]
        (reset! seconds 100)
        (is (= 200 (:status (visit! v (:path one)))) "at the limit; the session is used again")
        (reset! seconds 101)
        (testing "idle for longer: unwound by the next request, whoever's that is"
          (is (= [:began :began] @event))
          (visit! v "/")
          (is (= [:began :began :unwound] @event)))
        (let [late (answer! w other {:a 1})]
          (is (= [410 "This form has expired"] (status-title late)))
          (is (str/includes? (:body late) "<a href=\"/\">Begin again</a>")))
        (is (= [200 "Two"] (status-title (answer! v one {:a 1}))))
        (is (= [200 "One"] (status-title (begin! w))) "begin again")))))

(deftest seats-come-back-when-a-visitor-does-not
  (let [free (atom 10), seconds (atom 0)]
    (with-server [server #(web/booking free (atom [])) {:idle 10, :clock #(* 1000000000 (long @seconds))}]
      (let [v (visitor server)]
        (reduce (partial answer! v) (begin! v) [{:name "Ada"} {:age 30} {:seats 6}])
        (is (= 4 @free))
        (reset! seconds 11)
        (visit! v "/")
        (is (= 10 @free))))))

(deftest what-comes-from-elsewhere-is-refused
  (let [event (trace)]
    (with-server [server (two-steps event) {}]
      (let [v (visitor server), w (visitor server)
            one (begin! v)
            _ (begin! w)]
        (is (= [403 "This form belongs to somebody else"] (status-title (visit! w (:path one)))))
        (is (= 403 (:status (answer! w one {:a 1}))))
        (is (= 403 (:status (answer! (visitor server) one {:a 1}))) "without any cookie")
        (is (= 410 (:status (visit! w (str "/form/" (str/join (repeat 22 "A")) "/1")))) "no such session")
        (is (= [:began :began] @event))
        (is (= [200 "Two"] (status-title (answer! v one {:a 1}))))))))

(deftest two-forms-in-one-browser
  (with-server [server (two-steps (trace)) {}]
    (let [v (visitor server)
          a (begin! v), b (begin! v)]
      (is (not= (:path a) (:path b)))
      (is (= [[200 "Two"] [200 "One"]] [(status-title (answer! v a {:a 1})) (status-title (visit! v (:path b)))])))))

(deftest the-session-that-is-idle-for-the-longest-makes-room
  (let [names (atom (seq ["a" "b" "c"]))
        event (trace)
        form (fn []
               (let [me (first @names)]
                 (swap! names next)
                 (try (ask! {:title me}) {:title "Done"} (finally (event [:unwound me])))))]
    (with-server [server form {:most 2}]
      (let [[a b c] (repeatedly #(visitor server))
            at-a (begin! a)
            at-b (begin! b)]
        (is (= 200 (:status (visit! a (:path at-a)))) "so b is idle for longer")
        (is (= 403 (:status (visit! c (:path at-b)))) "which is no use of it")
        (is (= [200 "c"] (status-title (begin! c))))
        (is (= [[:unwound "b"]] @event))
        (is (= [410 200] [(:status (visit! b (:path at-b))) (:status (visit! a (:path at-a)))]))))))

(deftest many-sessions-at-once
  (with-server [server (two-steps (trace)) {}]
    (let [visitors (vec (repeatedly 20 #(visitor server)))
          begun (vec (for [_ (range 10), v visitors] [v (begin! v)]))]
      (is (= {[200 "Two"] 200} (frequencies (map (fn [[v page]] (status-title (answer! v page {:a 1}))) (shuffle begun))))))))

(deftest a-function-that-waits-keeps-its-turn
  (let [event (trace)]
    (with-server [server #(do (event :in) (sleep! 0.01) (event :out) {:title "Done"}) {}]
      (let [begun (vec (repeatedly 5 (fn [] (send-async! (visitor server) "POST" "/"))))]
        (doseq [^CompletableFuture response begun]
          (is (= 200 (:status (seen (.get response 60 TimeUnit/SECONDS))))))
        (is (= (take 10 (cycle [:in :out])) @event))))))

(deftest malformed-requests
  (let [event (trace)]
    (with-server [server (two-steps event) {}]
      (let [v (visitor server)
            one (begin! v)]
        (is (= 413 (:status (answer! v one {:a (str/join (repeat 9000 "x"))}))))
        (is (= 415 (:status (send! v "POST" (:path one) :type "application/json" :body "{}"))))
        (is (= 400 (:status (send! v "POST" (:path one) :body "a=%zz"))))
        (is (= 405 (:status (send! v "PUT" (:path one) :body "a=1")) (:status (send! v "DELETE" "/"))))
        (is (= ["GET, HEAD, POST"] (get (:headers (send! v "DELETE" "/")) "allow")))
        (is (= [404 404] (map #(:status (visit! v %)) ["/other" "/form/short/1"])))
        (is (= [200 ""] ((juxt :status :body) (send! v "HEAD" (:path one)))))
        (is (= [:began] @event))
        (testing "fields that are missing, unknown or given twice"
          (is (= [200 "Two"] (status-title (send! v "POST" (:path one) :body "&c=3&a=1&&a=%C3%A4&=&%3D"))))
          (is (= [:began {:button nil, :a "ä"}] @event))
          (is (= [200 "Done"] (status-title (submit! v (step one 2) {}))))
          (is (= {:button nil, :b ""} (nth @event 2))))))))

(defn- raw-socket ^Socket [server ^String text]
  (let [socket (Socket. (InetAddress/getLoopbackAddress) (int (:port server)))]
    (.setSoTimeout socket 60000)
    (.write (.getOutputStream socket) (.getBytes text))
    (.flush (.getOutputStream socket))
    socket))

(deftest what-is-not-http
  (with-server [server (two-steps (trace)) {}]
    (with-open [garbage (raw-socket server "GARBAGE\r\n\r\n")]
      (is (re-find #"^HTTP/1.1 400" (slurp (.getInputStream garbage)))))
    (testing "a client that does not finish its request keeps nobody waiting"
      (with-open [_ (raw-socket server "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\na=")
                  _ (raw-socket server "GET / HT")]
        (is (= [200 "One"] (status-title (begin! (visitor server)))))))))

(deftest what-visitors-write-is-escaped
  (let [free (atom 10)
        evil "<script>alert(\"1\")</script>&'"]
    (with-server [server #(web/booking free (atom [])) {}]
      (let [v (visitor server)
            welcome (answer! v (begin! v) {:name evil})
            complaint (answer! v welcome {:age evil})]
        (is (= "Welcome, &lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;&#39;" (:title welcome)))
        (is (not-any? #(str/includes? (:body %) "<script") [welcome complaint]))
        (is (str/includes? (:body complaint) "value=\"&lt;script&gt;"))
        (is (= ["default-src 'none'; form-action 'self'; frame-ancestors 'none'"] (get (:headers welcome) "content-security-policy")))
        (is (= ["no-store"] (get (:headers welcome) "cache-control")))))))

(deftest the-cookie-is-for-its-form-alone-and-out-of-reach-for-scripts
  (with-server [server (two-steps (trace)) {}]
    (let [{:keys [status headers]} (begin! (visitor server HttpClient$Redirect/NEVER))
          [_ path] (re-matches #"(/form/[\w-]{22})/1" (first (get headers "location")))]
      (is (= 303 status))
      (is (re-matches (re-pattern (str "key=[\\w-]{22}; Path=" path "; HttpOnly; SameSite=Lax")) (first (get headers "set-cookie")))))))

(defn- reported
  "What is handed to the handler of uncaught exceptions while `f` is called."
  [f]
  (let [reported (trace)
        before (Thread/getDefaultUncaughtExceptionHandler)]
    (Thread/setDefaultUncaughtExceptionHandler
     (reify Thread$UncaughtExceptionHandler (uncaughtException [_ _ t] (reported (ex-message t)))))
    (try
      (f)
      (finally (Thread/setDefaultUncaughtExceptionHandler before)))
    @reported))

(deftest what-a-function-throws-ends-its-session-alone
  (let [event (trace)
        form (fn []
               (let [{:keys [how]} (ask! {:title "How?", :fields [[:how "How?"]]})]
                 (try
                   (case how
                     "throw" (throw (Exception. "broken"))
                     "no page" :none
                     "ask nonsense" (ask! "?")
                     {:title how})
                   (finally (event how)))))]
    (with-server [server form {}]
      (let [[v w] (repeatedly #(visitor server))
            at-w (begin! w)]
        (is (= ["broken" "a page is a map with a :title, a string; got :none" "a page is a map with a :title, a string; got \"?\""]
               (reported #(doseq [how ["throw" "no page" "ask nonsense"]]
                            (let [page (begin! v)]
                              (is (= [500 "Something went wrong here"] (status-title (answer! v page {:how how}))))
                              (is (= 410 (:status (visit! v (:path page))))))))))
        (is (= ["throw" "no page" "ask nonsense"] @event))
        (is (= [200 "well"] (status-title (answer! w at-w {:how "well"}))))))))

(deftest what-a-finally-block-throws-ends-nothing-else
  (let [n (atom 0)
        event (trace)
        form (fn []
               (let [me (swap! n inc)]
                 (try
                   (ask! {:title "?"})
                   (finally
                     (event me)
                     (case (long me)
                       1 (throw (Exception. "broken"))
                       2 (ask! {:title "!"})
                       nil)))))]
    (is (= ["broken" 2]
           (update (reported #(with-server [server form {}]
                                (let [v (visitor server)]
                                  (dotimes [_ 3] (begin! v)))))
                   1 (fn [message] (if (str/includes? message "refused to be closed") 2 message)))))
    (is (= [1 2 3] @event))))

(deftest to-close-the-server-unwinds-every-session
  (let [event (trace)
        server (web/start (two-steps event) {})]
    (dotimes [_ 3] (begin! (visitor server)))
    (.close server)
    (.close server)
    (is (= [:began :began :began :unwound :unwound :unwound] @event))))
