package greenlet;

import org.jspecify.annotations.Nullable;

/** A stack cannot be suspended where it is: a frame that the JVM cannot put aside lies on it. */
final class Pinned {
  private Pinned() {}

  /** What to throw where {@code who} would have to be suspended. */
  static IllegalStateException refusal(Object who, @Nullable Throwable cause) {
    return new IllegalStateException(
        who
            + " cannot be suspended here: a native frame lies on its stack, such as that of a class "
            + "initialiser"
            + (Runtime.version().feature() < 24 ? ", or it is inside of synchronized" : "")
            + "; switch outside of it, "
            + "or use -D"
            + Flags.ENGINE
            + "="
            + Flags.VIRTUAL_THREAD_ENGINE
            + " without "
            + Flags.JAVA_LANG,
        cause);
  }
}
