package greenlet.journal;

import jdk.jfr.Category;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** The events of workers for the JDK's Flight Recorder. Touched only where the JVM has that. */
final class WorkerRecords {
  private static final boolean ARE_POSSIBLE = arePossible();

  private WorkerRecords() {}

  private static boolean arePossible() {
    try {
      Class.forName("jdk.jfr.Event", false, WorkerRecords.class.getClassLoader());
      return true;
    } catch (ClassNotFoundException | LinkageError e) {
      return false;
    }
  }

  /** {@code what}: begun, lost or ended. */
  static void lease(String worker, String what) {
    if (ARE_POSSIBLE) Lease.happened(worker, what);
  }

  static void taken(String worker, int programs) {
    if (ARE_POSSIBLE && programs > 0) Taken.happened(worker, programs);
  }

  /** The lease of a worker has begun, was lost or has ended. */
  @Name("greenlet.journal.Lease")
  @Label("Lease")
  @Category({"greenlet", "journal"})
  @StackTrace(false)
  static final class Lease extends Event {
    @Label("Worker")
    String worker = "";

    @Label("What")
    String what = "";

    static void happened(String worker, String what) {
      var event = new Lease();
      if (!event.shouldCommit()) return;
      event.worker = worker;
      event.what = what;
      event.commit();
    }
  }

  /** A worker has taken programs. */
  @Name("greenlet.journal.Taken")
  @Label("Programs Taken")
  @Category({"greenlet", "journal"})
  @StackTrace(false)
  static final class Taken extends Event {
    @Label("Worker")
    String worker = "";

    @Label("Programs")
    int programs;

    static void happened(String worker, int programs) {
      var event = new Taken();
      if (!event.shouldCommit()) return;
      event.worker = worker;
      event.programs = programs;
      event.commit();
    }
  }
}
