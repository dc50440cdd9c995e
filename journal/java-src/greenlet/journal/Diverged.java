package greenlet.journal;

/**
 * A program does not do what its journal says that it has done: its code is another one, or it asks something that changes. The message
 * has both sides. Nothing has been appended; with the code that the journal was made by, the program goes on.
 */
public final class Diverged extends IllegalStateException {
  private static final long serialVersionUID = 1L;

  private final transient Entry entry;

  Diverged(String message, Entry entry) {
    super(message);
    this.entry = entry;
  }

  /**
   * The first entry that does not fit.
   *
   * @return the entry
   */
  public Entry entry() {
    return entry;
  }
}
