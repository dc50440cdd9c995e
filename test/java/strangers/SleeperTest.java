package strangers;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.hub.Hub;
import greenlet.hub.Sleeper;
import greenlet.hub.Waiter;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.Pipe;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.DisplayName;

/** A hub whose thread sleeps in a selector. Without a leak check: in a virtual thread the JDK polls with threads of its own, which stay. */
class SleeperTest {
  private final List<Object> trace = new ArrayList<>();

  /** Wakes the tasks that wait for channels. */
  private static final class Selecting implements Sleeper {
    private final Selector selector;

    Selecting() throws IOException {
      selector = Selector.open();
    }

    void awaitReadable(Pipe.SourceChannel channel) {
      Hub.<Object>await(waiter -> {
        try {
          channel.register(selector, SelectionKey.OP_READ, waiter);
        } catch (IOException e) {
          waiter.fail(e);
        }
      });
    }

    @Override
    public void sleep(long nanos) {
      select(() ->
          selector.select(
              nanos == Long.MAX_VALUE ? 0 : Math.max(1, TimeUnit.NANOSECONDS.toMillis(nanos))));
    }

    @Override
    public void poll() {
      select(selector::selectNow);
    }

    @SuppressWarnings("unchecked")
    private void select(Callable<Integer> selection) {
      try {
        selection.call();
      } catch (Exception e) {
        throw new AssertionError(e);
      }
      for (SelectionKey key : selector.selectedKeys()) {
        key.interestOps(0);
        ((Waiter<Object>) key.attachment()).wake(null);
      }
      selector.selectedKeys().clear();
    }

    @Override
    public void wake() {
      selector.wakeup();
    }

    @Override
    public void close() {
      try {
        selector.close();
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  private static String read(Pipe pipe) throws IOException {
    ByteBuffer bytes = ByteBuffer.allocate(16);
    pipe.source().read(bytes);
    return new String(bytes.array(), 0, bytes.position());
  }

  @RootTest
  @DisplayName(
      "Tasks wait for channels, for time and for threads, and the sleeper is closed at the end")
  void selector() throws Throwable {
    Selecting selecting = new Selecting();
    Pipe pipe = Pipe.open();
    pipe.source().configureBlocking(false);
    Hub hub = Hub.realTime().sleeper(selecting);
    hub.run(() -> {
      var reader =
          Hub.current()
              .spawn(() -> {
                selecting.awaitReadable(pipe.source());
                return trace.add("read " + read(pipe));
              });
      Hub.sleep(Duration.ofMillis(1));
      trace.add("slept");
      trace.add(Hub.offload(() -> "offloaded")); // wakes the selector
      pipe.sink().write(ByteBuffer.wrap("hello".getBytes()));
      reader.join();
      return null;
    });
    assertEquals(List.of("slept", "offloaded", "read hello"), trace);
    assertFalse(selecting.selector.isOpen());
    pipe.sink().close();
    pipe.source().close();
  }

  @RootTest
  @DisplayName("A channel that is ready is seen while other tasks are, too")
  void polls() throws Throwable {
    Selecting selecting = new Selecting();
    Pipe pipe = Pipe.open();
    pipe.source().configureBlocking(false);
    pipe.sink().write(ByteBuffer.wrap("x".getBytes()));
    assertEquals(
        "x",
        Hub.realTime()
            .run(() -> {
              Hub.current().sleeper(selecting); // in the midst of its run
              var busy =
                  Hub.current()
                      .spawn(() -> {
                        while (true) Hub.sleep(Duration.ZERO);
                      });
              selecting.awaitReadable(pipe.source());
              busy.kill();
              return read(pipe);
            }));
    pipe.sink().close();
    pipe.source().close();
  }

  @RootTest(Threads.PLATFORM)
  @DisplayName(
      "A hub in somebody else's loop never sleeps, and refuses a sleeper; so is null refused")
  void refused() throws IOException {
    Sleeper sleeper = new Selecting();
    Hub guest = Hub.on(Runnable::run);
    String message =
        assertThrows(IllegalStateException.class, () -> guest.sleeper(sleeper)).getMessage();
    assertTrue(message.contains("event loop"), message);
    assertThrows(IllegalArgumentException.class, () -> Hub.realTime().sleeper(null));
    sleeper.close();
  }
}
