/** Bridges: what pushes, as it writes, calls back or publishes, made something to pull from. On the public API of {@link greenlet} alone. */
@NullMarked
package greenlet.bridge;

import org.jspecify.annotations.NullMarked;
