(ns greenlet.examples.chat-browser
  "A hundred clients of the chat example: ninety-nine on sockets, and a headless Chromium. `greenlet.programs-test` runs it: main takes the
  browser's command, and the file for a picture of the page."
  (:require [clojure.string :as str]
            [greenlet.browser :as browser :refer [call! evaluate! json with-tab]]
            [greenlet.core :as g]
            [greenlet.examples.chat-clients :refer [converse-all rooms-of said sayings spoken with-chat]]
            [greenlet.hub :refer [await!]]))

(set! *warn-on-reflection* true)

(defn- submit! [tab form field text]
  (evaluate! tab (str "document.querySelector('#" form " [name=" field "]').value = " (json text) "; "
                      "document.querySelector('#" form " button').click()")))

(defn- lines [tab]
  (str/split (evaluate! tab "[...document.querySelectorAll('li')].map(line => line.textContent).join('|')") #"\|"))

(defn- converse
  "What the page shows, once `n` lines have been spoken in the room. Begins when all are there."
  [tab url room {:keys [entered all]} n picture]
  (call! tab "Page.navigate" {:url url} "Page.loadEventFired")
  (submit! tab "enter" "name" "Browser")
  (browser/await! tab "!document.getElementById('say').hidden")
  (submit! tab "say" "line" (str "/join " room))
  (browser/await! tab (str "document.body.innerText.includes('* Browser enters " room "')"))
  (deliver entered true)
  @all
  (dotimes [i sayings] (submit! tab "say" "line" (str i)))
  (browser/await! tab (str n " <= [...document.querySelectorAll('li')].filter(line => !line.textContent.startsWith('*')).length"))
  (browser/screenshot! tab picture)
  (lines tab))

(defn -main [command picture]
  (try
    (with-chat
      (fn [{:keys [web] :as servers}]
        (let [rooms (update (rooms-of 10 10) "room0" rest)
              [entered all] (repeatedly promise)
              n (* 10 (long sayings))
              shown (future (with-tab command #(converse % (str "http://localhost:" (:port web) "/") "room0" {:entered entered, :all all}
                                                         n picture)))]
          (await! entered)
          (let [heard (converse-all servers rooms {:others {"room0" 1}, :begin! #(deliver all true)})
                shown (await! shown)]
            (run! println (take 12 shown))
            (println "all that is spoken in its room is there, in the same order:" (every? #(= (spoken shown) %) (heard "room0")))
            (println "what it has said is there:" (= (said "Browser") (filter #(str/starts-with? % "Browser:") (spoken shown))))
            (println "clients on sockets:" (count (mapcat val heard)) "on" (re-find #"^[\w-]+" (g/engine)))))))
    (finally (shutdown-agents))))
