package greenlet.bench;

import clojure.java.api.Clojure;
import clojure.lang.IFn;

/** A Clojure namespace, loaded. */
record ClojureCode(String namespace) {
  ClojureCode {
    Clojure.var("clojure.core", "require").invoke(Clojure.read(namespace));
  }

  IFn fn(String name) {
    return Clojure.var(namespace, name);
  }
}
