package greenlet.journal;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** What is in a batch, as bytes. The page doc/journal.md, "The files of a directory", says it byte by byte. */
final class Records {
  /** Where a record was, that says there is none before it. */
  static final long NONE = 0;

  private static final int APPEND = 1;
  private static final int SEND = 2;
  private static final int DELETE = 3;
  private static final int WHOLE = 4;
  private static final int DROP = 5;

  /** Where an {@code Appended} has its {@code previous}. */
  private static final int PREVIOUS_AT = 1;

  private Records() {}

  sealed interface Record permits Appended, Sent, Deleted, Whole, Dropped {
    /** The program that it is about; null if it is about none. */
    @Nullable String id();
  }

  /** {@code previous} is where the program's entries before these are. */
  record Appended(long previous, Append append) implements Record {
    @Override
    public String id() {
      return append.id();
    }
  }

  record Sent(String id, Message message) implements Record {}

  record Deleted(String id) implements Record {}

  /** All of a program is written once more, after this; what there is of it before counts no longer. */
  record Whole(String id, long next, long sent, @Nullable KeySet keys) implements Record {}

  /** Nothing in this segment, or before it, counts any longer. */
  record Dropped(int segment) implements Record {
    @Override
    public @Nullable String id() {
      return null;
    }
  }

  /** With no previous one yet: that is set by {@link #setPrevious}. */
  static Encoder encode(Append append) {
    var to = new Encoder();
    to.addByte(APPEND);
    to.addLong(NONE);
    to.addText(append.id());
    to.addNumber(append.number());
    to.addNumber(append.taken().size());
    for (long number : append.taken()) to.addNumber(number);
    encode(append.park(), to);
    to.addNumber(append.entries().size());
    for (Entry entry : append.entries()) encode(entry, to);
    return to;
  }

  static void setPrevious(Encoder append, long previous) {
    append.setLong(PREVIOUS_AT, previous);
  }

  private static void encode(@Nullable Park park, Encoder to) {
    to.addByte(park == null ? 0 : 1);
    if (park == null) return;
    to.addLong(park.due());
    to.addNumber(park.messages().size());
    for (String name : park.messages()) to.addText(name);
  }

  private static void encode(Entry entry, Encoder to) {
    to.addNumber(entry.time());
    to.addText(entry.kind().name());
    to.addText(entry.key());
    to.addLong(entry.mark());
    to.addText(entry.value());
  }

  static Encoder encode(String id, Message message) {
    var to = new Encoder();
    to.addByte(SEND);
    to.addText(id);
    to.addNumber(message.number());
    to.addNumber(message.time());
    to.addText(message.name());
    to.addText(message.key());
    to.addText(message.value());
    return to;
  }

  static Encoder encode(Deleted deleted) {
    var to = new Encoder();
    to.addByte(DELETE);
    to.addText(deleted.id);
    return to;
  }

  static Encoder encode(Whole whole) {
    var to = new Encoder();
    to.addByte(WHOLE);
    to.addText(whole.id);
    to.addNumber(whole.next);
    to.addNumber(whole.sent);
    to.addByte(whole.keys == null ? 0 : 1);
    if (whole.keys != null) whole.keys.encode(to);
    return to;
  }

  static Encoder encode(Dropped dropped) {
    var to = new Encoder();
    to.addByte(DROP);
    to.addNumber(dropped.segment);
    return to;
  }

  static Record decode(byte[] bytes) {
    var from = new Decoder(bytes);
    int type = from.readByte();
    return switch (type) {
      case APPEND -> new Appended(from.readLong(), decodeAppend(from));
      case SEND -> new Sent(from.readText(), decodeMessage(from));
      case DELETE -> new Deleted(from.readText());
      case WHOLE ->
          new Whole(
              from.readText(),
              from.readNumber(),
              from.readNumber(),
              from.readByte() == 0 ? null : KeySet.decode(from));
      case DROP -> new Dropped(Math.toIntExact(from.readNumber()));
      default -> throw new IllegalArgumentException("there is no record of type " + type);
    };
  }

  private static Append decodeAppend(Decoder from) {
    String id = from.readText();
    long number = from.readNumber();
    List<Long> taken = List.of();
    int n = from.readCount();
    if (n > 0) taken = new ArrayList<>(n);
    for (; n > 0; n--) taken.add(from.readNumber());
    Park park = from.readByte() == 0 ? null : new Park(from.readLong(), decodeNames(from));
    n = from.readCount();
    List<Entry> entries = new ArrayList<>(n);
    for (int i = 0; i < n; i++) entries.add(decodeEntry(number + i, from));
    return new Append(id, 0, number, entries, taken, park); // nobody asks which one it was
  }

  private static Set<String> decodeNames(Decoder from) {
    Set<String> names = new HashSet<>();
    for (int n = from.readCount(); n > 0; n--) names.add(from.readText());
    return names;
  }

  private static Entry decodeEntry(long number, Decoder from) {
    return new Entry(
        number,
        from.readNumber(),
        Entry.Kind.valueOf(from.readText()),
        from.readText(),
        from.readLong(),
        from.readNullableText());
  }

  private static Message decodeMessage(Decoder from) {
    return new Message(
        from.readNumber(),
        from.readNumber(),
        from.readNullableText(),
        from.readNullableText(),
        from.readNullableText());
  }
}
