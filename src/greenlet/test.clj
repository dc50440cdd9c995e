(ns greenlet.test
  "For tests of code that uses greenlets: finds what has been left suspended, and would be forgotten without its `finally`
  having run. Not needed to run anything.

  What is made in a check has to be over at its end: a greenlet that was started has to have ended, a cursor, a seq or a
  stream that was begun has to have come to its end or been closed. The check sees what its thread makes, in all its
  greenlets and bodies, and what threads make that are started in it; it holds that until its end, so the outcome does not
  depend on the garbage collector. In Java: `greenlet.LeakDetector`."
  (:require [clojure.test :as test])
  (:import (greenlet LeakDetector)))

(set! *warn-on-reflection* true)

(defn no-leaks*
  "The function behind `no-leaks`: calls `f`, without arguments.

      (no-leaks* #(+ 1 2))   ;=> 3"
  [f]
  (let [leaks (LeakDetector.)
        result (try
                 (f)
                 (catch Throwable t
                   (try (.close leaks) (catch AssertionError e (.addSuppressed t e)))
                   (throw t)))]
    (.close leaks)
    result))

(defmacro no-leaks
  "The value of `body`, in which nothing may be left suspended that is made in it. Otherwise an AssertionError that names
  each, with the stack where a greenlet stands, or where a traversal was first pulled from. An exception of the body comes
  out as it is, with that error among its suppressed ones.

      (no-leaks (into [] (take 2) (generator (run! yield! (range)))))    ;=> [0 1]
      (no-leaks (with-open [c (cursor (generator (run! yield! (range))))]
                  (next! c)))                                            ;=> 0
      (no-leaks (first (generator (run! yield! (range)))))               ; throws AssertionError: 1 left suspended

  Of nested ones the innermost alone sees a thing."
  [& body]
  `(no-leaks* (^{:once true} fn* [] ~@body)))

(defn- run-telling-test
  "Calls `f`; returns the vars of the tests that have begun within, which clojure.test tells nobody but its reports."
  [f]
  (let [report test/report, begun (atom [])]
    (binding [test/report (fn [m]
                            (when (= :begin-test-var (:type m)) (swap! begun conj (:var m)))
                            (report m))]
      (f))
    @begun))

(defn check-leaks
  "A fixture for clojure.test: a test that leaves something suspended fails, with the report of `no-leaks`. Where it is around
  each test, as it should be, that test is named.

      (clojure.test/use-fixtures :each check-leaks)
      (check-leaks (fn [] (into [] (generator (yield! 1)))))   ;=> nil"
  [f]
  (let [leaks (LeakDetector.), begun (volatile! nil)]
    (try
      (vreset! begun (run-telling-test f))
      (finally
        (try
          (.close leaks)
          (catch AssertionError e
            (binding [test/*testing-vars* (or (seq @begun) test/*testing-vars*)]
              (test/do-report {:type :fail, :message (ex-message e), :expected 'no-leaks, :actual 'leaks}))))))
    nil))
