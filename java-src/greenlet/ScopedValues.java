package greenlet;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import org.jspecify.annotations.Nullable;

/**
 * The scoped values that are in force on a thread, which belong to a stack but are kept with the thread: where one stack
 * takes another's place on a thread, the JDK would not notice.
 *
 * <p>With the user's consent, {@link Flags#JAVA_LANG}, they are put back by the JDK's own methods. Else by its public ones: on
 * leaving {@code ScopedValue.where(…).run} the JDK puts back what was in force there, which takes longer, and more of the
 * stack. Before JDK 25 those are a preview, and there is nothing to be done without the flag.
 */
final class ScopedValues {
  private static final @Nullable MethodHandle GET;
  private static final @Nullable MethodHandle SET;
  private static final @Nullable MethodHandle RUN;

  static {
    MethodHandle get = null, set = null, run = null;
    try {
      var lookup = MethodHandles.privateLookupIn(Thread.class, MethodHandles.lookup());
      get =
          lookup.findStatic(
              Thread.class, "scopedValueBindings", MethodType.methodType(Object.class));
      set =
          lookup.findStatic(
              Thread.class,
              "setScopedValueBindings",
              MethodType.methodType(void.class, Object.class));
    } catch (ReflectiveOperationException e) {
      get = null;
      run = where();
    }
    GET = get;
    SET = set;
    RUN = run;
  }

  private ScopedValues() {}

  private static @Nullable MethodHandle where() {
    if (Runtime.version().feature() < 25) return null;
    try {
      var lookup = MethodHandles.publicLookup();
      Class<?> scopedValue = Class.forName("java.lang.ScopedValue");
      Class<?> carrier = Class.forName("java.lang.ScopedValue$Carrier");
      Object key =
          lookup
              .findStatic(scopedValue, "newInstance", MethodType.methodType(scopedValue))
              .invoke();
      var where = MethodType.methodType(carrier, scopedValue, Object.class);
      Object bound =
          lookup.findStatic(scopedValue, "where", where).invoke(key, "of the library's own");
      return lookup
          .findVirtual(carrier, "run", MethodType.methodType(void.class, Runnable.class))
          .bindTo(bound);
    } catch (Throwable t) {
      throw new ExceptionInInitializerError(t);
    }
  }

  /** Runs what lets other stacks run on this thread meanwhile; then the same are in force as before. */
  static void keep(Runnable mountOrSuspension) {
    try {
      if (GET == null || SET == null) {
        if (RUN != null) RUN.invokeExact(mountOrSuspension);
        else mountOrSuspension.run();
        return;
      }
      Object mine = (Object) GET.invokeExact();
      try {
        mountOrSuspension.run();
      } finally {
        if ((Object) GET.invokeExact() != mine) SET.invokeExact(mine);
      }
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }
}
