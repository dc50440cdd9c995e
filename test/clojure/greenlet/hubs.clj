(ns greenlet.hubs
  "For the tests of hubs: `run` runs plain ones, or, by one switch, cooperative ones wherever that can be had."
  (:require [greenlet.hub])
  (:import (greenlet.hub Hub)))

(set! *warn-on-reflection* true)

(when (Boolean/getBoolean "greenlet.test.cooperative")
  (alter-var-root #'greenlet.hub/new-hub
                  (fn [new-hub]
                    (fn [time hold patience]
                      (let [^Hub hub (new-hub time hold patience)]
                        (if (or hold (.isVirtual (Thread/currentThread)))
                          hub
                          (.cooperative hub)))))))
