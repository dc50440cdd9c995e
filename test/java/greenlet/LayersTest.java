package greenlet;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.nio.file.Path;
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

  @Test
  @DisplayName("There is no circle between packages")
  void packages() {
    slices().matching("(**)").should().beFreeOfCycles().check(CORE);
  }

  @Test
  @DisplayName("The core knows no library, and no library another one")
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
  }

  private static DescribedPredicate<JavaClass> inAnotherLibraryThan(String name) {
    return DescribedPredicate.describe(
        "are in another library than " + name,
        c -> c.getPackageName().startsWith("greenlet.") && !c.getPackageName().equals(name));
  }

  @Test
  @DisplayName("Engines know stacks, and nothing of greenlets and generators")
  void engines() {
    noClasses()
        .that()
        .haveNameMatching("greenlet\\.(Baton|PullerScheduler|VirtualThreads|Context|\\w*Engine)")
        .should()
        .dependOnClassesThat()
        .haveNameMatching("greenlet\\.(Greenlet|ThreadState|\\w*Traversal|Generator|Cursor)")
        .check(CORE);
    noClasses()
        .that()
        .haveNameMatching("greenlet\\.(Baton|PullerScheduler)")
        .should()
        .dependOnClassesThat(
            DescribedPredicate.describe(
                "know the kind of thread",
                c ->
                    c.getName().equals("java.util.concurrent.locks.LockSupport")
                        || c.getPackageName().equals("greenlet")
                            && !c.getName().matches("greenlet\\.(Baton|PullerScheduler)")))
        .check(CORE);
  }

  @Test
  @DisplayName(
      "The circles in the core are greenlets and generators; none anywhere has more than five classes")
  void circles() {
    assertEquals(
        Set.of(
            Set.of("Greenlet", "Scheduler", "SwitchListener", "ThreadState"),
            Set.of("Cursor", "Generator", "PulledTraversal", "PushedTraversal", "Traversal")),
        circlesOf("greenlet"));
    for (String library : List.of("hub", "tasklet", "bridge")) {
      Set<Set<String>> circles = circlesOf("greenlet." + library);
      assertTrue(circles.stream().allMatch(circle -> circle.size() <= 5), circles::toString);
    }
  }

  /** The sets of top-level classes of a package in which each depends, in the end, on each. */
  private static Set<Set<String>> circlesOf(String packageName) {
    Map<String, Set<String>> reached = new TreeMap<>();
    for (JavaClass c : CORE) {
      if (!c.getPackageName().equals(packageName)) continue;
      Set<String> of = reached.computeIfAbsent(topLevel(c), name -> new HashSet<>());
      c.getDirectDependenciesFromSelf().stream()
          .map(d -> d.getTargetClass().getBaseComponentType())
          .filter(target -> target.getPackageName().equals(packageName))
          .map(LayersTest::topLevel)
          .forEach(of::add);
    }
    reached.forEach((name, of) -> of.remove(name));
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
