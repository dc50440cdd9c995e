package examples;

import greenlet.tasklet.Channel;
import greenlet.tasklet.Tasklet;
import java.util.ArrayList;
import java.util.List;

/** The Java part of doc/tasklet.md: a pipeline of tasklets. Prints what its comments say. */
public final class Sieve {
  /** What arrives from {@code in} and is not divisible, by a tasklet of its own. */
  static Channel<Integer> withoutMultiples(int divisor, Channel<Integer> in) {
    Channel<Integer> out = Channel.confined();
    Tasklet.of(args -> {
      for (int n : in) if (n % divisor != 0) out.send(n);
      out.close();
      return null;
    }).insert();
    return out;
  }

  public static void main(String[] args) {
    Channel<Integer> numbers = Channel.confined("numbers");
    Tasklet.of(none -> {
      for (int n = 2; n <= 7919; n++) numbers.send(n);
      numbers.close();
      return null;
    }, "source").insert();

    List<Integer> primes = new ArrayList<>();
    Channel<Integer> in = numbers;
    for (var next = in.iterator(); next.hasNext(); next = in.iterator()) {
      primes.add(next.next());
      in = withoutMultiples(primes.getLast(), in);
    }
    System.out.println(primes.subList(0, 5)); // prints [2, 3, 5, 7, 11]
    System.out.println(primes.size() + " primes up to " + primes.getLast()); // prints 1000 primes up to 7919

    Channel<String> shared = Channel.shared("greetings");
    Thread.ofPlatform().start(() -> shared.send("hello from another thread"));
    System.out.println(shared.receive()); // prints hello from another thread

    try {
      Channel.confined("nobody").receive();
    } catch (IllegalStateException e) {
      System.out.println(e.getMessage().substring(0, 8)); // prints deadlock
    }
  }
}
