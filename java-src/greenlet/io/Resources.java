package greenlet.io;

import greenlet.hub.Hub;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** What the classes of this package ask for, and how they get what has to be given back. */
final class Resources {
  private static final Object GIVEN_UP = new Object();

  private Resources() {}

  /** {@code given}, which must not be null; {@code need}: what it is for, for people. */
  static <T> T require(@Nullable T given, String need) {
    if (given == null) throw new IllegalArgumentException(need + ": got null");
    return given;
  }

  /** Makes something by {@link Hub#offload}. {@code discard} gets it if the wait has been given up, whenever it is made. */
  static <T> T offload(Callable<? extends T> how, Consumer<? super T> discard) {
    var made = new AtomicReference<@Nullable Object>();
    try {
      return Hub.offload(() -> {
        T resource = how.call();
        if (!made.compareAndSet(null, resource)) discard.accept(resource);
        return resource;
      });
    } catch (Throwable t) {
      discard(made.getAndSet(GIVEN_UP), discard);
      throw t;
    }
  }

  @SuppressWarnings("unchecked")
  private static <T> void discard(@Nullable Object made, Consumer<? super T> discard) {
    if (made != null) discard.accept((T) made);
  }
}
