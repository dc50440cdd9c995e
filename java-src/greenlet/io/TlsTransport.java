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

  /** What is to be sent; its lock guards {@code draining}, too. */
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();

  /** Completed when whoever sends has sent all. */
  private @Nullable CompletableFuture<@Nullable Void> draining;

  private volatile boolean isEnded;
  private volatile boolean isInputEnded;
  private volatile boolean isOutputEnded;

  /** What a wait has thrown that is no IOException, such as a kill; the JDK would wrap it. */
  private volatile @Nullable Throwable thrown;

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
          } catch (RuntimeException | Error e) {
            thrown = e;
            throw e;
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

  /**
   * Sends what there is to send. The current task waits.
   *
   * @param all whether to wait also for what another task is sending
   */
  void drain(boolean all) throws IOException {
    for (; ; ) {
      byte[] next = null;
      CompletableFuture<@Nullable Void> sent;
      synchronized (out) {
        sent = draining;
        if (sent == null) {
          if (out.size() == 0) return;
          next = out.toByteArray();
          out.reset();
          sent = draining = new CompletableFuture<>();
        }
      }
      if (next != null) send(next, sent);
      else if (all) Hub.await(sent);
      else return;
    }
  }

  private void send(byte[] bytes, CompletableFuture<@Nullable Void> sent) throws IOException {
    try {
      under.getOutputStream().write(bytes);
      under.getOutputStream().flush();
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
  void settle(boolean all) throws IOException {
    if (!isEnded) {
      drain(all);
      return;
    }
    try {
      drain(false);
    } finally {
      under.close();
    }
  }

  /** What has been thrown, in place of what the JDK has made of it. */
  Throwable meant(Throwable e) {
    Throwable t = thrown;
    thrown = null;
    return t == null ? e : t;
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
