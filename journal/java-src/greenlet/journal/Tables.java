package greenlet.journal;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The tables of a {@link JdbcStore}, whose names all begin alike, and their version. */
final class Tables {
  private static final int VERSION = 1;

  final String prefix;
  final Dialect dialect;

  private Tables(String prefix, Dialect dialect) {
    this.prefix = prefix;
    this.dialect = dialect;
  }

  /** Makes them if they are not there. Others may do so at the same time. */
  static Tables open(Connection connection, String prefix) throws SQLException {
    var tables = new Tables(prefix, Dialect.of(connection));
    int version = tables.version(connection);
    connection.rollback();
    if (version == 0) {
      tables.make(connection);
      version = VERSION;
    }
    if (version != VERSION)
      throw new SQLException(
          "the tables %s… are of version %d, and this library knows version %d: use the version of the library that has made them"
              .formatted(prefix, version, VERSION));
    return tables;
  }

  /** 0 if there are none. */
  private int version(Connection connection) throws SQLException {
    try (ResultSet found =
        connection.getMetaData().getTables(null, currentSchema(connection), null, null)) {
      boolean isThere = false;
      while (found.next())
        isThere |= found.getString("TABLE_NAME").equalsIgnoreCase(prefix + "schema");
      if (!isThere) return 0;
    }
    try (PreparedStatement select = prepare(connection, "select version from $schema");
        ResultSet found = select.executeQuery()) {
      return found.next() ? found.getInt(1) : 0;
    }
  }

  private static @Nullable String currentSchema(Connection connection) throws SQLException {
    return connection.getSchema();
  }

  /** Whoever is second fails, as there is a table already, and finds it at the next try. */
  private void make(Connection connection) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(named("create table $schema (version int not null)"));
      for (String each : dialect.tables()) statement.execute(named(each));
      statement.execute(named("insert into $schema values (" + VERSION + ")"));
    }
    connection.commit();
  }

  /** With the names of tables and indexes, each of which has a $ before it; with the time of the database for #now. */
  private String named(String sql) {
    return sql.replace("$", prefix).replace("#now", dialect.now);
  }

  PreparedStatement prepare(Connection connection, String sql) throws SQLException {
    return connection.prepareStatement(named(sql));
  }

  void setTexts(PreparedStatement to, int parameter, Collection<String> texts) throws SQLException {
    Object[] all = texts.stream().map(Texts::escaped).toArray();
    to.setArray(parameter, to.getConnection().createArrayOf(dialect.arrayType(), all));
  }

  static String text(ResultSet from, String column) throws SQLException {
    return String.valueOf(Texts.unescaped(from.getString(column)));
  }

  static List<String> texts(PreparedStatement select) throws SQLException {
    List<String> texts = new ArrayList<>();
    try (ResultSet found = select.executeQuery()) {
      while (found.next()) texts.add(String.valueOf(Texts.unescaped(found.getString(1))));
    }
    return texts;
  }

  // Workers

  /** How many workers of that name there are; 0 or 1. */
  int renew(Connection connection, String worker, long millis) throws SQLException {
    try (PreparedStatement update =
        prepare(connection, "update $worker set lease_end = #now + ? where name = ?")) {
      update.setLong(1, millis);
      update.setString(2, Texts.escaped(worker));
      return update.executeUpdate();
    }
  }

  void enter(Connection connection, String worker, long millis) throws SQLException {
    try (PreparedStatement insert =
        prepare(connection, "insert into $worker (name, lease_end) values (?, #now + ?)")) {
      insert.setString(1, Texts.escaped(worker));
      insert.setLong(2, millis);
      insert.executeUpdate();
    }
  }

  /** Whether its lease has not been ended by others; then nobody ends it before the end of the transaction. */
  boolean isPresent(Connection connection, String worker) throws SQLException {
    try (PreparedStatement select =
        prepare(connection, "select name from $worker where name = ? for update")) {
      select.setString(1, Texts.escaped(worker));
      return !texts(select).isEmpty();
    }
  }

  /** Those whose lease has ended, if nobody else is about to free their programs. */
  List<String> lapsed(Connection connection) throws SQLException {
    try (PreparedStatement select =
        prepare(
            connection,
            "select name from $worker where lease_end < #now order by name for update skip locked")) {
      return texts(select);
    }
  }

  /** Their programs are nobody's. */
  void remove(Connection connection, Collection<String> workers) throws SQLException {
    if (workers.isEmpty()) return;
    try (PreparedStatement update =
            prepare(connection, "update $program set owner = null where owner = any(?)");
        PreparedStatement delete = prepare(connection, "delete from $worker where name = any(?)")) {
      setTexts(update, 1, workers);
      update.executeUpdate();
      setTexts(delete, 1, workers);
      delete.executeUpdate();
    }
  }

  void giveBack(Connection connection, Collection<String> ids) throws SQLException {
    try (PreparedStatement update =
        prepare(connection, "update $program set owner = null where id = any(?)")) {
      setTexts(update, 1, ids);
      update.executeUpdate();
    }
  }

  /** The token tells, later, what was taken; as {@link #taken} does. */
  List<String> take(
      Connection connection,
      String worker,
      SharedStore.Share share,
      long time,
      int most,
      long token)
      throws SQLException {
    List<String> ids;
    try (PreparedStatement select =
        prepare(
            connection,
            "select id from $program where owner is null and wake <= ? and function = any(?) and version = any(?)"
                + " order by wake limit ? for update skip locked")) {
      select.setLong(1, time);
      setTexts(select, 2, share.functions());
      setTexts(select, 3, share.versions());
      select.setInt(4, most);
      ids = texts(select);
    }
    if (ids.isEmpty()) return ids;
    try (PreparedStatement update =
        prepare(connection, "update $program set owner = ?, token = ? where id = any(?)")) {
      update.setString(1, Texts.escaped(worker));
      update.setLong(2, token);
      setTexts(update, 3, ids);
      update.executeUpdate();
    }
    return ids;
  }

  /** What a transaction with that token has given to the worker. */
  List<String> taken(Connection connection, String worker, long token) throws SQLException {
    try (PreparedStatement select =
        prepare(
            connection, "select id from $program where owner = ? and token = ? order by wake")) {
      select.setString(1, Texts.escaped(worker));
      select.setLong(2, token);
      return texts(select);
    }
  }

  /** Which of them there are. */
  List<String> present(Connection connection, Collection<String> ids) throws SQLException {
    try (PreparedStatement select =
        prepare(connection, "select id from $program where id = any(?)")) {
      setTexts(select, 1, ids);
      return texts(select);
    }
  }
}
