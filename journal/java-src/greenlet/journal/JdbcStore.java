package greenlet.journal;

import java.io.IOException;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * Keeps journals in the tables of a database, PostgreSQL or H2, which any number of processes share. What is appended to many programs at
 * once is one transaction. Its tables are made when it is opened for the first time.
 *
 * <p><b>Connections.</b> It keeps some of the {@code DataSource}, each in a thread of its own, from the first call that needs it until
 * {@link #close}. A transaction whose connection is lost is done once more, on another one, and finds out whether it was committed
 * before; for as long as {@link Options#patience} says. After that the store is over, as {@link Store} has it.
 *
 * <p><b>Listeners</b> hear of messages at once that this store was sent, and those from elsewhere by PostgreSQL's {@code NOTIFY}; where
 * there is none, when the tables are looked at next.
 */
public final class JdbcStore implements SharedStore {
  private static final int VALUE_LIMIT = 1 << 24;
  private static final int ID_LIMIT = 1000;
  private static final int AT_ONCE = 1000;
  private static final Pattern PREFIX = Pattern.compile("[a-z][a-z0-9_]{0,30}");
  private static final String ENTRY = "number, made, kind, wait, mark, content";

  /**
   * How a store uses its database. Each method returns other options.
   *
   * @param prefix what the names of its tables and indexes begin with: small letters, digits and {@code _}
   * @param connections how many it has at most
   * @param patience how long a call tries to get another connection for one that was lost
   * @param poll how often it looks for messages from elsewhere, where nothing tells it of them, and for programs that are due
   * @param version the version of the deployment, which programs are recorded with that begin through this store
   */
  public record Options(
      String prefix, int connections, Duration patience, Duration poll, String version) {
    /** Tables {@code greenlet_…}, 4 connections, a minute's patience, a look each second, and no version: an empty text. */
    public static final Options DEFAULT =
        new Options("greenlet_", 4, Duration.ofMinutes(1), Duration.ofSeconds(1), "");

    /**
     * Refuses what makes no sense.
     *
     * @param prefix of names
     * @param connections 1 or more
     * @param patience not negative
     * @param poll above zero
     * @param version any text
     */
    public Options {
      if (!PREFIX.matcher(prefix).matches())
        throw new IllegalArgumentException(
            "a prefix is 1 to 31 small letters, digits and _, a letter first; got " + prefix);
      if (connections < 1)
        throw new IllegalArgumentException("a store has 1 connection or more; got " + connections);
      if (patience.isNegative())
        throw new IllegalArgumentException("patience is a time or none; got " + patience);
      if (!poll.isPositive())
        throw new IllegalArgumentException("a store polls after a time above zero; got " + poll);
    }

    /**
     * Sets what the names of tables begin with.
     *
     * @param begin small letters, digits and {@code _}
     * @return other options
     */
    public Options prefix(String begin) {
      return new Options(begin, connections, patience, poll, version);
    }

    /**
     * Sets how many connections it has at most.
     *
     * @param most 1 or more
     * @return other options
     */
    public Options connections(int most) {
      return new Options(prefix, most, patience, poll, version);
    }

    /**
     * Sets how long a call tries to get another connection for one that was lost.
     *
     * @param time how long
     * @return other options
     */
    public Options patience(Duration time) {
      return new Options(prefix, connections, time, poll, version);
    }

    /**
     * Sets how often it looks.
     *
     * @param time how long after the last time
     * @return other options
     */
    public Options poll(Duration time) {
      return new Options(prefix, connections, patience, time, version);
    }

    /**
     * Sets the version of the deployment.
     *
     * @param deployed any text
     * @return other options
     */
    public Options version(String deployed) {
      return new Options(prefix, connections, patience, poll, deployed);
    }
  }

  private final Options options;
  private final Connections connections;
  private final Tables tables;
  private final Listeners listeners = new Listeners();
  private final Notifications notifications;

  private JdbcStore(DataSource source, Options options) throws IOException {
    this.options = options;
    String name = "in the tables " + options.prefix + "…";
    connections = new Connections(source, name, options.connections, options.patience);
    try {
      tables = connections.read((connection, isAgain) -> Tables.open(connection, options.prefix));
    } catch (Throwable t) {
      connections.close();
      throw t;
    }
    notifications = new Notifications(source, tables, options, listeners::tell);
  }

  /**
   * Opens the store in the tables {@code greenlet_…} of a database, which are made if they are not there.
   *
   * @param source gives connections; a pool may, which has to have as many more as the options say
   * @return to be closed
   * @throws IOException if the database cannot be reached, is neither PostgreSQL nor H2, or has the tables of a later version of this
   *     library
   */
  public static JdbcStore open(DataSource source) throws IOException {
    return open(source, Options.DEFAULT);
  }

  /**
   * Opens a store.
   *
   * @param source gives connections
   * @param options how they are used
   * @return to be closed
   * @throws IOException as above
   */
  public static JdbcStore open(DataSource source, Options options) throws IOException {
    if (source == null || options == null)
      throw new IllegalArgumentException("a store needs a DataSource and options: got null");
    return new JdbcStore(source, options);
  }

  // Reading

  @Override
  public List<Entry> read(String id) throws IOException {
    return connections.read((connection, isAgain) -> {
      try (PreparedStatement select =
          tables.prepare(
              connection, "select " + ENTRY + " from $entry where program = ? order by number")) {
        select.setString(1, Texts.escaped(id));
        List<Entry> entries = new ArrayList<>();
        ResultSet found = select.executeQuery();
        while (found.next()) entries.add(entry(found, 1));
        return entries;
      }
    });
  }

  private static Entry entry(ResultSet from, int column) throws SQLException {
    return new Entry(
        from.getLong(column),
        from.getLong(column + 1),
        Entry.Kind.valueOf(from.getString(column + 2)),
        String.valueOf(Texts.unescaped(from.getString(column + 3))),
        from.getLong(column + 4),
        Texts.unescaped(from.getString(column + 5)));
  }

  @Override
  public @Nullable Standing standing(String id) throws IOException {
    List<Standing> found = standings(List.of(id));
    return found.isEmpty() ? null : found.get(0);
  }

  private List<Standing> standings(List<String> ids) throws IOException {
    return connections.read((connection, isAgain) -> {
      String columns = ENTRY.replaceAll("\\w+", "b.$0") + ", " + ENTRY.replaceAll("\\w+", "e.$0");
      try (PreparedStatement select =
          tables.prepare(
              connection,
              "select "
                  + columns
                  + ", p.id, p.next, p.parked, p.due, p.awaited from $program p"
                  + " join $entry b on b.program = p.id and b.number = p.first"
                  + " left join $entry e on p.ended is not null and e.program = p.id and e.number = p.next - 1"
                  + " where p.id = any(?)")) {
        tables.setTexts(select, 1, ids);
        List<Standing> all = new ArrayList<>();
        ResultSet found = select.executeQuery();
        while (found.next()) all.add(standingIn(found));
        return all;
      }
    });
  }

  private static Standing standingIn(ResultSet from) throws SQLException {
    Entry end = from.getString(9) == null ? null : entry(from, 7);
    String awaited = from.getString("awaited");
    boolean isParked = from.getBoolean("parked") && awaited != null;
    Park park = isParked ? new Park(from.getLong("due"), Texts.parted(awaited)) : null;
    return new Standing(Tables.text(from, "id"), entry(from, 1), from.getLong("next"), end, park);
  }

  @Override
  public void forEach(Consumer<? super Standing> each) throws IOException {
    List<String> ids = ids("select id from $program");
    for (int from = 0; from < ids.size(); from += AT_ONCE)
      standings(ids.subList(from, Math.min(ids.size(), from + AT_ONCE))).forEach(each);
  }

  private List<String> ids(String sql) throws IOException {
    return connections.read((connection, isAgain) -> {
      try (PreparedStatement select = tables.prepare(connection, sql)) {
        return Tables.texts(select);
      }
    });
  }

  @Override
  public List<String> unparked() throws IOException {
    return ids("select id from $program where ended is null and not parked");
  }

  @Override
  public List<String> due(long time, int most) throws IOException {
    return connections.read((connection, isAgain) -> {
      try (PreparedStatement select =
          tables.prepare(
              connection,
              "select id from $program where parked and wake <= ? order by wake limit ?")) {
        select.setLong(1, time);
        select.setInt(2, most);
        return Tables.texts(select);
      }
    });
  }

  @Override
  public long nextDue() throws IOException {
    return connections.<Long>read((connection, isAgain) -> {
      try (PreparedStatement select =
          tables.prepare(connection, "select min(wake) from $program where parked")) {
        return least(select);
      }
    });
  }

  private static long least(PreparedStatement select) throws SQLException {
    ResultSet found = select.executeQuery();
    found.next();
    long least = found.getLong(1);
    return found.wasNull() ? Park.NEVER : least;
  }

  @Override
  public List<Message> messages(String id) throws IOException {
    return connections.read((connection, isAgain) -> {
      try (PreparedStatement select =
          tables.prepare(
              connection,
              "select number, made, name, message_key, content from $message where program = ? order by number")) {
        select.setString(1, Texts.escaped(id));
        List<Message> messages = new ArrayList<>();
        ResultSet found = select.executeQuery();
        while (found.next())
          messages.add(
              new Message(
                  found.getLong(1),
                  found.getLong(2),
                  Texts.unescaped(found.getString(3)),
                  Texts.unescaped(found.getString(4)),
                  Texts.unescaped(found.getString(5))));
        return messages;
      }
    });
  }

  // Writing

  @Override
  public Set<String> append(List<Append> group) throws IOException {
    return appended(group, null, options.version);
  }

  private Set<String> appended(List<Append> group, @Nullable String worker, String version)
      throws IOException {
    for (Append append : group) {
      requireId(append.id());
      append.entries().forEach(entry -> requireFits(entry.value(), append.id()));
    }
    if (group.isEmpty()) return Set.of();
    long token = token();
    return connections.write((connection, isAgain) ->
        new JdbcAppending(tables, connection, worker, version, token).append(group));
  }

  private static long token() {
    return ThreadLocalRandom.current().nextLong();
  }

  private static void requireId(String id) {
    if (id.length() > ID_LIMIT)
      throw new IllegalArgumentException(
          "the id of a program has %,d characters at most here; got %,d"
              .formatted(ID_LIMIT, id.length()));
  }

  private static void requireFits(@Nullable String value, String id) {
    if (value != null && value.length() > VALUE_LIMIT)
      throw new IllegalArgumentException(
          "a value of %s has %d characters, and the store takes %d: keep it elsewhere, and its name here"
              .formatted(id, value.length(), VALUE_LIMIT));
  }

  @Override
  public boolean send(String id, Message message) throws IOException {
    requireFits(message.value(), id);
    long token = token();
    boolean isNew =
        this.connections.<Boolean>write(
            (connection, isAgain) -> new JdbcSending(tables, connection, token).send(id, message));
    if (isNew) listeners.tell(id);
    return isNew;
  }

  @Override
  public boolean delete(String id) throws IOException {
    return connections.<Boolean>write((connection, isAgain) -> {
      try (PreparedStatement select =
          tables.prepare(connection, "select ended from $program where id = ? for update")) {
        select.setString(1, Texts.escaped(id));
        ResultSet found = select.executeQuery();
        if (!found.next()) return isAgain;
        if (found.getObject(1) == null)
          throw new IllegalStateException(
              "program %s has not ended, and is not deleted: cancel it, and wait for its end"
                  .formatted(id));
      }
      delete(connection, List.of(id));
      return true;
    });
  }

  private void delete(Connection connection, List<String> ids) throws SQLException {
    for (String table :
        List.of(
            "$entry where program",
            "$message where program",
            "$key where program",
            "$program where id")) {
      try (PreparedStatement delete =
          tables.prepare(connection, "delete from " + table + " = any(?)")) {
        tables.setTexts(delete, 1, ids);
        delete.executeUpdate();
      }
    }
  }

  @Override
  public long prune(long time) throws IOException {
    long pruned = 0;
    for (long now = AT_ONCE; now >= AT_ONCE; pruned += now) {
      List<String> chosen = new ArrayList<>();
      now = connections.<Long>write((connection, isAgain) -> prune(connection, time, chosen));
    }
    return pruned;
  }

  /** {@code chosen}: those of the last try, some of which are gone if that was committed. */
  private long prune(Connection connection, long time, List<String> chosen) throws SQLException {
    long gone = chosen.isEmpty() ? 0 : chosen.size() - tables.present(connection, chosen).size();
    chosen.clear();
    if (gone > 0) return gone;
    try (PreparedStatement select =
        tables.prepare(
            connection,
            "select id from $program where ended < ? order by id limit ? for update skip locked")) {
      select.setLong(1, time);
      select.setInt(2, AT_ONCE);
      chosen.addAll(Tables.texts(select));
    }
    delete(connection, chosen);
    return chosen.size();
  }

  @Override
  public int valueLimit() {
    return VALUE_LIMIT;
  }

  @Override
  public Runnable listen(Consumer<? super String> listener) {
    Runnable end = listeners.add(listener);
    notifications.start();
    return end;
  }

  @Override
  public void close() {
    notifications.close();
    connections.close();
  }

  // Workers

  @Override
  public void enter(String worker, Duration lease) throws IOException {
    requireId(worker);
    connections.<@Nullable Object>write((connection, isAgain) -> {
      if (tables.renew(connection, worker, lease.toMillis()) == 0)
        tables.enter(connection, worker, lease.toMillis());
      else if (!isAgain)
        throw new IllegalStateException(
            "there is a worker %s already: give each a name of its own".formatted(worker));
      return null;
    });
  }

  @Override
  public boolean renew(String worker, Duration lease) throws IOException {
    return connections.<Boolean>write(
        (connection, isAgain) -> tables.renew(connection, worker, lease.toMillis()) > 0);
  }

  @Override
  public void leave(String worker) throws IOException {
    connections.<@Nullable Object>write((connection, isAgain) -> {
      tables.remove(connection, List.of(worker));
      return null;
    });
  }

  @Override
  public List<String> take(String worker, Share share, long time, int most) throws IOException {
    long token = token();
    return connections.write((connection, isAgain) -> {
      List<String> taken = isAgain ? tables.taken(connection, worker, token) : List.of();
      if (!taken.isEmpty()) return taken;
      if (!tables.isPresent(connection, worker)) return List.of();
      List<String> lapsed = tables.lapsed(connection);
      lapsed.remove(worker);
      tables.remove(connection, lapsed);
      return tables.take(connection, worker, share, time, most, token);
    });
  }

  @Override
  public long nextDue(Share share) throws IOException {
    return connections.<Long>read((connection, isAgain) -> {
      try (PreparedStatement select =
          tables.prepare(
              connection,
              "select min(wake) from $program where owner is null and function = any(?) and version = any(?)")) {
        tables.setTexts(select, 1, share.functions());
        tables.setTexts(select, 2, share.versions());
        return least(select);
      }
    });
  }

  @Override
  public Set<String> append(String worker, String version, List<Append> group) throws IOException {
    return appended(group, worker, version);
  }

  @Override
  public String toString() {
    return "#<JdbcStore %s…>".formatted(options.prefix);
  }
}
