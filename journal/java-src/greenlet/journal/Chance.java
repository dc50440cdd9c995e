package greenlet.journal;

import java.util.UUID;

/** SplitMix64, written down here: the JDK may change what its generators return, and a program outlives a JDK. */
final class Chance {
  private static final long GAMMA = 0x9e3779b97f4a7c15L;

  private long state;

  Chance(long seed) {
    state = Hash.mixed(seed);
  }

  long nextLong() {
    state += GAMMA;
    return Hash.mixed(state);
  }

  double nextDouble() {
    return (nextLong() >>> 11) * 0x1.0p-53;
  }

  /** From 0 on and below {@code bound}, each as likely as the others. */
  long nextLong(long bound) {
    long bits = nextLong() >>> 1;
    long value = bits % bound;
    while (bits - value + (bound - 1) < 0) {
      bits = nextLong() >>> 1;
      value = bits % bound;
    }
    return value;
  }

  UUID nextUuid() {
    long most = nextLong() & ~0xf000L | 0x4000L;
    long least = nextLong() & 0x3fffffffffffffffL | 0x8000000000000000L;
    return new UUID(most, least);
  }
}
