package greenlet;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.bridge.Bridge;
import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.hub.Waiter;
import greenlet.tasklet.Channel;
import greenlet.tasklet.Tasklet;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;

/**
 * A StackOverflowError strikes a few frames above each public operation, on each kind of stack, and is caught. Afterwards whatever
 * took no part works, and what took part works or is dead and says of what.
 */
class OverflowTest {
  private static final int ROUNDS = Integer.getInteger("greenlet.overflow.rounds", 3000);
  private static final int MOST_FRAMES = 200;
  private static final int FAR = -1;
  private static final int[] STACK_KB = {256, 384, 512, 1024};
  private static final long LIMIT_SECONDS = 10;

  /** The kinds of stacks that an operation is called on. */
  private enum Where {
    ROOT,
    VIRTUAL_ROOT,
    GREENLET,
    BODY,
    SHARED_BODY,
    TASK;

    static final Set<Where> ALL = EnumSet.allOf(Where.class);
  }

  private record Operation(String name, Set<Where> on, Action action) {
    @Override
    public String toString() {
      return name;
    }
  }

  private interface Action {
    void run(Parts parts) throws Throwable;
  }

  private static final List<Operation> OPERATIONS = new ArrayList<>();

  private static void on(Set<Where> where, String name, Action action) {
    OPERATIONS.add(new Operation(name, where, action));
  }

  static {
    Set<Where> all = Where.ALL;
    Set<Where> bodies = EnumSet.of(Where.BODY, Where.SHARED_BODY);
    Set<Where> roots = EnumSet.of(Where.ROOT, Where.VIRTUAL_ROOT, Where.GREENLET);
    on(all, "start", p -> p.fresh.switchTo(7));
    on(all, "switch", p -> p.echo.switchTo(7));
    on(all, "throw into unstarted", p -> p.fresh.throwInto(new Thrown()));
    on(all, "throw", p -> p.echo.throwInto(new Thrown()));
    on(all, "close", p -> p.echo.close());
    on(all, "close unstarted", p -> p.fresh.close());
    on(all, "whole life", p -> Greenlet.of(args -> args[0]).switchTo(1));
    on(all, "look", p -> p.look());
    on(all, "parent", p -> p.fresh.setParent(p.echo));
    on(EnumSet.of(Where.GREENLET), "switch back", p -> p.root.switchTo(7));
    on(EnumSet.of(Where.GREENLET), "yield to the parent", p -> Generator.yield(7));
    on(all, "first pull", p -> p.untouched.next());
    on(all, "pull", p -> p.numbers.next());
    on(all, "first pull, shared", p -> p.untouchedShared.next());
    on(all, "pull, shared", p -> p.shared.next());
    on(all, "send", p -> p.numbers.send("x"));
    on(all, "throw into a cursor", p -> p.numbers.throwInto(new Thrown()));
    on(all, "close a cursor", p -> p.numbers.close());
    on(all, "close a shared cursor", p -> p.shared.close());
    on(all, "first pull of a chunk", p -> p.untouchedChunks.next());
    on(all, "pull of a chunk", p -> p.chunks.forEachRemaining(n -> {}));
    on(all, "close a chunked cursor", p -> p.chunks.close());
    on(all, "push", p -> upTo(5).forEach(n -> plain(n)));
    on(all, "push, early end", p -> upTo(5).forEachWhile(n -> plain(n) < 3));
    on(all, "stream", p -> upTo(5).stream().limit(3).toList());
    on(all, "pull from one that pulls", p -> outer(upTo(5)).cursor().forEachRemaining(n -> {}));
    on(all, "switch in a pulled body", p -> p.switching.next());
    on(all, "switch in a shared body", p -> p.switchingShared.next());
    on(all, "yield further out", p -> further().cursor().forEachRemaining(n -> {}));
    on(bodies, "yield", p -> p.out.yield(7));
    on(bodies, "yield by name", p -> Generator.yield(7));
    on(bodies, "yield all", p -> p.out.yieldAll(upTo(3)));
    on(roots, "hub", p -> hub());
    on(EnumSet.of(Where.TASK), "spawn", p -> Hub.current().spawn(() -> plain(1)));
    on(EnumSet.of(Where.TASK), "spawn, ask", p -> Hub.current().spawn(() -> plain(1)).result());
    on(EnumSet.of(Where.TASK), "sleep", p -> Hub.sleep(Duration.ofMillis(1)));
    on(EnumSet.of(Where.TASK), "give way", p -> Hub.sleep(Duration.ZERO));
    on(EnumSet.of(Where.TASK), "wake", p -> p.waiter.wake(1));
    on(EnumSet.of(Where.TASK), "kill", p -> p.sleeper.interrupt(new GreenletExit()));
    on(EnumSet.of(Where.TASK), "limit", p -> limited());
    on(EnumSet.of(Where.TASK), "scope", p -> Hub.scope(() -> Hub.current().spawn(() -> plain(1))));
    on(EnumSet.of(Where.TASK), "execute", p -> Hub.current().execute(() -> plain(1)));
    on(roots, "tasklets", p -> tasklets());
    on(roots, "run a tasklet", p -> schedules().run());
    on(roots, "run tasklets", p -> runs(schedules(), schedules()));
    on(roots, "throw into a tasklet", p -> started().throwInto(new Thrown()));
    on(roots, "kill a tasklet", p -> started().kill());
    on(all, "bridge", p -> p.stream.read());
  }

