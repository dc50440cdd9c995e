package greenlet;

/** A stack that an engine can suspend and resume: what the engine keeps of a greenlet while that is active. */
interface Stack {}
