package greenlet.journal;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One transaction that appends to several programs. Their rows are locked, in the order of the ids, so that what is compared with them is
 * right until the commit. Each gets the token of the transaction: who does it again, as the connection was lost, knows by that what was
 * committed.
 */
final class JdbcAppending {
  private final Tables tables;
  private final Connection connection;
  private final @Nullable String worker;
  private final String version;
  private final long token;

  /** {@code worker}: null for who may append to any program. */
  JdbcAppending(
      Tables tables, Connection connection, @Nullable String worker, String version, long token) {
    this.tables = tables;
    this.connection = connection;
    this.worker = worker;
    this.version = version;
    this.token = token;
  }

  /** A program as it is in the table. */
  private record Row(
      String function,
      long incarnation,
      long first,
      long next,
      boolean hasEnded,
      @Nullable String owner,
      long token) {}

  /** The ids of those that are refused. */
  Set<String> append(List<Append> group) throws SQLException {
    Map<String, Row> rows = locked(group);
    Set<String> refused = new HashSet<>();
    List<Append> begun = new ArrayList<>();
    List<Append> continued = new ArrayList<>();
    List<String> misread = new ArrayList<>();
    for (Append append : group) {
      Row row = rows.get(append.id());
      if (row == null) {
        if (append.number() == 0 && !append.entries().isEmpty()) begun.add(append);
        else refused.add(append.id());
      } else if (row.token != token) { // else it is there already
        if (isNext(append, row)) continued.add(append);
        else refused.add(append.id());
        if (!isNext(append, row) && worker != null && worker.equals(row.owner))
          misread.add(append.id());
      }
    }
    insertEntries(begun);
    insertEntries(continued);
    take(continued);
    Set<String> woken = woken(continued);
    insertPrograms(begun);
    updatePrograms(continued, rows, woken);
    if (!misread.isEmpty()) tables.giveBack(connection, misread);
    return refused;
  }

  private boolean isNext(Append append, Row row) {
    return append.number() == row.next
        && append.incarnation() == row.incarnation
        && !row.hasEnded
        && (worker == null || worker.equals(row.owner));
  }

  private Map<String, Row> locked(List<Append> group) throws SQLException {
    Map<String, Row> rows = new HashMap<>();
    List<String> ids = group.stream().map(Append::id).toList();
    try (PreparedStatement select =
        tables.prepare(
            connection,
            "select id, function, incarnation, first, next, ended, owner, token from $program where id = any(?) order by id for update")) {
      tables.setTexts(select, 1, ids);
      ResultSet found = select.executeQuery();
      while (found.next()) {
        boolean hasEnded = found.getObject("ended") != null;
        rows.put(
            Tables.text(found, "id"),
            new Row(
                Tables.text(found, "function"),
                found.getLong("incarnation"),
                found.getLong("first"),
                found.getLong("next"),
                hasEnded,
                Texts.unescaped(found.getString("owner")),
                found.getLong("token")));
      }
    }
    return rows;
  }

  private void insertEntries(List<Append> appends) throws SQLException {
    if (appends.isEmpty()) return;
    try (PreparedStatement insert =
            tables.prepare(
                connection,
                "insert into $entry (program, number, made, kind, wait, mark, content) values (?, ?, ?, ?, ?, ?, ?)");
        PreparedStatement delete =
            tables.prepare(connection, "delete from $entry where program = ? and number < ?")) {
      boolean restarts = false;
      for (Append append : appends) {
        String id = Texts.escaped(append.id());
        for (Entry entry : append.entries()) {
          insert.setString(1, id);
          insert.setLong(2, entry.number());
          insert.setLong(3, entry.time());
          insert.setString(4, entry.kind().name());
          insert.setString(5, Texts.escaped(entry.key()));
          insert.setLong(6, entry.mark());
          insert.setString(7, Texts.escaped(entry.value()));
          insert.addBatch();
          if (entry.kind() != Entry.Kind.RESTART) continue;
          delete.setString(1, id);
          delete.setLong(2, entry.number());
          delete.addBatch();
          restarts = true;
        }
      }
      insert.executeBatch();
      if (restarts) delete.executeBatch();
    }
  }

