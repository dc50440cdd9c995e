package greenlet.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * Each {@link RootTest} of the class is run under a {@link greenlet.LeakDetector}, as users' tests are: nothing may be left
 * suspended, in whichever of its threads.
 */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
public @interface NothingSuspended {
  /** A test that does leave something suspended. */
  @Target(ElementType.METHOD)
  @Retention(RetentionPolicy.RUNTIME)
  @interface Except {
    /** Why. */
    String value();
  }
}
