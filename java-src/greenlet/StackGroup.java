package greenlet;

import org.jspecify.annotations.Nullable;

/** The stacks of one thread, which take turns: the thread's own, and those of its greenlets. One of them is current. */
abstract class StackGroup {
  final Thread thread;

  /** The thread's own. */
  final Context root;

  /** Between two stacks: the dynamic bindings of the one that was left. */
  @Nullable Object bindings;

  /** The group of the calling thread. */
  StackGroup() {
    thread = Thread.currentThread();
    root = new Context(this);
  }

  /** The stack that has the control, or is about to get it. */
  abstract Stack currentStack();

  /** The stack that is current could not be started or resumed: makes another one current, which hears of it. */
  abstract void refuse(Throwable why);

  /** The current stack has been parked, by the JDK and not by us: its thread waits for it. */
  abstract void parked();

  /** The context of the current stack, as far as another one can see; the root's if it has none of its own. */
  final Context currentContext() {
    return currentStack() instanceof Context own ? own : root;
  }

  final boolean hasEnded() {
    return !thread.isAlive();
  }

  final String threadName() {
    return describe(thread);
  }

  static String describe(Thread thread) {
    return '"' + name(thread) + '"';
  }

  static String name(Thread thread) {
    return thread.getName().isEmpty() ? "virtual thread #" + thread.threadId() : thread.getName();
  }
}
