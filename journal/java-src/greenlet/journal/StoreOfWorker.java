package greenlet.journal;

import java.io.IOException;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A shared store as one worker sees it: {@link #due} gives it programs that belong to nobody, and an append to one that it does not have is
 * refused. Knows which programs the worker has.
 */
final class StoreOfWorker implements Store {
  private final SharedStore store;
  private final String worker;
  private final SharedStore.Share share;
  private final long pollMillis;
  private final Set<String> own = ConcurrentHashMap.newKeySet();

  /** {@code pollMillis}: how long others may have changed something before the worker looks. */
  StoreOfWorker(SharedStore store, String worker, SharedStore.Share share, long pollMillis) {
    this.store = store;
    this.worker = worker;
    this.share = share;
    this.pollMillis = pollMillis;
  }

  SharedStore shared() {
    return store;
  }

  /** How many programs the worker has. */
  int size() {
    return own.size();
  }

  @Override
  public List<String> unparked() {
    return List.of(); // they are due
  }

  @Override
  public List<String> due(long time, int atOnce) throws IOException {
    int room = Math.min(atOnce, share.most() - own.size());
    List<String> taken = room > 0 ? store.take(worker, share, time, room) : List.of();
    own.addAll(taken);
    WorkerRecords.taken(worker, taken.size());
    return taken;
  }

  @Override
  public long nextDue() throws IOException {
    return Math.min(store.nextDue(share), System.currentTimeMillis() + pollMillis);
  }

  @Override
  public Set<String> append(List<Append> group) throws IOException {
    for (Append append : group) if (append.number() == 0) own.add(append.id());
    Set<String> refused = store.append(worker, share.version(), group);
    for (Append append : group)
      if (refused.contains(append.id()) || isGivenBack(append)) own.remove(append.id());
    return refused;
  }

  private static boolean isGivenBack(Append append) {
    int last = append.entries().size() - 1;
    return append.park() != null || (last >= 0 && append.entries().get(last).kind().ends());
  }

  @Override
  public List<Entry> read(String id) throws IOException {
    return store.read(id);
  }

  @Override
  public @Nullable Standing standing(String id) throws IOException {
    return store.standing(id);
  }

  @Override
  public void forEach(Consumer<? super Standing> each) throws IOException {
    store.forEach(each);
  }

  @Override
  public boolean send(String id, Message message) throws IOException {
    return store.send(id, message);
  }

  @Override
  public List<Message> messages(String id) throws IOException {
    return store.messages(id);
  }

  @Override
  public boolean delete(String id) throws IOException {
    return store.delete(id);
  }

  @Override
  public long prune(long time) throws IOException {
    return store.prune(time);
  }

  @Override
  public int valueLimit() {
    return store.valueLimit();
  }

  @Override
  public Runnable listen(Consumer<? super String> listener) {
    return store.listen(listener);
  }

  @Override
  public void close() throws IOException {
    store.close();
  }
}