  private static final class Thrown extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  // What the operations are called with

  private static volatile int sink;

  private static int plain(int n) {
    sink = n;
    return n;
  }

  private static Generator<Integer> upTo(int end) {
    return Generator.of(out -> {
      for (int i = 0; i < end; i++) out.yield(i);
    });
  }

  private static Generator<Integer> outer(Generator<Integer> inner) {
    return Generator.of(out -> {
      try (Cursor<Integer> c = inner.cursor()) {
        while (c.hasNext()) out.yield(c.next());
      }
    });
  }

  /** The inner body yields to the outer traversal. */
  private static Generator<Integer> further() {
    return Generator.of(out -> {
      Generator<Integer> inner =
          Generator.of(in -> {
            for (int i = 0; i < 3; i++) out.yield(i);
          });
      inner.sharedCursor().forEachRemaining(n -> {});
    });
  }

  private static void hub() throws Exception {
    int sum =
        Hub.virtualTime()
            .run(() -> {
              Task<Integer> a = Hub.current().spawn(() -> plain(1));
              Hub.sleep(Duration.ofSeconds(1));
              return a.result() + 1;
            });
    check(sum == 2, "hub: %s", sum);
  }

  private static void limited() throws Exception {
    try {
      Hub.timeout(
          Duration.ofMillis(1),
          () -> {
            Hub.sleep(Duration.ofSeconds(1));
            return 1;
          });
    } catch (TimeoutException e) {
      // as it has to be
    }
  }

  private static void tasklets() {
    Tasklet.runAll();
    Channel<Integer> channel = Channel.confined();
    Tasklet sends =
        Tasklet.of(args -> {
          channel.send(1);
          return null;
        });
    sends.setup();
    check(channel.receive() == 1, "channel");
    Tasklet.runAll();
  }

  private static Tasklet schedules() {
    return Tasklet.of(
            args -> {
              Tasklet.schedule();
              return null;
            })
        .setup();
  }

  private static Tasklet started() {
    Tasklet t = schedules();
    t.run();
    return t;
  }

  private static void runs(Tasklet... all) {
    Tasklet.runN(2);
    check(Arrays.stream(all).allMatch(Tasklet::isAlive), "alive");
    Tasklet.runAll();
    check(Arrays.stream(all).noneMatch(Tasklet::isAlive), "ended");
  }

  /** What may take part in an operation. */
  private static final class Parts {
    final Greenlet root = Greenlet.root();
    final Greenlet echo = startedEcho();
    final Greenlet fresh = Greenlet.of(OverflowTest::echoes);
    final Cursor<Integer> numbers = begun(upTo(100).cursor());
    final Cursor<Integer> shared = begun(upTo(100).sharedCursor());
    final Cursor<Integer> chunks = begun(upTo(100).cursor(4));
    final Cursor<Integer> untouchedChunks = upTo(100).sharedCursor(4);
    final Cursor<Integer> untouched = upTo(100).cursor();
    final Cursor<Integer> untouchedShared = upTo(100).sharedCursor();
    final Greenlet other = startedEcho();
    final Cursor<Integer> switching = begun(switches(other).cursor());
    final Cursor<Integer> switchingShared = begun(switches(other).sharedCursor());
    final InputStream stream =
        Bridge.inputStream(out -> {
          for (int i = 0; i < 100; i++) {
            out.write(i);
            out.flush();
          }
        });
    Generator.Yielder<Integer> out = n -> null;
    Waiter waiter;
    Task<?> sleeper;

