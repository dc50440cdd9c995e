package greenlet.io;

import greenlet.hub.Hub;
import greenlet.hub.NoSelectorException;
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

  /** An attempt has, and not who waited for it was made to leave. */
  private static final class Failed extends Exception {
    private static final long serialVersionUID = 1;
    private final IOException why;

    Failed(IOException why) {
      super(why);
      this.why = why;
    }
  }

  private final Exclusion exclusion;
  private final int op;
  private final boolean closes;
  private int atOnce;
  private boolean wasLeft;

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
    wasLeft = false;
    try {
      if (isTask && ++atOnce > MOST_AT_ONCE) {
        atOnce = 0;
        Hub.sleep(Duration.ZERO);
      }
      int done = isLikely || !isTask ? make(attempt) : 0;
      return done != 0 ? done : await(channel, millis, attempt);
    } catch (Failed e) {
      throw asSocketException(e.why);
    } catch (NoSelectorException e) { // it has not begun to wait
      throw asSocketException(e);
    } catch (ClosedChannelException e) {
      throw asSocketException(e);
    } catch (Throwable t) {
      wasLeft = true;
      if (closes) Hub.close(channel);
      throw t;
    } finally {
      exclusion.end();
    }
  }

  /** Whether the last one has ended by what was raised in its task, or thread, and not by the channel. */
  boolean wasLeft() {
    return wasLeft;
  }

  private static int make(Attempt attempt) throws Failed {
    try {
      return attempt.make();
    } catch (IOException e) {
      throw new Failed(e);
    }
  }

  private int await(SelectableChannel channel, int millis, Attempt attempt)
      throws IOException, Failed {
    atOnce = 0;
    long begin = millis == 0 ? 0 : System.nanoTime();
    boolean interrupted = false;
    try {
      while (true) {
        try {
          if (millis == 0) Hub.awaitReady(channel, op);
          else if (!isReady(channel, millis, begin)) return 0;
        } catch (InterruptedException e) {
          interrupted = isIgnored(channel, e);
          continue;
        }
        int done = make(attempt);
        if (done != 0) return done;
      }
    } finally {
      if (interrupted) Thread.currentThread().interrupt();
    }
  }

  private boolean isReady(SelectableChannel channel, int millis, long begin)
      throws IOException, InterruptedException {
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

  private static SocketException asSocketException(IOException e) {
    return switch (e) {
      case ClosedChannelException closed -> closed(closed);
      case SocketException of -> of;
      default -> causedBy(new SocketException(e.getMessage()), e); // "Connection reset"
    };
  }

  static SocketException closed(ClosedChannelException e) {
    return causedBy(new SocketException("Socket closed"), e);
  }

  private static <E extends Exception> E causedBy(E e, Exception cause) {
    e.initCause(cause);
    return e;
  }
}
