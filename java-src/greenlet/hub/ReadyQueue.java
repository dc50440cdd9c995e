package greenlet.hub;

import greenlet.Greenlet;
import org.jspecify.annotations.Nullable;

/**
 * The greenlets that are ready, in the order of their turns. Other than the JDK's collections it calls nothing after it has begun
 * to change something, so that a StackOverflowError leaves it as it was.
 */
class ReadyQueue {
  /** A ring; its length is a power of two. */
  private @Nullable Greenlet[] places = new Greenlet[16];

  /** One more for each that is taken, one less for each that is put back; its lowest bits are the place of the first one. */
  private int first;

  private int size;

  int size() {
    return size;
  }

  /** Changes with each that is taken. May be asked for in any thread, which sees a change soon. */
  int turns() {
    return first;
  }

  void add(Greenlet greenlet) {
    if (size == places.length) grow();
    places[(first + size) & (places.length - 1)] = greenlet;
    size++;
  }

  void addFirst(Greenlet greenlet) {
    if (size == places.length) grow();
    first--;
    places[first & (places.length - 1)] = greenlet;
    size++;
  }

  /** There is one. */
  @SuppressWarnings("NullAway")
  Greenlet take() {
    int place = first & (places.length - 1);
    Greenlet next = places[place];
    places[place] = null;
    first++;
    size--;
    return next;
  }

  /** Takes the last occurrence out, if there is one; a search, for what hardly ever happens. */
  void removeLast(Greenlet greenlet) {
    int last = size - 1;
    while (last >= 0 && places[(first + last) & (places.length - 1)] != greenlet) last--;
    if (last < 0) return;
    for (int i = last; i < size - 1; i++) {
      places[(first + i) & (places.length - 1)] = places[(first + i + 1) & (places.length - 1)];
    }
    size--;
    places[(first + size) & (places.length - 1)] = null;
  }

  private void grow() {
    var more = new Greenlet[2 * places.length];
    int place = first & (places.length - 1);
    int toEnd = places.length - place;
    System.arraycopy(places, place, more, first & (more.length - 1), toEnd);
    System.arraycopy(places, 0, more, (first + toEnd) & (more.length - 1), place);
    places = more;
  }
}
