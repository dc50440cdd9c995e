package greenlet.journal;

import java.io.IOException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

/** Random calls of a store: what they do is compared with what a {@link MemoryStore} does. */
final class RandomOperations {
  /** A call that writes; what it returns or throws, as text. */
  interface Operation {
    Object apply(Store store) throws IOException;

    default String outcome(Store store) throws IOException {
      try {
        return "" + apply(store);
      } catch (IllegalStateException e) {
        return e.toString();
      }
    }
  }

  static final int PROGRAMS = 12;

  private final Random random;
  private final Store model;
  private long time = 1000;

  /** With what is in {@code model} at the time of a call to choose what comes next. */
  RandomOperations(long seed, Store model) {
    random = new Random(seed);
    this.model = model;
  }

  Operation next() throws IOException {
    time += random.nextInt(3);
    String id = "p" + random.nextInt(PROGRAMS);
    switch (random.nextInt(20)) {
      case 0, 1, 2 -> {
        var message =
            new Message(
                0,
                time,
                random.nextInt(8) == 0 ? null : "m" + random.nextInt(3),
                random.nextInt(2) == 0 ? null : "k" + random.nextInt(30),
                "v" + time);
        return store -> store.send(id, message);
      }
      case 3 -> {
        return store -> store.delete(id);
      }
      case 4 -> {
        long before = time - random.nextInt(50);
        return store -> store.prune(before);
      }
      default -> {
        Set<String> ids = new HashSet<>();
        List<Append> group = new ArrayList<>();
        for (int n = 1 + random.nextInt(4); n > 0; n--) {
          String one = "p" + random.nextInt(PROGRAMS);
          if (ids.add(one)) group.add(append(one));
        }
        return store -> new TreeSet<>(store.append(group));
      }
    }
  }

  private Append append(String id) throws IOException {
    Standing standing = model.standing(id);
    long number = standing == null ? 0 : standing.next();
    if (random.nextInt(10) == 0) number += random.nextInt(3) - 1;
    long incarnation = standing == null ? 0 : standing.begin().mark();
    if (time % 20 == 11) incarnation++;
    List<Entry> entries = new ArrayList<>();
    if (standing == null) entries.add(entry(number, Entry.Kind.BEGIN));
    else if (random.nextInt(8) == 0) entries.add(entry(number, Entry.Kind.RESTART));
    for (int n = random.nextInt(4); n > 0; n--)
      entries.add(entry(number + entries.size(), Entry.Kind.OUTCOME));
    if (standing != null && random.nextInt(12) == 0)
      entries.add(entry(number + entries.size(), Entry.Kind.RESULT));
    List<Long> taken = new ArrayList<>();
    for (Message message : model.messages(id))
      if (random.nextInt(3) == 0) taken.add(message.number());
    boolean hasEnded = !entries.isEmpty() && entries.get(entries.size() - 1).kind().ends();
    Park park = null;
    if (!hasEnded && (entries.isEmpty() || random.nextInt(3) == 0))
      park =
          new Park(
              random.nextInt(3) == 0 ? Park.NEVER : time + random.nextInt(100),
              random.nextInt(2) == 0 ? Set.of() : Set.of("m1", "m2"));
    return new Append(id, incarnation, number, entries, taken, park);
  }

  private Entry entry(long number, Entry.Kind kind) {
    String value =
        random.nextInt(6) == 0
            ? null
            : "\u20ac".repeat(random.nextInt(2)) + "x".repeat(random.nextInt(40));
    return new Entry(number, time, kind, "k" + random.nextInt(9), random.nextLong(), value);
  }

  /** All that can be seen of a store, in an order of its own. */
  static String state(Store store) throws IOException {
    var programs = new TreeMap<String, String>();
    List<Standing> standings = new ArrayList<>();
    store.forEach(standings::add);
    for (Standing s : standings) {
      String park =
          s.park() == null ? "" : s.park().due() + "" + new TreeSet<>(s.park().messages());
      programs.put(
          s.id(),
          "\n%s %s %d %s %s %s %s"
              .formatted(
                  s.id(),
                  s.begin(),
                  s.next(),
                  s.end(),
                  park,
                  store.read(s.id()),
                  store.messages(s.id())));
    }
    return "%s%nunparked %s, due %s, next %d"
        .formatted(
            programs.values(),
            new TreeSet<>(store.unparked()),
            new TreeSet<>(store.due(1500, 1000)),
            store.nextDue());
  }
}
