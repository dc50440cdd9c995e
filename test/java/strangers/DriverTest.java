package strangers;

import static org.junit.jupiter.api.Assertions.assertEquals;

import greenlet.hub.DrivenHub;
import greenlet.hub.Driver;
import greenlet.hub.Hub;
import greenlet.hub.Waiter;
import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.Callable;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

/** A recorder: what a program is given is written down, and given to it again. */
@ExtendWith(LeakCheck.class)
class DriverTest {
  private record Input(long time, String name, String value) {}

  private static final class Recorded implements Driver {
    final List<Input> inputs = new ArrayList<>();
    final List<String> trace = new ArrayList<>();
    private final DrivenHub hub = new DrivenHub("recorded", "ask for it", this);
    private final Map<String, Waiter<String>> asked = new HashMap<>();
    private final Queue<Input> next = new ArrayDeque<>();
    private Callable<?> program;
    private long now;

    Recorded(Callable<?> program) {
      this.program = program;
    }

    void give(Input... given) {
      for (Input input : given) {
        inputs.add(input);
        next.add(input);
      }
      hub.turn();
    }

    String ask(String name) {
      asked.put(name, hub.waiter(name));
      String answer = asked.get(name).await();
      trace.add(name + "=" + answer + " at " + now);
      return answer;
    }

    @Override
    public long nanoTime() {
      return now;
    }

    @Override
    public boolean deliver() {
      if (program != null) {
        hub.begin("main", program);
        program = null;
        return true;
      }
      Input input = next.poll();
      if (input == null) return false;
      now = input.time;
      if (input.name != null) asked.get(input.name).wake(input.value);
      return true;
    }
  }

  private static Recorded recorded() {
    var made = new Recorded[1];
    return made[0] =
        new Recorded(() -> {
          var both = List.of("a", "b");
          for (String name : both) Hub.current().spawn(name, () -> made[0].ask(name));
          Hub.sleep(Duration.ofNanos(10));
          made[0].trace.add("late at " + made[0].now);
          return null;
        });
  }

  @RootTest
  @DisplayName("The same inputs, the same trace, however the turns fall")
  void replayed() {
    Recorded live = recorded();
    live.give();
    live.give(new Input(3, "b", "1"));
    live.give(new Input(12, "a", "2"));
    assertEquals(List.of("b=1 at 3", "a=2 at 12", "late at 12"), live.trace);
    Recorded again = recorded();
    again.give(live.inputs.toArray(new Input[0]));
    assertEquals(live.trace, again.trace);
  }
}
