package greenlet;

/**
 * Makes every lock that a thread holds one that stays with the thread when a continuation that it mounts is suspended. Since
 * JDK 24 a suspension takes along the thread's thin locks, and leaves inflated ones.
 */
final class ThinLocks {
  /*
   * A thread has room for eight thin locks; to enter one more makes HotSpot inflate the oldest. So to enter eight that nobody
   * has entered leaves no other thin one. They have to be eight different objects: one that is entered again is inflated itself
   * where there is no room.
   */
  private final Object a = new Object();
  private final Object b = new Object();
  private final Object c = new Object();
  private final Object d = new Object();
  private final Object e = new Object();
  private final Object f = new Object();
  private final Object g = new Object();
  private final Object h = new Object();

  /** Inflates the locks of the calling thread. Each thread needs an instance of its own. */
  void inflate() {
    synchronized (a) {
      synchronized (b) {
        synchronized (c) {
          synchronized (d) {
            synchronized (e) {
              synchronized (f) {
                synchronized (g) {
                  synchronized (h) {
                    return;
                  }
                }
              }
            }
          }
        }
      }
    }
  }
}
