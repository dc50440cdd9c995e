package greenlet.bench;

import java.util.List;
import org.apache.commons.math3.distribution.TDistribution;
import org.apache.commons.math3.stat.descriptive.SummaryStatistics;

/** How many times as long the new version takes as the old one, and the 95 % interval of that by Student's t. */
record Ratio(double estimate, double low, double high) {
  /** Of the logarithms of ratios, each of two forks that ran one after the other: at least two. */
  static Ratio of(List<Double> logs) {
    SummaryStatistics statistics = new SummaryStatistics();
    logs.forEach(statistics::addValue);
    double mean = statistics.getMean();
    double quantile = new TDistribution(logs.size() - 1).inverseCumulativeProbability(0.975);
    double half = quantile * statistics.getStandardDeviation() / Math.sqrt(logs.size());
    return new Ratio(Math.exp(mean), Math.exp(mean - half), Math.exp(mean + half));
  }

  double width() {
    return high - low;
  }
}
