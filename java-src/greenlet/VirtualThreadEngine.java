package greenlet;

import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** Every stack is that of a virtual thread, and a transfer is a hand-over from thread to thread: public JDK API alone, no flag. */
final class VirtualThreadEngine extends Engine {
  private final @Nullable String whyNotContinuation;

  VirtualThreadEngine(@Nullable String whyNotContinuation) {
    this.whyNotContinuation = whyNotContinuation;
  }

  @Override
  public String toString() {
    return describe(VIRTUAL_THREAD, whyNotContinuation);
  }

  @Override
  Stack rootStack(Context root) {
    return root;
  }

  @Override
  Stack newStack(StackGroup group, StackBody body) {
    return new Context(group, body.name() + "@" + StackGroup.name(group.thread), () -> run(group, body));
  }

  private static void run(StackGroup group, StackBody body) {
    Context here = Context.current();
    body.run();
    while (true) {
      try {
        here.end((Context) group.currentStack());
        return;
      } catch (Throwable t) { // it is unstarted, and no thread could be had for it
        group.refuse(t);
      }
    }
  }

  @Override
  void transfer(StackGroup group, Stack from, Stack to, Object who) {
    if (!((Context) from).pass((Context) to)) throw refusal(who, null);
  }

  @Override
  <B extends RunningBody & StackBody> BodyStack bodyStack(B body, boolean confined) {
    return new BodyThread(body, confined);
  }

  @Override
  Stream<StackTraceElement> stackTrace(StackGroup group, Stack stack) {
    return ((Context) stack).stackTrace(group, false);
  }
}
