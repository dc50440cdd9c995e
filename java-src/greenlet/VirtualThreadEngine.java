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
    return describe(Flags.VIRTUAL_THREAD_ENGINE, whyNotContinuation);
  }

  @Override
  Stack rootStack(Context root) {
    return root;
  }

  @Override
  Stack newStack(Context.Group group, EntryPoint body) {
    return new GreenletThread(group, body);
  }

  private static final class GreenletThread extends Context {
    private @Nullable EntryPoint body;

    GreenletThread(Context.Group group, EntryPoint body) {
      super(group, body.name() + "@" + name(group.thread));
      this.body = body;
    }

    @Override
    @SuppressWarnings("NullAway") // a thread runs once
    void run() {
      EntryPoint toRun = body;
      body = null;
      toRun.run();
      Group group = group();
      while (true) {
        try {
          end((Context) group.currentStack());
          return;
        } catch (Throwable t) { // it is unstarted, and no thread could be had for it
          group.refuse(t, false);
        }
      }
    }
  }

  @Override
  void transfer(Context.Group group, Stack from, Stack to, Object who) {
    if (!((Context) from).pass((Context) to)) throw Pinned.refusal(who, null);
  }

  @Override
  <B extends GeneratorRun & EntryPoint> GeneratorStack generatorStack(B body, boolean confined) {
    return new GeneratorThread(body, confined);
  }

  @Override
  Stream<StackTraceElement> stackTrace(Context.Group group, Stack stack) {
    return ((Context) stack).stackTrace(group, false);
  }
}
