(ns greenlet.examples.lasting-browser
  "Walks the web example's form in a headless Chromium, through servers that share a PostgreSQL and are killed, and prints the pages.
  `greenlet.programs-test` runs it: main takes the browser's command."
  (:require [clojure.string :as str]
            [greenlet.browser :refer [call! evaluate! json with-tab]]
            [greenlet.core :as g]
            [greenlet.process :refer [clojure-main process-builder]]
            [greenlet.servers :refer [database]])
  (:import (java.io BufferedReader)
           (java.lang.management ManagementFactory)))

(set! *warn-on-reflection* true)

(defn- serve
  "A process that serves the form, and its address."
  []
  (let [options (filter #(re-find #"^(--add-|-Dgreenlet\.)" %) (.getInputArguments (ManagementFactory/getRuntimeMXBean)))
        process (.start (doto (process-builder (clojure-main options "greenlet.examples.web" "--store" (database) 0))
                          (.redirectErrorStream true)))
        lines (BufferedReader. (.inputReader process))]
    (loop [said []]
      (let [line (or (.readLine lines) (throw (ex-info (str "the server has ended: " (str/join "\n" said)) {})))]
        (if-let [[_ url] (re-find #"(http://localhost:\d+)/ on" line)]
          {:process process, :url url}
          (recur (conj said line)))))))

(defn- kill! [{:keys [^Process process]}]
  (.waitFor (.destroyForcibly process)))

(defn- tell [tab]
  (println (evaluate! tab "[document.title, ...[...document.querySelectorAll('p')].map(p => p.innerText.trim())].join(' | ')")))

(defn- visit! [tab url]
  (call! tab "Page.navigate" {:url url} "Page.loadEventFired")
  (tell tab))

(defn- click! [tab selector]
  (evaluate! tab (str "document.querySelector(" (json selector) ").click()") "Page.loadEventFired")
  (tell tab))

(defn- answer! [tab text]
  (evaluate! tab (str "document.querySelector('input').value = " (json text)))
  (click! tab "button"))

(defn- path [tab]
  (evaluate! tab "location.pathname"))

(defn- walk
  "Begins on one server, goes on another, and ends on a third, when both are dead."
  [tab a b]
  (visit! tab (str (:url a) "/"))
  (click! tab "button")
  (answer! tab "Ada")
  (visit! tab (str (:url b) (path tab)))
  (answer! tab "12")
  (answer! tab "3")
  (evaluate! tab "{ const yes = document.querySelector('button[value=yes]'); yes.click(); yes.click(); }") ; a double click
  (let [form (path tab)]
    (run! kill! [a b])
    (let [c (serve)]
      (try
        (visit! tab (str (:url c) form))
        (when (evaluate! tab "document.querySelector('button[value=yes]') && 'asked'") ; the click had not come through
          (click! tab "button[value=yes]"))
        (tell tab)
        (visit! tab (str (:url c) "/"))
        (click! tab "button")
        (answer! tab "Bob")
        (answer! tab "30")
        (finally (kill! c))))))

(defn -main [command]
  (let [a (serve), b (serve)]
    (try
      (with-tab command #(walk % a b))
      (println "on" (re-find #"^[\w-]+" (g/engine)))
      (finally
        (run! kill! [a b])
        (shutdown-agents)))
    (System/exit 0))) ; and the database with it
