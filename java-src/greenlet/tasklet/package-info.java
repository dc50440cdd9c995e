/** Tasklets: greenlets that take turns in a fixed order and talk through channels. On the public API of {@link greenlet} alone. */
@NullMarked
package greenlet.tasklet;

import org.jspecify.annotations.NullMarked;
