"""What each meter costs: a body of 1, 10 and 100 ms with and without it, taken in turn.

    python benchmarks/meter_cost.py [seconds]

Prints a Markdown table. "whole" is the call with the meter over the call without, what a test run
pays. "inside" is the body alone, slowed by being watched. Both are medians of ratios of pairs, in
CPU time, so that other processes do not decide them. At most about `seconds` (60) are spent.
"""

import gc
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

from budgetguard.gate.meters import METERS

BODIES_S = (0.001, 0.010, 0.100)
FEWEST_PAIRS, MOST_PAIRS = 5, 60
WATCHED = {
    **{name: (name, frozenset(meter.METRICS)) for name, meter in METERS.items()},
    "memory, peak only": ("memory", frozenset({"peak"})),
}


def work(rounds: int) -> int:
    """Arithmetic and small objects; one round is about 5 us."""
    total = 0
    for i in range(rounds):
        record = {"id": i, "tags": [str(i), str(i + 1)]}
        for n in range(20):
            total += n * i % 7
        total += len(record["tags"])
    return total


def calibrated(seconds: float) -> int:
    """How many rounds of `work` take `seconds`."""
    work(2000)
    took = []
    for _ in range(5):
        began = time.process_time()
        work(2000)
        took.append(time.process_time() - began)
    return max(1, round(2000 * seconds / median(took)))


def plain(rounds: int) -> float:
    """Seconds of the body without a meter."""
    began = time.process_time()
    work(rounds)
    return time.process_time() - began


def watched(rounds: int, meter: str, wanted: frozenset[str]) -> tuple[float, float]:
    """Seconds of the whole call with a meter, and of the body in it."""
    began = time.process_time()
    with METERS[meter].watch(wanted) as read:
        entered = time.process_time()
        work(rounds)
        left = time.process_time()
    read()
    return time.process_time() - began, left - entered


def ratios(
    rounds: int, take: Callable[[], tuple[float, float]], budget_s: float
) -> tuple[float, float, int]:
    """Medians of the ratios of pairs, and how many pairs fitted into the time."""
    take()
    end = time.monotonic() + budget_s
    pairs = []
    while len(pairs) < FEWEST_PAIRS or (len(pairs) < MOST_PAIRS and time.monotonic() < end):
        gc.collect()
        first = plain(rounds)
        whole, inside = take()
        without = (first + plain(rounds)) / 2
        pairs.append((whole / without, inside / without))
    return median(p[0] for p in pairs), median(p[1] for p in pairs), len(pairs)


def main() -> None:
    budget_s = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    each_s = budget_s / len(WATCHED) / len(BODIES_S)
    print("| meter | body | whole | inside | pairs |\n|---|---|---|---|---|")
    for label, (meter, wanted) in WATCHED.items():
        for seconds in BODIES_S:
            rounds = calibrated(seconds)
            take = partial(watched, rounds, meter, wanted)
            whole, inside, n = ratios(rounds, take, each_s)
            print(f"| {label} | {seconds * 1000:g} ms | {whole:.2f} | {inside:.2f} | {n} |")


if __name__ == "__main__":
    main()
