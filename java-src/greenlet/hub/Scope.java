package greenlet.hub;

import greenlet.DynamicExtent;
import greenlet.Generator;
import greenlet.GreenletExit;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;

/**
 * A part of a task's body that the task can be unwound as far as: by a {@link Limit} of time, or by a failure of one of the
 * {@link Tasks} that end with it. In the body of a generator it goes with the body: it is put aside while that is suspended, and
 * is part of whichever task resumes it.
 */
abstract sealed class Scope implements DynamicExtent {
  /** The task that runs the body. */
  Task<?> owner;

  /** Unwinds the owner as far as here. */
  final Signal signal;

  /** Whether the body is suspended, or is run where this cannot be in force. */
  private boolean isAside;

  /** Whether the owner is to be unwound as soon as the body is resumed. */
  private boolean isPending;

  Scope(Task<?> owner, Signal signal) {
    this.owner = owner;
    this.signal = signal;
  }

  /** Comes into force in the owner. */
  abstract void takeUp();

  /** Is in force no longer. */
  abstract void putAside();

  /** Whether it can be in force in {@code task}. */
  boolean admits(Task<?> task) {
    return true;
  }

  final boolean isAside() {
    return isAside;
  }

  /** Unwinds the body out of its pending wait, or its next one. */
  final void strike() {
    if (isAside) isPending = true;
    else owner.interruptHere(signal);
  }

  @Override
  public final void leave() {
    if (isAside) return;
    putAside();
    isPending = owner.forget(signal);
    isAside = true;
  }

  @Override
  public final void reenter() {
    Task<?> here = Hub.current().scheduler.current();
    if (!admits(here)) return;
    owner = here;
    isAside = false;
    takeUp();
    if (isPending) owner.interruptHere(signal);
    isPending = false;
  }

  /** Counts while the body runs, by the clock of the hub whose task runs it. */
  static final class Limit extends Scope {
    private final Duration limit;

    /** What is left of it while it is aside; negative once it has run out. */
    private long nanos;

    private Timers.@Nullable Timer timer;

    /** What is to run once it has run out; null for a TimeoutException. */
    private final @Nullable Callable<?> otherwise;

    /** What the owner was waiting for when it ran out. */
    private String where = "";

    /** {@code otherwise}: what is to run once it has run out; null for a TimeoutException. */
    Limit(Task<?> owner, Duration limit, @Nullable Callable<?> otherwise) {
      super(owner, new Signal(text(limit), otherwise == null));
      this.limit = limit;
      this.otherwise = otherwise;
      nanos = Math.max(0, Timers.nanos(limit));
    }

    private static String text(Duration limit) {
      return "a limit of " + Timers.text(limit) + " ran out";
    }

    /** The value of {@code body}; if the limit runs out, that of {@link #otherwise}. */
    @SuppressWarnings("unchecked")
    <T extends @Nullable Object> T call(Callable<? extends T> body) {
      takeUp();
      try {
        T value = Generator.during(this, body);
        // it ran out while the body was blocked in the JDK, by something that no interrupt ends
        if (!owner.isInterruptedFor(signal)) return value;
        Throwable first = owner.takeFirst(); // perhaps of one further out
        if (first != signal) throw Sneaky.unchecked(first);
      } catch (Throwable t) {
        Throwable meant = owner.meant(t);
        if (meant != signal) throw Sneaky.unchecked(meant);
      } finally {
        super.isAside = true; // whatever happens to the timer
        putAside();
        owner.forget(signal);
      }
      try {
        if (otherwise == null) throw new TimeoutException(text(limit) + where).initCause(signal);
        return (T) otherwise.call();
      } catch (Throwable t) {
        for (Throwable s : signal.getSuppressed()) t.addSuppressed(s);
        throw Sneaky.unchecked(t);
      }
    }

    @Override
    void takeUp() {
      if (nanos >= 0) timer = owner.scheduler().loop.at(nanos, this::runOut);
    }

