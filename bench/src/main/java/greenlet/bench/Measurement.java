package greenlet.bench;

import com.google.gson.Gson;
import java.util.Arrays;

/** What came out of one benchmark in one column of the table: nanoseconds an operation, or bytes. */
record Measurement(String column, String benchmark, double[] samples) {
  private static final Gson GSON = new Gson();

  static Measurement fromJson(String line) {
    return GSON.fromJson(line, Measurement.class);
  }

  String toJson() {
    return GSON.toJson(this);
  }

  double median() {
    return quantile(0.5);
  }

  /** Half the distance between the quartiles. */
  double spread() {
    return (quantile(0.75) - quantile(0.25)) / 2;
  }

  private double quantile(double q) {
    double[] sorted = samples.clone();
    Arrays.sort(sorted);
    double at = q * (sorted.length - 1);
    double below = sorted[(int) Math.floor(at)];
    double above = sorted[(int) Math.ceil(at)];
    return below + (at - Math.floor(at)) * (above - below);
  }
}
