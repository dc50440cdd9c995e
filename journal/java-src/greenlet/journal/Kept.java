package greenlet.journal;

import java.util.Arrays;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What a {@link DirectoryStore} knows of a program without reading: where in its files what is. A position is the number of a segment,
 * and in the lower half the first byte of a record in it. Is not changed any more once it is in the {@link Index}.
 */
final class Kept implements Cloneable {
  private static final Waiting[] NO_MESSAGES = {};

  /** A message in the store. */
  record Waiting(long number, @Nullable String name, long position, int size) {}

  final String id;

  /** The mark of its first entry. */
  long incarnation;

  /** The number that the next entry has to have. */
  long next;

  /** Where the first entry is, and the last ones are. */
  long begin = Records.NONE;

  long last = Records.NONE;

  /** When its last entry has ended it; else -1. */
  long ended = -1;

  /** How many messages were sent. */
  long sent;

  /** How much room it takes in the files. */
  long bytes;

  /** The first segment that may have something of it. */
  final int firstSegment;

  Waiting[] messages = NO_MESSAGES;
  @Nullable KeySet keys;

  /** What it waits for while nobody runs it. */
  @Nullable Set<String> awaited;

  private long parkedUntil;

  /** When it is to be run, if it is parked. */
  long due = Park.NEVER;

  Kept(String id, int firstSegment) {
    this.id = id;
    this.firstSegment = firstSegment;
  }

  /** To be changed, while others read this one. */
  Kept copy() {
    try {
      return (Kept) clone();
    } catch (CloneNotSupportedException e) {
      throw new AssertionError(e);
    }
  }

  boolean hasEnded() {
    return ended != -1;
  }

  @Nullable Park park() {
    return awaited == null ? null : new Park(parkedUntil, awaited);
  }

  void append(Append append, long position, int size) {
    if (!append.entries().isEmpty()) {
      Entry first = append.entries().get(0);
      Entry lastOne = append.entries().get(append.entries().size() - 1);
      if (begin == Records.NONE || first.kind().begins()) {
        begin = position;
        incarnation = first.mark();
        bytes = 0;
        for (Waiting message : messages) bytes += message.size;
      }
      last = position;
      next += append.entries().size();
      if (lastOne.kind().ends()) ended = Math.max(0, lastOne.time());
    }
    bytes += size;
    for (long number : append.taken()) take(number);
    if (hasEnded()) {
      for (Waiting message : messages) bytes -= message.size;
      messages = NO_MESSAGES;
    }
  }

  void park(@Nullable Park park, @Nullable Set<String> names) {
    awaited = hasEnded() ? null : names;
    parkedUntil = park == null ? Park.NEVER : park.due();
    becomeDue();
  }

  private void take(long number) {
    for (int i = 0; i < messages.length; i++) {
      if (messages[i].number != number) continue;
      bytes -= messages[i].size;
      Waiting[] rest = Arrays.copyOf(messages, messages.length - 1);
      System.arraycopy(messages, i + 1, rest, i, rest.length - i);
      messages = rest.length == 0 ? NO_MESSAGES : rest;
      return;
    }
  }

  void send(Message message, long position, int size) {
    messages = Arrays.copyOf(messages, messages.length + 1);
    messages[messages.length - 1] = new Waiting(message.number(), message.name(), position, size);
    sent = Math.max(sent, message.number() + 1);
    bytes += size;
    if (message.key() != null) keys().add(KeySet.Digest.of(message.key()));
    becomeDue();
  }

  private KeySet keys() {
    if (keys == null) keys = new KeySet();
    return keys;
  }

  boolean knows(String key) {
    return keys != null && keys.contains(KeySet.Digest.of(key));
  }

  private void becomeDue() {
    due = awaited == null ? Park.NEVER : parkedUntil;
    if (awaited == null) return;
    for (Waiting message : messages)
      if (message.name == null || awaited.contains(message.name)) due = 0;
  }
}
