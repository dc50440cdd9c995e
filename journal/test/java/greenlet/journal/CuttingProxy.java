package greenlet.journal;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** Between a client and a server: cuts their connection at a request, counted from when it was told to. */
final class CuttingProxy implements AutoCloseable {
  private static final int BUFFER = 1 << 16;

  private final ServerSocket listener;
  private final int server;
  private final Set<Socket> open = ConcurrentHashMap.newKeySet();
  private final Set<Thread> threads = ConcurrentHashMap.newKeySet();
  private final AtomicInteger requests = new AtomicInteger();
  private volatile int cutAt = Integer.MAX_VALUE;
  private volatile boolean afterwards;
  private volatile boolean refuses;

  CuttingProxy(int server) throws IOException {
    this.server = server;
    listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    start(this::accept);
  }

  int port() {
    return listener.getLocalPort();
  }

  /** How many requests there were since {@link #cut}. */
  int requests() {
    return requests.get();
  }

  /** Once: before the {@code at}-th request reaches the server, or {@code afterwards}, before its answer reaches the client. */
  void cut(int at, boolean after) {
    requests.set(0);
    afterwards = after;
    cutAt = at;
  }

  /** From now on, ends all connections, and each new one; or does not any longer. */
  void refuse(boolean all) {
    refuses = all;
    if (all) open.forEach(CuttingProxy::close);
  }

  private void start(Runnable body) {
    Thread thread = Thread.ofPlatform().daemon().name("proxy").unstarted(body);
    threads.add(thread);
    thread.start();
  }

  private void accept() {
    while (true) {
      try {
        Socket client = listener.accept();
        if (refuses) {
          client.close();
          continue;
        }
        Socket to = new Socket(listener.getInetAddress(), server);
        open.add(client);
        open.add(to);
        start(() -> requests(client, to));
        start(() -> answers(to, client));
      } catch (IOException e) {
        if (listener.isClosed()) return;
      }
    }
  }

  private void requests(Socket client, Socket to) {
    byte[] buffer = new byte[BUFFER];
    try (client;
        to) {
      InputStream in = client.getInputStream();
      OutputStream out = to.getOutputStream();
      for (int n = in.read(buffer); n > 0; n = in.read(buffer)) {
        boolean isCut = requests.incrementAndGet() == cutAt;
        if (isCut && !afterwards) return;
        if (isCut) close(client);
        out.write(buffer, 0, n);
        if (isCut) waitForServer(to);
        if (isCut) return;
      }
    } catch (IOException e) { // so be it
    }
  }

  /** Until it has done what it was sent: it says so, to nobody. */
  private static void waitForServer(Socket to) throws IOException {
    to.shutdownOutput();
    while (to.getInputStream().read() >= 0) {}
  }

  private void answers(Socket from, Socket client) {
    byte[] buffer = new byte[BUFFER];
    try {
      InputStream in = from.getInputStream();
      OutputStream out = client.getOutputStream();
      for (int n = in.read(buffer); n > 0; n = in.read(buffer)) out.write(buffer, 0, n);
      close(client);
    } catch (IOException e) { // the other direction ends both
    }
  }

  private static void close(Socket socket) {
    try {
      socket.close();
    } catch (IOException e) { // it is closed
    }
  }

  @Override
  public void close() throws Exception {
    listener.close();
    open.forEach(CuttingProxy::close);
    for (Thread thread : threads) thread.join();
  }
}
