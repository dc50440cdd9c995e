/** A program of greenlet.journal as a module. */
module consumer {
  requires greenlet.journal;
}
