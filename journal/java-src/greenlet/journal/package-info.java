/** Programs that outlive their process: a store keeps what they are given, and they are run again with that. */
@NullMarked
package greenlet.journal;

import org.jspecify.annotations.NullMarked;
