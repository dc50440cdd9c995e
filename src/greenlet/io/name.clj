(ns greenlet.io.name
  "Look-ups of host names that wait as tasks; `greenlet.io` has all names, too, and the examples refer to it."
  (:require [greenlet.argument :refer [refuse shown]])
  (:import (greenlet.io Names)
           (java.net InetAddress)))

(set! *warn-on-reflection* true)

(defn- the-host ^String [x]
  (if (string? x) x (refuse "the host to look up is a string; got " (shown x))))

(defn lookup
  "The first address of `host`, a name or an address, as a java.net.InetAddress. The system looks it up in another thread, while the
  current task alone waits; limit that by `greenlet.hub/timeout`. Throws java.net.UnknownHostException.

      (.getHostAddress (run (lookup \"127.0.0.1\")))   ;=> \"127.0.0.1\""
  ^InetAddress [host]
  (Names/lookup (the-host host)))

(defn lookup-all
  "A vector of all addresses of `host`, in the system's order; as `lookup`.

      (count (run (lookup-all \"127.0.0.1\")))   ;=> 1"
  [host]
  (vec (Names/lookupAll (the-host host))))
