;; Prepares a project that depends on DIR by :local/root, as `clojure -X:deps prep` would, and prints its class path.
;; Usage: local_root.clj DIR, with tools.deps on the class path
(require '[clojure.tools.deps :as deps])

(let [[dir] *command-line-args*
      project {:mvn/repos {"clojars" nil}
               :deps {'org.clojure/clojure {:mvn/version (clojure-version)}
                      'greenlet-clj/greenlet-clj {:local/root dir}}}
      basis (deps/create-basis {:user nil, :project project})]
  (binding [*out* *err*]
    (deps/prep-libs! (:libs basis) {:action :prep, :log :info} basis))
  (println (deps/join-classpath (:classpath-roots basis))))
