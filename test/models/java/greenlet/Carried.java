package greenlet;

/** The scheduler of a stack that a platform thread runs; what it was told is to be read when all is over. */
final class Carried extends PullerScheduler<Party> {
  volatile Runnable elsewhere;
  volatile boolean unparked;

  /** It is blocked, as after its first step. */
  Carried(Party puller, Runnable step) {
    takes(step);
    step();
    if (puller != null) setPuller(puller);
  }

  @Override
  void runElsewhere(Runnable step) {
    elsewhere = step;
  }

  @Override
  void unpark(Party puller) {
    unparked = true;
    if (puller.thread != Thread.currentThread()) puller.unpark();
  }

  @Override
  void yieldStack() {
    throw new AssertionError("it does not suspend itself here");
  }
}
