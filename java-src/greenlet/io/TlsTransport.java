package greenlet.io;

import greenlet.hub.Hub;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.SocketTimeoutException;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * What the JDK's SSLSocket takes for its connection. What it writes stays in memory until {@link #drain}, which is called without
 * the JDK's locks, or as part of its own next read: so a write never waits while it holds a lock. What it closes is closed by
 * {@link #settle}.
 */
final class TlsTransport extends Socket {
  /*
   * On the continuation engine, tasks share a thread, so that the JDK's locks exclude none of them; on the virtual-thread engine,
   * who contends for one that a suspended task holds blocks the hub.
   */

  private final Socket under;

  /** What is to be sent; its lock guards the next three. */
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();

  /** Completed when whoever sends has done so, or failed. */
  private @Nullable CompletableFuture<@Nullable Void> draining;

  /** How many write and are going to send all there is: nobody else sends meanwhile, who might have to read for the peer to go on. */
  private int writers;

  /** What has kept some of it from being sent: what comes after that would be out of step. */
  private @Nullable Throwable failure;

  private volatile boolean isEnded;
  private volatile boolean isInputEnded;
  private volatile boolean isOutputEnded;

  /** What has been raised in a wait, such as a kill; the JDK would wrap it. */
  private volatile @Nullable Throwable raised;

  private final InputStream input =
      new InputStream() {
        @Override
        public int read() throws IOException {
          var one = new byte[1];
          return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] b, int off, int len) throws IOException {
          try {
            drain(false);
            return under.getInputStream().read(b, off, len);
          } catch (SocketException | SocketTimeoutException e) { // which the JDK hands on
            throw e;
          } catch (Throwable t) {
            raised = t;
            throw t;
          }
        }

        /** None: the JDK asks only to skip them, when it closes. */
        @Override
        public int available() {
          return 0;
        }
      };

  private final OutputStream output =
      new OutputStream() {
        @Override
        public void write(int b) {
          synchronized (out) {
            out.write(b);
          }
        }

        @Override
        public void write(byte[] b, int off, int len) {
          synchronized (out) {
            out.write(b, off, len);
          }
        }
      };

  TlsTransport(Socket under) {
    this.under = under;
  }

  /** Someone is about to write, and then to {@link #drain} or to {@link #endWrite}. */
  void beginWrite() {
    synchronized (out) {
      writers++;
    }
  }

  void endWrite() {
    synchronized (out) {
      writers--;
    }
  }

  /**
   * Sends what there is to send. The current task waits.
   *
   * @param isWriter whether it has begun to write, which ends by this: it waits also for what another task is sending. Another one
   *     leaves it to who writes or sends already
   */
  void drain(boolean isWriter) throws IOException {
    for (; ; ) {
      byte[] next = null;
      CompletableFuture<@Nullable Void> sent;
      synchronized (out) {
        if (isWriter && failure != null) throw unsent(failure);
        sent = draining;
        boolean isDone = sent == null && out.size() == 0;
        if (isDone && isWriter) writers--;
        if (isDone || (!isWriter && (sent != null || writers > 0 || failure != null))) return;
        if (sent == null) {
          next = out.toByteArray();
          out.reset();
          sent = draining = new CompletableFuture<>();
        }
      }
      if (next != null) send(next, sent);
      else await(sent);
    }
  }

  private static SocketException unsent(Throwable failure) {
    var unsent = new SocketException("not all that was written could be sent: " + failure);
    unsent.initCause(failure);
    return unsent;
  }

  private void await(CompletableFuture<@Nullable Void> sent) throws IOException {
    try {
      Hub.await(sent);
    } catch (Throwable t) { // raised in the midst of a write
      under.close();
      throw t;
    }
  }

  private void send(byte[] bytes, CompletableFuture<@Nullable Void> sent) throws IOException {
    try {
      under.getOutputStream().write(bytes);
      under.getOutputStream().flush();
    } catch (Throwable t) {
      synchronized (out) {
        failure = t;
      }
      throw t;
    } finally {
      synchronized (out) {
        draining = null;
      }
      sent.complete(null);
    }
  }

  boolean isDraining() {
    synchronized (out) {
      return draining != null;
    }
  }

  /** Sends what the JDK has left to send, and closes the socket underneath if the JDK has closed this. */
  void settle(boolean isWriter) throws IOException {
    if (!isEnded) {
      drain(isWriter);
      return;
    }
    if (isWriter) endWrite();
    try {
      drain(false);
    } finally {
      under.close();
    }
  }

  /** What has been raised in a wait of the JDK's call that has just ended; null if nothing has. */
  @Nullable Throwable takeRaised() {
    Throwable t = raised;
    raised = null;
    return t;
  }

  // What the JDK calls

  @Override
  public InputStream getInputStream() {
    return input;
  }

  @Override
  public OutputStream getOutputStream() {
    return output;
  }

  @Override
  public void close() {
    isEnded = true;
  }

  @Override
  public void shutdownInput() {
    isInputEnded = true;
  }

  @Override
  public void shutdownOutput() {
    isOutputEnded = true;
  }

  @Override
  public boolean isClosed() {
    return isEnded;
  }

  @Override
  public boolean isInputShutdown() {
    return isInputEnded;
  }

  @Override
  public boolean isOutputShutdown() {
    return isOutputEnded;
  }

  @Override
  public boolean isConnected() {
    return under.isConnected();
  }

  @Override
  public boolean isBound() {
    return under.isBound();
  }

  @Override
  public int getSoTimeout() throws SocketException {
    return under.getSoTimeout();
  }

  @Override
  public void setSoTimeout(int timeout) {
    // only the JDK calls this, as it closes
  }

  @Override
  public int getSoLinger() {
    return -1;
  }

  @Override
  public @Nullable InetAddress getInetAddress() {
    return under.getInetAddress();
  }

  @Override
  public InetAddress getLocalAddress() {
    return under.getLocalAddress();
  }

  @Override
  public int getPort() {
    return under.getPort();
  }

  @Override
  public int getLocalPort() {
    return under.getLocalPort();
  }

  @Override
  public @Nullable SocketAddress getRemoteSocketAddress() {
    return under.getRemoteSocketAddress();
  }

  @Override
  public @Nullable SocketAddress getLocalSocketAddress() {
    return under.getLocalSocketAddress();
  }
}
