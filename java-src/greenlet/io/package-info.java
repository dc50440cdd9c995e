/** Sockets, servers, processes and files whose waits are those of a hub's task. On {@link greenlet.hub} and the JDK alone. */
@NullMarked
package greenlet.io;

import org.jspecify.annotations.NullMarked;
