/** Greenlets for the JVM. The whole API is in the package {@link greenlet}. */
module greenlet {
  requires static org.jspecify;

  exports greenlet;
}
