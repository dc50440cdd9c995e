package greenlet.io;

import greenlet.GreenletExit;
import greenlet.hub.Hub;
import greenlet.hub.Task;
import greenlet.hub.Waiter;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.StandardSocketOptions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;

/**
 * Accepts connections at an address and runs a handler for each, as a task of its own.
 *
 * <pre>{@code
 * Server server = Server.on(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
 *     .handler(socket -> socket.getInputStream().transferTo(socket.getOutputStream()))
 *     .start();
 * ...
 * server.stop(Duration.ofSeconds(5));
 * }</pre>
 *
 * <p>The connection is closed when its handler has ended, in whichever way. What the handler throws goes to {@link #onFailure}, and
 * the server goes on; so does an error of accept, such as one that says that no file descriptor or memory is left: the server tries again
 * after 10 ms, then after twice as long each time, up to a second, until it can accept again.
 *
 * <p>A server with one hub runs in the hub that it was started in, and ends with the scope or the run that it was started in. The
 * options are set before the start, in one thread. {@link #stop}, {@link #join} and what asks may be called from any task and any
 * thread.
 */
public final class Server {
  private static final Duration FIRST_DELAY = Duration.ofMillis(10);
  private static final Duration LAST_DELAY = Duration.ofSeconds(1);

  private final InetSocketAddress asked;
  private @Nullable Handler handler;
  private int bound = Integer.MAX_VALUE;
  private int backlog = 1024;
  private @Nullable SSLContext tls;
  private Duration handshakeLimit = Duration.ofSeconds(10);
  private @Nullable BiConsumer<? super Task<?>, ? super Throwable> failureHandler;
  private int hubs = 1;
  private Supplier<Hub> hubMaker = Hub::realTime;
  private boolean sharesPort = true;
  private SocketMaker socketMaker = HubServerSocket::new;

  private volatile List<Listener> listeners = List.of();
  private volatile @Nullable InetSocketAddress address;
  private volatile boolean isStopping;

  /** The connections' tasks of which one has called {@link #stop}: nobody waits for them. */
  private final Set<Task<?>> stoppers = ConcurrentHashMap.newKeySet();

  private final CompletableFuture<@Nullable Void> ended = new CompletableFuture<>();

  private Server(InetSocketAddress asked) {
    this.asked = asked;
  }

  /** What a server does with a connection. */
  @FunctionalInterface
  public interface Handler {
    /**
     * Called in a task of the connection's own.
     *
     * @param connection the connection; an {@code SSLSocket} after its handshake if the server uses TLS. It is closed when this
     *     returns or throws
     * @throws Exception anything: it is reported
     */
    void handle(Socket connection) throws Exception;
  }

  // Options

  /**
   * A server at an address, which is to be started.
   *
   * @param address the address to bind, just that; port 0 for a free one
   * @return the server
   */
  public static Server on(InetSocketAddress address) {
    Resources.require(address, "a server needs an address");
    if (address.isUnresolved())
      throw new IllegalArgumentException(
          "a server needs an address of this machine: %s is unknown".formatted(address));
    return new Server(address);
  }

  /**
   * Says what to do with each connection. There is no default.
   *
   * @param handler called in a task for each connection
   * @return this server
   */
  public Server handler(Handler handler) {
    requireNotStarted();
    this.handler = Resources.require(handler, "a server needs a handler");
    return this;
  }

  /**
   * Limits how many connections are served at a time. When so many are, the server accepts no more, and the system keeps those that
   * come in the backlog; it goes on when one has ended. Several hubs with a listener each have an equal part of the places each. By
   * default there is no limit.
   *
   * @param bound how many, 1 or more
   * @return this server
   */
  public Server bound(int bound) {
    requireNotStarted();
    this.bound = requirePositive(bound, "the bound of a server");
    return this;
  }

  /**
   * Says how many connections the system keeps that have not been accepted yet, at most; 1024 by default. The system may have a
   * limit of its own.
   *
   * @param backlog how many, 1 or more
   * @return this server
   */
  public Server backlog(int backlog) {
    requireNotStarted();
    this.backlog = requirePositive(backlog, "the backlog of a server");
    return this;
  }

