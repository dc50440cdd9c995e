package greenlet.journal;

/** A program has ended by an exception. */
public final class ProgramFailed extends Failed {
  private static final long serialVersionUID = 1L;

  /** Which program. */
  private final String id;

  ProgramFailed(String id, Failure failure, Codec codec) {
    super("program " + id, failure, codec);
    this.id = id;
  }

  /**
   * Which program.
   *
   * @return its id
   */
  public String id() {
    return id;
  }
}
