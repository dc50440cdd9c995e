(ns greenlet.examples.browser
  "Walks the web example's form in a headless Chromium, and prints the pages. `greenlet.programs-test` runs it: main takes the browser's
  command."
  (:require [greenlet.browser :refer [call! evaluate! json with-tab]]
            [greenlet.core :as g]
            [greenlet.examples.web :as web])
  (:import (java.io Closeable)))

(set! *warn-on-reflection* true)

(defn- tell [tab]
  (println (evaluate! tab "[document.title, ...[...document.querySelectorAll('p')].map(p => p.innerText.trim())].join(' | ')")))

(defn- load!
  "Loads another page by a method of the protocol."
  [tab method params]
  (call! tab method params "Page.loadEventFired")
  (tell tab))

(defn- run-script!
  "Runs what makes the browser load another page."
  [tab script]
  (evaluate! tab script "Page.loadEventFired")
  (tell tab))

(defn- click! [tab selector]
  (run-script! tab (str "document.querySelector(" (json selector) ").click()")))

(defn- answer! [tab text]
  (evaluate! tab (str "document.querySelector('input').value = " (json text)))
  (click! tab "button"))

(defn- walk [tab url]
  (load! tab "Page.navigate" {:url url})
  (click! tab "button")
  (answer! tab "<b>Ada</b>")
  (answer! tab "young")
  (answer! tab "12")
  (run-script! tab "history.back()") ; leads to an earlier step, which leads here again
  (answer! tab "3")
  (load! tab "Page.reload" {})
  (click! tab "button[value=yes]")
  (load! tab "Page.reload" {}))

(defn -main [command]
  (let [booked (atom [])
        free (atom 10)]
    (try
      (with-open [^Closeable server (web/start #(web/booking free booked) {})]
        (with-tab command #(walk % (str "http://localhost:" (:port server) "/")))
        (println "booked" (pr-str @booked) "free" @free "on" (re-find #"^[\w-]+" (g/engine))))
      (finally (shutdown-agents)))))
