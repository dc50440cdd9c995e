package greenlet;

import java.util.function.BooleanSupplier;

/** Tries out what a JVM has never promised, before an engine relies on it. */
final class Trial {
  private Trial() {}

  /** The outcome of {@code trial}, which runs in a thread of its own, so that no lock of anybody else's is put at risk. */
  static boolean inThread(BooleanSupplier trial) {
    boolean[] outcome = new boolean[1];
    Thread thread = new Thread(() -> outcome[0] = trial.getAsBoolean(), "greenlet engine trial");
    thread.setDaemon(true);
    thread.start();
    boolean interrupted = false;
    while (thread.isAlive()) {
      try {
        thread.join();
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) Thread.currentThread().interrupt();
    return outcome[0];
  }

  /**
   * Whether the calling thread keeps a lock while a stack that it mounts is suspended.
   *
   * @param before runs with the lock held, before the stack is mounted
   * @param mount mounts the stack; true if the stack then suspended itself. A second call leads to its end
   */
  static boolean keepsLock(Runnable before, BooleanSupplier mount) {
    Object lock = new Object();
    synchronized (lock) {
      before.run();
      boolean kept = mount.getAsBoolean() && Thread.holdsLock(lock);
      mount.getAsBoolean(); // gives the lock back if it was taken
      return kept;
    }
  }
}
