package greenlet.io;

import greenlet.hub.Hub;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A process of the operating system that a task owns. Only the current task waits for its streams and for its end. Use it in
 * try-with-resources or by {@link #run}, so that the process ends with the task, whether that returns, is killed or runs out of time.
 *
 * <p>If a read or a write is given up, by a limit or a kill, the bytes that it was about are lost: close the process then. A process
 * that has detached itself from its parents, as daemons do, is none of the descendants that {@link #close} destroys.
 */
public final class HubProcess implements AutoCloseable {
  private final Process process;
  private final CompletableFuture<@Nullable Void> hurry = new CompletableFuture<>();
  private volatile long graceMillis = 1000;

  private HubProcess(Process process) {
    this.process = process;
  }

  /**
   * What uses a process.
   *
   * @param <T> the type of its result
   */
  @FunctionalInterface
  public interface Body<T extends @Nullable Object> {
    /**
     * Uses the process.
     *
     * @param process the process, which lives until this returns or throws
     * @return the result
     * @throws Exception whatever this throws
     */
    T use(HubProcess process) throws Exception;
  }

  /**
   * What a process has written, and how it has ended.
   *
   * @param output what it has written to its standard output
   * @param errors what it has written to its standard error
   * @param exitCode its exit code
   */
  @SuppressWarnings("ArrayRecordComponent") // bytes, for the caller alone
  public record Result(byte[] output, byte[] errors, int exitCode) {}

  /**
   * Starts a process, by {@link Hub#offload}. If the wait is given up, the process is destroyed as soon as it has started.
   *
   * @param builder the command, its environment, directory and redirections
   * @return the process
   * @throws IOException if it cannot be started: nothing is left of it
   */
  public static HubProcess start(ProcessBuilder builder) throws IOException {
    Resources.require(builder, "a process needs a builder");
    return Resources.offload(() -> new HubProcess(builder.start()), HubProcess::abandon);
  }

  /**
   * Starts a process, calls the body with it, and {@linkplain #close closes} it when the body has returned or thrown.
   *
   * @param builder the command, its environment, directory and redirections
   * @param body what uses the process
   * @param <T> the type of the result
   * @return what the body returns; what it throws comes out of this call
   * @throws IOException if the process cannot be started
   */
  public static <T extends @Nullable Object> T run(ProcessBuilder builder, Body<T> body)
      throws IOException {
    Resources.require(body, "a process needs a body that uses it");
    try (HubProcess process = start(builder)) {
      return body.use(process);
    } catch (Throwable t) {
      throw Sneaky.unchecked(t);
    }
  }

  /**
   * Sets how long {@link #close} waits for the process to end after it was asked to, before it is destroyed by force: one second unless
   * set. This is real time also in a hub of virtual time.
   *
   * @param limit how long; zero for by force at once
   * @return this process
   */
  public HubProcess grace(Duration limit) {
    Resources.require(limit, "a grace is a time");
    if (limit.isNegative())
      throw new IllegalArgumentException("a grace is zero or more: got " + limit);
    graceMillis = limit.toMillis();
    return this;
  }

  /**
   * Writes to the process's standard input and flushes it.
   *
   * @param bytes what to write
   * @throws IOException if the process does not read it
   */
  public void write(byte[] bytes) throws IOException {
    Resources.require(bytes, "there are no bytes to write");
    Hub.offload(() -> {
      process.getOutputStream().write(bytes);
      process.getOutputStream().flush();
    });
  }

  /**
   * Ends the process's standard input.
   *
   * @throws IOException if what was written before does not arrive
   */
  public void closeInput() throws IOException {
    Hub.offload(() -> process.getOutputStream().close());
  }

  /**
   * Reads from the process's standard output.
   *
   * @param most how many bytes at most, 1 or more
   * @return 1 byte or more; none at the end
   * @throws IOException if that fails
   */
  public byte[] read(int most) throws IOException {
    return read(process.getInputStream(), most);
  }

  /**
   * Reads from the process's standard error.
   *
   * @param most how many bytes at most, 1 or more
   * @return 1 byte or more; none at the end
   * @throws IOException if that fails
   */
  public byte[] readErrors(int most) throws IOException {
    return read(process.getErrorStream(), most);
  }

  private static byte[] read(InputStream in, int most) {
    if (most < 1) throw new IllegalArgumentException("a read takes 1 byte or more: got " + most);
    return Hub.offload(() -> {
      byte[] bytes = new byte[most];
      int count = in.read(bytes);
      return Arrays.copyOf(bytes, Math.max(count, 0));
    });
  }

  /**
   * Reads all that is left of the process's standard output. If it writes much to its standard error meanwhile, it stops for want of a
   * reader, and this waits for ever: {@link #communicate} reads both.
   *
   * @return the bytes
   * @throws IOException if that fails
   */
  public byte[] readAll() throws IOException {
    return Hub.offload(() -> process.getInputStream().readAllBytes());
  }

  /**
   * Reads all that is left of the process's standard error; see {@link #readAll}.
   *
   * @return the bytes
   * @throws IOException if that fails
   */
  public byte[] readAllErrors() throws IOException {
    return Hub.offload(() -> process.getErrorStream().readAllBytes());
  }

  /**
   * Feeds the process, reads its standard output and its standard error to the end, all at once, so that none of them stops for want of
   * the others, and waits for the end of the process. What it leaves unread of its input is dropped. Takes three threads of its own that
   * do not count for {@link Hub#offloadBound}.
   *
   * @param input what to write to its standard input, which is closed then
   * @return both outputs and the exit code
   * @throws IOException if reading fails
   */
  public Result communicate(byte[] input) throws IOException {
    Resources.require(input, "there are no bytes to write; for none give an empty array");
    CompletableFuture<byte[]> output = call(() -> process.getInputStream().readAllBytes());
    CompletableFuture<byte[]> errors = call(() -> process.getErrorStream().readAllBytes());
    CompletableFuture<@Nullable Void> fed = call(() -> feed(input));
    byte[] wholeOutput = Hub.await(output);
    byte[] wholeErrors = Hub.await(errors);
    Hub.await(fed);
    return new Result(wholeOutput, wholeErrors, await());
  }

  private @Nullable Void feed(byte[] input) {
    try (OutputStream to = process.getOutputStream()) {
      to.write(input);
    } catch (IOException e) {
      // the process has ended, or closed its input
    }
    return null;
  }

  private static <T extends @Nullable Object> CompletableFuture<T> call(Callable<T> what) {
    var result = new CompletableFuture<T>();
    Thread.startVirtualThread(() -> {
      try {
        result.complete(what.call());
      } catch (Throwable t) {
        result.completeExceptionally(t);
      }
    });
    return result;
  }

  /**
   * Waits for the end of the process; limit it by {@link Hub#timeout}.
   *
   * @return its exit code; on Unix, 128 and the number of the signal that has ended it
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

  /**
   * Ends the process and its descendants. They are destroyed; when the process has ended, or the {@linkplain #grace grace} is over, or
   * this wait is given up, those that are left are destroyed by force. Waits until the process has ended and its streams are
   * closed. Does nothing if that was before; a process that has ended by itself leaves its descendants alone.
   */
  @Override
  public void close() {
    try {
      Hub.await(call(this::end));
    } catch (Throwable t) {
      hurry.complete(null);
      throw t;
    }
  }

  /** Where nobody waits any longer. */
  private void abandon() {
    hurry.complete(null);
    var unused = call(this::end);
  }

  /** In a thread of its own, as it blocks. */
  private @Nullable Void end() throws Exception {
    try {
      if (process.isAlive()) destroy();
      process.onExit().get();
    } finally {
      closeStreams();
    }
    return null;
  }

  private void destroy() throws Exception {
    try {
      List<ProcessHandle> below = process.descendants().toList();
      if (!hurry.isDone() && graceMillis > 0) destroyInGrace(below);
      List<ProcessHandle> all = Stream.concat(below.stream(), process.descendants()).toList();
      process.destroyForcibly(); // first, as it may go on when what it waits for has ended
      all.forEach(ProcessHandle::destroyForcibly);
    } finally {
      process.destroyForcibly();
    }
  }

  private void destroyInGrace(List<ProcessHandle> below) throws Exception {
    process.destroy();
    below.forEach(ProcessHandle::destroy);
    CompletableFuture.anyOf(process.onExit(), hurry)
        .completeOnTimeout(process, graceMillis, TimeUnit.MILLISECONDS)
        .get();
  }

  private void closeStreams() {
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