  /**
   * Has each connection use TLS. The handshake is a part of the connection's own task, so that others are accepted meanwhile. By
   * default there is no TLS.
   *
   * @param context has the server's key
   * @return this server
   */
  public Server tls(SSLContext context) {
    requireNotStarted();
    tls = Resources.require(context, "TLS needs an SSLContext");
    return this;
  }

  /**
   * Limits how long a client may take for the handshake of TLS; 10 seconds by default. One that takes longer is closed, which is
   * reported as a {@link java.util.concurrent.TimeoutException}.
   *
   * @param limit how long, above zero
   * @return this server
   */
  public Server handshakeLimit(Duration limit) {
    requireNotStarted();
    if (!Resources.require(limit, "a handshake needs a limit").isPositive())
      throw new IllegalArgumentException("the limit of a handshake is above zero: got " + limit);
    handshakeLimit = limit;
    return this;
  }

  /**
   * Says who hears of what a handler, a handshake or an accept has thrown. By default that is the {@linkplain Hub#onFailure handler}
   * of the hub that serves.
   *
   * @param handler gets a task, that of the connection unless an accept has failed, and the exception; called in the thread of the
   *     hub that serves, and must not wait
   * @return this server
   */
  public Server onFailure(BiConsumer<? super Task<?>, ? super Throwable> handler) {
    requireNotStarted();
    failureHandler =
        Resources.require(handler, "a server needs a handler for failures, or the hub's");
    return this;
  }

  /**
   * Has several hubs serve, of real time, each in a platform thread of its own. By default one serves, the hub that the server is
   * started in. See {@link #hubs(int, Supplier)}.
   *
   * @param hubs how many, 1 or more
   * @return this server
   */
  public Server hubs(int hubs) {
    return hubs(hubs, Hub::realTime);
  }

  /**
   * Has several hubs serve, each in a platform thread of its own, which ends when the server does and keeps the JVM running until
   * then. With one, the hub that the server is started in serves. If one of several ends by itself, as by a failure that it {@linkplain
   * Hub#raiseFailures raises}, the others go on, and the server ends when none is left that accepts.
   *
   * @param hubs how many, 1 or more
   * @param maker makes a hub, which has not begun to run; called so many times at the start
   * @return this server
   */
  public Server hubs(int hubs, Supplier<Hub> maker) {
    requireNotStarted();
    this.hubs = requirePositive(hubs, "the number of a server's hubs");
    hubMaker = Resources.require(maker, "several hubs need something that makes one");
    return this;
  }

  /**
   * Says how several hubs share the address. True, the default: each has a listener of its own, if the system lets several share a
   * port ({@code SO_REUSEPORT}, as Linux does). The system chooses by the addresses of both ends, so that few connections may be
   * spread unevenly. Other programs of the same user can share the port, too. False, and elsewhere: one hub accepts, and hands the
   * connections round, so that each hub gets as many as the others.
   *
   * @param sharesPort whether each hub has a listener where the system can do that
   * @return this server
   */
  public Server reusePort(boolean sharesPort) {
    requireNotStarted();
    this.sharesPort = sharesPort;
    return this;
  }

  /** Makes what listens. */
  interface SocketMaker {
    ServerSocket make() throws IOException;
  }

  /** For tests: what makes a socket that has not been bound. */
  Server sockets(SocketMaker maker) {
    socketMaker = maker;
    return this;
  }

  private void requireNotStarted() {
    if (address != null)
      throw new IllegalStateException(
          this + " has been started already: set options before, or make another one");
  }

  private static int requirePositive(int n, String what) {
    if (n < 1) throw new IllegalArgumentException(what + " is 1 or more: got " + n);
    return n;
  }

  // Starting

  /**
   * Binds the address and begins to accept.
   *
   * @return this server
   * @throws IOException if the address cannot be bound
   * @throws IllegalStateException if this server has been started before or has no handler, or if the bound is below the number of
   *     hubs that have a listener each
   */
  public Server start() throws IOException {
    requireNotStarted();
    if (handler == null)
      throw new IllegalStateException("a server needs a handler; say which by handler(...)");
    boolean shares = hubs > 1 && sharesPort && canSharePort();
    int count = shares ? hubs : 1;
    if (bound < count)
      throw new IllegalStateException(
          "a bound of %d leaves no place for some of %d hubs; raise it, or have fewer hubs or reusePort(false)"
              .formatted(bound, count));
    List<ServerSocket> sockets = bind(count, shares);
    try {
      begin(sockets);
    } catch (Throwable t) {
      for (ServerSocket each : sockets) each.close();
      throw t;
    }
    return this;
  }

