"""How many rounds of how many calls two sides make, and in which order.

The speed of a processor that is shared with others changes within a millisecond. So two sides alternate
as finely as their calls allow: a round of short calls is made in slices, in turn with those of the other
side; rounds of longer calls run at the same time on one processor, whose scheduler does the same.
Rounds stay long nevertheless, so that what a body does only now and then is in most of them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from budgetguard.gate.sides.subjects import Cost, SweepOptions

ROUND_NS = 5_000_000
"""What a round of the faster side should take."""
SLICES = 10
"""In so many parts a round of short calls is made. With this, and rounds of longer calls at the same time,
blocks of the same code differ half as much (benchmarks/block_noise.py)."""
SHORT_NS = 1_000_000
"""A call up to this is short."""
FEWEST_PAIRS, FEWEST_OF_LONG, LONG_NS = 8, 4, 30_000_000
"""Of rounds that take longer, as a body does that takes longer; and of those over 30 ms, where many
changes of the processor's speed have met both sides."""
BLOCK_NS = 160_000_000
"""What the rounds of one subject should take together, where that is enough for `FEWEST_PAIRS`."""
BATCH_NS = 100_000_000
"""The workers take turns by themselves for about this long."""
LONGEST_NS = 250_000_000
"""A round of several calls takes at most this on the slower side."""
WAITING_SHARE = 0.25
"""Of its CPU time, so much may a body wait to be run beside the other side: both may want one lock."""

WAIT, PASS, MEET = 1, 2, 4
"""What stands around a round, as in the worker's `talk.py`."""
TOGETHER = -1
"""Who begins a pair of rounds that run at the same time."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The rounds of one subject."""

    units: int
    """Calls a slice."""
    slices: int
    """Parts of a round."""
    pairs: int
    """Rounds of each side."""
    batch: int
    """Of these the workers make by themselves."""
    slowest_s: float
    """What a round of the slower side takes."""
    may_meet: bool
    """Whether they may run at the same time: they work and do not wait, and are too long to alternate."""


def plan_of(told: Sequence[Mapping[str, Any]], options: SweepOptions) -> Plan:
    """What two sides do that told what a call takes them.

    The larger number of calls of the two: the faster side's rounds must be long enough for the clock,
    and the slower side's are only longer for it. Both are bounded by what a round and a subject may take.
    """
    busy_ns = [max(float(one["busy_ns"]), 1.0) for one in told]
    gross_ns = [max(float(one["gross_ns"]), 1.0) for one in told]
    in_place = all(one["mode"] == "straight" for one in told)
    is_short = in_place and all(one["alone"] for one in told) and max(busy_ns) <= SHORT_NS
    wanted = max(ceil(ROUND_NS / one) for one in busy_ns)
    calls = max(1, min(wanted, int(LONGEST_NS / max(gross_ns))))
    slices = min(SLICES, calls) if is_short else 1
    units = ceil(calls / slices)
    if options.slowdown:  # a part of a call cannot be added
        units = max(units, ceil(1 / options.slowdown))
    calls = units * slices
    fewest = FEWEST_PAIRS if calls * max(busy_ns) <= LONG_NS else FEWEST_OF_LONG
    enough = max(fewest, int(BLOCK_NS / (calls * sum(busy_ns))))
    bearable = int(options.subject_s * 1e9 / (calls * sum(gross_ns)))
    return Plan(
        units=units,
        slices=slices,
        pairs=max(1, min(options.pairs, enough, bearable)),
        batch=max(1, int(BATCH_NS / (calls * sum(gross_ns)))),
        slowest_s=calls * max(gross_ns) / 1e9,
        may_meet=in_place and not is_short and max(one["waits"] for one in told) <= WAITING_SHARE,
    )


def waited(cost: Cost) -> bool:
    """Whether what ran beside the other side may have waited for it: for a lock, a port, a file."""
    return cost.blocked_s is None or cost.blocked_s > WAITING_SHARE * cost.cpu_s


def firsts_of(plan: Plan, rounds: int, draw: Callable[[], int]) -> list[int]:
    """Who begins each pair of slices, by `draw`."""
    return [draw() for _ in range(rounds * plan.slices)]


def steps_of(firsts: Sequence[int]) -> tuple[list[int], list[int]]:
    """What stands around each slice of the two sides, where `firsts` tells who begins each pair."""
    if TOGETHER in firsts:
        return [MEET] * len(firsts), [MEET] * len(firsts)
    turns = [side for first in firsts for side in (first, 1 - first)]
    steps: tuple[list[int], list[int]] = ([], [])
    for at, side in enumerate(turns):
        wait = WAIT if at and turns[at - 1] != side else 0
        hand_over = PASS if at + 1 < len(turns) and turns[at + 1] != side else 0
        steps[side].append(wait | hand_over)
    return steps


def rounds_of(plan: Plan, costs: Sequence[Sequence[int | None]]) -> list[Cost]:
    """The rounds that slices add up to; a slice is CPU, blocked and wall time in nanoseconds."""
    parts = [costs[at : at + plan.slices] for at in range(0, len(costs), plan.slices)]
    return [_sum(part) for part in parts]


def _sum(part: Sequence[Sequence[int | None]]) -> Cost:
    cpu, blocked, wall = zip(*part, strict=True)
    known = [one for one in blocked if one is not None]
    blocked_s = sum(known) / 1e9 if len(known) == len(blocked) else None
    return Cost(sum(cpu) / 1e9, blocked_s, sum(wall) / 1e9)