  /** The messages that the entries take; all of them where a program ends. */
  private void take(List<Append> appends) throws SQLException {
    try (PreparedStatement one =
            tables.prepare(connection, "delete from $message where program = ? and number = ?");
        PreparedStatement all =
            tables.prepare(connection, "delete from $message where program = ?")) {
      int taken = 0;
      int ended = 0;
      for (Append append : appends) {
        String id = Texts.escaped(append.id());
        for (long number : append.taken()) {
          one.setString(1, id);
          one.setLong(2, number);
          one.addBatch();
          taken++;
        }
        if (end(append) == null) continue;
        all.setString(1, id);
        all.addBatch();
        ended++;
      }
      if (taken > 0) one.executeBatch();
      if (ended > 0) all.executeBatch();
    }
  }

  /** Those that are parked, and have a message that they wait for. */
  private Set<String> woken(List<Append> continued) throws SQLException {
    Map<String, Park> parks = new HashMap<>();
    for (Append append : continued)
      if (append.park() != null && end(append) == null) parks.put(append.id(), append.park());
    Set<String> woken = new HashSet<>();
    if (parks.isEmpty()) return woken;
    try (PreparedStatement select =
        tables.prepare(connection, "select program, name from $message where program = any(?)")) {
      tables.setTexts(select, 1, parks.keySet());
      ResultSet found = select.executeQuery();
      while (found.next()) {
        String id = Tables.text(found, "program");
        Park park = parks.get(id);
        String name = Texts.unescaped(found.getString("name"));
        if (park != null && (name == null || park.messages().contains(name))) woken.add(id);
      }
    }
    return woken;
  }

  private static @Nullable Entry end(Append append) {
    if (append.entries().isEmpty()) return null;
    Entry last = append.entries().get(append.entries().size() - 1);
    return last.kind().ends() ? last : null;
  }

  private void insertPrograms(List<Append> appends) throws SQLException {
    if (appends.isEmpty()) return;
    try (PreparedStatement insert =
        tables.prepare(
            connection,
            "insert into $program (function, incarnation, first, next, ended, parked, due, awaited, wake, owner, token, id, version, sent)"
                + " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)")) {
      for (Append append : appends) {
        set(insert, append, append.entries().get(0), 0, Set.of());
        insert.setString(13, Texts.escaped(version));
        insert.addBatch();
      }
      insert.executeBatch();
    }
  }

  private void updatePrograms(List<Append> appends, Map<String, Row> rows, Set<String> woken)
      throws SQLException {
    if (appends.isEmpty()) return;
    try (PreparedStatement update =
        tables.prepare(
            connection,
            "update $program set function = ?, incarnation = ?, first = ?, next = ?, ended = ?, parked = ?, due = ?, awaited = ?,"
                + " wake = ?, owner = ?, token = ? where id = ?")) {
      for (Append append : appends) {
        Row row = rows.get(append.id());
        if (row == null) continue;
        Entry first = append.entries().isEmpty() ? null : append.entries().get(0);
        if (first == null || first.kind() != Entry.Kind.RESTART)
          first = new Entry(row.first, 0, Entry.Kind.BEGIN, row.function, row.incarnation, null);
        set(update, append, first, row.next, woken);
        update.addBatch();
      }
      update.executeBatch();
    }
  }

  /** {@code begin}: the first entry of its journal. */
  private void set(PreparedStatement to, Append append, Entry begin, long before, Set<String> woken)
      throws SQLException {
    Entry end = end(append);
    Park park = end == null ? append.park() : null;
    to.setString(1, Texts.escaped(begin.key()));
    to.setLong(2, begin.mark());
    to.setLong(3, begin.number());
    to.setLong(4, before + append.entries().size());
    set(to, 5, end == null ? null : Math.max(0, end.time()));
    to.setBoolean(6, park != null);
    set(to, 7, park == null ? null : park.due());
    to.setString(8, park == null ? null : Texts.joined(park.messages()));
    Long wake = park == null || woken.contains(append.id()) ? (Long) 0L : (Long) park.due();
    set(to, 9, end == null ? wake : null);
    to.setString(10, end == null && park == null ? Texts.escaped(worker) : null);
    to.setLong(11, token);
    to.setString(12, Texts.escaped(append.id()));
  }

  private static void set(PreparedStatement to, int parameter, @Nullable Long value)
      throws SQLException {
    if (value == null) to.setNull(parameter, Types.BIGINT);
    else to.setLong(parameter, value);
  }
}
