package greenlet.trace;

import greenlet.trace.Trace.Event;
import greenlet.trace.Trace.Kind;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Events as trace-event JSON: a track for each name, on it what it does and waits for; instants for spawns and wakes. */
final class Timeline {
  private final Map<String, Integer> tracks = new LinkedHashMap<>();
  private final Map<String, Event> open = new LinkedHashMap<>();
  private final List<String> lines = new ArrayList<>();

  private Timeline() {}

  static String json(Collection<Event> events) {
    var timeline = new Timeline();
    long last = 0;
    for (Event e : events) {
      timeline.add(e);
      last = e.nanos();
    }
    for (Event left : List.copyOf(timeline.open.values())) timeline.end(left.who(), last);
    timeline.tracks.forEach((name, track) ->
        timeline.lines.add(
            "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":1,\"tid\":%d,\"args\":{\"name\":%s}}"
                .formatted(track, quoted(name))));
    return "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n"
        + String.join(",\n", timeline.lines)
        + "\n]}\n";
  }

  private void add(Event e) {
    switch (e.kind()) {
      case SWITCH, THROW -> pass(e, e.who(), e.whom());
      case PULL, YIELD -> pass(e, e.who(), e.whom());
      case BEGIN, RESUME -> begin(e, e.who());
      case WAIT -> {
        end(e.who(), e.nanos());
        open.put(e.who(), e);
      }
      case END -> {
        end(e.who(), e.nanos());
        if (e.whom() != null) begin(e, e.whom());
      }
      case SPAWN, WAKE -> instant(e);
    }
  }

  /** Control goes from one to another. */
  private void pass(Event e, String from, @Nullable String to) {
    if (!open.containsKey(from) && !tracks.containsKey(from))
      begin(new Event(0, e.kind(), from, null, null), from);
    end(from, e.nanos());
    if (to != null) begin(e, to);
  }

  private void begin(Event e, String who) {
    end(who, e.nanos());
    track(who);
    open.put(who, new Event(e.nanos(), Kind.RESUME, who, null, null));
  }

  private void end(String who, long nanos) {
    Event begun = open.remove(who);
    if (begun == null) return;
    String name = begun.kind() == Kind.WAIT ? "waits for " + begun.what() : "runs";
    lines.add(
        "{\"name\":%s,\"ph\":\"X\",\"pid\":1,\"tid\":%d,\"ts\":%s,\"dur\":%s}"
            .formatted(
                quoted(name), track(who), micros(begun.nanos()), micros(nanos - begun.nanos())));
  }

  private void instant(Event e) {
    lines.add(
        "{\"name\":%s,\"ph\":\"i\",\"s\":\"t\",\"pid\":1,\"tid\":%d,\"ts\":%s}"
            .formatted(quoted(Drawing.sentence(e)), track(e.who()), micros(e.nanos())));
  }

  private int track(String name) {
    return tracks.computeIfAbsent(name, n -> tracks.size() + 1);
  }

  private static String micros(long nanos) {
    return String.format(Locale.ROOT, "%.3f", nanos / 1e3);
  }

  private static String quoted(String text) {
    var quoted = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') quoted.append('\\').append(c);
      else if (c < ' ') quoted.append("\\u%04x".formatted((int) c));
      else quoted.append(c);
    }
    return quoted.append('"').toString();
  }
}
