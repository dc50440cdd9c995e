package greenlet.hub;

import java.util.function.Consumer;

/** A place in a ring, at first one of its own. Each method changes all that it changes without a call that could fail in between. */
abstract class RingNode {
  private RingNode next = this;
  private RingNode previous = this;

  final void insertBefore(RingNode other) {
    next = other;
    previous = other.previous;
    previous.next = this;
    other.previous = this;
  }

  final void unlink() {
    previous.next = next;
    next.previous = previous;
    next = this;
    previous = this;
  }

  final void forEachOther(Consumer<RingNode> action) {
    for (RingNode node = next; node != this; node = node.next) action.accept(node);
  }

  /** The same for another thread, while the ring may change: {@code most} of them, and not beyond one that has just been unlinked. */
  final void forEachOther(int most, Consumer<RingNode> action) {
    RingNode node = next;
    for (int i = 0; i < most && node != this && node != node.next; i++, node = node.next)
      action.accept(node);
  }
}
