package greenlet.io;

import greenlet.hub.Hub;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * A process of the operating system that a task owns: its streams and its end are waited for by the current task alone. To be used in
 * try-with-resources, so that the process ends with the task, whether that returns, is killed or runs out of time.
 */
public final class HubProcess implements AutoCloseable {
  private static final Duration GRACE = Duration.ofSeconds(1);
  private static final Object GIVEN_UP = new Object();

  private final Process process;

  private HubProcess(Process process) {
    this.process = process;
  }

  /**
   * Starts a process, by {@link Hub#offload}. If the wait is given up, the process is destroyed as soon as it has started.
   *
   * @param builder the command, its environment, directory and redirections
   * @return the process
   * @throws IOException if it cannot be started: nothing is left of it
   */
  public static HubProcess start(ProcessBuilder builder) throws IOException {
    if (builder == null) throw new IllegalArgumentException("a process needs a builder: got null");
    var started = new AtomicReference<@Nullable Object>();
    try {
      return Hub.offload(() -> {
        var made = new HubProcess(builder.start());
        if (!started.compareAndSet(null, made)) made.abandon();
        return made;
      });
    } catch (Throwable t) {
      if (started.getAndSet(GIVEN_UP) instanceof HubProcess made) made.abandon();
      throw t;
    }
  }

  private void abandon() {
    process.destroyForcibly();
    closeStreams();
  }

  /**
   * Writes to the process's standard input and flushes it.
   *
   * @param bytes what to write
   * @throws IOException if the process does not read it
   */
  public void write(byte[] bytes) throws IOException {
    Hub.offload(() -> {
      process.getOutputStream().write(bytes);
      process.getOutputStream().flush();
      return "";
    });
  }

  /**
   * Ends the process's standard input.
   *
   * @throws IOException if what was written before does not arrive
   */
  public void closeInput() throws IOException {
    Hub.offload(() -> {
      process.getOutputStream().close();
      return "";
    });
  }

  /**
   * Reads from the process's standard output.
   *
   * @param most how many bytes at most, 1 or more
   * @return 1 byte or more; none at the end
   * @throws IOException if that fails
   */
  public byte[] read(int most) throws IOException {
    return Hub.offload(() -> {
      byte[] bytes = new byte[most];
      int n = process.getInputStream().read(bytes);
      return java.util.Arrays.copyOf(bytes, Math.max(n, 0));
    });
  }

  /**
   * Reads all that is left of the process's standard output.
   *
   * @return the bytes
   * @throws IOException if that fails
   */
  public byte[] readAll() throws IOException {
    return Hub.offload(() -> process.getInputStream().readAllBytes());
  }

  /**
   * Reads all that is left of the process's standard error.
   *
   * @return the bytes
   * @throws IOException if that fails
   */
  public byte[] readAllErrors() throws IOException {
    return Hub.offload(() -> process.getErrorStream().readAllBytes());
  }

  /**
   * Waits for the end of the process; limit it by {@link Hub#timeout}.
   *
   * @return its exit code
   */
  public int await() {
    return Hub.await(process.onExit()).exitValue();
  }

  /**
   * The JDK's process.
   *
   * @return the process
   */
  public Process process() {
    return process;
  }

  /** Destroys the process if it lives, forcibly after a second or if this wait is given up, waits for its end and closes its streams. */
  @Override
  public void close() {
    try {
      if (process.isAlive()) {
        process.destroy();
        Hub.timeout(GRACE, this::await, () -> -1);
        process.destroyForcibly();
        await();
      }
    } finally {
      process.destroyForcibly();
      closeStreams();
    }
  }

  /** In a thread of its own, as a descendant of the process may hold the other end, or an abandoned call the lock. */
  private void closeStreams() {
    CompletableFuture.runAsync(this::closeEach, Thread::startVirtualThread);
  }

  private void closeEach() {
    for (AutoCloseable stream :
        new AutoCloseable[] {
          process.getOutputStream(), process.getInputStream(), process.getErrorStream()
        }) {
      try {
        stream.close();
      } catch (Exception e) {
        // what could not be written was for a process that has ended
      }
    }
  }
}
