package greenlet.journal;

/** A step has failed, for the last time that it was tried. It is the same, whether that has just happened or is replayed. */
public final class StepFailed extends Failed {
  private static final long serialVersionUID = 1L;

  /** Which step. */
  private final String key;

  StepFailed(String key, Failure failure, Codec codec) {
    super("step " + key, failure, codec);
    this.key = key;
  }

  /**
   * Which step.
   *
   * @return its key in the journal
   */
  public String key() {
    return key;
  }
}
