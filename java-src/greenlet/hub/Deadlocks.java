package greenlet.hub;

import greenlet.CooperativeTree;
import greenlet.Greenlet;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/** Circles of tasks each of which is blocked by a lock of the JDK's that the next one holds. Only what is known, nothing guessed. */
final class Deadlocks {
  private Deadlocks() {}

  /** Those among {@code blocked}, which are all of one hub, in whose thread this is called. */
  static List<List<Blocked>> among(Collection<Blocked> blocked) {
    Map<Thread, Blocked> ofThreads = new IdentityHashMap<>();
    List<Thread> waiting = new ArrayList<>();
    for (Blocked wait : blocked) {
      waiting.add(wait.thread);
      for (Greenlet g = wait.greenlet; g != null; g = g.parent())
        for (Thread thread : CooperativeTree.threadsOf(g)) ofThreads.put(thread, wait);
    }
    Map<Thread, Thread> owners = LockOwners.of(waiting, ofThreads.keySet());
    List<List<Blocked>> circles = new ArrayList<>();
    Set<Blocked> seen = new HashSet<>();
    for (Blocked wait : blocked) {
      List<Blocked> path = new ArrayList<>();
      Blocked next = wait;
      while (next != null && seen.add(next)) {
        path.add(next);
        Thread owner = owners.get(next.thread);
        next = owner == null ? null : ofThreads.get(owner);
      }
      int begin = path.indexOf(next);
      if (begin >= 0) circles.add(path.subList(begin, path.size()));
    }
    return circles;
  }

  /** For people. */
  static String text(List<List<Blocked>> circles) {
    return circles.stream().map(Deadlocks::textOf).collect(Collectors.joining("; "));
  }

  private static String textOf(List<Blocked> circle) {
    return circle.stream()
        .map(wait -> wait.owner.who() + " is " + wait)
        .collect(
            Collectors.joining(
                ", ", "each of these holds a lock that the one before it waits for: ", ""));
  }
}