  private void begin(List<ServerSocket> sockets) {
    int count = sockets.size();
    address = (InetSocketAddress) sockets.get(0).getLocalSocketAddress();
    var made = new ArrayList<Listener>();
    for (int i = 0; i < hubs; i++) {
      Hub hub = hubs == 1 ? Hub.current() : hubMaker.get();
      int places = bound / count + (i < bound % count ? 1 : 0);
      made.add(new Listener(hub, i < count ? sockets.get(i) : null, places));
    }
    listeners = made;
    if (hubs > 1) {
      startThreads();
      return;
    }
    Listener only = made.get(0);
    only.left.complete(null);
    only.hub.spawn(this + " keeper", only::run);
  }

  private boolean canSharePort() throws IOException {
    try (ServerSocket probe = socketMaker.make()) {
      return probe.supportedOptions().contains(StandardSocketOptions.SO_REUSEPORT);
    }
  }

  private List<ServerSocket> bind(int count, boolean shares) throws IOException {
    var sockets = new ArrayList<ServerSocket>();
    try {
      InetSocketAddress at = asked;
      for (int i = 0; i < count; i++) {
        ServerSocket socket = socketMaker.make();
        sockets.add(socket);
        if (shares) socket.setOption(StandardSocketOptions.SO_REUSEPORT, true);
        socket.bind(at, backlog);
        at = new InetSocketAddress(asked.getAddress(), socket.getLocalPort());
      }
      return sockets;
    } catch (Throwable t) {
      for (ServerSocket each : sockets) each.close();
      throw t;
    }
  }

  private void startThreads() {
    if (Task.current() != null) Hub.current().spawn(this + " keeper", this::keepThreads);
    for (int i = 0; i < hubs; i++) {
      Listener listener = listeners.get(i);
      String name = this + " hub " + i;
      listener.hub.named(name);
      Thread.ofPlatform().name(name).start(listener::runHub);
    }
  }

  /** Ends the threads with the task that runs this. */
  private void keepThreads() {
    try {
      join();
    } finally {
      stopAll(Duration.ZERO);
      join();
    }
  }

  // Asking

  /**
   * The address that it is bound to.
   *
   * @return the address, with the port that was chosen if 0 was asked for
   * @throws IllegalStateException if it has not been started
   */
  public InetSocketAddress address() {
    InetSocketAddress a = address;
    if (a == null)
      throw new IllegalStateException(this + " has not been started, and has no address yet");
    return a;
  }

  /**
   * The port that it is bound to.
   *
   * @return the port
   * @throws IllegalStateException if it has not been started
   */
  public int port() {
    return address().getPort();
  }

  /**
   * How many connections it serves now; for people, and tests.
   *
   * @return how many
   */
  public int count() {
    int count = 0;
    for (Listener each : listeners) count += each.connections.size();
    return count;
  }

  // Stopping

  /**
   * Stops it: refuses new connections at once, waits until the handlers have ended, kills those that have not when the time is over,
   * and returns when all have ended. The current task, or thread, waits. Another call while it stops can only shorten the time. If
   * the caller is itself in a handler of this server, that is neither waited for nor killed.
   *
   * @param grace how long handlers may go on; zero to kill them at once
   * @throws IllegalStateException if it has not been started
   */
  public void stop(Duration grace) {
    Resources.require(
        grace, "a server needs a time to stop in; Duration.ZERO kills handlers at once");
    address();
    Task<?> me = Task.current();
    if (me != null && isOfConnection(me)) stoppers.add(me);
    stopAll(grace);
    join();
  }

  /** Has the current task, or thread, wait until it has been stopped and all handlers have ended. */
  public void join() {
    address();
    if (!ended.isDone()) Hub.await(ended);
    Task<?> me = Task.current();
    if (me != null && isOfConnection(me)) return; // a thread that ends with this task
    for (Listener each : listeners) if (!each.left.isDone()) Hub.await(each.left);
  }

  private boolean isOfConnection(Task<?> task) {
    for (Listener each : listeners) if (each.connections.contains(task)) return true;
    return false;
  }

