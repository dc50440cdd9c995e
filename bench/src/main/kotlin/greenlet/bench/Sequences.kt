package greenlet.bench

/** Kotlin's generator: `sequence`, with the walk as a recursive suspend function and by `yieldAll`. */
object Sequences {
    @JvmStatic
    fun flat(size: Int): Iterator<Int> = sequence { for (i in 1..size) yield(i) }.iterator()

    @JvmStatic
    fun inOrder(t: Tree): Iterator<Int> = sequence { walk(t) }.iterator()

    @JvmStatic
    fun inOrderByYieldAll(t: Tree): Iterator<Int> = nested(t).iterator()

    private suspend fun SequenceScope<Int>.walk(t: Tree?) {
        if (t == null) return
        walk(t.left)
        yield(t.value)
        walk(t.right)
    }

    private fun nested(t: Tree?): Sequence<Int> = sequence {
        if (t != null) {
            yieldAll(nested(t.left))
            yield(t.value)
            yieldAll(nested(t.right))
        }
    }
}
