package greenlet.io;

import greenlet.hub.Hub;
import java.io.IOException;
import java.net.SocketException;
import java.net.SocketImpl;
import java.net.SocketOption;
import java.net.SocketOptions;
import java.net.StandardSocketOptions;
import java.nio.channels.NetworkChannel;
import java.nio.channels.SelectableChannel;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A channel that never blocks as what is below a socket of java.net's: its end and its options.
 *
 * @param <C> the kind of channel
 */
abstract class ChannelSocketImpl<C extends SelectableChannel & NetworkChannel> extends SocketImpl {
  /** The options by the numbers that {@link SocketImpl} has for them. */
  private static final Map<Integer, SocketOption<?>> OPTIONS =
      Map.of(
          SocketOptions.TCP_NODELAY, StandardSocketOptions.TCP_NODELAY,
          SocketOptions.SO_LINGER, StandardSocketOptions.SO_LINGER,
          SocketOptions.SO_KEEPALIVE, StandardSocketOptions.SO_KEEPALIVE,
          SocketOptions.SO_REUSEADDR, StandardSocketOptions.SO_REUSEADDR,
          SocketOptions.SO_REUSEPORT, StandardSocketOptions.SO_REUSEPORT,
          SocketOptions.SO_SNDBUF, StandardSocketOptions.SO_SNDBUF,
          SocketOptions.SO_RCVBUF, StandardSocketOptions.SO_RCVBUF,
          SocketOptions.IP_TOS, StandardSocketOptions.IP_TOS);

  /** Null until it is created. */
  volatile @Nullable C channel;

  /** Milliseconds; 0 for ever. */
  volatile int timeout;

  /** Whether it has been closed by its socket. */
  volatile boolean hasEnded;

  final C channel() throws SocketException {
    C open = channel;
    if (open == null || hasEnded) throw new SocketException("Socket closed");
    return open;
  }

  /** Also by a task that has left it in the midst. */
  final boolean isClosed() {
    C open = channel;
    return hasEnded || (open != null && !open.isOpen());
  }

  /** By a task that has left it in the midst, and not yet by its socket. */
  final boolean isLeft() {
    return !hasEnded && isClosed();
  }

  @Override
  protected final void close() throws IOException {
    hasEnded = true;
    C open = channel;
    if (open != null) Hub.close(open);
  }

  // Options

  @Override
  protected final Set<SocketOption<?>> supportedOptions() {
    C open = channel;
    return open == null ? Set.of() : open.supportedOptions();
  }

  @Override
  protected <T> void setOption(SocketOption<T> name, T value) throws IOException {
    channel().setOption(name, value);
  }

  @Override
  protected final <T> T getOption(SocketOption<T> name) throws IOException {
    return channel().getOption(name);
  }

  @Override
  public void setOption(int id, Object value) throws SocketException {
    C open = channel();
    if (id == SO_TIMEOUT) timeout = (Integer) value;
    else set(open, id, value);
  }

  @Override
  public Object getOption(int id) throws SocketException {
    C open = channel();
    if (id == SO_TIMEOUT) return timeout;
    try {
      return open.getOption(named(id));
    } catch (IOException e) {
      throw asSocketException(e);
    }
  }

  @SuppressWarnings("unchecked")
  static void set(NetworkChannel channel, int id, Object value) throws SocketException {
    // "no linger" is false there, and a negative number here
    Object number = id == SO_LINGER && value instanceof Boolean ? Integer.valueOf(-1) : value;
    try {
      channel.setOption((SocketOption<Object>) named(id), number);
    } catch (IOException e) {
      throw asSocketException(e);
    }
  }

  private static SocketOption<?> named(int id) throws SocketException {
    SocketOption<?> option = OPTIONS.get(id);
    if (option == null)
      throw new SocketException("no socket of a hub has an option with number " + id);
    return option;
  }

  private static SocketException asSocketException(IOException e) {
    if (e instanceof SocketException s) return s;
    var wrapped = new SocketException(e.getMessage() == null ? "Socket closed" : e.getMessage());
    wrapped.initCause(e);
    return wrapped;
  }
}
