package greenlet.journal;

import java.util.Collection;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;

/** Who hears of the messages that a store was sent: see {@link Store#listen}. For any thread. */
final class Listeners {
  private final Collection<Consumer<? super String>> all = new CopyOnWriteArrayList<>();

  Runnable add(Consumer<? super String> listener) {
    all.add(listener);
    return () -> all.remove(listener);
  }

  void tell(String id) {
    for (Consumer<? super String> listener : all) listener.accept(id);
  }
}
