package greenlet.io;

import greenlet.hub.Hub;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;

/** Look-ups of host names by the system's resolver, by {@link Hub#offload}: only the current task waits. */
public final class Names {
  private Names() {}

  /**
   * The first address of a host. A limit or a kill ends the wait; the system's look-up then goes on in its thread, unheeded.
   *
   * @param host a name or a literal address
   * @return the address
   * @throws UnknownHostException if the system finds none
   */
  public static InetAddress lookup(String host) throws UnknownHostException {
    return lookupAll(host).get(0);
  }

  /**
   * All addresses of a host, in the system's order; see {@link #lookup}.
   *
   * @param host a name or a literal address; an empty one is that of this machine's loopback, as for the system
   * @return the addresses, at least one
   * @throws UnknownHostException if the system finds none
   */
  public static List<InetAddress> lookupAll(String host) throws UnknownHostException {
    Resources.require(host, "a look-up needs the name of a host");
    return lookupAll(host, InetAddress::getAllByName);
  }

  static List<InetAddress> lookupAll(String host, Resolver resolver) {
    return Hub.offload(() -> List.of(resolver.addresses(host)));
  }

  /** Finds the addresses of a host, and blocks the calling thread meanwhile. */
  interface Resolver {
    InetAddress[] addresses(String host) throws UnknownHostException;
  }
}
