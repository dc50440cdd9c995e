package greenlet.io;

import java.io.EOFException;

/** A stream has ended in the midst of a line, or before as many bytes had come as were asked for. */
public final class EndOfStreamException extends EOFException {
  private static final long serialVersionUID = 1;

  /**
   * What had come.
   *
   * @serial the bytes
   */
  private final byte[] received;

  /** {@code expected}: what was being read. */
  EndOfStreamException(String expected, byte[] received) {
    super(
        "the stream has ended in the midst of %s, after %d bytes of it"
            .formatted(expected, received.length));
    this.received = received;
  }

  /**
   * Returns what had come of the line, or of the bytes that were asked for. May be called from any thread.
   *
   * @return a copy
   */
  public byte[] received() {
    return received.clone();
  }
}
