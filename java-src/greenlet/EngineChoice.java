package greenlet;

import org.jspecify.annotations.Nullable;

/** The engine of this JVM, chosen at first use: by the property where that is set, else the fastest one that works. */
final class EngineChoice {
  private static final @Nullable Engine ENGINE;
  private static final @Nullable String REFUSAL;

  static {
    Engine engine = null;
    String refusal = null;
    String asked = System.getProperty(Engine.PROPERTY);
    if (asked == null || asked.equals(Engine.CONTINUATION)) {
      try {
        engine = ContinuationEngine.proven();
      } catch (ContinuationEngine.Unavailable e) {
        if (asked == null) engine = new VirtualThreadEngine(e.getMessage());
        else refusal = "-D" + Engine.PROPERTY + "=" + asked + ": this engine cannot be had: " + e.getMessage();
      }
    } else if (asked.equals(Engine.VIRTUAL_THREAD)) {
      engine = new VirtualThreadEngine(null);
    } else {
      refusal = "-D" + Engine.PROPERTY + "=" + asked + ": there is no such engine; use " + Engine.CONTINUATION + " or "
          + Engine.VIRTUAL_THREAD + ", or leave the property out for the faster one that can be had";
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