    void look() {
      OverflowTest.check(Greenlet.current().parent() != echo, "parent");
      plain(echo.stackTrace().length + echo.toString().length() + Greenlet.root().name().length());
    }

    /** Whatever is left works, or is dead and says so. */
    void check(Operation by, boolean struck) throws IOException {
      worksOrDied(echo, !struck);
      worksOrDied(other, !struck);
      if (!fresh.isDead() && fresh.parent() != echo) worksOrDied(fresh, false);
      worksOrDied(
          numbers, struck && !by.name.contains("cursor") && !by.name.equals("send") ? 1 : -1);
      worksOrDied(shared, struck && !by.name.contains("cursor") ? 1 : -1);
      worksOrDied(chunks, struck && !by.name.contains("chunk") ? 1 : -1);
      worksOrDied(untouchedChunks, struck ? 0 : -1);
      worksOrDied(untouched, struck ? 0 : -1);
      worksOrDied(untouchedShared, struck ? 0 : -1);
      worksOrDied(switching, -1);
      worksOrDied(switchingShared, -1);
      try {
        int read = stream.read();
        OverflowTest.check(read <= 1, "stream: %s", read);
      } catch (IOException e) {
        if (!struck || !saysOfOverflow(e)) throw e;
      }
    }
  }

  private static boolean saysOfOverflow(IOException e) {
    return e.getCause() instanceof StackOverflowError;
  }

  private static Object echoes(Object... args) {
    Object value = args[0];
    while (true) {
      value = Greenlet.current().parent().switchTo(value);
      if (Integer.valueOf(-1).equals(value)) return value;
    }
  }

  private static Greenlet startedEcho() {
    Greenlet g = Greenlet.of(OverflowTest::echoes);
    check(g.switchTo(1).equals(1), "first echo");
    return g;
  }

  private static Cursor<Integer> begun(Cursor<Integer> c) {
    check(c.next() == 0, "first element");
    return c;
  }

  private static Generator<Integer> switches(Greenlet to) {
    return Generator.of(out -> {
      for (int i = 0; ; i++) {
        if (i > 0) to.switchTo(i);
        out.yield(i);
      }
    });
  }

  // What has to hold

  private static void check(boolean holds, String what, Object... args) {
    if (!holds) throw new AssertionError(what.formatted(args));
  }

  private static void worksOrDied(Greenlet g, boolean tookNoPart) {
    if (g.isDead()) return;
    Greenlet before = g.parent();
    g.setParent(Greenlet.current());
    Object answer = g.switchTo(42);
    if (!g.isDead()) {
      check(Integer.valueOf(42).equals(answer), "%s answers %s", g, answer);
      check(Integer.valueOf(-1).equals(g.switchTo(-1)) && g.isDead(), "%s does not end", g);
    }
  }

  private static void worksOrDied(Cursor<Integer> c, int next) {
    if (c.isOver()) {
      try {
        c.next();
        throw new AssertionError(c + " goes on");
      } catch (NoSuchElementException e) {
        check(
            next < 0 || e.getCause() instanceof StackOverflowError,
            "%s does not say why: %s",
            c,
            e);
      } catch (IllegalStateException e) {
        check(e.getMessage().contains("closed"), "%s", e);
      }
      return;
    }
    int found;
    try {
      found = c.next();
    } catch (Thrown e) {
      return;
    }
    check(next < 0 || found == next, "%s: %s after %s", c, found, next - 1);
    int after = c.next();
    check(after == found + 1, "%s: %s after %s", c, after, found);
    c.close();
    check(c.isOver(), "%s is not over", c);
  }

  private static void everythingElseWorks() throws Throwable {
    Greenlet here = Greenlet.current();
    Greenlet g = startedEcho();
    check(g.switchTo(2).equals(2), "echo");
    g.close();
    check(g.isDead(), "closed");
    List<Integer> seen = new ArrayList<>();
    upTo(3).cursor().forEachRemaining(seen::add);
    upTo(3).stream().forEach(seen::add);
    upTo(3).sharedCursor().forEachRemaining(seen::add);
    outer(upTo(3)).forEach(seen::add);
    check(seen.equals(List.of(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2)), "elements: %s", seen);
    hub();
    tasklets();
    check(Greenlet.current() == here, "current: %s", Greenlet.current());
    try {
      Generator.yield(1);
      throw new AssertionError("a generator's body is left running");
    } catch (IllegalStateException e) {
      check(e.getMessage().contains("nobody to yield to"), "%s", e);
    }
  }

