package greenlet.testing;

import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.Greenlet;
import org.junit.jupiter.api.function.Executable;

/** What a call that the library refuses has to say. */
public final class Refusal {
  private Refusal() {}

  /**
   * Asserts that {@code call} throws exactly {@code type}, and that the message tells of each of {@code parts}: names
   * the greenlets, contains the strings. Then that the caller is current as before.
   */
  public static void assertRefused(
      Class<? extends Throwable> type, Executable call, Object... parts) {
    Greenlet caller = Greenlet.current();
    Throwable refusal = assertThrows(type, call);
    assertSame(type, refusal.getClass(), refusal::toString);
    for (Object part : parts) {
      String expected = part instanceof Greenlet g ? "Greenlet[" + g.name() + "," : part.toString();
      assertTrue(
          refusal.getMessage().contains(expected),
          () -> "\"" + expected + "\" is not in: " + refusal.getMessage());
    }
    assertSame(caller, Greenlet.current());
  }
}
