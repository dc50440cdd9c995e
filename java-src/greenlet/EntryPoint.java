package greenlet;

/** What runs on a stack of its own, from its first frame to its last. */
interface EntryPoint extends Runnable {
  /** For the thread that the stack may need. */
  String name();
}
