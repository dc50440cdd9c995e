package greenlet.journal;

import static org.junit.jupiter.api.Assertions.assertEquals;

import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * Programs by chance: run live in a world whose steps end in an order by chance, replayed, cut at every entry, and continued. The trace of
 * each is that of a replay of its final journal.
 */
@ExtendWith(LeakCheck.class)
class RandomProgramTest {
  private static final long PROGRAMS = Long.getLong("greenlet.journal.programs", 150);

  /** A program that is made by chance: what each of its tasks does is a function of the seed. */
  private record Made(long seed, List<String> trace) implements Program<String, String> {
    @Override
    public String run(String argument) {
      return "end " + block(new Random(seed), 3);
    }

    private void note(Object what) {
      Task<?> task = Task.current();
      trace.add(
          (task == null ? "" : task.name()) + " " + Journal.now().toEpochMilli() + " " + what);
    }

    /** As many actions as chance says. Each draws its own chance, so that what is caught or cut short changes none of the others. */
    private String block(Random chance, int depth) {
      String last = "";
      int actions = 1 + chance.nextInt(3);
      for (int i = 0; i < actions; i++) last = action(new Random(chance.nextLong()), depth, last);
      return last;
    }

    private String action(Random chance, int depth, String last) {
      int kind = chance.nextInt(depth > 0 ? 12 : 6);
      try {
        String got = act(kind, chance, depth, last);
        note(kind + " " + got);
        return got;
      } catch (StepFailed | IllegalStateException e) {
        note(kind + " threw " + e.getMessage());
        return "thrown";
      } finally {
        if (chance.nextInt(4) == 0) Journal.step("undo", () -> "undone");
      }
    }

    private String act(int kind, Random chance, int depth, String last) {
      switch (kind) {
        case 0, 1:
          return Journal.step("s" + chance.nextInt(2), () -> "v", last);
        case 2:
          return Journal.step(
              "fails",
              () -> {
                throw new java.io.IOException("by chance");
              });
        case 3:
          Hub.sleep(Duration.ofMillis(chance.nextInt(3) * 5L));
          return "slept";
        case 4:
          return chance.nextInt(2) == 0
              ? Journal.receive("m" + chance.nextInt(2))
              : "" + Journal.random(100) + Journal.uuid();
        case 5:
          return "version " + Journal.version("v", 1 + chance.nextInt(2));
        case 6, 7:
          return Hub.timeout(
              Duration.ofMillis(chance.nextInt(4) * 5L),
              () -> block(chance, depth - 1),
              () -> "late");
        case 8:
          return Hub.scope(() -> spawning(chance, depth));
        case 9:
          return Hub.joiningScope(() -> spawning(chance, depth));
        case 10:
          return Hub.scope(() -> {
            Random own = new Random(chance.nextLong());
            Task<String> task = Hub.current().spawn("killed", () -> block(own, depth - 1));
            String mine = block(chance, depth - 1);
            task.kill();
            return mine;
          });
        default:
          return Hub.scope(() -> {
            Random own = new Random(chance.nextLong());
            Task<String> task = Hub.current().spawn(() -> block(own, depth - 1));
            return block(chance, depth - 1) + task.result();
          });
      }
    }

    private String spawning(Random chance, int depth) {
      int tasks = 1 + chance.nextInt(2);
      for (int i = 0; i < tasks; i++) {
        Random own = new Random(chance.nextLong());
        Hub.current().spawn(chance.nextBoolean() ? "t" : null, () -> block(own, depth - 1));
      }
      return block(chance, depth - 1);
    }
  }

  /** Runs a program by itself: steps end, messages come and time goes on as chance has it. What is appended is a journal. */
  private static final class World implements Run.Outside {
    final List<Entry> journal;
    final List<String> trace = new ArrayList<>();
    final List<String> started = new ArrayList<>();
    private final Random chance;
    private final List<Wait> steps = new ArrayList<>();
    private final Queue<Append> appends = new ArrayDeque<>();
    private final Run run;
    private long time;
    private long alarm;
    private int sent;
    private boolean isCancelled;

