package greenlet;

import java.lang.ref.WeakReference;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;

/**
 * Knows the greenlets that are made while it is open, in all threads, for {@link Snapshot} to tell of: a greenlet knows its parent,
 * and nobody its children. It has weak references, so that what is forgotten is collected. Where none is open, nothing is kept, and
 * nothing costs time.
 *
 * <pre>{@code
 * try (var census = new Census()) {
 *   program.run();
 *   System.out.println(Snapshot.text(Snapshot.ofThread(Greenlet.current())));
 * }
 * }</pre>
 */
public final class Census implements AutoCloseable {
  private static final int FEW = 64;
  private static final List<Census> OPEN = new CopyOnWriteArrayList<>();

  private final List<WeakReference<Greenlet>> seen = new ArrayList<>();
  private final Consumer<Object> watcher = this::see;
  private int purgeAt = FEW;

  /** Begins to look at what is made. */
  public Census() {
    OPEN.add(this);
    Probe.add(watcher);
  }

  private synchronized void see(Object made) {
    if (!(made instanceof Greenlet g)) return;
    if (seen.size() >= purgeAt) {
      purge();
      purgeAt = Math.max(FEW, 2 * seen.size());
    }
    seen.add(new WeakReference<>(g));
  }

  private void purge() {
    seen.removeIf(reference -> {
      Greenlet g = reference.get();
      return g == null || g.isDead();
    });
  }

  /** Those of all that are open, which have not ended, in the order of their making. */
  static List<Greenlet> greenlets() {
    List<Greenlet> all = new ArrayList<>();
    for (Census open : OPEN) open.addTo(all);
    return all;
  }

  private synchronized void addTo(List<Greenlet> all) {
    for (var reference : seen) {
      Greenlet g = reference.get();
      if (g != null && !g.isDead()) all.add(g);
    }
  }

  /** Forgets what it has seen, and sees nothing more. Does nothing a second time. */
  @Override
  public void close() {
    Probe.remove(watcher);
    OPEN.remove(this);
    synchronized (this) {
      seen.clear();
    }
  }
}
