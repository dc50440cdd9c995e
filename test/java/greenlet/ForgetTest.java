package greenlet;

import static greenlet.testing.Refusal.assertRefused;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import greenlet.hub.Hub;
import greenlet.tasklet.Channel;
import greenlet.tasklet.Tasklet;
import greenlet.testing.RootTest;
import greenlet.testing.Threads;
import java.lang.ref.WeakReference;
import java.net.URL;
import java.net.URLClassLoader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ForgetTest {
  private static final RootLocal<Integer> LOCAL = new RootLocal<>(() -> 0);

  @RootTest
  @DisplayName(
      "A thread that has forgotten its greenlets begins anew, and what was suspended is dead")
  void beginsAnew() throws Throwable {
    Threads.PLATFORM.run(
        "begins",
        () -> {
          Greenlet root = Greenlet.current();
          Greenlet suspended = Greenlet.of(args -> root.switchTo());
          suspended.switchTo();
          LOCAL.set(1);
          Greenlet.setListener((event, from, to) -> {});

          Greenlet.forgetThread();
          assertNotSame(root, Greenlet.current());
          assertTrue(Greenlet.current().isRoot());
          assertEquals(0, LOCAL.get());
          assertNull(Greenlet.setListener(null));
          assertTrue(suspended.isDead());
          assertEquals(
              "Greenlet[" + suspended.name() + ", dead, thread \"begins\", which has forgotten it]",
              suspended.toString());
          assertRefused(
              WrongThreadException.class,
              suspended::switchTo,
              suspended,
              "its thread has forgotten it; make it again");
          assertEquals(2, Greenlet.of(args -> 2).switchTo());
          Greenlet.forgetThread();
          Greenlet.forgetThread();
        });
  }

  @RootTest
  @DisplayName("A thread cannot forget what runs")
  void refused() throws Throwable {
    Greenlet root = Greenlet.current();
    Greenlet g =
        Greenlet.of(args -> {
          assertRefused(
              IllegalStateException.class,
              Greenlet::forgetThread,
              Greenlet.current(),
              "nothing of theirs runs");
          return 1;
        });
    assertEquals(1, g.switchTo());
    Generator.<Integer>of(
            out -> assertRefused(IllegalStateException.class, Greenlet::forgetThread, root))
        .cursor()
        .hasNext();
    Generator.<Integer>of(
            out -> assertRefused(IllegalStateException.class, Greenlet::forgetThread, root))
        .sharedCursor()
        .hasNext();
    Hub hub = Hub.realTime();
    hub.run(() -> assertRefused(IllegalStateException.class, Greenlet::forgetThread));
    hub.run(() ->
        hub.spawn(() -> assertRefused(IllegalStateException.class, Greenlet::forgetThread))
            .result());
    Scheduler none = (what, fromOutside, start) -> {};
    Scheduler before = Scheduler.register(none);
    assertRefused(IllegalStateException.class, Greenlet::forgetThread, none);
    Scheduler.register(before);
    assertSame(root, Greenlet.current());
  }

  @RootTest
  @DisplayName("A hub of the thread's own that runs nothing is forgotten, and takes nothing more")
  void ownHub() throws Throwable {
    Threads.PLATFORM.run(
        "forgets",
        () -> {
          Hub.sleep(Duration.ZERO);
          Hub hub = Hub.current();
          Greenlet.forgetThread();
          assertRefused(RejectedExecutionException.class, () -> hub.spawn(() -> 1), hub);
          assertNotSame(hub, Hub.current());
          assertEquals(1, Hub.current().spawn(() -> 1).result());
        });
  }

  /** What an application does in a thread that it does not own, and what keeps its classes afterwards. */
  enum Use implements Callable<Object> {
    ROOT {
      @Override
      public Object call() {
        return Greenlet.current();
      }
    },
    SUSPENDED {
      @Override
      public Object call() {
        Greenlet root = Greenlet.current();
        return Greenlet.of(args -> root.switchTo(1)).switchTo();
      }
    },
    LISTENER {
      @Override
      public Object call() {
        return Greenlet.setListener((event, from, to) -> {});
      }
    },
    VARIABLE {
      @Override
      public Object call() {
        new RootLocal<Object>().set(this);
        return this;
      }
    },
    SHARED_BODY {
      @Override
      public Object call() {
        return Generator.<Integer>of(out -> out.yield(1)).sharedCursor().next();
      }
    },
    HUB {
      @Override
      public Object call() throws Exception {
        return Hub.realTime().run(() -> Hub.offload(() -> 1));
      }
    },
    OWN_HUB {
      @Override
      public Object call() {
        Hub.current().spawn(() -> Hub.sleep(Duration.ofSeconds(100)));
        Hub.sleep(Duration.ZERO);
        return Hub.current();
      }
    },
    TASKLETS {
      @Override
      public Object call() {
        Channel<Integer> channel = Channel.confined();
        Tasklet.of(() -> channel.send(1)).setup();
        return channel.receive();
      }
    };

    /** What the loader's thread runs, as another class loader sees this class. */
    static final class ThenForget implements Callable<Boolean> {
      private final String use;

      ThenForget(String use) {
        this.use = use;
      }

      @Override
      public Boolean call() throws Exception {
        Use.valueOf(use).call();
        Greenlet.forgetThread();
        return true;
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  @DisplayName(
      "M18 the class loader of what has used the library in a thread can be collected, once that has forgotten it")
  void loaderIsCollected(Use use) throws Exception {
    try (var thread = Executors.newSingleThreadExecutor()) {
      List<WeakReference<ClassLoader>> loaders = new ArrayList<>();
      for (int i = 0; i < 3; i++) loaders.add(thread.submit(() -> load(use)).get());
      Threads.collect(() -> loaders.stream().allMatch(loader -> loader.get() == null));
    }
  }

  private static WeakReference<ClassLoader> load(Use use) throws Exception {
    URL[] classes = {
      Greenlet.class.getProtectionDomain().getCodeSource().getLocation(),
      ForgetTest.class.getProtectionDomain().getCodeSource().getLocation()
    };
    try (var loader = new URLClassLoader(classes, ClassLoader.getPlatformClassLoader())) {
      Class<?> again = Class.forName("greenlet.ForgetTest$Use$ThenForget", true, loader);
      assertNotSame(Use.ThenForget.class, again);
      var constructor = again.getDeclaredConstructor(String.class);
      constructor.setAccessible(true);
      Callable<?> call = (Callable<?>) constructor.newInstance(use.name());
      assertEquals(true, call.call());
      return new WeakReference<>(loader);
    }
  }
}
