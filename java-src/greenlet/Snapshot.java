package greenlet;

import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Deque;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * How a greenlet, a task or whatever else runs stood when somebody looked at it: texts and times alone, so that a snapshot keeps
 * nothing alive. To look realises nothing and switches to nobody. A list of snapshots is a tree, in the order of its lines: what
 * has a parent comes after that, one deeper.
 *
 * <pre>{@code
 * System.out.println(Snapshot.text(Snapshot.ofThread(Greenlet.current())));
 * }</pre>
 *
 * <p>May be used from any thread. What belongs to another thread may have gone on while it was looked at.
 *
 * @param kind what it is: "thread", "hub", "task", "tasklet", "greenlet", or what another scheduler calls its own
 * @param name its name
 * @param state how it stands, in a word or two: "running", "suspended", "ready"
 * @param parent the name of what it belongs to; null if it is at the top
 * @param depth how many are above it in its list
 * @param waiting what it waits for; null if it does not wait, or nobody knows for what
 * @param place where its code is; null if that is not known, or it has none
 * @param spawnedBy who made it; null if nobody has asked for that
 */
public record Snapshot(
    String kind,
    String name,
    String state,
    @Nullable String parent,
    int depth,
    @Nullable Waiting waiting,
    @Nullable Place place,
    @Nullable String spawnedBy) {

  /**
   * A wait.
   *
   * @param what for what, for people
   * @param time for how long, by the clock of whoever has it wait; null if that is not known
   * @param isAtLeast whether it may be longer, as nobody looked when it began
   */
  public record Waiting(String what, @Nullable Duration time, boolean isAtLeast) {
    @Override
    public String toString() {
      if (time == null) return "waits for " + what;
      return "waits for "
          + what
          + " since "
          + (isAtLeast ? "at least " : "")
          + seconds(time)
          + " ago";
    }
  }

  /**
   * A place in the code of the library's users.
   *
   * @param frame the innermost frame
   * @param isOld whether that is where it was seen last, because it runs now, and to ask for its stack would put the JVM at risk
   */
  public record Place(StackTraceElement frame, boolean isOld) {
    @Override
    public String toString() {
      return (isOld ? "last seen at " : "at ") + frame;
    }
  }

  /** Something that has snapshots: a scheduler, for one. Where it is a {@link RootLocal}'s value, it is a part of its thread. */
  @FunctionalInterface
  public interface Source {
    /**
     * Tells what there is, in the order of a tree. May be called in any thread; must neither wait nor switch.
     *
     * @param listener gets each
     */
    void tell(Listener listener);
  }

  /** Who is told of snapshots. */
  @FunctionalInterface
  public interface Listener {
    /**
     * Called for each in turn.
     *
     * @param snapshot the next one of a tree
     * @param greenlet what it runs on, below which greenlets of its own stand; null if it has none
     */
    void add(Snapshot snapshot, @Nullable Greenlet greenlet);
  }

  /** Those of the JDK's whose text is about themselves alone. */
  private static final Pattern OF_JDK =
      Pattern.compile(
          "(java\\.(lang|time|net|nio|io|util\\.concurrent\\.locks)|sun\\.nio)\\..*|java\\.util\\.(UUID|concurrent\\.CompletableFuture)");

  private static final List<WeakReference<Source>> KNOWN = new ArrayList<>();

  /**
   * Looks at one greenlet.
   *
   * @param greenlet what to look at
   * @return how it stands
   */
  public static Snapshot of(Greenlet greenlet) {
    Greenlet parent = greenlet.parent();
    return new Snapshot(
        parent == null ? "thread" : "greenlet",
        parent == null ? Context.name(greenlet.thread()) : greenlet.name(),
        greenlet.how(),
        parent == null ? null : parent.name(),
        0,
        null,
        placeOf(greenlet),
        null);
  }

  /**
   * All that is known to run in a thread: its root, what schedulers tell that run there, the current greenlet and those above it,
   * and the greenlets that a {@link Census} has seen.
   *
   * @param greenlet any greenlet of the thread; {@link Greenlet#current()} for the calling one
   * @return the tree
   */
  public static List<Snapshot> ofThread(Greenlet greenlet) {
    Greenlet root = greenlet;
    for (Greenlet g = greenlet; g != null; g = g.parent()) root = g;
    ThreadState state = root.state();
    var tree = new Tree();
    tree.add(of(root), root);
    if (state != null) {
      for (Object local : state.locals)
        if (local instanceof Source source) source.tell(tree.under(root));
      tree.know(state.current());
    }
    for (Greenlet each : Census.greenlets()) tree.knowIfBelow(each);
    return tree.list();
  }

  /**
   * All that a source tells, and the greenlets below that which a {@link Census} has seen.
   *
   * @param source a scheduler, such as a hub
   * @return the tree
   */
  public static List<Snapshot> of(Source source) {
    var tree = new Tree();
    source.tell(tree);
    for (Greenlet each : Census.greenlets()) tree.knowIfBelow(each);
    return tree.list();
  }

  /**
   * All that {@linkplain #know known} sources tell, in the order in which they became known.
   *
   * @return their trees, one after the other
   */
  public static List<Snapshot> ofKnown() {
    List<Source> sources = new ArrayList<>();
    synchronized (KNOWN) {
      KNOWN.removeIf(reference -> reference.get() == null);
      for (var reference : KNOWN) {
        Source source = reference.get();
        if (source != null) sources.add(source);
      }
    }
    List<Snapshot> all = new ArrayList<>();
    for (Source source : sources) all.addAll(of(source));
    return all;
  }

  /**
   * Has {@link #ofKnown} look at a source from now on, for as long as somebody else holds it. Does nothing a second time.
   *
   * @param source a scheduler, such as a hub
   */
  public static void know(Source source) {
    synchronized (KNOWN) {
      KNOWN.removeIf(reference -> reference.get() == null || reference.get() == source);
      KNOWN.add(new WeakReference<>(source));
    }
  }

  /**
   * The same, at another place of a tree.
   *
   * @param newParent the name of what it stands under; null for the top
   * @param newDepth how many are above it
   * @return the copy
   */
  public Snapshot at(@Nullable String newParent, int newDepth) {
    return new Snapshot(kind, name, state, newParent, newDepth, waiting, place, spawnedBy);
  }

  /**
   * Where a greenlet is: the innermost frame that is the user's, and not of the JDK or of Clojure. One that runs, in a virtual thread
   * and not in the calling one, is not asked: that can crash the JVM.
   *
   * @param greenlet which one
   * @return the place; null if that is not known, or it has none
   */
  public static @Nullable Place placeOf(Greenlet greenlet) {
    ThreadState state = greenlet.state();
    if (state != null && state.current() == greenlet && isInVirtualThread(greenlet, state))
      return null;
    StackTraceElement top = greenlet.top(Snapshot::isUsers);
    return top == null ? null : new Place(top, false);
  }

  private static boolean isInVirtualThread(Greenlet greenlet, ThreadState state) {
    Context here = Context.current();
    if (here != null && ThreadState.of(here) == state) return false;
    boolean isOnThread = greenlet.isRoot() || state.engine() instanceof ContinuationEngine;
    return !isOnThread || state.thread.isVirtual();
  }

  private static boolean isUsers(StackTraceElement frame) {
    String module = frame.getModuleName();
    boolean isOfJdk = module != null && (module.startsWith("java.") || module.startsWith("jdk."));
    return !isOfJdk && !frame.getClassName().startsWith("clojure.");
  }

  /**
   * A text for people that is had without risk, in any thread: that of strings, numbers, keywords, and of what this library and the
   * JDK have, but for what may contain something; of everything else the class. For a text may realise a lazy sequence, or never end.
   *
   * @param what anything
   * @return its text
   */
  public static String textOf(@Nullable Object what) {
    if (what == null) return "nothing";
    if (what instanceof SwitchArgs several)
      return several.stream().map(Snapshot::textOf).collect(Collectors.joining(", ", "[", "]"));
    Class<?> of = what.getClass();
    try {
      if (isHarmless(what, of.getName())) return what.toString();
    } catch (RuntimeException e) {
      // it is another thread's, and being changed
    }
    return of.isHidden() ? "a function" : "a " + of.getName();
  }

  private static boolean isHarmless(Object what, String className) {
    return what instanceof CharSequence
        || what instanceof Number
        || what instanceof Enum
        || className.equals("clojure.lang.Keyword")
        || className.equals("clojure.lang.Symbol")
        || (className.startsWith("greenlet.") && isOfLibrary(what.getClass()))
        || OF_JDK.matcher(className).matches();
  }

  private static boolean isOfLibrary(Class<?> of) {
    return !of.isHidden() && of.getClassLoader() == Snapshot.class.getClassLoader();
  }

  static String seconds(Duration time) {
    return Duration.ofMillis(time.toMillis())
        .toString()
        .substring(2)
        .toLowerCase(java.util.Locale.ROOT);
  }

  /**
   * A tree as text: a line for each, with its state, what it waits for, where it is and who made it.
   *
   * @param tree snapshots, in the order of their tree
   * @return the lines
   */
  public static String text(Collection<Snapshot> tree) {
    var text = new StringBuilder();
    for (Snapshot each : tree) {
      if (!text.isEmpty()) text.append('\n');
      text.repeat(' ', 2 * each.depth).append(each);
    }
    return text.toString();
  }

  /** A line; for people, and not fixed. */
  @Override
  public String toString() {
    var line = new StringBuilder().append(kind).append(' ').append(name).append(", ").append(state);
    if (waiting != null) line.append(", ").append(waiting);
    if (place != null) line.append(", ").append(place);
    if (spawnedBy != null) line.append(", by ").append(spawnedBy);
    return line.toString();
  }

  /** What is told, and between it the greenlets that nobody tells of. */
  private static final class Tree implements Listener {
    private record Told(Snapshot snapshot, @Nullable Greenlet greenlet) {}

    private final List<Told> told = new ArrayList<>();
    private final Set<Greenlet> mentioned = new HashSet<>();
    private final Map<Greenlet, List<Greenlet>> below = new IdentityHashMap<>();

    @Override
    public void add(Snapshot snapshot, @Nullable Greenlet greenlet) {
      told.add(new Told(snapshot, greenlet));
      if (greenlet != null) mentioned.add(greenlet);
    }

    Listener under(Greenlet root) {
      String name = Context.name(root.thread());
      return (snapshot, greenlet) ->
          add(
              snapshot.at(snapshot.depth == 0 ? name : snapshot.parent, snapshot.depth + 1),
              greenlet);
    }

    /** A greenlet, and those above it, that nobody may have told of. */
    void know(Greenlet greenlet) {
      for (Greenlet g = greenlet; g != null && mentioned.add(g); g = g.parent()) {
        Greenlet parent = g.parent();
        if (parent != null) below.computeIfAbsent(parent, p -> new ArrayList<>()).add(g);
      }
    }

    void knowIfBelow(Greenlet greenlet) {
      for (Greenlet g = greenlet; g != null; g = g.parent()) {
        if (!mentioned.contains(g)) continue;
        know(greenlet);
        return;
      }
    }

    List<Snapshot> list() {
      List<Snapshot> all = new ArrayList<>(told.size());
      for (Told each : told) {
        all.add(each.snapshot);
        if (each.greenlet != null) addBelow(all, each.greenlet, each.snapshot);
      }
      return all;
    }

    private void addBelow(List<Snapshot> all, Greenlet of, Snapshot top) {
      record Next(Greenlet greenlet, String parent, int depth) {}
      Deque<Next> open = new ArrayDeque<>();
      Greenlet above = of;
      Snapshot parent = top;
      while (true) {
        List<Greenlet> children = below.getOrDefault(above, List.of());
        for (Greenlet child : children.reversed())
          open.push(new Next(child, parent.name, parent.depth + 1));
        if (open.isEmpty()) return;
        Next next = open.pop();
        above = next.greenlet;
        parent = of(above).at(next.parent, next.depth);
        all.add(parent);
      }
    }

    private static Snapshot of(Greenlet greenlet) {
      return Snapshot.of(greenlet);
    }
  }
}
