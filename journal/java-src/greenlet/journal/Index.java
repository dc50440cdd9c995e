package greenlet.journal;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** The programs of a directory, by their ids, as far as they are durable. For any thread. */
final class Index {
  private static final int SHARED_LIMIT = 1000;

  private final ReentrantLock lock = new ReentrantLock();
  private final Map<String, Kept> programs = new HashMap<>();
  private final TreeSet<Kept> due =
      new TreeSet<>(Comparator.comparingLong((Kept k) -> k.due).thenComparing((Kept k) -> k.id));
  private final Map<Set<String>, Set<String>> shared = new HashMap<>(); // that is the writer's
  private long bytes;

  private <T extends @Nullable Object> T locked(Function<Map<String, Kept>, T> task) {
    lock.lock();
    try {
      return task.apply(programs);
    } finally {
      lock.unlock();
    }
  }

  @Nullable Kept get(String id) {
    return this.<@Nullable Kept>locked(all -> all.get(id));
  }

  /** Puts these in the place of those with the same ids; a null removes that. */
  void putAll(Map<String, @Nullable Kept> changed) {
    lock.lock();
    try {
      changed.forEach(this::put);
    } finally {
      lock.unlock();
    }
  }

  private void put(String id, @Nullable Kept kept) {
    Kept old = kept == null ? programs.remove(id) : programs.put(id, kept);
    if (old != null) {
      bytes -= old.bytes;
      if (old.due != Park.NEVER) due.remove(old);
    }
    if (kept == null) return;
    bytes += kept.bytes;
    if (kept.due != Park.NEVER) due.add(kept);
  }

  /** How much room the programs take in the files. */
  long bytes() {
    return this.<Long>locked(all -> bytes);
  }

  List<String> ids(Predicate<Kept> which) {
    return locked(all -> {
      List<String> ids = new ArrayList<>();
      for (Kept kept : all.values()) if (which.test(kept)) ids.add(kept.id);
      return ids;
    });
  }

  List<String> due(long time, int most) {
    return locked(all -> {
      List<String> ids = new ArrayList<>();
      for (Kept kept : due) {
        if (kept.due > time || ids.size() >= most) break;
        ids.add(kept.id);
      }
      return ids;
    });
  }

  long nextDue() {
    return this.<Long>locked(all -> due.isEmpty() ? Park.NEVER : due.first().due);
  }

  /** The names that a park record has, once for all programs that have the same. For the writer alone. */
  @Nullable Set<String> share(@Nullable Park park) {
    if (park == null) return null;
    if (shared.size() >= SHARED_LIMIT) shared.clear();
    return shared.computeIfAbsent(park.messages(), names -> names);
  }
}
