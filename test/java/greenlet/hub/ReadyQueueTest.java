package greenlet.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;

import greenlet.Greenlet;
import greenlet.testing.LeakCheck;
import greenlet.testing.RootTest;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Random;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(LeakCheck.class)
class ReadyQueueTest {
  @RootTest
  @DisplayName("It is in the order of coming, as it grows, and as its counter passes zero")
  void order() {
    for (long seed = 0; seed < 200; seed++) {
      var random = new Random(seed);
      var queue = new ReadyQueue();
      Deque<Greenlet> model = new ArrayDeque<>();
      for (int i = 0; i < 500; i++) {
        boolean grows = i / 100 % 2 == 0;
        int turns = queue.turns();
        if (!model.isEmpty() && random.nextInt(3) > (grows ? 1 : 0)) {
          assertSame(model.removeFirst(), queue.take());
          assertEquals(turns + 1, queue.turns());
        } else {
          Greenlet g = Greenlet.of(args -> null);
          if (random.nextInt(4) == 0) {
            model.addFirst(g);
            queue.addFirst(g);
            assertEquals(turns - 1, queue.turns());
          } else {
            model.addLast(g);
            queue.add(g);
            assertEquals(turns, queue.turns());
          }
        }
        if (!model.isEmpty() && random.nextInt(20) == 0) {
          Greenlet last = model.removeLast();
          queue.removeLast(last);
        }
        assertEquals(model.size(), queue.size());
      }
    }
  }
}
