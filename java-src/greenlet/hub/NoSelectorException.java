package greenlet.hub;

import java.io.IOException;

/**
 * A wait for a channel could not begin, since the system gives no selector, as where no file descriptor is left. The channel is as it was;
 * the wait may be tried again. The cause is what the system said.
 */
public final class NoSelectorException extends IOException {
  private static final long serialVersionUID = 1;

  NoSelectorException(IOException cause) {
    super("no selector to wait for channels in: " + cause.getMessage(), cause);
  }
}
