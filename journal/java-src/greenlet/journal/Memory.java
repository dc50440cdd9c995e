package greenlet.journal;

import java.lang.management.GarbageCollectorMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.MemoryPoolMXBean;
import java.lang.management.MemoryType;
import java.lang.management.MemoryUsage;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import javax.management.ListenerNotFoundException;
import javax.management.NotificationEmitter;
import javax.management.NotificationListener;

/** What says that memory is short. */
interface Memory {
  /**
   * From now on, calls {@code whenShort} each time that memory is found to be short.
   *
   * @param whenShort called in any thread; returns soon
   * @return what ends that
   */
  Runnable listen(Runnable whenShort);

  /** That of the JVM, which is short where a collection of the old generation has left more than three quarters of it in use. */
  Memory HEAP =
      whenShort -> {
        var heap = new Heap();
        NotificationListener listener =
            (notification, none) -> {
              if (heap.isShort()) whenShort.run();
            };
        List<NotificationEmitter> emitters = new ArrayList<>();
        for (GarbageCollectorMXBean collector : ManagementFactory.getGarbageCollectorMXBeans()) {
          if (!(collector instanceof NotificationEmitter emitter)) continue;
          emitter.addNotificationListener(listener, null, null);
          emitters.add(emitter);
        }
        return () -> {
          for (NotificationEmitter emitter : emitters) {
            try {
              emitter.removeNotificationListener(listener);
            } catch (ListenerNotFoundException e) {
              throw new AssertionError(e);
            }
          }
        };
      };

  /** The old generation, after its last collection. */
  final class Heap {
    private static final double MOST = 0.75;

    private final List<MemoryPoolMXBean> pools = new ArrayList<>();

    /** What was found the last time. Collections of the young generation leave it as it is. */
    private final AtomicLong lastUsed = new AtomicLong();

    Heap() {
      for (MemoryPoolMXBean pool : ManagementFactory.getMemoryPoolMXBeans())
        if (pool.getType() == MemoryType.HEAP
            && pool.isUsageThresholdSupported()
            && pool.isCollectionUsageThresholdSupported()) pools.add(pool);
    }

    /** Whether it is short, and was collected since this was called before. */
    boolean isShort() {
      long used = 0;
      long most = 0;
      for (MemoryPoolMXBean pool : pools) {
        MemoryUsage left = pool.getCollectionUsage();
        if (left == null) continue;
        used += left.getUsed();
        most += left.getMax() < 0 ? Runtime.getRuntime().maxMemory() : left.getMax();
      }
      return used > MOST * most && lastUsed.getAndSet(used) != used;
    }
  }
}
