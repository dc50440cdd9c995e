package greenlet.trace;

import greenlet.trace.Trace.Event;
import greenlet.trace.Trace.Kind;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** Events as text and as sequence diagrams. */
final class Drawing {
  private Drawing() {}

  static String text(Collection<Event> events) {
    return events.stream().map(Event::toString).collect(Collectors.joining("\n"));
  }

  static String sentence(Event e) {
    String more = e.what() == null ? "" : ": " + e.what();
    return switch (e.kind()) {
      case SWITCH -> e.who() + " switches to " + e.whom() + more;
      case THROW -> e.who() + " throws into " + e.whom() + more;
      case PULL -> e.who() + " pulls from " + e.whom();
      case YIELD -> e.who() + " yields to " + e.whom() + more;
      case SPAWN -> e.who() + " spawns " + e.whom();
      case BEGIN -> e.who() + " begins";
      case WAIT -> e.who() + " waits for " + e.what();
      case WAKE -> e.who() + " wakes " + e.whom();
      case RESUME -> e.who() + " goes on";
      case END -> e.who() + " ends" + more;
    };
  }

  /** Names in the order in which they first occur, each with one that both languages take. */
  private static Map<String, String> participants(Collection<Event> events) {
    Map<String, String> all = new LinkedHashMap<>();
    for (Event e : events) {
      add(all, e.who());
      if (e.whom() != null) add(all, e.whom());
    }
    return all;
  }

  private static void add(Map<String, String> all, String name) {
    all.computeIfAbsent(name, n -> "p" + (all.size() + 1));
  }

  static String mermaid(Collection<Event> events) {
    var source = new StringBuilder("sequenceDiagram\n");
    Map<String, String> names = participants(events);
    names.forEach(
        (name, id) -> source.append("  participant %s as %s\n".formatted(id, forMermaid(name))));
    for (Event e : events) {
      String who = names.get(e.who());
      String line =
          e.whom() == null || e.kind() == Kind.END
              ? "Note over %s: %s".formatted(who, forMermaid(note(e)))
              : "%s%s%s: %s"
                  .formatted(
                      who,
                      e.kind() == Kind.THROW ? "--x" : isAnswer(e) ? "-->>" : "->>",
                      names.get(e.whom()),
                      forMermaid(label(e)));
      if (isDrawn(e)) source.append("  ").append(line).append('\n');
    }
    return source.toString();
  }

  static String plantUml(Collection<Event> events) {
    var source = new StringBuilder("@startuml\n");
    Map<String, String> names = participants(events);
    names.forEach(
        (name, id) -> source.append("participant \"%s\" as %s\n".formatted(forPlantUml(name), id)));
    for (Event e : events) {
      String who = names.get(e.who());
      String line =
          e.whom() == null || e.kind() == Kind.END
              ? "hnote over %s : %s".formatted(who, forPlantUml(note(e)))
              : "%s %s %s : %s"
                  .formatted(
                      who,
                      e.kind() == Kind.THROW ? "-->x" : isAnswer(e) ? "-->" : "->",
                      names.get(e.whom()),
                      forPlantUml(label(e)));
      if (isDrawn(e)) source.append(line).append('\n');
    }
    return source.append("@enduml\n").toString();
  }

  /** That a task goes on is seen by what it does next. */
  private static boolean isDrawn(Event e) {
    return e.kind() != Kind.RESUME && e.kind() != Kind.BEGIN;
  }

  private static boolean isAnswer(Event e) {
    return e.kind() == Kind.YIELD || e.kind() == Kind.WAKE;
  }

  private static String label(Event e) {
    String kind =
        switch (e.kind()) {
          case SPAWN -> "spawns";
          case WAKE -> "wakes";
          case PULL -> "next";
          default -> "";
        };
    return e.what() == null ? kind : e.what();
  }

  private static String note(Event e) {
    return switch (e.kind()) {
      case WAIT -> "waits for " + e.what();
      case END -> e.what() == null ? "ends" : "ends: " + e.what();
      default -> sentence(e);
    };
  }

  /** Without what would end a line, or begin a comment or an entity; an empty one has to have something. */
  private static String forMermaid(@Nullable String text) {
    String line = line(text).replace(";", ",").replace("#", "").replace("%%", "%");
    return line.isEmpty() ? "switch" : line;
  }

  private static String forPlantUml(@Nullable String text) {
    return line(text).replace("\"", "''").replace("\\", "/");
  }

  private static String line(@Nullable String text) {
    return text == null ? "" : text.replaceAll("\\s+", " ").strip();
  }
}