    World(long seed, List<Entry> before, long chanceSeed) {
      journal = new ArrayList<>(before);
      chance = new Random(chanceSeed);
      time = before.get(before.size() - 1).time();
      run = new Run("p", new Made(seed, trace), Codec.STRINGS, before, Long.MAX_VALUE, this);
    }

    /** As far as {@code entries}, or its end. */
    Entry run(int entries) {
      run.turn();
      while (run.end() == null && journal.size() < entries) {
        if (appends.peek() != null) {
          journal.addAll(appends.poll().entries());
          run.appended();
        } else {
          happen();
        }
      }
      Entry end = run.end();
      run.stop();
      return end;
    }

    private void happen() {
      int what = chance.nextInt(10);
      if (what < 6 && !steps.isEmpty()) complete(steps.remove(chance.nextInt(steps.size())));
      else if (what == 6) send();
      else if (what == 7 && chance.nextInt(10) == 0 && !isCancelled) cancel();
      else if (alarm != Park.NEVER) toAlarm();
      else if (steps.isEmpty()) send();
    }

    /** Also two at the same time, and at the same time as the alarm. */
    private void complete(Wait step) {
      if (chance.nextBoolean() && alarm != Park.NEVER) time = Math.max(time, alarm);
      else time += chance.nextInt(4);
      try {
        run.complete(step, Entry.Kind.OUTCOME, Codec.STRINGS.encode(step.body.call()));
      } catch (Exception e) {
        run.complete(step, Entry.Kind.FAILURE, run.failureText(e));
      }
    }

    private void send() {
      int number = sent++;
      List<Message> all = new ArrayList<>(run.messages());
      all.add(new Message(number, time, "m" + chance.nextInt(2), null, "\"" + number));
      run.setMessages(all);
    }

    private void cancel() {
      isCancelled = true;
      List<Message> all = new ArrayList<>(run.messages());
      all.add(new Message(-1, time, null, "cancel", null));
      run.setMessages(all);
    }

    private void toAlarm() {
      time = Math.max(time, alarm);
      run.settle();
    }

    @Override
    public long time() {
      return time;
    }

    @Override
    public int valueLimit() {
      return 10_000;
    }

    @Override
    public void start(Run of, Wait step) {
      started.add(step.key);
      steps.add(step);
    }

    @Override
    public void giveUp(Wait step) {
      steps.remove(step);
    }

    @Override
    public void append(Run of, Append append) {
      appends.add(append);
    }

    @Override
    public void setAlarm(Run of, long at) {
      alarm = at;
    }
  }

  private static List<Entry> beginning(long seed) {
    return List.of(new Entry(0, 1000, Entry.Kind.BEGIN, "made", seed, "\""));
  }

  private static List<String> replayed(long seed, List<Entry> journal) {
    List<String> trace = new ArrayList<>();
    Replay.of("p", new Made(seed, trace), Codec.STRINGS, journal, Long.MAX_VALUE);
    return trace;
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "Live, replayed, cut at every entry and continued: one trace, and no step again whose outcome is kept")
  void programs() {
    for (long seed = 0; seed < PROGRAMS; seed++) {
      var live = new World(seed, beginning(seed), ~seed);
      live.run(Integer.MAX_VALUE);
      String what = "program " + seed + " of " + live.journal;
      assertEquals(live.trace, replayed(seed, live.journal), what);
      for (int cut = 1; cut < live.journal.size(); cut += cut < 40 ? 1 : 17) {
        var on = new World(seed, live.journal.subList(0, cut), seed * 31 + cut);
        on.run(Integer.MAX_VALUE);
        assertEquals(on.trace, replayed(seed, on.journal), "cut at " + cut + ": " + what);
        for (Entry entry : live.journal.subList(0, cut))
          assertEquals(false, on.started.contains(entry.key()), entry + " begins again; " + what);
      }
    }
  }
}
