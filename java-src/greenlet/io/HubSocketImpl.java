package greenlet.io;

import greenlet.hub.Hub;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.ConnectException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NoRouteToHostException;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.SocketImpl;
import java.net.SocketOption;
import java.net.SocketTimeoutException;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/** What is below a {@link HubSocket}: a channel that never blocks, and the waits of tasks for it. */
final class HubSocketImpl extends ChannelSocketImpl<SocketChannel> {
  /** Of more the JDK would make a copy as long, outside of the heap, for the thread to keep. */
  private static final int MOST_AT_ONCE = 128 * 1024;

  /** Null in one that has been accepted. */
  private @Nullable Direction connecting;

  private final Direction reading = new Direction("read from", SelectionKey.OP_READ, true);
  private final Direction writing = new Direction("write to", SelectionKey.OP_WRITE, true);

  private volatile boolean isOutputShut;
  private boolean isBound;

  /** Whether the last read has left nothing behind. */
  private boolean isDrained;

  /** Where a host has several addresses: those to try. */
  private List<InetAddress> addresses = List.of();

  /** What options were set to, for the channel of the next address; null when there is none. */
  private volatile @Nullable Map<Object, Setting> settings;

  private interface Setting {
    void apply(SocketChannel channel) throws IOException;
  }

  void setAddresses(List<InetAddress> all) {
    addresses = all;
  }

  /** Becomes one that a server has accepted. */
  void adopt(SocketChannel accepted) throws IOException {
    accepted.configureBlocking(false);
    var remote = (InetSocketAddress) accepted.getRemoteAddress();
    channel = accepted;
    address = remote.getAddress();
    port = remote.getPort();
    setLocalPort(accepted);
  }

  private void setLocalPort(SocketChannel open) throws IOException {
    localport = ((InetSocketAddress) open.getLocalAddress()).getPort();
  }

  // Beginning and end

  @Override
  protected void create(boolean stream) throws IOException {
    if (!stream) throw new SocketException("a socket of a hub is one of streams");
    channel = open();
    connecting = new Direction("connect", SelectionKey.OP_CONNECT, true);
    settings = new ConcurrentHashMap<>();
  }

  private void keep(Object name, Setting setting) {
    Map<Object, Setting> kept = settings;
    if (kept != null) kept.put(name, setting);
  }

  private static SocketChannel open() throws IOException {
    SocketChannel open = SocketChannel.open();
    open.configureBlocking(false);
    return open;
  }

  @Override
  protected void bind(InetAddress host, int newPort) throws IOException {
    SocketChannel open = channel();
    try {
      open.bind(new InetSocketAddress(host, newPort));
    } catch (ClosedChannelException e) {
      throw Direction.closed(e);
    }
    isBound = true;
    setLocalPort(open);
  }

  @Override
  protected void connect(String host, int newPort) throws IOException {
    connect(new InetSocketAddress(host, newPort), 0);
  }

  @Override
  protected void connect(InetAddress host, int newPort) throws IOException {
    connect(new InetSocketAddress(host, newPort), 0);
  }

  @Override
  protected void connect(SocketAddress endpoint, int millis) throws IOException {
    if (!(endpoint instanceof InetSocketAddress first))
      throw new IllegalArgumentException(
          "a socket connects to an InetSocketAddress; got " + endpoint);
    if (first.isUnresolved()) throw new UnknownHostException(first.getHostName());
    List<InetAddress> all =
        isBound || addresses.isEmpty() ? List.of(first.getAddress()) : addresses;
    try {
      connectToAny(all, first.getPort(), millis);
      settings = null;
    } catch (Throwable t) {
      close();
      throw t;
    }
  }

  @SuppressWarnings("NullAway") // it has been created, and not accepted
  private void connectToAny(List<InetAddress> all, int newPort, int millis) throws IOException {
    for (int i = 0; ; i++) {
      var remote = new InetSocketAddress(all.get(i), newPort);
      try {
        connectTo(remote, millis);
        return;
      } catch (SocketException | SocketTimeoutException e) {
        if (connecting.wasLeft()) throw e;
        if (hasEnded || i + 1 == all.size()) throw naming(remote, e);
      }
      Hub.close(channel());
      SocketChannel next = channel = open();
      Map<Object, Setting> kept = settings;
      if (kept != null) for (Setting each : kept.values()) each.apply(next);
    }
  }

