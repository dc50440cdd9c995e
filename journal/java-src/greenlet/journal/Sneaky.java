package greenlet.journal;

/** Throws checked exceptions where none is declared. */
final class Sneaky {
  private Sneaky() {}

  /** Throws {@code t} as it is; to be called in a throw statement. */
  static RuntimeException unchecked(Throwable t) {
    throw Sneaky.<RuntimeException>as(t);
  }

  @SuppressWarnings("unchecked")
  private static <E extends Throwable> E as(Throwable t) throws E {
    throw (E) t;
  }
}
