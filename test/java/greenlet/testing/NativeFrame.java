package greenlet.testing;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.InputStream;
import java.lang.invoke.MethodHandles;

/** A native frame on the stack: that of a class initialiser. */
public final class NativeFrame {
  private NativeFrame() {}

  /** Loaded anew for each use; what it calls has the native frame of the class initialiser below. */
  static final class Initialised {
    static {
      inInitialiser.run();
    }
  }

  static volatile Runnable inInitialiser;

  /** Runs {@code initialiser} on top of a native frame. */
  public static void initialiseClass(Runnable initialiser) throws Exception {
    assumeTrue(
        Runtime.getRuntime().availableProcessors() > 1, "a carrier for other virtual threads");
    inInitialiser = initialiser;
    try (InputStream in = NativeFrame.class.getResourceAsStream("NativeFrame$Initialised.class")) {
      MethodHandles.lookup().defineHiddenClass(in.readAllBytes(), true);
    } finally {
      inInitialiser = null;
    }
  }
}
