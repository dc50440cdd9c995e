(ns greenlet.examples.chat-test
  "The chat, by clients on real sockets. `greenlet.examples.chat-browser` has one more, a browser."
  (:require [clojure.string :as str]
            [clojure.test :refer [deftest is use-fixtures]]
            [greenlet.examples.chat :as chat]
            [greenlet.examples.chat-clients :refer [converse-all dial hang-up hear hear-until rooms-of said say with-chat]]
            [greenlet.hub :refer [result spawn]]
            [greenlet.io :refer [connect port reader]]
            [greenlet.test :refer [check-leaks]])
  (:import (java.io IOException)
           (java.net Socket)))

(set! *warn-on-reflection* true)

(use-fixtures :each check-leaks)

(deftest rooms-and-names
  (with-chat
    (fn [servers]
      (let [ada (dial servers "Ada")
            bea (dial servers "Bea")
            heard (fn [client n] (vec (repeatedly n #(hear client))))]
        (say ada "good morning")
        (is (= ["* Bea enters lobby" "Ada: good morning"] (heard ada 2)))
        (is (= ["Ada: good morning"] (heard bea 1)))
        (let [other (dial servers "Cid" "garden")]
          (is (= ["* Cid enters lobby" "* Cid leaves lobby"] (heard ada 2)))
          (say other "nobody else is here")
          (say other "/who")
          (is (= ["Cid: nobody else is here" "* Cid"] (heard other 2)))
          (say other "/dance")
          (is (= ["* /join ROOM, /who and /quit are what I know"] (heard other 1)))
          (say other "/quit")
          (is (nil? (hear other)))
          (hang-up other))
        (say ada "/who")
        (is (= ["* Ada, Bea"] (heard ada 1)))
        (say bea "a\u001b[2Jb")
        (is (= ["Bea: a [2Jb"] (heard ada 1)) "nothing that a terminal would obey")
        (hang-up bea)
        (is (= ["* Bea leaves"] (heard ada 1)))
        (hang-up ada)))))

(deftest names-are-taken-once
  (with-chat
    (fn [servers]
      (let [ada (dial servers "Ada")
            socket (connect "127.0.0.1" (port (:lines servers)) {:timeout 60})
            other {:socket socket, :in (reader socket)}]
        (doseq [name ["Ada" "" "two words" (str/join (repeat 21 "x")) "Bea"]] (say other name))
        (is (= ["* Your name?"
                "* That name is taken, or none. Letters and digits will do, twenty at most." "* Your name?"
                "* That name is taken, or none. Letters and digits will do, twenty at most." "* Your name?"
                "* That name is taken, or none. Letters and digits will do, twenty at most." "* Your name?"
                "* That name is taken, or none. Letters and digits will do, twenty at most." "* Your name?"
                "* Bea enters lobby"]
               (hear-until other #{"* Bea enters lobby"})))
        (hang-up ada)
        (hear-until other #{"* Ada leaves"})
        (let [ada (dial servers "Ada")]
          (run! hang-up [ada other]))))))

(deftest a-hundred-clients
  (with-chat
    (fn [servers]
      (let [rooms (rooms-of 10 10)]
        (doseq [[room [heard & others]] (converse-all servers rooms {})]
          (is (= 9 (count others)))
          (is (every? #(= heard %) others) "all of a room hear the same, in the same order")
          (doseq [name (rooms room)]
            (is (= (said name) (filter #(str/starts-with? % (str name ":")) heard)))))))))

;; Who does not read

(def ^:private long-line (str/join (repeat 900 "x")))

(defn- flood-until
  "Says long lines, and hears each, until `(last? line)` of another one; how many it has heard."
  [client last?]
  (loop [n 0]
    (let [line (str n long-line)]
      (say client line)
      (if (last? (peek (hear-until client #(or (last? %) (= % (str (:name client) ": " line))))))
        n
        (recur (inc n))))))

(defn- numbers-of [lines]
  (keep #(some-> (re-matches #"Ada: (\d+)x+" %) second parse-long) lines))

(def ^:private cut-off "* Sly does not listen and is cut off")

(deftest ^:continuation who-does-not-read-is-cut-off-with-a-word
  (with-chat
    (fn [servers]
      (let [sly (dial servers "Sly")
            ada (dial servers "Ada")
            bea (dial servers "Bea")
            listener (spawn (fn [] (hear-until bea #{cut-off})))
            n (flood-until ada #{cut-off})]
        (is (true? (= (range n) (numbers-of (result listener)))) "the others hear everything, in order")
        (say sly "still here")
        (is (= "* You do not read what you are told. Good-bye." (peek (hear-until sly #(str/includes? % "Good-bye")))))
        (is (nil? (hear sly)))
        (say ada "/who")
        (is (= ["* Ada, Bea"] (remove #(str/includes? % long-line) (hear-until ada #(str/starts-with? % "* Ada,")))))
        (run! hang-up [sly ada bea])))))

(defn- drain
  "The lines up to the end, in whichever way that comes."
  [client]
  (loop [lines []]
    (if-let [line (try (hear client) (catch IOException _))]
      (recur (conj lines line))
      lines)))

(deftest ^:continuation who-does-not-read-even-then-is-hung-up-on
  (with-redefs [chat/grace 0]
    (with-chat
      (fn [servers]
        (let [sly (dial servers "Sly")
              ada (dial servers "Ada")]
          (flood-until ada #{cut-off})
          (is (= [] (filter #(str/includes? % "Good-bye") (drain sly))))
          (hang-up (dial servers "Sly")) ; the name is free
          (run! hang-up [sly ada]))))))

;; Browsers, without one

(defn- request [{:keys [web]} method target & [body]]
  (let [socket (connect "127.0.0.1" (:port web) {:timeout 60})
        client {:socket socket, :in (reader socket)}]
    (say client method " " target " HTTP/1.1\r\nHost: localhost\r\n" (when body (str "Content-Length: " (count body) "\r\n")) "\r\n" body)
    (assoc client :status (parse-long (second (re-matches #"HTTP/1.1 (\d+) .*" (hear client)))))))

(defn- status [servers method target & [body]]
  (let [client (request servers method target body)]
    (hang-up client)
    (:status client)))

(defn- told
  "The next line of the event stream."
  [client]
  (subs (peek (hear-until client #(str/starts-with? % "data: "))) 6))

(deftest who-has-the-key-speaks
  (with-chat
    (fn [servers]
      (let [events (request servers "GET" "/events?name=%C3%84nne&key=secret")
            ada (dial servers "Ada")]
        (is (= 200 (:status events)))
        (is (= ["* Änne enters lobby" "* Ada enters lobby"] [(told events) (told events)]))
        (is (= 204 (status servers "POST" "/say" "name=%C3%84nne&key=secret&line=1+%2B+1")))
        (is (= ["Änne: 1 + 1" "Änne: 1 + 1"] [(told events) (hear ada)]))
        (doseq [body ["name=%C3%84nne&key=other&line=x" "name=%C3%84nne&line=x" "name=Ada&key=&line=x" "name=Bea&key=secret&line=x" ""]]
          (is (= 403 (status servers "POST" "/say" body))))
        (is (= [200 404] [(status servers "GET" "/") (status servers "GET" "/favicon.ico")]))
        (let [second-one (request servers "GET" "/events?name=Ada&key=k")]
          (is (= "* That name is taken, or none. Letters and digits will do, twenty at most." (told second-one)))
          (hang-up second-one))
        (is (= 204 (status servers "POST" "/say" "name=%C3%84nne&key=secret&line=/quit")))
        (is (= ["* Änne leaves" "* The end"] [(hear ada) (told events)]))
        (let [again (request servers "GET" "/events?name=%C3%84nne&key=secret")]
          (is (= "* Änne enters lobby" (told again)))
          (hang-up again))
        (is (= ["* Änne enters lobby" "* Änne leaves"] [(hear ada) (hear ada)]) "who closes the page has left")
        (run! hang-up [events ada])))))

(deftest ^:continuation a-browser-that-does-not-read-is-cut-off
  (with-chat
    (fn [servers]
      (let [sly (request servers "GET" "/events?name=Sly&key=k")
            ada (dial servers "Ada")]
        (flood-until ada #{cut-off})
        (is (= "* You do not read what you are told. Good-bye."
               (last (take-while #(not= "* The end" %) (repeatedly #(told sly))))))
        (run! hang-up [sly ada])))))
