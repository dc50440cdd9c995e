package greenlet.io;

import greenlet.hub.Hub;
import greenlet.hub.Task;
import java.io.IOException;
import java.net.SocketException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectableChannel;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** One direction of a socket: one task, or thread, at a time tries what it is about to do, and waits where it has to. */
final class Direction {
  /** So many operations that need not wait follow each other; then the other tasks have a turn. */
  private static final int MOST_AT_ONCE = 16;

  /** Something that does not block. */
  interface Attempt {
    /** What it has transferred, or -1 at the end of the stream; 0 if it has to wait. */
    int make() throws IOException;
  }

  private final Exclusion exclusion;
  private final int op;
  private final boolean closes;
  private int atOnce;

  /** {@code closes}: whether who leaves it in the midst, as by a kill, closes the channel, since what follows would be out of step. */
  Direction(String verb, int op, boolean closes) {
    exclusion = new Exclusion(verb);
    this.op = op;
    this.closes = closes;
  }

  /**
   * Makes the attempt until it has an effect.
   *
   * @param isLikely whether the first attempt is likely to have one; else a task waits first, which spares it a system call
   * @param millis how long at most; 0 for ever
   * @return what the attempt has returned; 0 if the time is over
   */
  int until(SelectableChannel channel, boolean isLikely, int millis, Attempt attempt)
      throws IOException {
    boolean isTask = exclusion.begin(channel) != null;
    try {
      if (isTask && ++atOnce > MOST_AT_ONCE) {
        atOnce = 0;
        Hub.sleep(Duration.ZERO);
      }
      int done = isLikely || !isTask ? attempt.make() : 0;
      return done != 0 ? done : await(channel, millis, attempt);
    } catch (ClosedChannelException e) {
      throw closed(e);
    } catch (SocketException e) {
      throw e;
    } catch (IOException e) { // "Connection reset", "Broken pipe"
      throw causedBy(new SocketException(e.getMessage()), e);
    } catch (Throwable t) {
      if (closes) Hub.close(channel);
      throw t;
    } finally {
      exclusion.end();
    }
  }

  private int await(SelectableChannel channel, int millis, Attempt attempt) throws IOException {
    atOnce = 0;
    long begin = millis == 0 ? 0 : System.nanoTime();
    boolean interrupted = false;
    try {
      while (true) {
        try {
          if (!isReady(channel, millis, begin)) return 0;
        } catch (InterruptedException e) {
          interrupted = isIgnored(channel, e);
          continue;
        }
        int done = attempt.make();
        if (done != 0) return done;
      }
    } finally {
      if (interrupted) Thread.currentThread().interrupt();
    }
  }

  private boolean isReady(SelectableChannel channel, int millis, long begin)
      throws IOException, InterruptedException {
    if (millis == 0) return Hub.awaitReady(channel, op) != 0;
    long left = TimeUnit.MILLISECONDS.toNanos(millis) - (System.nanoTime() - begin);
    return left > 0 && Hub.awaitReady(channel, op, Duration.ofNanos(left)) != 0;
  }

  /** As sockets of the JDK have it: nothing interrupts a platform thread in them. It is an error for a virtual one. */
  private static boolean isIgnored(SelectableChannel channel, InterruptedException e)
      throws IOException {
    if (Task.current() != null) throw Sneaky.unchecked(e);
    if (!Thread.currentThread().isVirtual()) return true;
    Hub.close(channel);
    Thread.currentThread().interrupt();
    throw new SocketException("Closed by interrupt");
  }

  static SocketException closed(ClosedChannelException e) {
    return causedBy(new SocketException("Socket closed"), e);
  }

  private static <E extends Exception> E causedBy(E e, Exception cause) {
    e.initCause(cause);
    return e;
  }
}
