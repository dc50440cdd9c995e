/** Tasks on an event loop: greenlets that wait for each other, for the time and for other threads. On the public API of {@link greenlet} alone. */
@NullMarked
package greenlet.hub;

import org.jspecify.annotations.NullMarked;
