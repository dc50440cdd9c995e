package greenlet.bridge;

import greenlet.Cursor;
import java.util.Objects;
import java.util.concurrent.Flow;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;

/**
 * One subscriber's traversal of a generator. Any thread may request and cancel, also from within onNext; whichever finds
 * nobody at it pulls, and goes on until all that was requested meanwhile has been sent.
 */
final class CursorSubscription<T> implements Flow.Subscription {
  private final Cursor<? extends T> elements;
  private final Flow.Subscriber<? super T> subscriber;

  /** What is yet to be sent; above zero while somebody is at it, and for ever once it is over. */
  private final AtomicLong demand = new AtomicLong();

  private volatile boolean cancelled;
  private volatile @Nullable IllegalArgumentException misuse;

  CursorSubscription(Cursor<? extends T> elements, Flow.Subscriber<? super T> subscriber) {
    this.elements = elements;
    this.subscriber = Objects.requireNonNull(subscriber);
  }

  @Override
  public void request(long count) {
    if (count <= 0 && misuse == null) {
      misuse =
          new IllegalArgumentException(
              "a subscriber has to request one element or more, by rule 3.9 of Reactive "
                  + "Streams: "
                  + subscriber
                  + " requested "
                  + count);
    }
    demand(Math.max(1, count));
  }

  @Override
  public void cancel() {
    cancelled = true;
    demand(1);
  }

  private void demand(long count) {
    if (demand.getAndAccumulate(count, CursorSubscription::sum) != 0) return;
    try {
      while (send()) {
        if (demand.decrementAndGet() == 0) return;
      }
    } catch (Throwable t) {
      report(t);
    }
  }

  /** Those who request and cancel are not to get it, and for the subscriber it is too late or its own. */
  private void report(Throwable t) {
    Thread thread = Thread.currentThread();
    try {
      elements.close();
    } catch (Throwable another) {
      if (another != t) t.addSuppressed(another);
    }
    thread.getUncaughtExceptionHandler().uncaughtException(thread, t);
  }

  private static long sum(long a, long b) {
    return a + b < 0 ? Long.MAX_VALUE : a + b;
  }

  /** Sends one signal; false if it was the last. */
  private boolean send() {
    T element = null;
    Throwable failure = misuse;
    if (cancelled || failure != null) {
      elements.close();
    } else {
      try {
        if (elements.hasNext())
          element =
              Objects.requireNonNull(elements.next(), "a publisher's elements cannot be null");
      } catch (Throwable t) {
        failure = t;
        elements.close();
      }
    }
    if (cancelled) return !elements.isOver(); // it may have been cancelled while it was pulled from
    if (element != null) subscriber.onNext(element);
    else if (failure != null) subscriber.onError(failure);
    else subscriber.onComplete();
    return element != null;
  }
}
