package greenlet.hub;

import greenlet.Generator;
import greenlet.GreenletExit;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Several tasks, events or other things to wait for, in the order in which they become complete. */
public final class Completions {
  private static final String NOTHING = "there is nothing to wait for";

  private Completions() {}

  /**
   * Tasks in the order in which they end.
   *
   * @param tasks the tasks; read at once
   * @param <K> their type
   * @return a generator of the tasks, to be traversed in a task
   */
  public static <K extends Task<?>> Generator<K> inOrder(Iterable<? extends K> tasks) {
    return inOrder(tasks, task -> task.join());
  }

  /**
   * Things that tasks can wait for, in the order in which they become complete, whether with a value or an exception. A task waits for
   * each that is no task of the current hub; it is killed when the traversal ends.
   *
   * @param sources the things; read at once
   * @param await waits for one of them, such as {@code Event::await}; an exception that it throws is one way to be complete
   * @param <S> their type
   * @return a generator of the things, to be traversed in a task
   */
  public static <S> Generator<S> inOrder(Iterable<? extends S> sources, Consumer<? super S> await) {
    Hub.require(await, "completions need a function that waits");
    List<S> all = new ArrayList<>();
    for (S source : Hub.require(sources, NOTHING)) all.add(Hub.require(source, NOTHING));
    return Generator.of(out -> new Traversal<S>(await).traverse(all, out));
  }

  private static final class Traversal<S> {
    private final Consumer<? super S> await;
    private final Queue<S> complete = Queue.fifo();
    private final List<Task<?>> waits = new ArrayList<>();
    private final List<Runnable> unlinks = new ArrayList<>();

    Traversal(Consumer<? super S> await) {
      this.await = await;
    }

    void traverse(List<S> sources, Generator.Yielder<S> out) {
      try {
        for (S source : sources) link(source);
        for (int i = 0; i < sources.size(); i++) out.yield(complete.take());
      } finally {
        unlinks.forEach(Runnable::run);
        Pool.killAll(waits);
      }
    }

    private void link(S source) {
      Hub hub = Hub.current();
      Task<?> task;
      if (source instanceof Task<?> t && t.hub() == hub) task = t;
      else waits.add(task = hub.spawn(() -> await(source)));
      if (task == Task.current()) task.join(); // which refuses
      unlinks.add(task.linked(() -> complete.put(source)));
    }

    private @Nullable Object await(S source) {
      try {
        await.accept(source);
      } catch (GreenletExit e) {
        throw e;
      } catch (Throwable t) {
        // complete, with an exception
      }
      return null;
    }
  }
}
