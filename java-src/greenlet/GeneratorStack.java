package greenlet;

/** The stack of a generator's body, which runs as part of whoever pulls from it. */
interface GeneratorStack {
  /**
   * On the puller's stack, {@code here}: runs the body, from its start or from where it suspended itself, until it suspends
   * itself or ends.
   */
  void resume(Context here);

  /** On the body's stack, {@code here}: suspends it and lets the call of resume return. */
  void suspend(Context here);
}
