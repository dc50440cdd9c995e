package greenlet.hub;

import greenlet.testing.ForcedParks;
import java.util.Arrays;
import java.util.regex.Pattern;

/**
 * Holds a cooperative hub to its invariant: control is taken from a task only in code of its own, never in the midst of the library.
 * Looks where each thread has parked.
 */
public final class ParkInspector implements Runnable {
  private static final Pattern OF_TESTS =
      Pattern.compile("greenlet\\.(hub\\.\\w+Test|hub\\.(Park|Blocking)\\w+|testing\\.).*");

  /** For {@code greenlet.testing.Hubs}. */
  public ParkInspector() {}

  /** From now on. Where parks are forced, the library's stand still; elsewhere there are to be none, and one is told as a fault. */
  @Override
  public void run() {
    Cooperation.isInLibrary =
        ForcedParks.areForced() ? ParkInspector::isInLibrary : ParkInspector::tells;
  }

  private static boolean tells(Thread parked) {
    if (isInLibrary(parked)) ForcedParks.tellUnexpected(parked.getStackTrace());
    return false;
  }

  private static boolean isInLibrary(Thread parked) {
    return Arrays.stream(parked.getStackTrace())
        .filter(frame -> !isOfJdk(frame) && !frame.getClassName().endsWith(".ForcedParks"))
        .findFirst()
        .filter(frame -> frame.getClassName().startsWith("greenlet."))
        .filter(frame -> !OF_TESTS.matcher(frame.getClassName()).matches())
        .isPresent();
  }

  private static boolean isOfJdk(StackTraceElement frame) {
    return frame.getModuleName() != null;
  }
}
