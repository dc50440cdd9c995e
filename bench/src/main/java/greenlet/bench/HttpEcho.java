package greenlet.bench;

import java.io.IOException;
import java.net.Socket;
import org.apache.hc.core5.http.HttpException;
import org.apache.hc.core5.http.config.Http1Config;
import org.apache.hc.core5.http.impl.HttpProcessors;
import org.apache.hc.core5.http.impl.io.DefaultBHttpServerConnection;
import org.apache.hc.core5.http.impl.io.HttpService;
import org.apache.hc.core5.http.io.HttpRequestHandler;
import org.apache.hc.core5.http.io.entity.StringEntity;
import org.apache.hc.core5.http.protocol.HttpCoreContext;

/** Answers each request with its path, by HttpCore. */
final class HttpEcho {
  private static final HttpRequestHandler HANDLER =
      (request, response, context) -> response.setEntity(new StringEntity(request.getPath()));

  private static final HttpService SERVICE =
      new HttpService(HttpProcessors.server(), (request, context) -> HANDLER, null, null);

  private HttpEcho() {}

  /** Serves a connection until the client closes it. */
  static void serve(Socket client) throws IOException {
    try (client;
        var connection = new DefaultBHttpServerConnection(null, Http1Config.DEFAULT)) {
      client.setTcpNoDelay(true);
      connection.bind(client);
      while (connection.isOpen()) SERVICE.handleRequest(connection, HttpCoreContext.create());
    } catch (HttpException e) {
      throw new IOException(e);
    }
  }
}
