;; Prepares the libraries of the project in DIR, as `clojure -X:deps prep` there would, and prints its class path.
;; Usage: prepare.clj DIR, with tools.deps on the class path
(require '[clojure.java.io :as io]
         '[clojure.tools.deps :as deps]
         '[clojure.tools.deps.util.dir :as dir])

(dir/with-dir (.getCanonicalFile (io/file (first *command-line-args*)))
  (let [project (assoc-in (deps/slurp-deps (dir/canonicalize (io/file "deps.edn"))) [:mvn/repos "clojars"] nil)
        basis (deps/create-basis {:user nil, :project project})]
    (binding [*out* *err*]
      (deps/prep-libs! (:libs basis) {:action :prep, :log :info} basis))
    (println (deps/join-classpath (:classpath-roots basis)))))
