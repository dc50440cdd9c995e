package greenlet;

/** How a user chooses an engine, and the JVM options by which he consents to what is no public API of the JDK. */
final class Flags {
  /** The system property that names the engine. */
  static final String ENGINE = "greenlet.engine";

  static final String VIRTUAL_THREAD_ENGINE = "virtual-thread";
  static final String CONTINUATION_ENGINE = "continuation";

  private static final String OUR_MODULE =
      Flags.class.getModule().isNamed() ? Flags.class.getModule().getName() : "ALL-UNNAMED";

  /** Opens continuations, to {@link ContinuationEngine}. */
  static final String CONTINUATIONS = "--add-exports java.base/jdk.internal.vm=" + OUR_MODULE;

  /** Opens the schedulers of virtual threads, to {@link VirtualThreads}, and scoped values, to {@link ScopedValues}. */
  static final String JAVA_LANG = "--add-opens java.base/java.lang=" + OUR_MODULE;

  private Flags() {}
}
