package greenlet.journal;

import greenlet.hub.Task;
import java.time.Instant;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A program as it stood after an entry of its journal.
 *
 * @param time the program's time then
 * @param tasks its tasks that had not ended: the main task, with those below it that it and its tasks have spawned
 * @param waits what was waited for from outside, by the keys of the entries that would end that
 * @param end the entry that the program ends with there; null if it has not ended, or that is not in its journal
 * @param isDone whether the program has come to its end
 * @param result its result then; null if it has failed
 * @param failure what the program has ended by, if it has
 */
public record Replay(
    Instant time,
    List<Place> tasks,
    List<String> waits,
    @Nullable Entry end,
    boolean isDone,
    @Nullable Object result,
    @Nullable Throwable failure) {
  /**
   * Where a task stood.
   *
   * @param path what it is known by: the names of tasks that have spawned each other, counted
   * @param name its name
   * @param waitsFor what it waited for; for people
   * @param stack what its body had called, the innermost first
   * @param spawned the tasks that it has spawned, and those of tasks that have ended meanwhile
   */
  public record Place(
      String path,
      String name,
      @Nullable String waitsFor,
      List<StackTraceElement> stack,
      List<Place> spawned) {
    /** A line for each task, with what it waits for. */
    @Override
    public String toString() {
      var text =
          new StringBuilder(path).append(waitsFor == null ? " is ready" : " waits for " + waitsFor);
      for (Place each : spawned) text.append("\n  ").append(each.toString().replace("\n", "\n  "));
      return text.toString();
    }
  }

  /**
   * Runs a program again in the calling thread, as far as its entries go. No step is run.
   *
   * @param id the program, for messages
   * @param program the function
   * @param codec decodes the values
   * @param entries the journal, from its beginning on
   * @param until the number of the last entry that the program is given
   * @return how it stood
   * @throws Diverged if the program does not fit the entries
   */
  public static Replay of(
      String id, Program<?, ?> program, Codec codec, List<Entry> entries, long until) {
    Run.requireOutside("replay");
    var run = new Run(id, program, codec, entries, until, null);
    run.turn();
    Task<?> main = run.main();
    Task<?> done = main != null && main.isDone() ? main : null;
    Throwable failure = done == null ? null : done.exception();
    return new Replay(
        run.now(),
        places(run),
        run.waits().stream().map(wait -> wait.key).toList(),
        run.end(),
        done != null,
        done != null && failure == null ? done.result() : null,
        failure);
  }

  private static List<Place> places(Run run) {
    Map<TaskPath, Place> places = new IdentityHashMap<>();
    List<Place> top = new ArrayList<>();
    for (var each : run.paths().entrySet()) {
      Task<?> task = each.getKey();
      TaskPath path = each.getValue();
      var place =
          new Place(
              path.path,
              task.name(),
              task.waitsFor(),
              List.of(task.stackTrace()),
              new ArrayList<>());
      places.put(path, place);
      Place above = null;
      for (TaskPath maker = path.maker; maker != null && above == null; maker = maker.maker)
        above = places.get(maker);
      (above == null ? top : above.spawned).add(place);
    }
    return top;
  }
}
