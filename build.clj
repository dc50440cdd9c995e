(ns build
  "What `clojure -X:deps prep` runs for those who depend on this project by :local/root or :git/url."
  (:require [clojure.tools.build.api :as b]))

(defn compile-java [_]
  (let [basis (b/create-basis {:extra {:deps '{org.jspecify/jspecify {:mvn/version "1.0.1"}}}})]
    (b/delete {:path "target/classes"}) ; what sources of another version were compiled to
    (b/javac {:src-dirs   ["java-src/greenlet" "journal/java-src/greenlet"] ; not module-info.java: this is for the class path
              :class-dir  "target/classes"
              :basis      basis
              :javac-opts ["--release" "21"]})))
