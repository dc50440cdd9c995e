package greenlet.io;

import greenlet.testing.Certificates;
import java.io.IOException;
import java.net.Socket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.SSLSocketFactory;

/** What bytes travel over in a test. */
enum Transport {
  PLAIN,

  /** The JDK's sockets of TLS on top of ours. */
  TLS;

  /** The side that has connected. */
  Socket client(Socket connected) throws IOException {
    return this == PLAIN ? connected : layered(connected, true);
  }

  /** The side that has accepted. */
  Socket server(Socket accepted) throws IOException {
    return this == PLAIN ? accepted : layered(accepted, false);
  }

  private static Socket layered(Socket socket, boolean isClient) throws IOException {
    SSLSocketFactory factory = Certificates.tls().getSocketFactory();
    var layered = (SSLSocket) factory.createSocket(socket, "localhost", socket.getPort(), true);
    layered.setUseClientMode(isClient);
    return layered;
  }

  /** Has TLS ready, by a handshake if there is one. */
  void begin(Socket socket) throws IOException {
    if (socket instanceof SSLSocket secure) secure.startHandshake();
  }
}
