package greenlet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.testing.RootTest;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledForJreRange;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** What only the continuation engine has. */
@EnabledIfSystemProperty(
    named = "greenlet.engine",
    matches = "continuation",
    disabledReason = "is about that engine")
class ContinuationEngineTest {
  @BeforeAll
  static void engine() {
    assertTrue(Greenlet.engine().startsWith("continuation"));
  }

  // JDK 21 to 23 do not have the fault, so there is nothing to catch.
  @Test
  @EnabledForJreRange(minVersion = 24)
  @DisplayName("the proof at start-up catches an engine that does not inflate its caller's locks")
  void proofCatches() {
    assertFalse(ContinuationEngine.keepsLock(() -> {}));
    Object one = new Object();
    assertFalse(
        ContinuationEngine.keepsLock(() -> {
          synchronized (one) {
            // seven fewer than it takes
          }
        }));
  }

  @Test
  @DisplayName("the proof at start-up holds with the locks inflated, time and again")
  void proofHolds() {
    ThinLocks locks = new ThinLocks();
    for (int i = 0; i < 100; i++) assertTrue(ContinuationEngine.keepsLock(locks::inflate));
  }

  @Test
  @DisplayName("the proof costs its caller nothing: no lock, no interrupt")
  void proofOfHolder() {
    Object mine = new Object();
    Thread.currentThread().interrupt();
    synchronized (mine) {
      ContinuationEngine.keepsLock(() -> {});
      assertTrue(Thread.holdsLock(mine));
    }
    assertTrue(Thread.interrupted());
  }

  @RootTest
  @DisplayName("a greenlet that overflows the stack leaves the others of its thread usable")
  void stackOverflow() {
    Greenlet root = Greenlet.current();
    List<Object> trace = new ArrayList<>();
    Greenlet bystander =
        Greenlet.of(args -> {
          trace.add(root.switchTo("ready"));
          return "done";
        });
    trace.add(bystander.switchTo());
    int deepest = 0;
    try {
      Greenlet.of(args -> descend(Integer.MAX_VALUE, () -> {})).switchTo();
    } catch (StackOverflowError e) {
      deepest = reached;
    }
    // From some depth on the stack overflows within the library.
    int overflows = 0;
    for (int depth = deepest + 200; depth > deepest - 1000; depth -= 3) {
      int levels = depth;
      Greenlet deep = Greenlet.of(args -> descend(levels, root::switchTo));
      try {
        deep.switchTo();
        deep.switchTo();
      } catch (StackOverflowError e) {
        overflows++;
      }
      assertTrue(deep.isDead());
      assertSame(root, Greenlet.current());
    }
    assertTrue(overflows > 0);
    trace.add(bystander.switchTo("go on"));
    assertEquals(List.of("ready", "go on", "done"), trace);
  }

  private int reached;

  private int descend(int levels, Runnable atBottom) {
    reached++;
    if (levels > 0) return descend(levels - 1, atBottom) + 1;
    atBottom.run();
    return 0;
  }

  @RootTest
  @DisplayName("a greenlet that runs out of memory leaves the others of its thread usable")
  void outOfMemory() {
    Greenlet root = Greenlet.current();
    Greenlet bystander = Greenlet.of(args -> root.switchTo("ready"));
    assertEquals("ready", bystander.switchTo());
    Greenlet greedy =
        Greenlet.of(args -> {
          List<long[]> all = new ArrayList<>();
          while (true) all.add(new long[1 << 24]);
        });
    assertThrows(OutOfMemoryError.class, greedy::switchTo);
    assertTrue(greedy.isDead());
    assertEquals("go on", bystander.switchTo("go on"));
  }
}