  // The edge of the stack

  /** Runs {@code task} as many frames above the place of overflow as {@code frames} says. */
  private static int atEdge(int frames, boolean[] ran, Callable<?> task) throws Exception {
    int above;
    try {
      above = atEdge(frames, ran, task) + 1;
    } catch (StackOverflowError e) {
      if (ran[0]) throw e;
      above = 0;
    }
    if (above == frames && !ran[0]) {
      ran[0] = true;
      task.call();
    }
    return above;
  }

  private static boolean strikes(int frames, Operation operation, Parts parts) throws Throwable {
    Callable<?> task =
        () -> {
          try {
            operation.action.run(parts);
          } catch (Thrown e) {
            // as it has to be
          } catch (Exception | Error e) {
            throw e;
          } catch (Throwable e) {
            throw new AssertionError(e);
          }
          return null;
        };
    try {
      if (frames == FAR) task.call();
      else atEdge(frames, new boolean[1], task);
      return false;
    } catch (StackOverflowError e) {
      return true;
    } catch (IOException e) { // what it has read has died of it
      if (saysOfOverflow(e)) return true;
      throw e;
    }
  }

  /** One round, in a thread of its own; whether the error struck. */
  private static boolean round(Where where, Operation operation, int frames) throws Throwable {
    Greenlet root = Greenlet.current();
    Greenlet bystander = startedEcho();
    Cursor<Integer> numbers = begun(upTo(10).cursor());
    Cursor<Integer> shared = begun(upTo(10).sharedCursor());
    boolean[] struck = new boolean[1];
    switch (where) {
      case ROOT, VIRTUAL_ROOT -> {
        Parts parts = new Parts();
        struck[0] = strikes(frames, operation, parts);
        parts.check(operation, struck[0]);
      }
      case GREENLET -> {
        Parts parts = new Parts();
        Greenlet g =
            Greenlet.of(args -> {
              Greenlet self = Greenlet.current();
              struck[0] = strikes(frames, operation, parts);
              check(Greenlet.current() == self, "current within: %s", Greenlet.current());
              return "end";
            });
        Object got = null;
        while (!g.isDead()) {
          try {
            got = g.switchTo();
          } catch (Thrown e) {
            // into a greenlet that began below the root
          }
        }
        check("end".equals(got), "the greenlet ended with %s", got);
        parts.check(operation, struck[0]);
      }
      case BODY, SHARED_BODY -> {
        Parts[] parts = new Parts[1];
        Generator<Integer> body =
            Generator.of(out -> {
              parts[0] = new Parts();
              parts[0].out = out;
              struck[0] = strikes(frames, operation, parts[0]);
              out.yield(-1);
              if (where == Where.SHARED_BODY) parts[0].check(operation, struck[0]);
            });
        try (Cursor<Integer> c = where == Where.BODY ? body.cursor() : body.sharedCursor()) {
          int last = 0;
          while (c.hasNext()) last = c.next();
          check(last == -1, "the last element is %s", last);
        }
        if (where == Where.BODY) parts[0].check(operation, struck[0]);
      }
      case TASK -> {
        String end =
            Hub.virtualTime()
                .run(() -> {
                  Parts parts = new Parts();
                  Task<Integer> other =
                      Hub.current()
                          .spawn(() -> {
                            Hub.sleep(Duration.ofSeconds(5));
                            return 5;
                          });
                  parts.sleeper =
                      Hub.current()
                          .spawn(() -> {
                            Hub.sleep(Duration.ofSeconds(5));
                            return 6;
                          });
                  parts.waiter = new Waiter("a test");
                  Waiter waiter = parts.waiter;
                  Task<Object> waits = Hub.current().spawn(waiter::await);
                  Hub.sleep(Duration.ZERO);
                  try {
                    struck[0] = strikes(frames, operation, parts);
                    parts.check(operation, struck[0]);
                    check(other.result() == 5, "task");
                    parts.sleeper.join();
                    waiter.wake(2);
                    waits.join();
                  } catch (Exception | Error e) {
                    throw e;
                  } catch (Throwable e) {
                    throw new AssertionError(e);
                  }
                  return "end";
                });
        check("end".equals(end), "hub");
      }
    }
    check(Greenlet.current() == root, "current: %s", Greenlet.current());
    check(bystander.switchTo(3).equals(3), "bystander");
    bystander.close();
    for (Cursor<Integer> c : List.of(numbers, shared)) {
      check(c.next() == 1 && c.next() == 2, "a bystander's element");
      c.close();
    }
    everythingElseWorks();
    return struck[0];
  }

