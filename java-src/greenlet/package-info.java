/**
 * Greenlets: coroutines with a stack of their own, whose control transfers are explicit and deterministic.
 *
 * <p>{@link greenlet.Greenlet} is the coroutine, {@link greenlet.Generator} a sequence written as a body that
 * yields from any depth. On top of these, {@link greenlet.hub.Hub} runs greenlets as {@linkplain greenlet.hub.Task tasks} on an event
 * loop, {@link greenlet.tasklet.Tasklet}s take turns and talk through {@link greenlet.tasklet.Channel}s, and {@link greenlet.bridge.Bridge} makes
 * generators and streams of what pushes. Everything else in the package serves these and is not public.
 */
@NullMarked
package greenlet;

import org.jspecify.annotations.NullMarked;
