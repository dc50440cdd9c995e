/** Programs that use greenlets from Java, on the module path. */
module examples {
  requires greenlet;
  requires java.desktop;
  requires java.net.http;
  requires jdk.httpserver;
}
