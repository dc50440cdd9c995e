package greenlet.hub;

/** Unwinds a task as far as a limit or a scope, which knows its own by identity. */
final class Signal extends Error {
  private static final long serialVersionUID = 1L;

  /** Whether it is to tell where it was raised, which takes time. */
  private final boolean isTraced;

  Signal(String message, boolean isTraced) {
    super(message);
    this.isTraced = isTraced;
  }

  /** To be called where {@code t} is raised in the task. */
  static void trace(Throwable t) {
    if (t instanceof Signal s && s.isTraced) s.fillIn();
  }

  private void fillIn() {
    super.fillInStackTrace();
  }

  /** Where it was made says nothing. */
  @Override
  public synchronized Throwable fillInStackTrace() {
    return this;
  }
}
