package greenlet.io;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import greenlet.testing.Hubs;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;

/** The same with the JDK's sockets, in cooperative hubs. */
class CooperativeClientLibrariesTest extends ClientLibrariesTest {
  @BeforeAll
  static void needsCooperativeHub() {
    assumeTrue(Hubs.canCooperate(), "cooperative hubs need another flag");
  }

  @Override
  Clients clients() {
    return Clients.COOPERATIVE;
  }

  @Override
  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "HttpURLConnection, with and without TLS, where nothing is installed; OkHttp's timeouts")
  void installed() {
    clients()
        .run(() -> {
          useUrlConnection();
          timeOutOkHttp();
        });
  }
}
