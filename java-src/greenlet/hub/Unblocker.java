package greenlet.hub;

import java.util.concurrent.locks.LockSupport;

/**
 * The thread of the JDK's (from 24 on) that wakes virtual threads which wait for monitors. A monitor that has been left is granted some
 * time later, by this thread, and nobody tells when it is done with what it had been told.
 */
final class Unblocker {
  private static final boolean EXISTS = Runtime.version().feature() >= 24;

  private Unblocker() {}

  /**
   * Returns when all are awake that were to be woken because of what the calling thread has done. The JDK's thread takes all that it
   * has to wake at a time, in no order that is promised. So one that is woken for us proves that it is at work, and one that is told
   * after that, that it has done what it took before.
   */
  static void settle() {
    if (!EXISTS) return;
    wakeOne();
    wakeOne();
  }

  private static void wakeOne() {
    Object monitor = new Object();
    Thread waits;
    synchronized (monitor) {
      waits =
          Thread.ofVirtual()
              .name("hub settles")
              .start(() -> {
                synchronized (monitor) {
                  // has been woken
                }
              });
      while (waits.getState() != Thread.State.BLOCKED) LockSupport.parkNanos(20_000);
    }
    boolean interrupted = false;
    while (true) {
      try {
        waits.join();
        break;
      } catch (InterruptedException e) {
        interrupted = true;
      }
    }
    if (interrupted) Thread.currentThread().interrupt();
  }
}
