package greenlet.journal;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;

/** The keys of the messages that were sent to a program: of each the first 16 bytes of its SHA-256, as no two keys have the same. */
final class KeySet {
  /** What stands for a key. */
  record Digest(long high, long low) {
    static Digest of(String key) {
      try {
        ByteBuffer hash =
            ByteBuffer.wrap(
                MessageDigest.getInstance("SHA-256")
                    .digest(key.getBytes(StandardCharsets.UTF_16BE)));
        long high = hash.getLong();
        long low = hash.getLong();
        return new Digest(high, low == 0 ? 1 : low); // 0 is a free place
      } catch (NoSuchAlgorithmException e) {
        throw new AssertionError(e); // each JVM has it
      }
    }
  }

  private long[] places =
      new long[4]; // of each its two halves, at the first free place from where its hash has it
  private int size;

  boolean contains(Digest key) {
    return places[placeOf(key) + 1] != 0;
  }

  void add(Digest key) {
    int place = placeOf(key);
    if (places[place + 1] != 0) return;
    places[place] = key.high;
    places[place + 1] = key.low;
    if (++size * 8 > places.length * 3) grow();
  }

  private int placeOf(Digest key) {
    int mask = places.length - 2;
    int place = (int) key.low << 1 & mask;
    while (places[place + 1] != 0 && !(places[place] == key.high && places[place + 1] == key.low))
      place = place + 2 & mask;
    return place;
  }

  private void grow() {
    long[] old = places;
    places = new long[2 * old.length];
    size = 0;
    for (int i = 0; i < old.length; i += 2)
      if (old[i + 1] != 0) add(new Digest(old[i], old[i + 1]));
  }

  void encode(Encoder to) {
    to.addNumber(size);
    for (int i = 0; i < places.length; i += 2) {
      if (places[i + 1] == 0) continue;
      to.addLong(places[i]);
      to.addLong(places[i + 1]);
    }
  }

  static KeySet decode(Decoder from) {
    var keys = new KeySet();
    for (int n = from.readCount(); n > 0; n--)
      keys.add(new Digest(from.readLong(), from.readLong()));
    return keys;
  }
}
