package greenlet.io;

import greenlet.hub.Hub;
import greenlet.hub.Task;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.SocketOption;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.BiFunction;
import javax.net.ssl.HandshakeCompletedEvent;
import javax.net.ssl.HandshakeCompletedListener;
import javax.net.ssl.SNIServerName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSession;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;

/** What {@link Tls} makes: the JDK's SSLSocket over a {@link TlsTransport}, each call of it by one task at a time. */
final class TlsSocket extends SSLSocket {
  /** How much is encrypted before it is sent: a record. */
  private static final int CHUNK = 16 * 1024;

  /** How long a close waits for the peer to take the notice of it. */
  private static final Duration GOODBYE = Duration.ofSeconds(1);

  private final SSLContext context;
  private final Socket under;
  private final boolean ownsUnder;
  private final TlsTransport transport;

  /** The JDK's; until it is connected one that only holds the settings. */
  private volatile SSLSocket ssl;

  private final List<HandshakeCompletedListener> listeners = new CopyOnWriteArrayList<>();

  private final Exclusion reading = new Exclusion("read from");
  private final Exclusion writing = new Exclusion("write to");

  // guarded by the lock of the transport
  private @Nullable CompletableFuture<@Nullable Void> shaking;
  private boolean isClosed;

  private volatile boolean isShaken;

  /** Whether a task has left a call in the midst, and nobody has closed this yet. */
  private volatile boolean isLeft;

  private final InputStream input =
      new InputStream() {
        @Override
        public int read() throws IOException {
          var one = new byte[1];
          return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
        }

        @Override
        public int read(byte[] b, int off, int len) throws IOException {
          return TlsSocket.this.read(b, off, len);
        }

        @Override
        public int available() throws IOException {
          return isClosed() || !isShaken ? 0 : ssl.getInputStream().available();
        }

        @Override
        public void close() throws IOException {
          TlsSocket.this.close();
        }
      };

  /** The JDK's, from the first read on; the reader's. */
  private @Nullable InputStream received;

  private final OutputStream output =
      new OutputStream() {
        @Override
        public void write(int b) throws IOException {
          write(new byte[] {(byte) b}, 0, 1);
        }

        @Override
        public void write(byte[] b, int off, int len) throws IOException {
          TlsSocket.this.write(b, off, len);
        }

        @Override
        public void close() throws IOException {
          TlsSocket.this.close();
        }
      };

  /** {@code host}: whom a client checks; null if it is known only when it connects. */
  TlsSocket(
      SSLContext context, boolean isClient, Socket under, @Nullable String host, boolean ownsUnder)
      throws IOException {
    this.context = context;
    this.under = under;
    this.ownsUnder = ownsUnder;
    transport = new TlsTransport(under);
    ssl = (SSLSocket) context.getSocketFactory().createSocket();
    ssl.setUseClientMode(isClient);
    if (isClient) {
      SSLParameters parameters = ssl.getSSLParameters();
      parameters.setEndpointIdentificationAlgorithm("HTTPS");
      ssl.setSSLParameters(parameters);
    }
    boolean isToConnect = isClient && host == null;
    if (!isToConnect) layer(host);
  }

  /** Puts the JDK's socket on top of the connection, with the settings so far. */
  private void layer(@Nullable String host) throws IOException {
    if (under.isClosed()) throw new SocketException("Socket is closed");
    SSLSocket settings = ssl;
    var made =
        (SSLSocket) context.getSocketFactory().createSocket(transport, host, under.getPort(), true);
    made.setUseClientMode(settings.getUseClientMode());
    SSLParameters parameters = settings.getSSLParameters();
    List<SNIServerName> names = parameters.getServerNames();
    if (names != null && names.isEmpty()) parameters.setServerNames(null); // the host's, then
    made.setSSLParameters(parameters);
    made.setEnableSessionCreation(settings.getEnableSessionCreation());
    made.setHandshakeApplicationProtocolSelector(
        settings.getHandshakeApplicationProtocolSelector());
    made.addHandshakeCompletedListener(this::tellListeners);
    ssl = made;
  }

  private void tellListeners(HandshakeCompletedEvent event) {
    var own = new HandshakeCompletedEvent(this, event.getSession());
    for (HandshakeCompletedListener each : listeners) each.handshakeCompleted(own);
  }

  @Override
  public void connect(SocketAddress peer) throws IOException {
    connect(peer, 0);
  }

