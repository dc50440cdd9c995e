package examples;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import greenlet.Greenlet;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.URLDecoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** A form of three pages as one method that asks and waits. Visits itself by HTTP, and prints what its comments say. */
public final class Form {
  private static final int MOST_SESSIONS = 1000;
  private static final int MOST_BYTES = 1000;
  private static final Pattern STEP = Pattern.compile("/([-0-9a-f]{36})/([0-9]{1,4})");
  private static final Pattern PAGE = Pattern.compile("<p>(.*?)</p>(?:.*action=\"(.*?)\")?");

  // The form

  static String ask(String question) {
    return (String) Greenlet.current().parent().switchTo(question); // returns when the answer is there
  }

  static String booking() {
    String name = ask("Who are you?");
    int seats = askNumber("How many seats, " + name + "?");
    try {
      boolean sure = ask("Book " + seats + " seats?").equals("yes");
      return sure ? "They are yours." : "As you like.";
    } finally {
      System.out.println(name + " has left"); // also when the session is closed, and the answer never comes
    }
  }

  static int askNumber(String question) {
    while (true) {
      String answer = ask(question);
      if (answer.matches("[1-9]")) return Integer.parseInt(answer);
      question = "A number from 1 to 9, please.";
    }
  }

  // Sessions: each a suspended greenlet, all in one thread

  static final class Session {
    private final String id = UUID.randomUUID().toString();
    private final Greenlet greenlet = Greenlet.of(args -> booking());
    private Object page = greenlet.switchTo();
    private int step;

    /** The page that follows. Each step is answered once: an answer that comes twice, or late, leads to the current page. */
    String answer(int answered, String answer) {
      if (answered == step && !greenlet.isDead()) {
        step++;
        page = greenlet.switchTo(answer);
      }
      return show();
    }

    String show() {
      String form = "<form method=\"post\" action=\"/" + id + "/" + step + "\"><input name=\"answer\"></form>";
      return "<!DOCTYPE html><title>Seats</title><p>" + escape((String) page) + "</p>" + (greenlet.isDead() ? "" : form);
    }
  }

  private final Map<String, Session> sessions = new LinkedHashMap<>(16, 0.75f, true); // in the order of their last use

  private Session begin() {
    if (sessions.size() == MOST_SESSIONS) {
      Session eldest = sessions.values().iterator().next();
      sessions.remove(eldest.id);
      eldest.greenlet.close(); // runs its finally blocks
    }
    Session session = new Session();
    sessions.put(session.id, session);
    return session;
  }

  private void closeSessions() {
    sessions.values().forEach(session -> session.greenlet.close());
    sessions.clear();
  }

  // HTTP

  private void handle(HttpExchange exchange) throws IOException {
    try (exchange) {
      String path = exchange.getRequestURI().getPath();
      Matcher step = STEP.matcher(path);
      Session session = step.matches() ? sessions.get(step.group(1)) : null;
      String answer = exchange.getRequestMethod().equals("POST") ? answer(exchange) : "";
      if (path.equals("/")) send(exchange, 200, begin().show());
      else if (!step.matches()) send(exchange, 404, "<p>There is no such page.</p>");
      else if (session == null) send(exchange, 410, "<p>This form has expired.</p>");
      else if (answer == null) send(exchange, 400, "<p>This cannot be read.</p>");
      else if (answer.isEmpty()) send(exchange, 200, session.show());
      else send(exchange, 200, session.answer(Integer.parseInt(step.group(2)), answer));
    }
  }

  /** What was submitted; null if that was no answer. */
  private static String answer(HttpExchange exchange) throws IOException {
    String body = new String(exchange.getRequestBody().readNBytes(MOST_BYTES), StandardCharsets.UTF_8);
    try {
      return body.startsWith("answer=") ? URLDecoder.decode(body.substring("answer=".length()), StandardCharsets.UTF_8) : null;
    } catch (IllegalArgumentException e) {
      return null;
    }
  }

  private static void send(HttpExchange exchange, int status, String html) throws IOException {
    byte[] body = html.getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "text/html; charset=utf-8");
    exchange.sendResponseHeaders(status, body.length);
    exchange.getResponseBody().write(body);
  }

  private static String escape(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }

  // A visit

  private static final class Visitor {
    private final HttpClient client = HttpClient.newHttpClient();
    private final String site;
    private String action = "/";

    Visitor(int port) {
      site = "http://localhost:" + port;
    }

    /** Opens the form, or answers the question that was shown last. */
    String send(String answer) throws IOException, InterruptedException {
      return send(action, answer);
    }

    String send(String path, String answer) throws IOException, InterruptedException {
      HttpRequest request = HttpRequest.newBuilder(URI.create(site + path))
          .POST(HttpRequest.BodyPublishers.ofString("answer=" + answer)).build();
      HttpResponse<String> response = client.send(request, HttpResponse.BodyHandlers.ofString());
      Matcher page = PAGE.matcher(response.body());
      if (!page.find()) throw new AssertionError(response.body());
      if (page.group(2) != null) action = page.group(2);
      return response.statusCode() + " " + page.group(1);
    }
  }

  private static void visit(int port) throws IOException, InterruptedException {
    Visitor ada = new Visitor(port);
    System.out.println(ada.send("")); // prints 200 Who are you?
    String first = ada.action;
    System.out.println(ada.send("Ada")); // prints 200 How many seats, Ada?

    Visitor bob = new Visitor(port);
    bob.send("");
    System.out.println(bob.send("<b>")); // prints 200 How many seats, &lt;b&gt;?
    bob.send("1");
    Visitor eve = new Visitor(port);
    for (String answer : List.of("", "Eve", "2")) eve.send(answer); // and never comes back

    System.out.println(ada.send("many")); // prints 200 A number from 1 to 9, please.
    System.out.println(ada.send("3")); // prints 200 Book 3 seats?
    System.out.println(ada.send(first, "Ida")); // prints 200 Book 3 seats?
    // prints Ada has left
    System.out.println(ada.send("yes")); // prints 200 They are yours.
    System.out.println(ada.send("yes")); // prints 200 They are yours.
    System.out.println(ada.send("/" + UUID.randomUUID() + "/1", "3")); // prints 410 This form has expired.
    System.out.println(bob.send("%zz")); // prints 400 This cannot be read.
    // prints <b> has left
    System.out.println(bob.send("no")); // prints 200 As you like.
  }

  public static void main(String[] args) throws Exception {
    Form form = new Form();
    ExecutorService loop = Executors.newSingleThreadExecutor(); // the greenlets are of this thread
    HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext("/", form::handle);
    server.setExecutor(loop);
    server.start();
    try {
      visit(server.getAddress().getPort());
    } finally {
      loop.submit(form::closeSessions).get(); // prints Eve has left
      server.stop(0);
      loop.shutdown();
    }
  }
}
