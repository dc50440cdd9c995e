package greenlet.io;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import greenlet.testing.Hubs;
import org.junit.jupiter.api.BeforeAll;

/** The same with the JDK's sockets, in cooperative hubs. */
class CooperativeDatabaseClientsTest extends DatabaseClientsTest {
  @BeforeAll
  static void needsCooperativeHub() {
    assumeTrue(Hubs.canCooperate(), "cooperative hubs need another flag");
  }

  @Override
  Clients clients() {
    return Clients.COOPERATIVE;
  }
}
