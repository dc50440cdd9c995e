package greenlet.hub;

/** Unwinds a task as far as a limit or a scope, which knows its own by identity. */
final class Signal extends Error {
  private static final long serialVersionUID = 1L;

  Signal(String message) {
    super(message, null, true, false);
  }
}
