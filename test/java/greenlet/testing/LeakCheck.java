package greenlet.testing;

import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.management.ObjectName;
import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Checks that nothing of a class of tests is left once its threads have ended: no greenlet, no virtual thread and no
 * suspended stack, whatever state they were left in.
 */
public final class LeakCheck implements AfterAllCallback {
  private static final List<Pattern> KINDS =
      List.of(
          counted("greenlet.Greenlet"),
          counted("java.lang.VirtualThread"),
          counted("jdk.internal.vm.StackChunk"));

  @Override
  public void afterAll(ExtensionContext context) {
    ForcedParks.requireNoneUnexpected();
    Threads.collect(() -> {
      String histogram = liveObjects();
      return KINDS.stream().map(kind -> kind.matcher(histogram)).noneMatch(Matcher::find);
    });
  }

  private static Pattern counted(String className) {
    return Pattern.compile(" " + Pattern.quote(className) + "( |$)", Pattern.MULTILINE);
  }

  private static String liveObjects() {
    try {
      return (String)
          ManagementFactory.getPlatformMBeanServer()
              .invoke(
                  new ObjectName("com.sun.management:type=DiagnosticCommand"),
                  "gcClassHistogram",
                  new Object[] {new String[0]},
                  new String[] {String[].class.getName()});
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }
}
