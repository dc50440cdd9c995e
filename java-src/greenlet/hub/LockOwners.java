package greenlet.hub;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.locks.AbstractOwnableSynchronizer;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Who owns the locks that virtual threads wait for. No public API tells. The owners of j.u.c. locks take one flag, those of monitors
 * another one and JDK 25 or later. This is the one class that looks there.
 */
final class LockOwners {
  private static final String OUR_MODULE =
      LockOwners.class.getModule().isNamed()
          ? LockOwners.class.getModule().getName()
          : "ALL-UNNAMED";

  static final String LOCKS = "--add-opens java.base/java.util.concurrent.locks=" + OUR_MODULE;
  static final String MONITORS = "--add-opens java.base/jdk.internal.vm=" + OUR_MODULE;

  private static final @Nullable MethodHandle OWNER = owner();
  private static final @Nullable Snapshots SNAPSHOTS = snapshots();

  private LockOwners() {}

  private static @Nullable MethodHandle owner() {
    Class<?> synchronizer = AbstractOwnableSynchronizer.class;
    try {
      return MethodHandles.privateLookupIn(synchronizer, MethodHandles.lookup())
          .findVirtual(
              synchronizer, "getExclusiveOwnerThread", MethodType.methodType(Thread.class));
    } catch (ReflectiveOperationException e) {
      return null;
    }
  }

  /** How the JDK's own thread dump looks at a thread. */
  private record Snapshots(
      MethodHandle of, MethodHandle blockedOn, MethodHandle stackTrace, MethodHandle ownedAt) {}

  private static @Nullable Snapshots snapshots() {
    try {
      Class<?> snapshot = Class.forName("jdk.internal.vm.ThreadSnapshot");
      var lookup = MethodHandles.privateLookupIn(snapshot, MethodHandles.lookup());
      return new Snapshots(
          lookup
              .findStatic(snapshot, "of", MethodType.methodType(snapshot, Thread.class))
              .asType(MethodType.methodType(Object.class, Thread.class)),
          lookup
              .findVirtual(snapshot, "blockedOn", MethodType.methodType(Object.class))
              .asType(MethodType.methodType(Object.class, Object.class)),
          lookup
              .findVirtual(snapshot, "stackTrace", MethodType.methodType(StackTraceElement[].class))
              .asType(MethodType.methodType(StackTraceElement[].class, Object.class)),
          lookup
              .findVirtual(
                  snapshot, "ownedMonitorsAt", MethodType.methodType(Stream.class, int.class))
              .asType(MethodType.methodType(Stream.class, Object.class, int.class)));
    } catch (ReflectiveOperationException e) {
      return null;
    }
  }

  /** What cannot be known in this JVM, and the flag for it; empty if all can. */
  static String unknown() {
    List<String> unknown = new ArrayList<>(2);
    if (OWNER == null)
      unknown.add("the owners of java.util.concurrent's locks: that takes " + LOCKS);
    if (SNAPSHOTS == null)
      unknown.add("the owners of monitors: that takes JDK 25 or later and " + MONITORS);
    return String.join("; ", unknown);
  }

  static boolean canBeKnown() {
    return OWNER != null || SNAPSHOTS != null;
  }

  /**
   * For each of {@code waiting} the owner of what it waits for, without a limit of time, in a lock or for a monitor; of monitors only
   * an owner that is among {@code all}. All are virtual threads that do not run, and are not going to meanwhile.
   */
  static Map<Thread, Thread> of(Collection<Thread> waiting, Collection<Thread> all) {
    Map<Thread, Thread> owners = new IdentityHashMap<>();
    Map<Object, Thread> ofMonitors = null;
    for (Thread thread : waiting) {
      Thread owner = null;
      if (thread.getState() == Thread.State.WAITING) {
        owner = ofLock(LockSupport.getBlocker(thread));
      } else if (thread.getState() == Thread.State.BLOCKED && SNAPSHOTS != null) {
        if (ofMonitors == null) ofMonitors = ownersOfMonitors(SNAPSHOTS, all);
        owner = ofMonitors.get(blockedOn(SNAPSHOTS, thread));
      }
      if (owner != null) owners.put(thread, owner);
    }
    return owners;
  }

  private static @Nullable Thread ofLock(@Nullable Object blocker) {
    if (OWNER == null || !(blocker instanceof AbstractOwnableSynchronizer lock)) return null;
    try {
      return (Thread) OWNER.invokeExact(lock);
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }

  private static @Nullable Object blockedOn(Snapshots snapshots, Thread thread) {
    try {
      Object snapshot = (Object) snapshots.of.invokeExact(thread);
      return snapshot == null ? null : (Object) snapshots.blockedOn.invokeExact(snapshot);
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }

  private static Map<Object, Thread> ownersOfMonitors(Snapshots snapshots, Collection<Thread> all) {
    Map<Object, Thread> owners = new IdentityHashMap<>();
    for (Thread thread : all) {
      for (Object monitor : monitorsOf(snapshots, thread)) owners.put(monitor, thread);
    }
    return owners;
  }

  private static Collection<Object> monitorsOf(Snapshots snapshots, Thread thread) {
    try {
      Object snapshot = (Object) snapshots.of.invokeExact(thread);
      if (snapshot == null) return List.of();
      Collection<Object> monitors = Collections.newSetFromMap(new IdentityHashMap<>());
      var frames = (StackTraceElement[]) snapshots.stackTrace.invokeExact(snapshot);
      for (int i = 0; i < frames.length; i++) {
        Stream<?> owned = (Stream) snapshots.ownedAt.invokeExact(snapshot, i);
        owned.forEach(monitors::add);
      }
      return monitors;
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }
}
