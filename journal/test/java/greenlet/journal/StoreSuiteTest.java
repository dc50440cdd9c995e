package greenlet.journal;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

@EnabledIfSystemProperty(
    named = "greenlet.engine",
    matches = "continuation",
    disabledReason = "a store knows of no engine")
class StoreSuiteTest {
  @TempDir Path directory;

  @TestFactory
  @DisplayName("The store in memory does what a store does")
  Stream<DynamicTest> memory() {
    return tests(new StoreSuite(name -> new MemoryStore(), false));
  }

  @TestFactory
  @DisplayName("The store of a directory does what a store does")
  Stream<DynamicTest> directory() {
    return tests(new StoreSuite(name -> DirectoryStore.open(directory.resolve(name)), true));
  }

  @TestFactory
  @DisplayName("The store of a directory does so in many small segments")
  Stream<DynamicTest> segments() {
    return tests(
        new StoreSuite(
            name -> DirectoryStore.open(directory.resolve(name), new Disk(), 500), true));
  }

  @TestFactory
  @DisplayName("The store in H2 does what a store does")
  Stream<DynamicTest> h2() {
    return tests(new StoreSuite(name -> open(Databases.h2("suite"), name), true));
  }

  @TestFactory
  @DisplayName("The store in PostgreSQL does what a store does")
  Stream<DynamicTest> postgresql() {
    return tests(new StoreSuite(name -> open(Databases.postgresql(), name), true));
  }

  /** Tables for each name, which begin alike in this JVM alone. */
  private static Store open(DataSource source, String name) throws IOException {
    return JdbcStore.open(
        source, JdbcStore.Options.DEFAULT.prefix("suite_" + name.replace('-', '_') + "_"));
  }

  private static Stream<DynamicTest> tests(StoreSuite suite) {
    return suite.checks().stream().map(check -> DynamicTest.dynamicTest(check.name(), check::run));
  }

  @Test
  @DisplayName("A store that refuses nothing, and forgets, fails in the suite by name")
  void bad() {
    var suite =
        new StoreSuite(
            name -> {
              var memory = new MemoryStore();
              return (Store)
                  java.lang.reflect.Proxy.newProxyInstance(
                      Store.class.getClassLoader(),
                      new Class<?>[] {Store.class},
                      (proxy, method, arguments) -> {
                        Object result;
                        try {
                          result = method.invoke(memory, arguments);
                        } catch (java.lang.reflect.InvocationTargetException e) {
                          throw e.getCause();
                        }
                        return method.getName().equals("append") ? Set.of() : result;
                      });
            },
            true);
    AssertionError e = assertThrows(AssertionError.class, suite::run);
    for (String name :
        List.of(
            "an append is refused alone",
            "one of many that append the same number",
            "nothing is appended for one that was deleted",
            "what was there when it was closed"))
      assertTrue(e.getMessage().contains(name), e::getMessage);
    assertTrue(e.getSuppressed().length < 7, e::getMessage);
  }
}
