package greenlet.testing;

import greenlet.LeakDetector;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.lang.reflect.Method;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.TestTemplate;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.extension.Extension;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.InvocationInterceptor;
import org.junit.jupiter.api.extension.ReflectiveInvocationContext;
import org.junit.jupiter.api.extension.TestTemplateInvocationContext;
import org.junit.jupiter.api.extension.TestTemplateInvocationContextProvider;

/**
 * A test that is run as the root greenlet of a new thread, named "test": once for each kind of thread. One that takes
 * too long fails and says where every thread is.
 */
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
@TestTemplate
@ExtendWith(RootTest.Invocations.class)
public @interface RootTest {
  /** The kinds of threads. */
  Threads[] value() default {Threads.PLATFORM, Threads.VIRTUAL};

  /** One invocation for each kind. */
  final class Invocations implements TestTemplateInvocationContextProvider {
    @Override
    public boolean supportsTestTemplate(ExtensionContext context) {
      return context.getRequiredTestMethod().isAnnotationPresent(RootTest.class);
    }

    @Override
    public Stream<TestTemplateInvocationContext> provideTestTemplateInvocationContexts(
        ExtensionContext context) {
      return Stream.of(context.getRequiredTestMethod().getAnnotation(RootTest.class).value())
          .map(Invocation::new);
    }
  }

  /** One invocation. */
  record Invocation(Threads kind) implements TestTemplateInvocationContext, InvocationInterceptor {
    @Override
    public String getDisplayName(int index) {
      return kind.toString();
    }

    @Override
    public List<Extension> getAdditionalExtensions() {
      return List.of(this);
    }

    @Override
    public void interceptTestTemplateMethod(
        InvocationInterceptor.Invocation<Void> invocation,
        ReflectiveInvocationContext<Method> method,
        ExtensionContext context)
        throws Throwable {
      boolean watches =
          context.getRequiredTestClass().isAnnotationPresent(NothingSuspended.class)
              && !method.getExecutable().isAnnotationPresent(NothingSuspended.Except.class);
      kind.run("test", watches ? () -> watched(invocation) : invocation::proceed);
    }

    private static void watched(InvocationInterceptor.Invocation<Void> invocation)
        throws Throwable {
      try (var leaks = new LeakDetector()) {
        invocation.proceed();
      }
    }
  }
}
