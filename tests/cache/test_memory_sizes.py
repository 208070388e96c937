"""What an entry is said to take: near the truth, and found by looking at some of a value only."""

import sys
import time

import pytest

from budgetguard.cache.sizes import ENTRY_BYTES, size_of


def true_size(part):
    """The bytes of plain data without shared objects, looking at each of them."""
    inner = part if isinstance(part, list) else part.items() if isinstance(part, dict) else ()
    pairs = [half for pair in inner for half in pair] if isinstance(part, dict) else inner
    return sys.getsizeof(part) + sum(true_size(one) for one in pairs)


@pytest.mark.parametrize(
    "value",
    [
        b"x" * 5000,
        "y" * 300,
        {"choices": [{"message": {"role": "assistant", "content": "z" * 3000}}], "n": 1},
        {
            "data": [
                {"index": row, "embedding": [row + i / 7 for i in range(300)]} for row in range(9)
            ]
        },
        [f"https://example.org/{number:09}" for number in range(50_000)],
        [{"title": "t" * 50, "links": [f"{row}/{i}" for i in range(9)]} for row in range(3000)],
    ],
    ids=["bytes", "text", "chat", "embeddings", "urls", "rows"],
)
def test_sizes_are_near_the_truth(value):
    """The measured size is within a tenth of what the objects take together."""
    assert size_of(value) - ENTRY_BYTES == pytest.approx(true_size(value), rel=0.1)


def test_the_key_counts():
    """A key of 10 kB takes as much as a value of 10 kB."""
    assert size_of("k" * 10_000, None) > ENTRY_BYTES + 10_000


def test_sizes_of_objects():
    """What an object holds counts, with slots or without; what its class holds does not."""

    class Plain:
        def __init__(self):
            self.body = "x" * 4000

    class Slotted:
        __slots__ = ("body",)

        def __init__(self):
            self.body = "x" * 4000

    for value in (Plain(), Slotted(), [Plain()], {1: Slotted()}):
        assert 4000 < size_of(value) - ENTRY_BYTES < 5500


def test_measuring_ends():
    """Cycles, deep nesting and millions of items take no more than some thousand looks."""
    cycle: list = [1, 2]
    cycle.append(cycle)
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    began = time.process_time()
    for value in (cycle, deep, [0] * 3_000_000, dict.fromkeys(range(300_000)), sys.modules):
        assert size_of(value) > ENTRY_BYTES
    assert time.process_time() - began < 5
    while deep:  # else its end would recurse as deep
        deep = deep.pop()
