package greenlet.journal;

/** Numbers that tell texts apart, and are the same in every JVM. */
final class Hash {
  /** Of no text. */
  static final long NONE = 0xcbf29ce484222325L;

  private Hash() {}

  static long of(String text) {
    return add(NONE, text);
  }

  /** Of one text after another: also their lengths count. FNV-1a, whose bits are mixed. */
  static long add(long before, String text) {
    long hash = before;
    for (int i = 0; i < text.length(); i++) hash = (hash ^ text.charAt(i)) * 0x100000001b3L;
    return mixed(hash ^ text.length());
  }

  /** That of SplitMix64. */
  static long mixed(long bits) {
    long z = (bits ^ (bits >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }
}
