package greenlet.journal;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.List;
import java.util.stream.Stream;

/** What a {@link JdbcStore} says otherwise to PostgreSQL than to H2. */
enum Dialect {
  POSTGRESQL(
      "text collate \"C\"", "text", "(extract(epoch from clock_timestamp()) * 1000)::bigint"),
  H2(
      "varchar(2000)",
      "character large object",
      "datediff(millisecond, timestamp with time zone '1970-01-01 00:00:00+00:00', current_timestamp)");

  private final String name;
  private final String text;

  /** The database's time, in milliseconds since 1970. */
  final String now;

  Dialect(String name, String text, String now) {
    this.name = name;
    this.text = text;
    this.now = now;
  }

  static Dialect of(Connection connection) throws SQLException {
    String product = connection.getMetaData().getDatabaseProductName();
    return switch (product) {
      case "PostgreSQL" -> POSTGRESQL;
      case "H2" -> H2;
      default ->
          throw new SQLException(
              "a journal is kept by PostgreSQL or H2, and this is %s: use one of these, or write a greenlet.journal.Store"
                  .formatted(product));
    };
  }

  /**
   * What a connection is told first: a process that stands still in the midst of a transaction, and has rows locked, loses it, or nobody
   * could take over its programs.
   */
  List<String> first() {
    return this == POSTGRESQL
        ? List.of("set idle_in_transaction_session_timeout = 3000")
        : List.of();
  }

  /** What it is told last, as it may be that of a pool. */
  List<String> last() {
    return this == POSTGRESQL ? List.of("reset idle_in_transaction_session_timeout") : List.of();
  }

  /** How arrays of names are called. */
  String arrayType() {
    return this == POSTGRESQL ? "text" : "varchar";
  }

  /** What makes the tables of version 1. */
  List<String> tables() {
    return Stream.of(
            """
            create table $program (
              id #name primary key, function #name not null, version #name not null,
              incarnation bigint not null, first bigint not null, next bigint not null, sent bigint not null,
              ended bigint, parked boolean not null, due bigint, awaited #text, wake bigint,
              owner #name, token bigint not null)
            """,
            """
            create table $entry (
              program #name not null, number bigint not null, made bigint not null, kind varchar(16) not null,
              wait #text not null, mark bigint not null, content #text,
              primary key (program, number))
            """,
            """
            create table $message (
              program #name not null, number bigint not null, made bigint not null,
              name #text, message_key #text, content #text,
              primary key (program, number))
            """,
            """
            create table $key (
              program #name not null, digest varchar(34) not null, token bigint not null,
              primary key (program, digest))
            """,
            "create table $worker (name #name primary key, lease_end bigint not null)",
            this == POSTGRESQL
                ? "create index $free on $program (wake) where owner is null and wake is not null"
                : "create index $free on $program (owner, wake)",
            this == POSTGRESQL
                ? "create index $owned on $program (owner) where owner is not null"
                : "create index $owned on $program (owner)",
            this == POSTGRESQL
                ? "create index $parked on $program (wake) where parked"
                : "create index $parked on $program (parked, wake)")
        .map(each -> each.replace("#name", name).replace("#text", text))
        .toList();
  }
}
