package greenlet;

import org.jspecify.annotations.Nullable;

/** Decides what runs in the thread of a {@link CooperativeTree} while the JDK has suspended one of its greenlets. Must not throw. */
public interface Parking {
  /**
   * The JDK has suspended the current greenlet. Called in the thread of the tree, on the stack of its root, which must not switch
   * here.
   *
   * @param greenlet the current greenlet
   * @param thread the virtual thread that is suspended: the greenlet's, or that of a generator's body which it pulls from; to be
   *     interrupted, for one
   * @return what is to go on instead: any greenlet of the tree that {@link Scheduler#resume} would take, or that is unstarted;
   *     null if the thread is to wait
   */
  @Nullable Greenlet parked(Greenlet greenlet, Thread thread);

  /**
   * The JDK lets a greenlet go on that was {@link #parked}; it does so when it is {@linkplain Scheduler#resume resumed}. Called
   * once for each time, in whichever thread brought it about, perhaps within locks of the JDK.
   *
   * @param greenlet the greenlet
   */
  void unparked(Greenlet greenlet);

  /**
   * A greenlet that was {@link #parked} is current again and about to go on. Called in the thread of the tree, on the stack of its
   * root.
   *
   * @param greenlet the greenlet
   */
  void resumed(Greenlet greenlet);
}
