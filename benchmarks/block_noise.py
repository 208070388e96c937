"""How much blocks of unchanged code differ, and what of the sampling makes them differ less.

Run: python benchmarks/block_noise.py [--blocks 12]

The 14 workloads of the laboratory, the same code on both sides. Three ways to take rounds alternate, so
that each meets the same neighbours: rounds of 5 ms in turn with addresses drawn anew for each process;
the same in slices or at the same time; and that at the same addresses, as `budgetguard check` does it.
"""

import argparse
import math
import os
import random
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from statistics import median, stdev
from unittest.mock import patch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.start_up import machine_line
from benchmarks.verdict import environments, projects
from budgetguard.gate.side import Side
from budgetguard.gate.sides import layout, rounds
from budgetguard.gate.sides.reaper import Reaper
from budgetguard.gate.sides.subjects import CANARY_SUBJECT, Subject, SweepOptions
from budgetguard.gate.sides.sweep import sweep

Values = dict[str, list[float]]
UNIT, UNITS = 600, 100_000
BLOCK_US = 160_000
STRETCHES_US = (100, 500, 1000, 5000, 20_000, 50_000)


def drawn_addresses() -> list[AbstractContextManager[object]]:
    """Nothing stands before an interpreter, so that the system draws its addresses."""
    return [patch.object(layout, "fixed", lambda: ())]


def coarse() -> list[AbstractContextManager[object]]:
    """No call is short and none may meet the other side's."""
    return [
        *drawn_addresses(),
        patch.object(rounds, "SHORT_NS", 0),
        patch.object(rounds, "WAITING_SHARE", -1.0),
    ]


WAYS: dict[str, Callable[[], list[AbstractContextManager[object]]]] = {
    "5 ms in turn": coarse,
    "slices, or at the same time": drawn_addresses,
    "and the same addresses": list,
}


def main() -> int:
    """Measure and print."""
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--blocks", type=int, default=12, help="of each way (default: 12)")
    blocks = reader.parse_args().blocks
    print(f"{machine_line()}; {blocks} blocks of each way\n")
    speed()
    with tempfile.TemporaryDirectory() as work:
        sides = two_sides(Path(work))
        values: dict[str, Values] = {way: defaultdict(list) for way in WAYS}
        for number in range(blocks):
            for way, found in values.items():
                print(f"\r{number + 1} of {blocks}: {way:40}", end="", file=sys.stderr)
                with changed(way):
                    take(sides, found)
    print(file=sys.stderr)
    print("\n| standard deviation of a block |", " | ".join(WAYS), "|")
    print("|---" * (len(WAYS) + 1) + "|")
    for name in sorted(values["and the same addresses"]):
        row(name, [stdev(found[name]) for found in values.values()])
    row("**median**", [median(map(stdev, found.values())) for found in values.values()])
    return 0


def row(name: str, spreads: Sequence[float]) -> None:
    """One line of the table, in percent."""
    print(f"| {name} |", " | ".join(f"{spread:.2%}" for spread in spreads), "|")


@contextmanager
def changed(way: str) -> Iterator[None]:
    """The sampling in one of the three ways."""
    with ExitStack() as stack:
        for one in WAYS[way]():
            stack.enter_context(one)
        yield


def two_sides(work: Path) -> tuple[Side, Side]:
    """Two folders with the same files, and an interpreter with what they import."""
    python = environments.create(work / "python", [*environments.LIBRARIES, *environments.PYTEST])
    for side in ("base", "head"):
        for name, text in projects.tree(projects.sources()).items():
            projects.write(work / side / name, text)
    base, head = (
        Side(name, work / name, str(python), root=work / name) for name in ("base", "head")
    )
    return base, head


def take(sides: tuple[Side, Side], values: Values) -> None:
    """One block: the median log ratio of the pairs of each workload."""
    subjects = [
        Subject(f"{projects.TESTS}/test_{name}.py::test_{name}") for name in projects.names()
    ]
    with Reaper() as reaper:
        options = SweepOptions(reaper=reaper)
        served = sweep(*sides, subjects, seed=random.randrange(2**32), options=options)
    for subject, one in served.items():
        if one.error:
            raise RuntimeError(f"{subject.item}: {one.error}")
        name = "canary" if subject == CANARY_SUBJECT else projects.subject_of(subject.item)
        costs = [[cost.cpu_s + (cost.blocked_s or 0.0) for cost in pair] for pair in one.rounds]
        values[name].append(median(math.log(head / base) for base, head in costs))


def speed() -> None:
    """How fast one processor is from moment to moment, by CPU time alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    marks = [time.thread_time_ns()]
    for _ in range(UNITS):
        sum(number * number for number in range(UNIT))
        marks.append(time.thread_time_ns())
    os.sched_setaffinity(0, before)
    unit_us = (marks[-1] - marks[0]) / UNITS / 1000
    print(
        "| stretch of equal work | neighbours in time differ by (robust SD) | median of 160 ms of pairs |"
    )
    print("|---|---|---|")
    for target_us in STRETCHES_US:
        step = max(1, round(target_us / unit_us))
        took = [marks[at + step] - marks[at] for at in range(0, UNITS - step, step)]
        logs = sorted(math.log(b / a) for a, b in zip(took[::2], took[1::2], strict=False))
        quarter = len(logs) // 4
        spread = (logs[-quarter - 1] - logs[quarter]) / 1.349
        pairs = BLOCK_US / (2 * step * unit_us)
        error = 1.25 * spread / math.sqrt(pairs)
        print(f"| {step * unit_us / 1000:.2g} ms | {spread:.2%} | ± {error:.2%} |")


if __name__ == "__main__":
    sys.exit(main())
