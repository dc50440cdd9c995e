/**
 * Greenlets for the JVM, in the package {@link greenlet}, and libraries on top of them. Each of these packages uses the public
 * API of {@link greenlet} and nothing of the others, but for {@code greenlet.io} and {@code greenlet.trace}, which stand on {@code
 * greenlet.hub}.
 */
module greenlet {
  requires static jdk.jfr;
  requires static org.jspecify;

  exports greenlet;
  exports greenlet.bridge;
  exports greenlet.hub;
  exports greenlet.io;
  exports greenlet.tasklet;
  exports greenlet.trace;
}
