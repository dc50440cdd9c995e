package greenlet.io;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.SocketImpl;
import java.net.SocketTimeoutException;
import java.nio.channels.SelectionKey;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import org.jspecify.annotations.Nullable;

/** What is below a {@link HubServerSocket}. */
final class HubServerSocketImpl extends ChannelSocketImpl<ServerSocketChannel> {
  private final Direction accepting = new Direction("accept from", SelectionKey.OP_ACCEPT, false);
  private @Nullable InetSocketAddress local;

  @Override
  protected void create(boolean stream) throws IOException {
    ServerSocketChannel open = ServerSocketChannel.open();
    open.configureBlocking(false);
    channel = open;
  }

  @Override
  protected void bind(InetAddress host, int newPort) {
    local = new InetSocketAddress(host, newPort);
  }

  @Override
  protected void listen(int backlog) throws IOException {
    ServerSocketChannel open = channel();
    open.bind(local, backlog);
    var bound = (InetSocketAddress) open.getLocalAddress();
    address = bound.getAddress();
    localport = bound.getPort();
  }

  /** The socket is one of ours, which {@link HubServerSocket} or the installed factory has made. */
  @Override
  protected void accept(SocketImpl accepted) throws IOException {
    if (!(accepted instanceof HubSocketImpl socket))
      throw new SocketException(
          "a server socket of a hub accepts into sockets of a hub; got "
              + accepted.getClass().getName());
    ServerSocketChannel open = channel();
    @Nullable SocketChannel[] found = {null};
    int done =
        accepting.until(
            open,
            true,
            timeout,
            () -> {
              found[0] = open.accept();
              return found[0] == null ? 0 : 1;
            });
    SocketChannel one = found[0];
    if (done == 0 || one == null) throw new SocketTimeoutException("Accept timed out");
    try {
      socket.adopt(one);
    } catch (Throwable t) {
      one.close();
      throw t;
    }
  }

  @Override
  public Object getOption(int id) throws SocketException {
    return id == SO_BINDADDR ? channel().socket().getInetAddress() : super.getOption(id);
  }

  // What a server does not do

  private static SocketException doesNot() {
    return new SocketException("a server socket accepts connections, and nothing else");
  }

  @Override
  protected void connect(String host, int port) throws IOException {
    throw doesNot();
  }

  @Override
  protected void connect(InetAddress address, int port) throws IOException {
    throw doesNot();
  }

  @Override
  protected void connect(SocketAddress address, int timeout) throws IOException {
    throw doesNot();
  }

  @Override
  protected InputStream getInputStream() throws IOException {
    throw doesNot();
  }

  @Override
  protected OutputStream getOutputStream() throws IOException {
    throw doesNot();
  }

  @Override
  protected int available() throws IOException {
    throw doesNot();
  }

  @Override
  protected void sendUrgentData(int data) throws IOException {
    throw doesNot();
  }
}