  private static final class Hung extends Exception {
    private static final long serialVersionUID = 1L;

    Hung(Thread thread) {
      super("hangs");
      if (!thread.isVirtual()) setStackTrace(thread.getStackTrace());
    }
  }

  private static boolean inThread(Where where, Operation operation, int frames, int stackKb)
      throws Throwable {
    var task =
        new FutureTask<>(() -> {
          try {
            return round(where, operation, frames);
          } catch (Exception | Error e) {
            throw e;
          } catch (Throwable e) {
            throw new AssertionError(e);
          }
        });
    Thread thread =
        where == Where.VIRTUAL_ROOT
            ? Thread.ofVirtual().unstarted(task)
            : new Thread(null, task, "overflow", stackKb * 1024L);
    if (where != Where.VIRTUAL_ROOT) thread.setDaemon(true);
    thread.start();
    try {
      return task.get(LIMIT_SECONDS, TimeUnit.SECONDS);
    } catch (TimeoutException e) {
      throw new Hung(thread);
    } catch (java.util.concurrent.ExecutionException e) {
      throw e.getCause();
    }
  }

  /** Rounds; what went wrong, and how often. */
  private static Map<String, Integer> run(int rounds, long seed, int[] struck) {
    Random random = new Random(seed);
    Map<String, Integer> wrong = new TreeMap<>();
    List<Operation> only =
        OPERATIONS.stream()
            .filter(o -> o.name.matches(System.getProperty("greenlet.overflow.only", ".*")))
            .toList();
    int hung = 0;
    for (int i = 0; i < rounds; i++) {
      Operation operation = only.get(i % only.size());
      List<Where> on = List.copyOf(new java.util.TreeSet<>(operation.on));
      Where where = on.get(random.nextInt(on.size()));
      int frames = random.nextInt(MOST_FRAMES + 1);
      int stackKb = STACK_KB[random.nextInt(STACK_KB.length)];
      try {
        if (inThread(where, operation, frames, stackKb)) struck[0]++;
      } catch (Throwable t) {
        wrong.merge(describe(operation + " on " + where, t), 1, Integer::sum);
        if (t instanceof Hung && ++hung == 3) break;
      }
    }
    return wrong;
  }

  private static String describe(String what, Throwable t) {
    var text = new StringBuilder(what);
    for (Throwable c = t; c != null; c = c.getCause())
      text.append("\n    ")
          .append(c.toString().replaceAll("(greenlet|generator|Thread)-\\d+|#\\d+", "$1"));
    int shown = t instanceof Hung ? 14 : Integer.getInteger("greenlet.overflow.frames", 6);
    Throwable root = t;
    while (root.getCause() != null) root = root.getCause();
    Arrays.stream(root.getStackTrace())
        .limit(shown)
        .forEach(f -> text.append("\n        at ").append(f));
    return text.toString();
  }

  @Test
  @DisplayName("Whatever took no part works, and what took part works or says of what it died")
  void strikesAnywhere() throws Throwable {
    // far from the edge nothing overflows, and every class is initialised
    for (Operation operation : OPERATIONS) {
      for (Where where : operation.on)
        assertFalse(inThread(where, operation, FAR, 1024), operation + " on " + where);
    }
    int[] struck = new int[1];
    long seed = Long.getLong("greenlet.overflow.seed", 1);
    Map<String, Integer> wrong = run(ROUNDS, seed, struck);
    System.out.println(ROUNDS + " rounds, " + struck[0] + " struck, seed " + seed);
    wrong.forEach((what, n) -> System.out.println("  WRONG " + n + " x " + what));
    assertTrue(wrong.isEmpty(), () -> "" + wrong);
    assertTrue(struck[0] > ROUNDS / 10, "the error struck in " + struck[0] + " rounds alone");
  }
}
