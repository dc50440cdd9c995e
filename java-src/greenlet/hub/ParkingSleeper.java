package greenlet.hub;

import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/** Parks the thread. */
final class ParkingSleeper implements Sleeper {
  private volatile @Nullable Thread sleeping;
  private volatile boolean woken;

  @Override
  public void sleep(long nanos) {
    // before it looks whether it has been woken, as wake writes before it looks who sleeps
    sleeping = Thread.currentThread();
    if (!woken) {
      if (nanos == Timers.NEVER) LockSupport.park(this);
      else LockSupport.parkNanos(this, nanos);
    }
    sleeping = null;
    woken = false;
  }

  @Override
  public void wake() {
    woken = true;
    LockSupport.unpark(sleeping);
  }

  @Override
  public void poll() {}

  @Override
  public void close() {}
}
