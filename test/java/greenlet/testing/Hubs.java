package greenlet.testing;

import greenlet.hub.Hub;
import java.time.Duration;

/** Hubs for the tests of hubs: plain ones, or, by one switch, cooperative ones wherever that can be had. */
public final class Hubs {
  /** {@code -Dgreenlet.test.cooperative=true} */
  private static final boolean COOPERATIVE = Boolean.getBoolean("greenlet.test.cooperative");

  /** What looks where the hubs' threads park; by reflection, as it stands in their package. */
  private static final Runnable INSPECTOR = inspector();

  private Hubs() {}

  private static Runnable inspector() {
    try {
      return (Runnable)
          Class.forName("greenlet.hub.ParkInspector").getDeclaredConstructor().newInstance();
    } catch (ReflectiveOperationException e) {
      throw new AssertionError(e);
    }
  }

  /** A hub of real time. */
  public static Hub realTime() {
    return switched(Hub.realTime());
  }

  /** A hub of virtual time. */
  public static Hub virtualTime() {
    return switched(Hub.virtualTime());
  }

  /** {@code -Dgreenlet.test.watchdog=SECONDS}: for a run by hand, under a watchdog that is to have nothing to report. */
  private static final int WATCHDOG = Integer.getInteger("greenlet.test.watchdog", 0);

  /** The hub, made cooperative where the switch is on and the calling thread can run such a hub. */
  public static Hub switched(Hub hub) {
    if (WATCHDOG > 0)
      hub.watchdog(Duration.ofSeconds(WATCHDOG), held -> System.out.println("REPORT " + held));
    if (!COOPERATIVE || Thread.currentThread().isVirtual()) return hub;
    INSPECTOR.run();
    return hub.cooperative();
  }

  /** Whether the JVM can have cooperative hubs. */
  public static boolean canCooperate() {
    try {
      Hub.realTime().cooperative();
      return true;
    } catch (IllegalStateException e) {
      return false;
    }
  }
}
