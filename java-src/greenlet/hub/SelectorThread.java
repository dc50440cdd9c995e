package greenlet.hub;

import java.io.IOException;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A daemon thread that waits for channels on behalf of the hubs whose own thread does not: guests of somebody else's event loop, and
 * those with a sleeper of their users'. There is one in a JVM, while it is needed.
 */
final class SelectorThread {
  private static final long IDLE = TimeUnit.SECONDS.toNanos(1);

  private static @Nullable Readiness readiness;

  private SelectorThread() {}

  /** What it waits in, claimed. */
  static synchronized Readiness claim() throws IOException {
    Readiness open = readiness;
    if (open != null) return open.claim();
    var made = new Readiness(true);
    try {
      Thread.ofPlatform()
          .daemon()
          .inheritInheritableThreadLocals(false)
          .name("greenlet selector")
          .start(() -> run(made));
    } catch (Throwable t) { // no memory
      made.close();
      throw t;
    }
    readiness = made;
    return made.claim();
  }

  private static void run(Readiness mine) {
    long last = System.nanoTime();
    do {
      mine.sleep(IDLE);
      if (!mine.isIdle()) last = System.nanoTime();
    } while (System.nanoTime() - last < IDLE || !ends(mine));
  }

  private static synchronized boolean ends(Readiness mine) {
    if (!mine.isIdle()) return false;
    readiness = null;
    mine.close();
    return true;
  }
}