  private void stopAll(Duration grace) {
    isStopping = true;
    for (Listener each : listeners) each.closeListening();
    for (Listener each : listeners) each.inHub("stop", () -> each.requestStop(grace));
  }

  /** One of the hubs does not serve any longer. Where none is left that accepts, the others end, too. */
  private void leave(Listener listener) {
    listener.hasEnded = true;
    if (listeners.stream().allMatch(each -> each.hasEnded)) ended.complete(null);
    else if (listeners.stream().noneMatch(Listener::accepts)) stopUnlessStopping();
  }

  private void stopUnlessStopping() {
    if (!isStopping) stopAll(Duration.ZERO);
  }

  private void report(Hub hub, @Nullable Task<?> task, Throwable failure) {
    BiConsumer<? super Task<?>, ? super Throwable> own = failureHandler;
    Task<?> about = task != null ? task : hub.spawn(this + " accept", () -> {});
    // at the end of the task: what this throws goes to the hub's handler, and to no scope
    about.rawLink(t -> {
      if (own == null) throw Sneaky.unchecked(failure);
      own.accept(t, failure);
    });
  }

  private static void closeQuietly(Socket socket) {
    try {
      socket.close();
    } catch (IOException e) {
      // it is closed all the same
    }
  }

  @Override
  public String toString() {
    return "server " + (address != null ? address : asked);
  }

  /** What one hub does: it accepts, unless another one does that for it, and runs the handlers. */
  private final class Listener {
    final Hub hub;
    final @Nullable ServerSocket socket;

    /** Asked by any thread, changed in the hub's. */
    final Set<Task<?>> connections = ConcurrentHashMap.newKeySet();

    /** Whether who is connected is killed from now on. */
    private volatile boolean isEnding;

    volatile boolean hasEnded;

    /** Complete when nothing of it runs in a thread of its own any longer. */
    final CompletableFuture<@Nullable Void> left = new CompletableFuture<>();

    /** Given back by any hub. */
    private final AtomicInteger places;

    private final Bell changed = new Bell();
    private final Bell freed = new Bell();

    // in the thread of the hub
    private @Nullable Duration deadline;
    private int next;

    Listener(Hub hub, @Nullable ServerSocket socket, int places) {
      this.hub = hub;
      this.socket = socket;
      this.places = new AtomicInteger(places);
    }

    /** The body of its hub's thread. */
    void runHub() {
      try {
        hub.run(this::run);
      } finally {
        isEnding = true;
        closeListening();
        leave(this);
        left.complete(null);
      }
    }

    /** The body of its task that the others end with. */
    void run() {
      Task<?> acceptor = null;
      try {
        if (socket != null) {
          ServerSocket listening = socket;
          acceptor = hub.spawn(Server.this + " acceptor", () -> acceptAll(listening));
          acceptor.rawLink(t -> acceptorEnded());
        }
        changed.await(() -> deadline != null);
        if (acceptor != null) acceptor.kill();
        awaitEnds();
      } finally {
        end(acceptor);
      }
      changed.await(connections::isEmpty); // those that have called stop
    }

    /** Waits until no handler is left or the time for them is over, which another stop may shorten. */
    private void awaitEnds() {
      for (Duration end = deadline; end != null && isBusy() && isBefore(end); end = deadline) {
        Duration before = end;
        Hub.timeout(
            before.minus(hub.time()),
            () -> changed.await(() -> !isBusy() || !before.equals(deadline)),
            () -> {});
      }
    }

    private boolean isBusy() {
      return !stoppers.containsAll(connections);
    }

    private boolean isBefore(Duration end) {
      return end.compareTo(hub.time()) > 0;
    }

    private void end(@Nullable Task<?> acceptor) {
      isEnding = true;
      closeListening();
      try {
        if (acceptor != null) acceptor.kill();
        for (Task<?> each : connections)
          if (!stoppers.contains(each)) each.interrupt(new GreenletExit());
        changed.await(() -> !isBusy());
      } finally {
        leave(this);
      }
    }

    void closeListening() {
      try {
        if (socket != null) socket.close();
      } catch (IOException e) {
        // it is closed all the same
      }
    }

