package greenlet;

import greenlet.testing.Threads;
import java.lang.reflect.Method;

/** A ScopedValue, by reflection: the tests are compiled for a JDK that has them as a preview only. */
final class Scoped {
  private final Object key;

  Scoped() throws ReflectiveOperationException {
    key = method("ScopedValue", "newInstance").invoke(null);
  }

  static boolean available() {
    return Runtime.version().feature() >= 25;
  }

  private static Method method(String type, String name, Class<?>... parameters)
      throws ReflectiveOperationException {
    return Class.forName("java.lang." + type).getMethod(name, parameters);
  }

  void where(Object value, Runnable run) throws Exception {
    Object carrier =
        method("ScopedValue", "where", key.getClass(), Object.class).invoke(null, key, value);
    try {
      method("ScopedValue$Carrier", "run", Runnable.class).invoke(carrier, run);
    } catch (java.lang.reflect.InvocationTargetException e) {
      throw Threads.<RuntimeException>unchecked(e.getCause());
    }
  }

  Object get() {
    try {
      return method("ScopedValue", "orElse", Object.class).invoke(key, "unbound");
    } catch (ReflectiveOperationException e) {
      throw new AssertionError(e);
    }
  }
}
