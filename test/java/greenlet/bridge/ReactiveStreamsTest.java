package greenlet.bridge;

import greenlet.Generator;
import greenlet.testing.LeakCheck;
import greenlet.testing.NothingSuspended;
import greenlet.testing.Threads;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.Arrays;
import java.util.concurrent.Flow;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.reactivestreams.tck.TestEnvironment;
import org.reactivestreams.tck.flow.FlowPublisherVerification;
import org.reactivestreams.tck.flow.FlowSubscriberBlackboxVerification;
import org.testng.SkipException;
import org.testng.annotations.Test;

/** The rules of Reactive Streams, which those of Flow are, as their own test kit has them. */
@ExtendWith(LeakCheck.class)
@NothingSuspended
class ReactiveStreamsTest {
  private static final TestEnvironment ENVIRONMENT = new TestEnvironment(1000, 50);

  /** A verification of the kit's, for its methods to be called. */
  private interface Verification {
    void setUp() throws Exception;

    default void startPublisherExecutorService() {}

    default void shutdownPublisherExecutorService() {}
  }

  private static final class Published extends FlowPublisherVerification<Integer>
      implements Verification {
    Published() {
      super(ENVIRONMENT);
    }

    @Override
    public Flow.Publisher<Integer> createFlowPublisher(long elements) {
      return Bridge.publisher(
          Generator.of(out -> {
            for (long i = 0; i < elements; i++) out.yield((int) i);
          }));
    }

    @Override
    public Flow.Publisher<Integer> createFailedFlowPublisher() {
      return null; // fails when something is requested, and not before
    }
  }

  private static final class Subscribing extends FlowSubscriberBlackboxVerification<Integer>
      implements Verification {
    Subscribing() {
      super(ENVIRONMENT);
    }

    @Override
    public Flow.Subscriber<Integer> createFlowSubscriber() {
      return new SignalQueue<>(1, null);
    }

    @Override
    public Integer createElement(int element) {
      return element;
    }
  }

  @TestFactory
  @DisplayName("A generator's publisher keeps the rules")
  Stream<DynamicTest> publisher() {
    return rules(new Published());
  }

  @TestFactory
  @DisplayName("The subscriber of a traversal keeps the rules")
  Stream<DynamicTest> subscriber() {
    return rules(new Subscribing());
  }

  private static Stream<DynamicTest> rules(Verification verification) {
    return Arrays.stream(verification.getClass().getMethods())
        .filter(method ->
            method.isAnnotationPresent(Test.class) && !method.getName().startsWith("untested_"))
        .map(method ->
            DynamicTest.dynamicTest(
                method.getName(),
                () -> Threads.PLATFORM.run("test", () -> verify(verification, method))));
  }

  private static void verify(Verification verification, Method rule) throws Throwable {
    verification.startPublisherExecutorService();
    verification.setUp();
    try {
      rule.invoke(verification);
    } catch (InvocationTargetException e) {
      if (e.getCause() instanceof SkipException skipped) Assumptions.abort(skipped.getMessage());
      throw e.getCause();
    } finally {
      verification.shutdownPublisherExecutorService();
    }
  }
}