    void requestStop(Duration grace) {
      Duration end = hub.time().plus(grace);
      if (deadline == null || end.compareTo(deadline) < 0) deadline = end;
      changed.ring();
    }

    boolean accepts() {
      return socket != null && !hasEnded;
    }

    /** It has been killed, or cannot go on; or its hub has, and others may accept. */
    private void acceptorEnded() {
      if (!isEnding) stopUnlessStopping();
    }

    /** Calls something in the thread of its hub, unless that has ended. */
    void inHub(String what, Task.Action action) {
      try {
        if (hub.isHere()) action.run();
        else hub.spawn(Server.this + " " + what, action);
      } catch (RejectedExecutionException e) {
        if (!hasEnded) throw e;
      } catch (Throwable t) {
        throw Sneaky.unchecked(t);
      }
    }

    // Accepting

    private void acceptAll(ServerSocket listening) {
      Duration delay = FIRST_DELAY;
      while (!listening.isClosed()) {
        try {
          freed.await(() -> places.get() > 0);
          accept(listening);
          delay = FIRST_DELAY;
        } catch (IOException | RuntimeException | OutOfMemoryError e) {
          if (listening.isClosed()) return;
          report(hub, null, e);
          Hub.sleep(delay);
          delay = delay.multipliedBy(2);
          if (delay.compareTo(LAST_DELAY) > 0) delay = LAST_DELAY;
        }
      }
    }

    /** A connection, which has the place from then on. */
    private void accept(ServerSocket listening) throws IOException {
      places.decrementAndGet();
      Socket connection = null;
      boolean isServed = false;
      try {
        connection = listening.accept();
        turn().serve(connection, this);
        isServed = true;
      } finally {
        if (!isServed) {
          if (connection != null) closeQuietly(connection);
          free();
        }
      }
    }

    /** Whose turn it is to serve a connection. */
    private Listener turn() {
      List<Listener> all = listeners;
      if (all.size() == 1 || all.get(1).socket != null) return this;
      Listener found;
      do found = all.get(Math.floorMod(next++, all.size()));
      while (found.isEnding && found != this);
      return found;
    }

    private void free() {
      places.incrementAndGet();
      freed.ring();
    }

    // Serving

    /** Called by the task that accepts, perhaps in another hub; so the handler may have begun, and ended, before this goes on. */
    private void serve(Socket connection, Listener accepting) {
      String peer = String.valueOf(connection.getRemoteSocketAddress());
      Task<?> task =
          hub.spawn(Server.this + " connection of " + peer, () -> handleConnection(connection));
      connections.add(task);
      boolean isLate = isEnding && !stoppers.contains(task);
      if (isLate) task.interrupt(new GreenletExit());
      task.rawLink(t -> {
        connections.remove(t);
        stoppers.remove(t);
        closeQuietly(connection); // also if it has never begun
        changed.ring();
        accepting.free();
      });
      if (isLate && hasEnded) closeQuietly(connection); // its hub may have ended, too
    }

    @SuppressWarnings("NullAway") // this is a task
    private void handleConnection(Socket connection) {
      connections.add(Task.current());
      try (connection;
          Socket talking = tls == null ? connection : shakeHands(tls, connection)) {
        if (handler != null) handler.handle(talking);
      } catch (GreenletExit e) {
        throw e;
      } catch (Throwable t) {
        if (t instanceof VirtualMachineError e) throw e;
        Hub.sleep(Duration.ZERO); // raises the kill if this is what the JDK has made of it
        report(hub, Task.current(), t);
      }
    }

    private Socket shakeHands(SSLContext context, Socket connection) throws Exception {
      SSLSocket socket = Tls.server(context, connection);
      Hub.timeout(handshakeLimit, () -> socket.startHandshake());
      return socket;
    }
  }

  /** Where one task waits for what others have done, in whichever thread. */
  private static final class Bell {
    private volatile @Nullable Waiter<@Nullable Object> waiting;

    void await(BooleanSupplier isDone) {
      while (!isDone.getAsBoolean())
        Hub.<@Nullable Object>await(waiter -> {
          waiting = waiter;
          if (isDone.getAsBoolean()) waiter.wake(null);
        });
      waiting = null;
    }

    void ring() {
      Waiter<@Nullable Object> waiter = waiting;
      if (waiter != null) waiter.wake(null);
    }
  }
}
