/** Programs that outlive their process: functions that run as tasks of a hub, and whose inputs a store keeps. */
module greenlet.journal {
  requires greenlet;
  requires java.management;
  requires static java.sql;
  requires static jdk.jfr;
  requires static org.jspecify;

  exports greenlet.journal;
}
