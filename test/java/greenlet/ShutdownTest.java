package greenlet;

import static org.junit.jupiter.api.Assertions.assertEquals;

import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.util.List;
import org.junit.jupiter.api.DisplayName;

/** Suspended greenlets never keep the JVM from exiting, and are usable while it does: rule T5. */
class ShutdownTest {
  private static void assertExits(String... scenarios) throws Exception {
    for (String scenario : scenarios)
      assertEquals(List.of("main ends"), new Program(scenario).run(), scenario);
  }

  // Ledger: test_active_greenlet_at_shutdown_no_crash, test_multiple_active_greenlets_at_shutdown,
  // test_many_greenlets_with_cleanup_at_shutdown, test_greenlet_with_traceback_at_shutdown
  @RootTest(Threads.PLATFORM)
  @DisplayName("T5 a JVM with one, ten, fifty suspended greenlets exits, and nothing in them runs")
  void suspended() throws Exception {
    assertExits("one", "ten", "fifty", "in catch");
  }

  // Ledger: test_nested_greenlets_at_shutdown, test_deeply_nested_greenlets_at_shutdown
  @RootTest(Threads.PLATFORM)
  @DisplayName("T5 a JVM with chains of suspended greenlets exits")
  void nested() throws Exception {
    assertExits("chain", "deep chain");
  }

  // Ledger: test_threaded_greenlets_at_shutdown, test_finally_block_during_thread_exit
  @RootTest(Threads.PLATFORM)
  @DisplayName("T5 a JVM with suspended greenlets of ended and of live threads exits")
  void threads() throws Exception {
    assertExits("ended threads", "live threads");
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName("T5 a JVM with iterators and streams half way exits")
  void iterators() throws Exception {
    assertExits("iterators");
  }

  // Ledger: test_getcurrent_during_atexit_no_crash, test_gettrace_during_atexit_no_crash,
  // test_settrace_during_atexit_no_crash, test_getcurrent_with_active_greenlets_during_atexit,
  // test_greenlet_construction_during_atexit_no_crash,
  // test_greenlet_construction_with_active_greenlets_during_atexit,
  // test_greenlet_construction_with_cross_thread_deleteme_during_atexit
  @RootTest(Threads.PLATFORM)
  @DisplayName("T5 all is usable in a shutdown hook")
  void shutdownHook() throws Exception {
    List<String> expected =
        List.of(
            "main ends",
            "root of its own true",
            "no listener true",
            "sent",
            "element",
            "[SWITCH, SWITCH]");
    for (String scenario : List.of("hook", "hook, suspended", "hook, ended threads")) {
      assertEquals(expected, new Program(scenario).run(), scenario);
    }
  }
}
