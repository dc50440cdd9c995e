"""The work of GreenletBenchmark and GeneratorBenchmark with Python's greenlet; prints a line of JSON for each.

Arguments: true for a short run; a regular expression that the names of what is to be run have to contain.
"""
import json
import re
import sys
import time

from greenlet import getcurrent, greenlet

quick, pattern = sys.argv[1] == "true", sys.argv[2]
levels = 10 if quick else 20
depths = (0, 1000) if quick else (0, 10, 100, 1000, 5000)
repeats = 1 if quick else 10
sys.setrecursionlimit(10_000)


def perfect(first, last):
    if first > last:
        return None
    middle = (first + last) // 2
    return perfect(first, middle - 1), middle, perfect(middle + 1, last)


class Generator:
    """A generator by greenlets, as greenlet's documentation has it."""

    END = object()

    def __init__(self, body):
        self.body = body

    def __iter__(self):
        consumer = getcurrent()

        def run():
            self.body(consumer.switch)
            return Generator.END

        producer = greenlet(run)
        while (value := producer.switch()) is not Generator.END:
            yield value


def walk(tree, out):
    if tree:
        left, value, right = tree
        walk(left, out)
        out(value)
        walk(right, out)


def to_another(n):
    pair = []

    def run(other):
        def body(*_):
            for _ in range(n // 2):
                pair[other].switch("one")

        return body

    pair += [greenlet(run(1)), greenlet(run(0))]
    pair[0].switch()


def descend(root, depth):
    if depth:
        descend(root, depth - 1)
    else:
        while True:
            root.switch("one")


def root_and_back(depth):
    root = getcurrent()
    other = greenlet(lambda: descend(root, depth))
    other.switch()

    def run(n):
        switch = other.switch
        for _ in range(n):
            switch()

    return run


def create_run_end(n):
    for _ in range(n):
        greenlet(lambda x: x).switch("one")


def traversal(body):
    size = 2**levels - 1
    return size, lambda n: check(sum(Generator(body)), n)


def check(total, n):
    assert total == n * (n + 1) // 2


def flat(out):
    for i in range(1, 2**levels):
        out(i)


def works():
    n = 1_000 if quick else 1_000_000
    tree = perfect(1, 2**levels - 1)
    yield "GreenletBenchmark.toAnother", n, to_another
    yield "GreenletBenchmark.rootAndBack", n, root_and_back(0)
    yield "GreenletBenchmark.createRunEnd", n, create_run_end
    yield "GeneratorBenchmark.iteratorFlat", *traversal(flat)
    yield "GeneratorBenchmark.iteratorTree", *traversal(lambda out: walk(tree, out))
    for depth in depths:
        yield f"GreenletBenchmark.rootAndBackAtDepth:{depth}", n, root_and_back(depth)


for benchmark, operations, run in works():
    if not re.search(pattern, benchmark):
        continue
    print(f"bench: {benchmark}", file=sys.stderr)
    samples = []
    for _ in range(repeats):
        began = time.perf_counter_ns()
        run(operations)
        samples.append((time.perf_counter_ns() - began) / operations)
    print(json.dumps({"column": "Python greenlet", "benchmark": benchmark, "samples": samples}))
