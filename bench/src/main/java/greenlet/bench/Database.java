package greenlet.bench;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.concurrent.TimeUnit;

/** The PostgreSQL that {@code test/servers} runs. */
final class Database implements AutoCloseable {
  private static final int STOP_SECONDS = 10;

  private final Process process;
  final String url;

  /** There is none. */
  static final class Missing extends IOException {
    Missing(String message) {
      super(message);
    }
  }

  /** {@code isDurable}: whether a commit is forced to the disk. */
  Database(boolean isDurable) throws IOException {
    Path classes =
        Path.of(URI.create(Database.class.getResource("/").toString())); // bench/target/classes
    String script = classes.resolve("../../../test/servers").normalize().toString();
    process = start(script, isDurable);
    var values = new HashMap<String, String>();
    var messages = new StringBuilder();
    BufferedReader lines = process.inputReader();
    for (String line = lines.readLine(); !"ready".equals(line); line = lines.readLine()) {
      if (line == null) throw new Missing("there is no PostgreSQL to measure with: " + messages);
      String[] pair = line.split("=", 2);
      if (pair.length == 2) values.put(pair[0], pair[1]);
      messages.append(line).append('\n');
    }
    url =
        "jdbc:postgresql://127.0.0.1:%s/postgres?user=%s&password=%s&sslmode=disable"
            .formatted(
                values.get("POSTGRESQL_PORT"),
                values.get("POSTGRESQL_USER"),
                values.get("PASSWORD"));
  }

  private static Process start(String script, boolean isDurable) throws Missing {
    try {
      var builder = new ProcessBuilder(script).redirectErrorStream(true);
      builder.environment().put("FSYNC", isDurable ? "on" : "off");
      return builder.start();
    } catch (IOException e) {
      throw new Missing("there is no PostgreSQL to measure with: " + e.getMessage());
    }
  }

  @Override
  public void close() throws IOException {
    process.getOutputStream().close();
    try {
      if (!process.waitFor(STOP_SECONDS, TimeUnit.SECONDS)) process.destroyForcibly();
    } catch (InterruptedException e) {
      process.destroyForcibly();
    }
  }
}
