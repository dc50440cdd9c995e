package greenlet.journal;

import greenlet.testing.Servers;
import javax.sql.DataSource;
import org.h2.jdbcx.JdbcDataSource;
import org.postgresql.ds.PGSimpleDataSource;

/** The databases of tests: one in memory, and the server that all tests of this JVM share. */
final class Databases {
  private Databases() {}

  static DataSource h2(String name) {
    var source = new JdbcDataSource();
    source.setURL("jdbc:h2:mem:" + name + ";DB_CLOSE_DELAY=-1");
    return source;
  }

  static DataSource postgresql() {
    return postgresql(Servers.running().postgresqlPort());
  }

  /** By a port that leads there. */
  static PGSimpleDataSource postgresql(int port) {
    var source = new PGSimpleDataSource();
    source.setServerNames(new String[] {"127.0.0.1"});
    source.setPortNumbers(new int[] {port});
    source.setDatabaseName("postgres");
    source.setUser(Servers.running().postgresqlUser());
    source.setPassword(Servers.running().password());
    source.setSslMode("disable");
    return source;
  }
}
