package greenlet.io;

import greenlet.testing.Certificates;
import java.io.IOException;
import java.net.Socket;
import javax.net.ssl.SSLSocket;

/** What bytes travel over in a test. */
enum Transport {
  PLAIN,
  TLS;

  /** The side that has connected. */
  Socket client(Socket connected) throws IOException {
    return this == PLAIN ? connected : Tls.client(Certificates.tls(), connected, "localhost");
  }

  /** The side that has accepted. */
  Socket server(Socket accepted) throws IOException {
    return this == PLAIN ? accepted : Tls.server(Certificates.tls(), accepted);
  }

  /** Shakes hands, if TLS is to do so. */
  void begin(Socket socket) throws IOException {
    if (socket instanceof SSLSocket secure) secure.startHandshake();
  }
}
