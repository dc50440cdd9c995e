package greenlet.journal;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.BiConsumer;
import org.jspecify.annotations.Nullable;

/**
 * A store in the threads that a host has for it: one that writes, all that has come meanwhile at once, and one that reads. They are
 * never interrupted, as those of steps are. What comes of a call is told in the host's thread, which all calls are made in.
 */
final class StoreThreads {
  private static final int MOST_IN_GROUP = 10_000;

  private final Store store;
  private final Mailbox host;
  private final ExecutorService writer = Executors.newSingleThreadExecutor(StoreThreads::daemon);
  private final ExecutorService reader = Executors.newSingleThreadExecutor(StoreThreads::daemon);
  private List<Appending> group = new ArrayList<>();
  private boolean isWriting;

  /** Why the store is over. */
  private @Nullable Throwable failure;

  /** Told whether an append was refused, or why nobody knows. */
  interface Done {
    void done(boolean isRefused, @Nullable Throwable failure);
  }

  private record Appending(Append append, Done done) {}

  StoreThreads(Store store, Mailbox host) {
    this.store = store;
    this.host = host;
  }

  private static Thread daemon(Runnable body) {
    return Thread.ofPlatform().daemon().name("greenlet journal store").unstarted(body);
  }

  void append(Append append, Done done) {
    Throwable why = failure;
    if (why != null) {
      host.post(() -> done.done(false, why));
      return;
    }
    group.add(new Appending(append, done));
    if (!isWriting) host.wake();
  }

  boolean isWriting() {
    return isWriting;
  }

  boolean isOver() {
    return failure != null;
  }

  /** Begins to write what is to be appended, if nothing is being written. */
  void flush() {
    if (isWriting || group.isEmpty()) return;
    isWriting = true;
    int most = Math.min(group.size(), MOST_IN_GROUP);
    List<Appending> writing = List.copyOf(group.subList(0, most));
    group = new ArrayList<>(group.subList(most, group.size()));
    if (most == 1 && store instanceof DirectoryStore directory) {
      writeAlone(directory, writing);
      return;
    }
    List<Append> appends = new ArrayList<>(most);
    for (Appending each : writing) appends.add(each.append);
    writer.execute(() -> write(writing, appends));
  }

  private void writeAlone(DirectoryStore directory, List<Appending> writing) {
    Append append = writing.get(0).append;
    try {
      directory
          .appendLater(append)
          .whenComplete((isWritten, thrown) -> {
            Set<String> refused = thrown == null && !isWritten ? Set.of(append.id()) : Set.of();
            host.post(() -> written(writing, refused, thrown));
          });
    } catch (Throwable t) {
      host.post(() -> written(writing, Set.of(), t));
    }
  }

  private void write(List<Appending> writing, List<Append> appends) {
    try {
      Set<String> refused = store.append(appends);
      host.post(() -> written(writing, refused, null));
    } catch (Throwable t) {
      host.post(() -> written(writing, Set.of(), t));
    }
  }

  private void written(List<Appending> writing, Set<String> refused, @Nullable Throwable thrown) {
    isWriting = false;
    if (thrown != null) failure = thrown;
    for (Appending each : writing) each.done.done(refused.contains(each.append.id()), thrown);
    flush();
  }

  /** {@code then}: gets the value, or what was thrown. */
  <T> void read(Callable<T> call, BiConsumer<@Nullable T, @Nullable Throwable> then) {
    reader.execute(() -> {
      try {
        T value = call.call();
        host.post(() -> then.accept(value, null));
      } catch (Throwable t) {
        host.post(() -> then.accept(null, t));
      }
    });
  }

  void end() {
    writer.shutdown();
    reader.shutdown();
  }
}
