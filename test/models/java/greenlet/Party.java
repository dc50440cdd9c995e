package greenlet;

import java.util.concurrent.locks.LockSupport;

/** A party of a hand-over, on a platform thread. */
class Party extends Baton {
  /** Set by itself before it waits. */
  volatile Thread thread;

  Party() {
    super(false);
  }

  @Override
  void start() {
    throw new AssertionError("its thread exists");
  }

  @Override
  void park() {
    LockSupport.park(this);
  }

  @Override
  void unpark() {
    LockSupport.unpark(thread);
  }

  @Override
  long spinNanos() {
    return 0;
  }

  @Override
  boolean passOnInterrupt() {
    return false;
  }
}
