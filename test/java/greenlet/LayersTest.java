package greenlet;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;

/** doc/architecture.md: a package knows what stands below it and nothing above. */
@EnabledIfSystemProperty(
    named = "greenlet.engine",
    matches = "continuation",
    disabledReason = "no engine makes a difference: once is enough")
class LayersTest {
  private static final JavaClasses CORE =
      new ClassFileImporter().importPath(Path.of("target/classes"));

  private static final JavaClasses JOURNAL =
      new ClassFileImporter().importPath(Path.of("target/test-classes/greenlet/journal"));

  @Test
  @DisplayName("There is no circle between packages")
  void packages() {
    slices().matching("(**)").should().beFreeOfCycles().check(CORE);
  }

  @Test
  @DisplayName(
      "The core knows no library, and no library another one; but greenlet.io and greenlet.trace stand on greenlet.hub")
  void libraries() {
    noClasses()
        .that()
        .resideInAPackage("greenlet")
        .should()
        .dependOnClassesThat()
        .resideInAPackage("greenlet.*..")
        .check(CORE);
    for (String library : List.of("hub", "tasklet", "bridge")) {
      noClasses()
          .that()
          .resideInAPackage("greenlet." + library)
          .should()
          .dependOnClassesThat(inAnotherLibraryThan("greenlet." + library))
          .check(CORE);
    }
    noClasses()
        .that()
        .resideInAnyPackage("greenlet.io", "greenlet.trace")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("greenlet.tasklet", "greenlet.bridge")
        .check(CORE);
  }

  private static DescribedPredicate<JavaClass> inAnotherLibraryThan(String name) {
    return DescribedPredicate.describe(
        "are in another library than " + name,
        c -> c.getPackageName().startsWith("greenlet.") && !c.getPackageName().equals(name));
  }

  @Test
  @DisplayName("A line of the drawing knows what stands in it and below, and nothing above")
  void lines() throws IOException {
    Map<String, Set<String>> known = knownTo("greenlet");
    Set<String> above = new TreeSet<>();
    for (List<String> line : drawnLines()) {
      for (String name : line) {
        Set<String> wrong = new TreeSet<>(known.getOrDefault(name, Set.of()));
        wrong.retainAll(above);
        assertEquals(Set.of(), wrong, name + " knows what is drawn above it");
      }
      above.addAll(line);
    }
    assertEquals(known.keySet(), above, "all are drawn");
  }

  /** The names in the drawing of the core in doc/architecture.md, from top to bottom. */
  private static List<List<String>> drawnLines() throws IOException {
    String page = Files.readString(Path.of("doc/architecture.md"));
    String drawing =
        page.substring(page.indexOf("from top to bottom\n"), page.indexOf("```\n\nA package"));
    return drawing
        .lines()
        .skip(1)
        .map(line -> Arrays.stream(line.trim().split(" +")))
        .map(words -> words.takeWhile(word -> word.matches("[A-Z]\\w*")).toList())
        .toList();
  }

  @Test
  @DisplayName("The journal, of a JAR of its own, stands on hubs and the core alone")
  void journal() {
    noClasses()
        .that()
        .resideInAPackage("greenlet.journal")
        .should()
        .dependOnClassesThat()
        .resideInAnyPackage("greenlet.io", "greenlet.tasklet", "greenlet.bridge")
        .check(JOURNAL);
    noClasses().should().dependOnClassesThat().resideInAPackage("greenlet.journal").check(CORE);
  }

  @Test
  @DisplayName("How control is passed does not depend on the kind of thread")
  void handOver() {
    noClasses()
        .that()
        .haveNameMatching("greenlet\\.(Baton|PullerScheduler)")
        .should()
        .dependOnClassesThat()
        .haveFullyQualifiedName("java.util.concurrent.locks.LockSupport")
        .check(CORE);
  }

  @Test
  @DisplayName(
      "The circles in the core are greenlets and generators; none anywhere has more than five classes")
  void circles() {
    assertEquals(
        Set.of(
            Set.of("Greenlet", "Parking", "Scheduler", "SwitchListener", "ThreadState"),
            Set.of("Cursor", "Generator", "PulledTraversal", "PushedTraversal", "Traversal")),
        circlesOf("greenlet"));
    for (String library : List.of("hub", "io", "tasklet", "bridge", "trace", "journal")) {
      Set<Set<String>> circles = circlesOf("greenlet." + library);
      assertTrue(circles.stream().allMatch(circle -> circle.size() <= 5), circles::toString);
    }
  }

  /** For each top-level class of a package those of the package that it depends on. */
  private static Map<String, Set<String>> knownTo(String packageName) {
    Map<String, Set<String>> known = new TreeMap<>();
    for (JavaClass c : packageName.equals("greenlet.journal") ? JOURNAL : CORE) {
      if (!c.getPackageName().equals(packageName)) continue;
      Set<String> of = known.computeIfAbsent(topLevel(c), name -> new HashSet<>());
      c.getDirectDependenciesFromSelf().stream()
          .map(d -> d.getTargetClass().getBaseComponentType())
          .filter(target -> target.getPackageName().equals(packageName))
          .map(LayersTest::topLevel)
          .forEach(of::add);
    }
    known.remove("package-info");
    known.forEach((name, of) -> of.remove(name));
    return known;
  }

  /** The sets of top-level classes of a package in which each depends, in the end, on each. */
  private static Set<Set<String>> circlesOf(String packageName) {
    Map<String, Set<String>> reached = knownTo(packageName);
    for (boolean grows = true; grows; ) {
      grows = false;
      for (Set<String> of : reached.values()) {
        for (String next : List.copyOf(of))
          grows |= of.addAll(reached.getOrDefault(next, Set.of()));
      }
    }
    Set<Set<String>> circles = new HashSet<>();
    for (String name : reached.keySet()) {
      Set<String> circle = new TreeSet<>();
      for (String other : reached.get(name))
        if (reached.get(other).contains(name)) circle.add(other);
      if (circle.size() > 1) circles.add(circle);
    }
    return circles;
  }

  private static String topLevel(JavaClass c) {
    return c.getName().substring(c.getPackageName().length() + 1).split("\\$")[0];
  }
}
