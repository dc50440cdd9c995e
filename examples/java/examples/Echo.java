package examples;

import greenlet.hub.Hub;
import greenlet.io.HubServerSocket;
import greenlet.io.HubSocket;
import java.io.IOException;
import java.net.InetAddress;
import java.net.SocketException;

/** The Java part of doc/io.md. Prints what its comments say. */
public final class Echo {
  static void acceptAll(HubServerSocket server) throws IOException {
    try {
      while (true) {
        HubSocket socket = server.accept();
        Hub.current().spawn(() -> {
          try (socket) {
            socket.getInputStream().transferTo(socket.getOutputStream());
          }
        });
      }
    } catch (SocketException e) {
      System.out.println("closed");
    }
  }

  static void exchange() throws IOException {
    try (var server = new HubServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
      Hub.current().spawn(() -> acceptAll(server));
      try (var socket = new HubSocket("localhost", server.getLocalPort())) {
        socket.getOutputStream().write("good morning".getBytes());
        socket.shutdownOutput();
        System.out.println(new String(socket.getInputStream().readAllBytes())); // prints good morning
      }
    }
  }

  public static void main(String[] args) {
    Hub.realTime().run(() -> exchange());
    // prints closed
  }
}
