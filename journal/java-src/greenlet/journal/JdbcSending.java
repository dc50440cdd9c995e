package greenlet.journal;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import org.jspecify.annotations.Nullable;

/**
 * One transaction that sends a message. Also one without a key leaves one, the token, so that it is not sent twice where the connection was
 * lost and nobody knows whether it was.
 */
final class JdbcSending {
  private final Tables tables;
  private final Connection connection;
  private final long token;

  JdbcSending(Tables tables, Connection connection, long token) {
    this.tables = tables;
    this.connection = connection;
    this.token = token;
  }

  private record Row(boolean hasEnded, long sent, boolean isParked, @Nullable String awaited) {}

  /** False if one with its key was sent before. */
  boolean send(String id, Message message) throws SQLException {
    Row row = locked(id);
    if (row == null)
      throw new IllegalStateException(
          "there is no program %s to send a message to: execute it first".formatted(id));
    String digest = digest(message.key());
    Long sender = sender(id, digest);
    if (sender != null) return sender == token;
    if (row.hasEnded)
      throw new IllegalStateException(
          "program %s has ended, and receives no message".formatted(id));
    insertKey(id, digest);
    insert(id, row.sent, message);
    boolean wakes =
        row.isParked
            && (message.isCancellation()
                || Texts.parted(String.valueOf(row.awaited)).contains(message.name()));
    update(id, wakes);
    if (tables.dialect == Dialect.POSTGRESQL) tellOthers(id);
    return true;
  }

  private @Nullable Row locked(String id) throws SQLException {
    try (PreparedStatement select =
        tables.prepare(
            connection,
            "select ended, sent, parked, awaited from $program where id = ? for update")) {
      select.setString(1, Texts.escaped(id));
      ResultSet found = select.executeQuery();
      if (!found.next()) return null;
      boolean hasEnded = found.getObject(1) != null;
      return new Row(hasEnded, found.getLong(2), found.getBoolean(3), found.getString(4));
    }
  }

  private String digest(@Nullable String key) {
    if (key == null) return "t%016x".formatted(token);
    KeySet.Digest digest = KeySet.Digest.of(key);
    return "k%016x%016x".formatted(digest.high(), digest.low());
  }

  private @Nullable Long sender(String id, String digest) throws SQLException {
    try (PreparedStatement select =
        tables.prepare(connection, "select token from $key where program = ? and digest = ?")) {
      select.setString(1, Texts.escaped(id));
      select.setString(2, digest);
      ResultSet found = select.executeQuery();
      return found.next() ? found.getLong(1) : null;
    }
  }

  private void insertKey(String id, String digest) throws SQLException {
    try (PreparedStatement insert =
        tables.prepare(connection, "insert into $key (program, digest, token) values (?, ?, ?)")) {
      insert.setString(1, Texts.escaped(id));
      insert.setString(2, digest);
      insert.setLong(3, token);
      insert.executeUpdate();
    }
  }

  private void insert(String id, long number, Message message) throws SQLException {
    try (PreparedStatement insert =
        tables.prepare(
            connection,
            "insert into $message (program, number, made, name, message_key, content) values (?, ?, ?, ?, ?, ?)")) {
      insert.setString(1, Texts.escaped(id));
      insert.setLong(2, number);
      insert.setLong(3, message.time());
      insert.setString(4, Texts.escaped(message.name()));
      insert.setString(5, Texts.escaped(message.key()));
      insert.setString(6, Texts.escaped(message.value()));
      insert.executeUpdate();
    }
  }

  private void update(String id, boolean wakes) throws SQLException {
    try (PreparedStatement update =
        tables.prepare(
            connection,
            "update $program set sent = sent + 1"
                + (wakes ? ", wake = 0" : "")
                + " where id = ?")) {
      update.setString(1, Texts.escaped(id));
      update.executeUpdate();
    }
  }

  private void tellOthers(String id) throws SQLException {
    try (PreparedStatement notify = connection.prepareStatement("select pg_notify(?, ?)")) {
      notify.setString(1, Notifications.channel(tables));
      notify.setString(2, Texts.escaped(id));
      notify.execute();
    }
  }
}