    @Override
    void putAside() {
      if (timer == null) return;
      EventLoop loop = owner.scheduler().loop;
      loop.cancel(timer);
      nanos = Math.max(0, timer.time() - loop.now());
      timer = null;
    }

    private void runOut() {
      timer = null;
      nanos = -1;
      if (otherwise == null) where = ": " + owner.description();
      strike();
    }
  }

  /** The tasks that end with a part of another task's body. */
  static final class Tasks extends Scope {
    private final Hub hub;
    private @Nullable Tasks outer;
    private final Set<Task<?>> tasks = new LinkedHashSet<>();
    private @Nullable Throwable error;
    private boolean ending;
    private @Nullable Waiter<@Nullable Object> joiner;

    Tasks(Task<?> owner) {
      super(owner, new Signal("a task of the scope has failed", false));
      hub = owner.hub();
    }

    @SuppressWarnings("NullAway") // null only where T has it
    <T extends @Nullable Object> T call(Callable<? extends T> body, boolean joins) {
      takeUp();
      T value = null;
      Throwable thrown = null;
      try {
        value = Generator.during(this, body);
        if (joins && !isAside()) join();
      } catch (Throwable t) {
        // now, as the waits below would raise what t stands for once more
        thrown = isAside() ? t : owner.meant(t);
      }
      if (isAside()) throw strayed(thrown);
      if (thrown != null) add(thrown);
      putAside();
      end();
      owner.forget(signal);
      if (error != null) throw Sneaky.unchecked(error);
      return value;
    }

    @Override
    boolean admits(Task<?> task) {
      return task.hub() == hub;
    }

    @Override
    void takeUp() {
      outer = owner.scope;
      owner.scope = this;
    }

    @Override
    void putAside() {
      owner.scope = outer;
    }

    /** The body has come to its end in a task of another hub, in whichever thread. */
    private WrongThreadException strayed(@Nullable Throwable thrown) {
      hub.scheduler.inThread(this::cancel);
      var e =
          new WrongThreadException(
              ("a scope of %s has come to its end in %s: the generator whose body it is in has been pulled from there; its "
                      + "tasks are killed, and not waited for. Have tasks of one hub pull from such a generator")
                  .formatted(hub, Hub.current()));
      if (thrown != null) e.addSuppressed(thrown);
      return e;
    }

    private void join() {
      while (!tasks.isEmpty()) {
        joiner = new Waiter<>(hub, "the end of " + tasks.size() + " tasks of its scope", false);
        try {
          joiner.await();
        } finally {
          joiner = null;
        }
      }
    }

    private void end() {
      cancel();
      List<Throwable> later = new ArrayList<>();
      while (!tasks.isEmpty()) {
        try {
          join();
        } catch (Hub.LoopExit e) {
          if (error != null) e.addSuppressed(error);
          throw e;
        } catch (Throwable t) {
          if (error == null || t == signal) add(t);
          else later.add(t);
        }
      }
      if (error != null) for (Throwable t : later) Hub.setAside(t, error);
    }

    private void cancel() {
      ending = true;
      for (Task<?> task : List.copyOf(tasks)) task.interruptHere(new GreenletExit());
    }

    /** The first error counts; later ones are suppressed on it. */
    private void add(Throwable t) {
      if (t == signal) {
        for (Throwable s : signal.getSuppressed()) if (!Failures.isOfInterrupt(s)) add(s);
        return;
      }
      error = Failures.join(error, t);
    }

    /** False if it is ending: the task must not run. */
    boolean add(Task<?> task) {
      tasks.add(task);
      return !ending;
    }

    void remove(Task<?> task) {
      tasks.remove(task);
    }

    /** A task of its has ended; {@code thrown} by what exception, if it was killed or came to its end none. */
    void ended(Task<?> task, @Nullable Throwable thrown) {
      tasks.remove(task);
      if (thrown != null) {
        boolean first = error == null && !ending;
        add(thrown);
        if (first) {
          cancel();
          strike();
        }
      }
      if (tasks.isEmpty() && joiner != null) joiner.wake(null);
    }
  }
}
