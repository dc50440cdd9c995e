package greenlet;

import org.jspecify.annotations.Nullable;

/** The engine of this JVM, chosen at first use: by the property where that is set, else the fastest one that works. */
final class EngineChoice {
  private static final @Nullable Engine ENGINE;
  private static final @Nullable String REFUSAL;

  /** Of a {@link CooperativeTree}, whatever the others have. */
  static final Engine CARRYING = new VirtualThreadEngine(null);

  static {
    Engine engine = null;
    String refusal = null;
    String asked = System.getProperty(Flags.ENGINE);
    if (asked == null || asked.equals(Flags.CONTINUATION_ENGINE)) {
      try {
        engine = ContinuationEngine.proven();
      } catch (ContinuationEngine.Unavailable e) {
        if (asked == null) engine = new VirtualThreadEngine(e.getMessage());
        else
          refusal =
              "-D" + Flags.ENGINE + "=" + asked + ": this engine cannot be had: " + e.getMessage();
      }
    } else if (asked.equals(Flags.VIRTUAL_THREAD_ENGINE)) {
      engine = new VirtualThreadEngine(null);
    } else {
      refusal =
          "-D"
              + Flags.ENGINE
              + "="
              + asked
              + ": there is no such engine; use "
              + Flags.CONTINUATION_ENGINE
              + " or "
              + Flags.VIRTUAL_THREAD_ENGINE
              + ", or leave the property out for the faster one that can be had";
    }
    ENGINE = engine;
    REFUSAL = refusal;
  }

  private EngineChoice() {}

  static Engine engine() {
    Engine engine = ENGINE;
    if (engine == null) throw new IllegalStateException(REFUSAL);
    return engine;
  }
}
