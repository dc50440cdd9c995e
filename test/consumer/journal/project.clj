(defproject consumer "1"
  :dependencies [[org.clojure/clojure "1.12.6"]
                 [greenlet-clj "0.2.0-SNAPSHOT"]
                 [greenlet-clj/greenlet-journal "0.2.0-SNAPSHOT"]] ; what the clone's pom.xml says; bin/test checks that
  :main consumer.order)