  @SuppressWarnings("NullAway")
  private void connectTo(InetSocketAddress remote, int millis) throws IOException {
    SocketChannel open = channel();
    address = remote.getAddress();
    port = remote.getPort();
    boolean[] begun = {false};
    int done =
        connecting.until(
            open,
            true,
            millis,
            () -> {
              boolean isConnected = begun[0] ? open.finishConnect() : open.connect(remote);
              begun[0] = true;
              return isConnected ? 1 : 0;
            });
    if (done == 0) throw new SocketTimeoutException("Connect timed out");
    setLocalPort(open);
  }

  private static IOException naming(InetSocketAddress remote, IOException e) {
    String message = e.getMessage() + ": " + remote;
    IOException named =
        switch (e) {
          case ConnectException refused -> new ConnectException(message);
          case SocketTimeoutException late -> new SocketTimeoutException(message);
          case NoRouteToHostException none -> new NoRouteToHostException(message);
          default -> e;
        };
    if (named != e) named.initCause(e);
    return named;
  }

  @Override
  protected void listen(int backlog) throws IOException {
    throw new SocketException("a socket of a client does not listen");
  }

  @Override
  protected void accept(SocketImpl accepted) throws IOException {
    throw new SocketException("a socket of a client does not accept");
  }

  @Override
  protected void shutdownInput() throws IOException {
    channel().shutdownInput();
  }

  @Override
  protected void shutdownOutput() throws IOException {
    SocketChannel open = channel();
    isOutputShut = true;
    open.shutdownOutput();
  }

  // Bytes

  private int read(byte[] bytes, int from, int length) throws IOException {
    SocketChannel open = channel();
    ByteBuffer to = ByteBuffer.wrap(bytes, from, Math.min(length, MOST_AT_ONCE));
    int count = reading.until(open, !isDrained, timeout, () -> open.read(to));
    if (count == 0) throw new SocketTimeoutException("Read timed out");
    isDrained = to.hasRemaining() && count > 0;
    return count;
  }

  private void write(byte[] bytes, int from, int length) throws IOException {
    SocketChannel open = channel();
    int end = from + length;
    for (int at = from; at < end; ) {
      ByteBuffer rest = ByteBuffer.wrap(bytes, at, Math.min(end - at, MOST_AT_ONCE));
      at += writing.until(open, true, 0, () -> write(open, rest));
    }
  }

  private int write(SocketChannel open, ByteBuffer rest) throws IOException {
    if (isOutputShut && open.isOpen()) throw new SocketException("Broken pipe");
    return open.write(rest);
  }

  @Override
  protected InputStream getInputStream() {
    return new InputStream() {
      @Override
      public int read() throws IOException {
        byte[] one = new byte[1];
        return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
      }

      @Override
      public int read(byte[] bytes, int from, int length) throws IOException {
        Objects.checkFromIndexSize(from, length, bytes.length);
        return length == 0 ? 0 : HubSocketImpl.this.read(bytes, from, length);
      }

      @Override
      public int available() throws IOException {
        return HubSocketImpl.this.available();
      }

      @Override
      public void close() throws IOException {
        HubSocketImpl.this.close();
      }
    };
  }

  @Override
  protected OutputStream getOutputStream() {
    return new OutputStream() {
      @Override
      public void write(int b) throws IOException {
        write(new byte[] {(byte) b}, 0, 1);
      }

      @Override
      public void write(byte[] bytes, int from, int length) throws IOException {
        Objects.checkFromIndexSize(from, length, bytes.length);
        HubSocketImpl.this.write(bytes, from, length);
      }

      @Override
      public void close() throws IOException {
        HubSocketImpl.this.close();
      }
    };
  }

  @Override
  protected int available() throws IOException {
    return channel().socket().getInputStream().available();
  }

  @Override
  protected boolean supportsUrgentData() {
    return true;
  }

  @Override
  protected void sendUrgentData(int data) throws IOException {
    channel().socket().sendUrgentData(data);
  }

  // Options

  @Override
  protected <T> void setOption(SocketOption<T> name, T value) throws IOException {
    super.setOption(name, value);
    keep(name, next -> next.setOption(name, value));
  }

  @Override
  public void setOption(int id, Object value) throws SocketException {
    if (id == SO_OOBINLINE) {
      channel().socket().setOOBInline((Boolean) value);
      keep(id, next -> next.socket().setOOBInline((Boolean) value));
      return;
    }
    super.setOption(id, value);
    if (id != SO_TIMEOUT) keep(id, next -> set(next, id, value));
  }

  @Override
  public Object getOption(int id) throws SocketException {
    return switch (id) {
      case SO_OOBINLINE -> channel().socket().getOOBInline();
      case SO_BINDADDR -> channel().socket().getLocalAddress();
      default -> super.getOption(id);
    };
  }
}
