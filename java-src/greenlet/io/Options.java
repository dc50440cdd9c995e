package greenlet.io;

import java.io.IOException;
import java.net.SocketException;
import java.net.SocketOption;
import java.net.SocketOptions;
import java.net.StandardSocketOptions;
import java.nio.channels.NetworkChannel;
import java.util.Map;

/** The options of sockets by the numbers that {@link java.net.SocketImpl} has for them. */
final class Options {
  private static final Map<Integer, SocketOption<?>> BY_NUMBER =
      Map.of(
          SocketOptions.TCP_NODELAY, StandardSocketOptions.TCP_NODELAY,
          SocketOptions.SO_LINGER, StandardSocketOptions.SO_LINGER,
          SocketOptions.SO_KEEPALIVE, StandardSocketOptions.SO_KEEPALIVE,
          SocketOptions.SO_REUSEADDR, StandardSocketOptions.SO_REUSEADDR,
          SocketOptions.SO_REUSEPORT, StandardSocketOptions.SO_REUSEPORT,
          SocketOptions.SO_SNDBUF, StandardSocketOptions.SO_SNDBUF,
          SocketOptions.SO_RCVBUF, StandardSocketOptions.SO_RCVBUF,
          SocketOptions.IP_TOS, StandardSocketOptions.IP_TOS);

  private Options() {}

  private static SocketOption<?> named(int id) throws SocketException {
    SocketOption<?> option = BY_NUMBER.get(id);
    if (option == null)
      throw new SocketException("no socket of a hub has an option with number " + id);
    return option;
  }

  @SuppressWarnings("unchecked")
  static void set(NetworkChannel channel, int id, Object value) throws SocketException {
    // "no linger" is false there, and a negative number here
    Object number =
        id == SocketOptions.SO_LINGER && value instanceof Boolean ? Integer.valueOf(-1) : value;
    try {
      channel.setOption((SocketOption<Object>) named(id), number);
    } catch (IOException e) {
      throw asSocketException(e);
    }
  }

  static Object get(NetworkChannel channel, int id) throws SocketException {
    try {
      return channel.getOption(named(id));
    } catch (IOException e) {
      throw asSocketException(e);
    }
  }

  private static SocketException asSocketException(IOException e) {
    if (e instanceof SocketException s) return s;
    var wrapped = new SocketException(e.getMessage() == null ? "Socket closed" : e.getMessage());
    wrapped.initCause(e);
    return wrapped;
  }
}
