package greenlet.io;

import java.io.IOException;
import java.net.InetAddress;
import java.net.SocketAddress;
import java.net.SocketException;
import java.net.SocketOption;
import java.util.Set;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import org.jspecify.annotations.Nullable;

/**
 * A server socket whose {@link #accept} is a wait of the task that calls, and whose sockets have TLS, as {@link Tls} tells. They have the
 * settings of this one when they are accepted, and shake hands in the task that first reads, writes or calls {@code startHandshake}; so a
 * client that never shakes hands holds up nobody who accepts. Outside of any task it blocks its thread.
 */
public final class HubSslServerSocket extends SSLServerSocket {
  private final SSLContext context;
  private final HubServerSocket under;

  /** The JDK's, never bound: holds the settings. */
  private final SSLServerSocket settings;

  /** On top of {@code under}, which it closes. */
  HubSslServerSocket(SSLContext context, HubServerSocket under) throws IOException {
    this.context = context;
    this.under = under;
    settings = (SSLServerSocket) context.getServerSocketFactory().createServerSocket();
  }

  @Override
  public SSLSocket accept() throws IOException {
    HubSocket accepted = under.accept();
    try {
      var socket = new TlsSocket(context, false, accepted, null, true);
      socket.setUseClientMode(getUseClientMode());
      socket.setSSLParameters(getSSLParameters());
      socket.setEnableSessionCreation(getEnableSessionCreation());
      return socket;
    } catch (Throwable t) {
      accepted.close();
      throw t;
    }
  }

  @Override
  public String toString() {
    return "TLS over " + under;
  }

  // The settings of TLS

  @Override
  public String[] getSupportedCipherSuites() {
    return settings.getSupportedCipherSuites();
  }

  @Override
  public String[] getEnabledCipherSuites() {
    return settings.getEnabledCipherSuites();
  }

  @Override
  public void setEnabledCipherSuites(String[] suites) {
    settings.setEnabledCipherSuites(suites);
  }

  @Override
  public String[] getSupportedProtocols() {
    return settings.getSupportedProtocols();
  }

  @Override
  public String[] getEnabledProtocols() {
    return settings.getEnabledProtocols();
  }

  @Override
  public void setEnabledProtocols(String[] protocols) {
    settings.setEnabledProtocols(protocols);
  }

  @Override
  public void setNeedClientAuth(boolean need) {
    settings.setNeedClientAuth(need);
  }

  @Override
  public boolean getNeedClientAuth() {
    return settings.getNeedClientAuth();
  }

  @Override
  public void setWantClientAuth(boolean want) {
    settings.setWantClientAuth(want);
  }

  @Override
  public boolean getWantClientAuth() {
    return settings.getWantClientAuth();
  }

  @Override
  public void setUseClientMode(boolean mode) {
    settings.setUseClientMode(mode);
  }

  @Override
  public boolean getUseClientMode() {
    return settings.getUseClientMode();
  }

  @Override
  public void setEnableSessionCreation(boolean flag) {
    settings.setEnableSessionCreation(flag);
  }

  @Override
  public boolean getEnableSessionCreation() {
    return settings.getEnableSessionCreation();
  }

  @Override
  public SSLParameters getSSLParameters() {
    return settings.getSSLParameters();
  }

  @Override
  public void setSSLParameters(SSLParameters parameters) {
    settings.setSSLParameters(parameters);
  }

  // What it listens with

  @Override
  public void bind(@Nullable SocketAddress address, int backlog) throws IOException {
    under.bind(address, backlog);
  }

  @Override
  public void close() throws IOException {
    under.close();
  }

  @Override
  public boolean isBound() {
    return under.isBound();
  }

  @Override
  public boolean isClosed() {
    return under.isClosed();
  }

  @Override
  public @Nullable InetAddress getInetAddress() {
    return under.getInetAddress();
  }

  @Override
  public int getLocalPort() {
    return under.getLocalPort();
  }

  @Override
  public @Nullable SocketAddress getLocalSocketAddress() {
    return under.getLocalSocketAddress();
  }

  @Override
  public void setSoTimeout(int timeout) throws SocketException {
    under.setSoTimeout(timeout);
  }

  @Override
  public int getSoTimeout() throws IOException {
    return under.getSoTimeout();
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
  public void setReceiveBufferSize(int size) throws SocketException {
    under.setReceiveBufferSize(size);
  }

  @Override
  public int getReceiveBufferSize() throws SocketException {
    return under.getReceiveBufferSize();
  }

  @Override
  public <T> HubSslServerSocket setOption(SocketOption<T> name, T value) throws IOException {
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
