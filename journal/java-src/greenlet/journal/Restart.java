package greenlet.journal;

import org.jspecify.annotations.Nullable;

/** Unwinds a program that begins once more. */
final class Restart extends Error {
  private static final long serialVersionUID = 1L;

  final transient @Nullable Object argument;

  Restart(@Nullable Object argument) {
    super("the program begins once more", null, false, false);
    this.argument = argument;
  }
}
