package greenlet;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import org.jspecify.annotations.Nullable;

/**
 * Clojure's dynamic bindings, which belong to a stack and not to a thread. What is in force on a thread is one frame
 * object; it is exchanged wherever one stack takes another's place on a thread, and a new stack begins with the one of
 * the place where its greenlet or generator was made. Where this class cannot see Clojure there are none, and the JIT
 * compiler leaves out all of it.
 */
final class Bindings {
  private static final @Nullable MethodHandle GET;
  private static final @Nullable MethodHandle SET;

  static {
    MethodHandle get = null;
    MethodHandle set = null;
    try {
      Class<?> var = Class.forName("clojure.lang.Var", false, Bindings.class.getClassLoader());
      var lookup = MethodHandles.publicLookup();
      get = lookup.findStatic(var, "getThreadBindingFrame", MethodType.methodType(Object.class));
      set =
          lookup.findStatic(
              var, "resetThreadBindingFrame", MethodType.methodType(void.class, Object.class));
    } catch (ReflectiveOperationException e) {
      get = null; // no Clojure
    }
    GET = get;
    SET = set;
  }

  private Bindings() {}

  /** The frame in force. */
  static @Nullable Object current() {
    if (GET == null) return null;
    try {
      return (Object) GET.invokeExact();
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }

  /** Puts {@code frame} in force, where {@code inForce} is. */
  static void exchange(@Nullable Object inForce, @Nullable Object frame) {
    if (inForce != frame) set(frame);
  }

  /** Puts {@code frame} in force. */
  static void restore(@Nullable Object frame) {
    if (current() != frame) set(frame);
  }

  private static void set(@Nullable Object frame) {
    if (SET == null) return;
    try {
      SET.invokeExact(frame);
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }
}
