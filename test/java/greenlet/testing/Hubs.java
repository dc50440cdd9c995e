package greenlet.testing;

import greenlet.hub.Hub;

/** Hubs for the tests of hubs: plain ones, or, by one switch, cooperative ones wherever that can be had. */
public final class Hubs {
  /** {@code -Dgreenlet.test.cooperative=true} */
  private static final boolean COOPERATIVE = Boolean.getBoolean("greenlet.test.cooperative");

  private Hubs() {}

  /** A hub of real time. */
  public static Hub realTime() {
    return switched(Hub.realTime());
  }

  /** A hub of virtual time. */
  public static Hub virtualTime() {
    return switched(Hub.virtualTime());
  }

  /** The hub, made cooperative where the switch is on and the calling thread can run such a hub. */
  public static Hub switched(Hub hub) {
    return COOPERATIVE && !Thread.currentThread().isVirtual() ? hub.cooperative() : hub;
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
