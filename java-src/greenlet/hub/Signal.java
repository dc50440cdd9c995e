package greenlet.hub;

import greenlet.GreenletExit;

/** Unwinds a task as far as a limit or a scope, which knows its own by identity. */
final class Signal extends Error {
  private static final long serialVersionUID = 1L;

  /** Whether it is to tell where it was raised, which takes time. */
  private final boolean isTraced;

  Signal(String message, boolean isTraced) {
    super(message);
    this.isTraced = isTraced;
  }

  /** Whether {@code t} is what a hub unwinds its tasks by. */
  static boolean isOurs(Throwable t) {
    return t instanceof Signal || t instanceof GreenletExit;
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
