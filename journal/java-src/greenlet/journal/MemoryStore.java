package greenlet.journal;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Keeps journals as long as the process lasts: for tests, and for programs that need not outlive it. */
public final class MemoryStore implements Store {
  private static final int VALUE_LIMIT = 64 << 20;

  private static final class Kept {
    final List<Entry> entries = new ArrayList<>();
    final Map<Long, Message> messages = new LinkedHashMap<>();
    final Set<String> keys = new HashSet<>();
    long next;
    long sent;
    @Nullable Park park;

    @Nullable Entry end() {
      if (entries.isEmpty()) return null;
      Entry last = entries.get(entries.size() - 1);
      return last.kind().ends() ? last : null;
    }

    Standing standing(String id) {
      return new Standing(id, entries.get(0), next, end(), park);
    }

    /** When it is to be run, if nobody does. */
    long due() {
      if (park == null) return Park.NEVER;
      for (Message m : messages.values()) if (park.awaits(m)) return 0;
      return park.due();
    }

    void take(Append append) {
      for (Entry entry : append.entries()) {
        if (entry.kind() == Entry.Kind.RESTART) entries.clear();
        entries.add(entry);
        next = entry.number() + 1;
      }
      append.taken().forEach(messages::remove);
      if (end() != null) messages.clear();
      park = append.park();
    }
  }

  private final Map<String, Kept> programs = new HashMap<>();
  private final Listeners listeners = new Listeners();
  private boolean isClosed;

  /** A store without programs. */
  public MemoryStore() {}

  @Override
  public synchronized List<Entry> read(String id) throws IOException {
    requireOpen();
    Kept kept = programs.get(id);
    return kept == null ? List.of() : List.copyOf(kept.entries);
  }

  @Override
  public synchronized @Nullable Standing standing(String id) throws IOException {
    requireOpen();
    Kept kept = programs.get(id);
    return kept == null ? null : kept.standing(id);
  }

  @Override
  public void forEach(Consumer<? super Standing> each) throws IOException {
    standings().forEach(each);
  }

  private synchronized List<Standing> standings() throws IOException {
    requireOpen();
    List<Standing> all = new ArrayList<>(programs.size());
    programs.forEach((id, kept) -> all.add(kept.standing(id)));
    return all;
  }

  @Override
  public synchronized List<String> unparked() throws IOException {
    requireOpen();
    List<String> ids = new ArrayList<>();
    programs.forEach((id, kept) -> {
      if (kept.end() == null && kept.park == null) ids.add(id);
    });
    return ids;
  }

  @Override
  public synchronized List<String> due(long time, int most) throws IOException {
    requireOpen();
    return programs.entrySet().stream()
        .filter(e -> e.getValue().due() <= time && e.getValue().park != null)
        .sorted(Comparator.comparingLong(e -> e.getValue().due()))
        .limit(most)
        .map(Map.Entry::getKey)
        .toList();
  }

  @Override
  public synchronized long nextDue() throws IOException {
    requireOpen();
    return programs.values().stream().mapToLong(Kept::due).min().orElse(Park.NEVER);
  }

  @Override
  public synchronized Set<String> append(List<Append> group) throws IOException {
    requireOpen();
    Set<String> refused = new HashSet<>();
    for (Append append : group) {
      Kept kept = programs.get(append.id());
      boolean isNext =
          kept == null
              ? append.number() == 0
              : append.number() == kept.next
                  && append.incarnation() == kept.entries.get(0).mark()
                  && kept.end() == null;
      if (!isNext) {
        refused.add(append.id());
        continue;
      }
      programs.computeIfAbsent(append.id(), id -> new Kept()).take(append);
    }
    return refused;
  }

  @Override
  public boolean send(String id, Message message) throws IOException {
    if (!keep(id, message)) return false;
    listeners.tell(id);
    return true;
  }

  private synchronized boolean keep(String id, Message message) throws IOException {
    requireOpen();
    Kept kept = programs.get(id);
    if (kept == null)
      throw new IllegalStateException(
          "there is no program %s to send a message to: execute it first".formatted(id));
    if (message.key() != null && kept.keys.contains(message.key())) return false;
    if (kept.end() != null)
      throw new IllegalStateException(
          "program %s has ended, and receives no message".formatted(id));
    if (message.key() != null) kept.keys.add(message.key());
    long number = kept.sent++;
    kept.messages.put(
        number,
        new Message(number, message.time(), message.name(), message.key(), message.value()));
    return true;
  }

  @Override
  public synchronized List<Message> messages(String id) throws IOException {
    requireOpen();
    Kept kept = programs.get(id);
    return kept == null ? List.of() : List.copyOf(kept.messages.values());
  }

  @Override
  public synchronized boolean delete(String id) throws IOException {
    requireOpen();
    Kept kept = programs.get(id);
    if (kept == null) return false;
    if (kept.end() == null)
      throw new IllegalStateException(
          "program %s has not ended, and is not deleted: cancel it, and wait for its end"
              .formatted(id));
    programs.remove(id);
    return true;
  }

  @Override
  public synchronized long prune(long time) throws IOException {
    requireOpen();
    int before = programs.size();
    programs
        .values()
        .removeIf(kept -> {
          Entry end = kept.end();
          return end != null && end.time() < time;
        });
    return before - programs.size();
  }

  @Override
  public int valueLimit() {
    return VALUE_LIMIT;
  }

  @Override
  public Runnable listen(Consumer<? super String> listener) {
    return listeners.add(listener);
  }

  @Override
  public synchronized void close() {
    isClosed = true;
  }

  private void requireOpen() throws IOException {
    if (isClosed) throw new IOException("the store is closed");
  }
}
