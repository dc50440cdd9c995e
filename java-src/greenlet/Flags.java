package greenlet;

/** The JVM options by which a user consents to what is no public API of the JDK. Each is used in one class. */
final class Flags {
  private static final String OUR_MODULE = Flags.class.getModule().isNamed() ? Flags.class.getModule().getName() : "ALL-UNNAMED";

  /** Opens continuations, to {@link ContinuationEngine}. */
  static final String CONTINUATIONS = "--add-exports java.base/jdk.internal.vm=" + OUR_MODULE;

  /** Opens the schedulers of virtual threads, to {@link VirtualThreads}, and scoped values, to {@link ScopedValues}. */
  static final String JAVA_LANG = "--add-opens java.base/java.lang=" + OUR_MODULE;

  private Flags() {}
}
