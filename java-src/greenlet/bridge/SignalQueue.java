package greenlet.bridge;

import greenlet.Generator;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Flow;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * What a traversal subscribes to a publisher with. The publisher's threads put what they signal into a queue, which holds
 * no more than was requested, and the body waits there.
 */
final class SignalQueue<T> implements Flow.Subscriber<T> {
  /** The last signal. */
  private record End(@Nullable Throwable failure) {}

  private final int prefetch;
  private final @Nullable Duration timeout;
  private final BlockingQueue<Object> signals = new LinkedBlockingQueue<>();

  /** How many more elements the publisher may send. */
  private final Semaphore requested = new Semaphore(0);

  private Flow.@Nullable Subscription subscription; // both are guarded by this
  private boolean over;

  SignalQueue(int prefetch, @Nullable Duration timeout) {
    this.prefetch = prefetch;
    this.timeout = timeout;
  }

  /** Subscribes, and yields all elements. */
  void yieldAll(Flow.Publisher<? extends T> publisher, Generator.Yielder<T> out) throws Throwable {
    try {
      publisher.subscribe(this);
      int pending = prefetch;
      while (true) {
        Object signal = next(publisher);
        if (signal instanceof End end) {
          if (end.failure != null) throw end.failure;
          return;
        }
        @SuppressWarnings("unchecked") // onNext puts nothing else there
        T element = (T) signal;
        out.yield(element);
        if (--pending > prefetch / 2) continue;
        request(prefetch - pending);
        pending = prefetch;
      }
    } finally {
      cancel();
    }
  }

  private Object next(Flow.Publisher<?> publisher) throws InterruptedException, TimeoutException {
    if (timeout == null) return signals.take();
    Object signal = signals.poll(TimeUnit.NANOSECONDS.convert(timeout), TimeUnit.NANOSECONDS);
    if (signal == null)
      throw new TimeoutException("no signal from " + publisher + " within " + timeout);
    return signal;
  }

  private void request(int count) {
    Flow.Subscription from = subscription();
    if (from == null) return;
    requested.release(count);
    from.request(count);
  }

  private void cancel() {
    Flow.Subscription from;
    synchronized (this) { // or one could be granted in between
      from = subscription();
      over = true;
    }
    if (from != null) from.cancel();
  }

  private synchronized boolean begin(Flow.Subscription granted) {
    if (over || subscription != null) return false;
    subscription = granted;
    return true;
  }

  /** Null before it begins, and once it is over. */
  private synchronized Flow.@Nullable Subscription subscription() {
    return over ? null : subscription;
  }

  /** Whether it was not over. */
  private synchronized boolean end() {
    boolean first = !over;
    over = true;
    return first;
  }

  // The publisher's threads

  @Override
  public void onSubscribe(Flow.Subscription granted) {
    if (begin(Objects.requireNonNull(granted))) request(prefetch);
    else granted.cancel();
  }

  @Override
  public void onNext(T element) {
    Objects.requireNonNull(element);
    if (requested.tryAcquire()) {
      signals.add(element);
      return;
    }
    Flow.Subscription from = subscription();
    if (from != null) from.cancel();
    end(new IllegalStateException("a publisher has sent more than was requested: " + element));
  }

  @Override
  public void onError(Throwable failure) {
    end(Objects.requireNonNull(failure));
  }

  @Override
  public void onComplete() {
    end(null);
  }

  private void end(@Nullable Throwable failure) {
    if (end()) signals.add(new End(failure));
  }
}
