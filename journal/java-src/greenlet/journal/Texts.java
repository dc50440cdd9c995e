package greenlet.journal;

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Any string as text that a database takes: PostgreSQL has no character 0, and no half of a surrogate pair. */
final class Texts {
  private static final char ESCAPE = '\u0001';
  private static final int DIGITS = 4;

  private Texts() {}

  static @Nullable String escaped(@Nullable String text) {
    if (text == null) return null;
    int i = 0;
    while (i < text.length() && !isSpecial(text, i)) i++;
    if (i == text.length()) return text;
    var to = new StringBuilder(text.length() + 16);
    for (i = 0; i < text.length(); i++) {
      if (isSpecial(text, i)) to.append(ESCAPE).append("%04x".formatted((int) text.charAt(i)));
      else to.append(text.charAt(i));
    }
    return to.toString();
  }

  private static boolean isSpecial(String text, int i) {
    char c = text.charAt(i);
    if (c <= ESCAPE) return true;
    if (!Character.isSurrogate(c)) return false;
    return Character.isHighSurrogate(c)
        ? i + 1 == text.length() || !Character.isLowSurrogate(text.charAt(i + 1))
        : i == 0 || !Character.isHighSurrogate(text.charAt(i - 1));
  }

  static @Nullable String unescaped(@Nullable String text) {
    if (text == null || text.indexOf(ESCAPE) < 0) return text;
    var to = new StringBuilder(text.length());
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == ESCAPE) {
        to.append((char) Integer.parseInt(text, i + 1, i + 1 + DIGITS, 16));
        i += DIGITS;
      } else {
        to.append(c);
      }
    }
    return to.toString();
  }

  /** A text for several: each with its length before it. */
  static String joined(Collection<String> names) {
    var to = new StringBuilder();
    for (String name : names) to.append(name.length()).append(':').append(name);
    return String.valueOf(escaped(to.toString()));
  }

  static Set<String> parted(String joined) {
    String text = String.valueOf(unescaped(joined));
    List<String> names = new ArrayList<>();
    for (int i = 0; i < text.length(); ) {
      int colon = text.indexOf(':', i);
      int end = colon + 1 + Integer.parseInt(text, i, colon, 10);
      names.add(text.substring(colon + 1, end));
      i = end;
    }
    return new HashSet<>(names);
  }
}
