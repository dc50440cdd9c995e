/** Records what happens in a thread or a hub, and draws it. On {@link greenlet} and {@link greenlet.hub}. */
@NullMarked
package greenlet.trace;

import org.jspecify.annotations.NullMarked;
