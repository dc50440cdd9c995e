package greenlet.journal;

import org.jspecify.annotations.Nullable;

/** A program goes on elsewhere, or its store is over: this host has stopped running it. None of its {@code finally} blocks has run. */
public final class Superseded extends IllegalStateException {
  private static final long serialVersionUID = 1L;

  Superseded(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
