package greenlet.journal;

import java.io.IOException;

/** What is in a store is not what was written. The message says where. */
public final class Corrupt extends IOException {
  private static final long serialVersionUID = 1L;

  /**
   * A store has found this out.
   *
   * @param message where it is, and what is wrong
   */
  public Corrupt(String message) {
    super(message);
  }
}