  @Override
  public void connect(SocketAddress peer, int timeout) throws IOException {
    under.connect(peer, timeout);
    layer(peer instanceof InetSocketAddress address ? address.getHostString() : null);
  }

  // Who reads, who writes, who shakes hands

  private interface Operation {
    int run() throws IOException;
  }

  private void requireOpen() throws SocketException {
    if (isClosed()) throw new SocketException("Socket closed");
    if (!under.isConnected()) throw new SocketException("Socket is not connected");
  }

  private int read(byte[] b, int off, int len) throws IOException {
    Objects.checkFromIndexSize(off, len, b.length);
    requireOpen();
    if (len == 0) return 0;
    reading.begin(this);
    try {
      shake();
      if (received == null) received = ssl.getInputStream(); // which cannot be had at the end
      InputStream in = received;
      return call(() -> in.read(b, off, len), false);
    } finally {
      reading.end();
    }
  }

  private void write(byte[] b, int off, int len) throws IOException {
    Objects.checkFromIndexSize(off, len, b.length);
    requireOpen();
    writing.begin(this);
    try {
      shake();
      for (int from = off; from < off + len; from += CHUNK) {
        int start = from;
        int size = Math.min(CHUNK, off + len - from);
        call(
            () -> {
              ssl.getOutputStream().write(b, start, size);
              return size;
            },
            true);
      }
    } finally {
      writing.end();
    }
  }

  /** Calls the JDK, and then sends what that has left to send. */
  private int call(Operation operation, boolean isWrite) throws IOException {
    if (isWrite) transport.beginWrite();
    int result;
    try {
      result = operation.run();
    } catch (Throwable t) {
      if (isWrite) transport.endWrite();
      Throwable raised = transport.takeRaised();
      throw raised == null ? failed(t) : left(raised);
    }
    try {
      transport.settle(isWrite);
    } catch (Throwable t) {
      // what has been read is there all the same, and whoever writes hears of it
      boolean isOfPeer = t instanceof SocketException && !under.isClosed();
      if (isWrite || result == 0 || !isOfPeer) throw left(t);
    }
    return result;
  }

  /** {@code t} is of the JDK's. */
  private RuntimeException failed(Throwable t) {
    if (!(t instanceof IOException)) throw left(t);
    try {
      transport.settle(false);
    } catch (Throwable later) {
      if (later != t) t.addSuppressed(later);
    }
    if (isClosed() && isShaken && t instanceof SSLException) {
      var closed = new SocketException("Socket closed");
      closed.initCause(t);
      throw Sneaky.unchecked(closed);
    }
    throw Sneaky.unchecked(t);
  }

  /** {@code t} has come out of a wait: what is not the socket's own closes the socket underneath. */
  private RuntimeException left(Throwable t) {
    try {
      if (!(t instanceof SocketException || t instanceof IllegalStateException)) leave();
    } catch (IOException later) {
      t.addSuppressed(later);
    }
    throw Sneaky.unchecked(t);
  }

  private void leave() throws IOException {
    isLeft = true;
    under.close();
  }

  /** Returns when hands have been shaken: by whoever comes first, while the other waits. */
  private void shake() throws IOException {
    if (isShaken) return;
    CompletableFuture<@Nullable Void> mine = null;
    CompletableFuture<@Nullable Void> shaken;
    synchronized (transport) {
      if (shaking == null) shaking = mine = new CompletableFuture<>();
      shaken = shaking;
    }
    if (mine == null) {
      awaitShaken(shaken);
      return;
    }
    try {
      call(
          () -> {
            ssl.startHandshake();
            return 0;
          },
          false);
      isShaken = true;
      mine.complete(null);
    } catch (Throwable t) {
      if (ownsUnder) under.close();
      var failed = new SocketException("the handshake has failed in another task: " + t);
      failed.initCause(t);
      mine.completeExceptionally(failed);
      throw t;
    }
  }

  private void awaitShaken(CompletableFuture<@Nullable Void> shaken) {
    try {
      Hub.await(shaken);
    } catch (Throwable t) {
      if (shaken.isCompletedExceptionally()) throw t;
      throw left(t);
    }
  }

  @Override
  public void startHandshake() throws IOException {
    requireOpen();
    shake();
  }

