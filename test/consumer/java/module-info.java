/** A program that outlives its process, without Clojure. */
module consumer {
  requires greenlet.journal;
}