  @Override
  public SSLSession getSession() {
    try {
      if (!isClosed() && under.isConnected()) shake();
    } catch (IOException e) {
      // the session tells: it has no cipher
    }
    // the JDK would shake hands, or wait for who does
    return isShaken ? ssl.getSession() : context.createSSLEngine().getSession();
  }

  // Closing

  @Override
  public void close() throws IOException {
    boolean isQuiet;
    boolean isRead;
    synchronized (transport) {
      if (isClosed) return;
      isClosed = true;
      isLeft = false;
      isQuiet = isShaken && !writing.isTaken() && !transport.isDraining();
      isRead = reading.isTaken();
    }
    try {
      if (isQuiet && !under.isClosed()) sayGoodbye();
      if (isQuiet && !isRead && ownsUnder && !under.isClosed()) skipReceived();
    } catch (IOException e) {
      // the peer is gone
    } finally {
      if (ownsUnder) under.close();
    }
  }

  private void sayGoodbye() throws IOException {
    ssl.shutdownOutput();
    if (Task.current() != null) {
      Hub.timeout(GOODBYE, () -> transport.drain(false), () -> {});
      return;
    }
    Thread sender = Thread.ofVirtual().start(this::drainQuietly);
    try {
      sender.join(GOODBYE);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private void drainQuietly() {
    try {
      transport.drain(false);
    } catch (IOException e) {
      // the peer is gone
    }
  }

  /** Else the system would reset the connection, and the peer might not get what was sent last. */
  private void skipReceived() throws IOException {
    InputStream in = under.getInputStream();
    for (int n = in.available(), rounds = 64; n > 0 && rounds > 0; n = in.available(), rounds--)
      in.skip(n);
  }

  /** Tells the peer that no more will be written. Waits until that is sent. */
  @Override
  public void shutdownOutput() throws IOException {
    requireOpen();
    shake();
    call(
        () -> {
          ssl.shutdownOutput();
          return 0;
        },
        true);
  }

  /** What comes from now on is not read. */
  @Override
  public void shutdownInput() throws IOException {
    requireOpen();
    ssl.shutdownInput();
  }

  @Override
  public boolean isClosed() {
    synchronized (transport) {
      if (isClosed) return true;
    }
    return under.isClosed();
  }

  @Override
  public boolean isInputShutdown() {
    return ssl.isInputShutdown();
  }

  @Override
  public boolean isOutputShutdown() {
    return ssl.isOutputShutdown();
  }

  @Override
  public InputStream getInputStream() throws IOException {
    requireOpen();
    return input;
  }

  @Override
  public OutputStream getOutputStream() throws IOException {
    requireOpen();
    return output;
  }

  @Override
  public String toString() {
    return "TLS over " + under;
  }

  // The settings of TLS

  @Override
  public String[] getSupportedCipherSuites() {
    return ssl.getSupportedCipherSuites();
  }

  @Override
  public String[] getEnabledCipherSuites() {
    return ssl.getEnabledCipherSuites();
  }

  @Override
  public void setEnabledCipherSuites(String[] suites) {
    ssl.setEnabledCipherSuites(suites);
  }

  @Override
  public String[] getSupportedProtocols() {
    return ssl.getSupportedProtocols();
  }

  @Override
  public String[] getEnabledProtocols() {
    return ssl.getEnabledProtocols();
  }

  @Override
  public void setEnabledProtocols(String[] protocols) {
    ssl.setEnabledProtocols(protocols);
  }

  @Override
  public @Nullable SSLSession getHandshakeSession() {
    return ssl.getHandshakeSession();
  }

  @Override
  public void setUseClientMode(boolean mode) {
    ssl.setUseClientMode(mode);
  }

  @Override
  public boolean getUseClientMode() {
    return ssl.getUseClientMode();
  }

  @Override
  public void setNeedClientAuth(boolean need) {
    ssl.setNeedClientAuth(need);
  }

  @Override
  public boolean getNeedClientAuth() {
    return ssl.getNeedClientAuth();
  }

  @Override
  public void setWantClientAuth(boolean want) {
    ssl.setWantClientAuth(want);
  }

  @Override
  public boolean getWantClientAuth() {
    return ssl.getWantClientAuth();
  }

  @Override
  public void setEnableSessionCreation(boolean flag) {
    ssl.setEnableSessionCreation(flag);
  }

  @Override
  public boolean getEnableSessionCreation() {
    return ssl.getEnableSessionCreation();
  }

  @Override
  public SSLParameters getSSLParameters() {
    return ssl.getSSLParameters();
  }

  @Override
  public void setSSLParameters(SSLParameters parameters) {
    ssl.setSSLParameters(parameters);
  }

  @Override
  public @Nullable String getApplicationProtocol() {
    return ssl.getApplicationProtocol();
  }

  @Override
  public @Nullable String getHandshakeApplicationProtocol() {
    return ssl.getHandshakeApplicationProtocol();
  }

  @Override
  public void setHandshakeApplicationProtocolSelector(
      @Nullable BiFunction<SSLSocket, List<String>, String> selector) {
    ssl.setHandshakeApplicationProtocolSelector(selector);
  }

  @Override
  public @Nullable BiFunction<SSLSocket, List<String>, String>
      getHandshakeApplicationProtocolSelector() {
    return ssl.getHandshakeApplicationProtocolSelector();
  }

  @Override
  public void addHandshakeCompletedListener(HandshakeCompletedListener listener) {
    listeners.add(listener);
  }

  @Override
  public void removeHandshakeCompletedListener(HandshakeCompletedListener listener) {
    if (!listeners.remove(listener))
      throw new IllegalArgumentException("it does not listen to " + this + ": " + listener);
  }

  // The settings of the connection

  @Override
  public void bind(@Nullable SocketAddress address) throws IOException {
    under.bind(address);
  }

  @Override
  public @Nullable InetAddress getInetAddress() {
    return under.getInetAddress();
  }

  @Override
  public InetAddress getLocalAddress() {
    return under.getLocalAddress();
  }

  @Override
  public int getPort() {
    return under.getPort();
  }

  @Override
  public int getLocalPort() {
    return under.getLocalPort();
  }

  @Override
  public @Nullable SocketAddress getRemoteSocketAddress() {
    return under.getRemoteSocketAddress();
  }

  @Override
  public @Nullable SocketAddress getLocalSocketAddress() {
    return under.getLocalSocketAddress();
  }

  @Override
  public boolean isConnected() {
    return under.isConnected();
  }

  @Override
  public boolean isBound() {
    return under.isBound();
  }

  @Override
  public void setTcpNoDelay(boolean on) throws SocketException {
    under.setTcpNoDelay(on);
  }

  @Override
  public boolean getTcpNoDelay() throws SocketException {
    return under.getTcpNoDelay();
  }

  @Override
  public void setSoLinger(boolean on, int linger) throws SocketException {
    under.setSoLinger(on, linger);
  }

  @Override
  public int getSoLinger() throws SocketException {
    return under.getSoLinger();
  }

  @Override
  public void setSoTimeout(int timeout) throws SocketException {
    if (!isLeft) under.setSoTimeout(timeout); // see HubSocket
  }

  @Override
  public int getSoTimeout() throws SocketException {
    return under.getSoTimeout();
  }

  @Override
  public void setSendBufferSize(int size) throws SocketException {
    under.setSendBufferSize(size);
  }

  @Override
  public int getSendBufferSize() throws SocketException {
    return under.getSendBufferSize();
  }

  @Override
  public void setReceiveBufferSize(int size) throws SocketException {
    under.setReceiveBufferSize(size);
  }

  @Override
  public int getReceiveBufferSize() throws SocketException {
    return under.getReceiveBufferSize();
  }

  @Override
  public void setKeepAlive(boolean on) throws SocketException {
    under.setKeepAlive(on);
  }

  @Override
  public boolean getKeepAlive() throws SocketException {
    return under.getKeepAlive();
  }

  @Override
  public void setTrafficClass(int type) throws SocketException {
    under.setTrafficClass(type);
  }

  @Override
  public int getTrafficClass() throws SocketException {
    return under.getTrafficClass();
  }

  @Override
  public void setReuseAddress(boolean on) throws SocketException {
    under.setReuseAddress(on);
  }

  @Override
  public boolean getReuseAddress() throws SocketException {
    return under.getReuseAddress();
  }

  @Override
  public <T> Socket setOption(SocketOption<T> name, T value) throws IOException {
    under.setOption(name, value);
    return this;
  }

  @Override
  public <T> T getOption(SocketOption<T> name) throws IOException {
    return under.getOption(name);
  }

  @Override
  public Set<SocketOption<?>> supportedOptions() {
    return under.supportedOptions();
  }
}
