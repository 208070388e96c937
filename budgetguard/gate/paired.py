"""What blocks of base and head, measured in turn, say about a relative limit. Pure maths.

A block's value is a log ratio, so that twice as slow and twice as fast are equally far from no
change. Every decision is replayed from the flat list of values in the order they were taken, as in
`inference.py`: it is asked again after each block, and once taken it stays.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, median

from budgetguard.errors import MeasureError
from budgetguard.gate.inference import ALPHA_WITHIN, State, student_t
from budgetguard.gate.model import Better, Step
from budgetguard.gate.side import Block

ALPHA = 0.001
"""Risk, in a run as a whole, that code which only reaches its limit is red."""
ALPHA_ALARM = 0.01
"""Risk, over all looks, that such code raises an alarm, which fresh blocks then have to confirm."""
ALPHA_AGAIN = 0.01
"""Risk, over all looks at the fresh blocks, that they confirm it."""
LOOKS = (3, 4, 6, 8, 12, 16, 24, 32, 48)
"""After how many blocks it is looked at; then it stays open. The first is for what is plainly within, the
last ones for what is half a limit over it (benchmarks/power_of_looks.py says what each is worth)."""
ALPHA_FIRST = 0.01
"""Risk of calling code within its limit at the first look; three blocks may happen to agree."""
LOOKS_AGAIN = (8, 16, 32)
"""After how many fresh blocks a red is looked at again; one block far off is not to hide it."""
PRIOR_SD = 0.012
"""The spread of blocks seen over many workloads and machines' loads; it keeps four blocks that
happen to agree from looking certain."""
PRIOR_WEIGHT = 4
NOISY_SD = 0.05
CANARY_ROOM = 0.05
_FURTHEST = 1500.0  # no two floats above 0 are further apart in logarithms


@dataclass(frozen=True, slots=True)
class Paired:
    """Where the change from base to head lies, all as ratios: 0.05 is 5 % more.

    `low` and `high` bound the change, with the confidence of the test that decided: 95 % a side for
    "within" (99 % at the first look), 99 % for what was measured again, else what "over" has to reach.
    `visible` is the smallest change that these blocks would have shown to be over the limit, signed like
    `change`. `more` is how many further blocks it takes to say.
    """

    state: State
    change: float
    low: float
    high: float
    visible: float
    blocks: int
    more: int = 0
    reason: str = ""
    confirming: bool = False
    """Whether it was over once, and `more` blocks are to confirm it."""


def block_value(block: Block, floor: float = 0.0) -> float:
    """The median over the pairs of a block of log((head + floor) / (base + floor)).

    `floor`, in the metric's unit, is what does not matter; readings under 0 count as 0. Infinite
    where one side is nothing and the floor is 0. Raises `MeasureError` where there are no whole
    pairs of finite numbers.
    """
    if not block.head or len(block.head) != len(block.base):
        raise MeasureError(
            f"a block has {len(block.base)} readings of base and {len(block.head)} of head; "
            "expected as many, and at least one pair"
        )
    if not all(map(math.isfinite, block.base + block.head)):
        raise MeasureError("a block holds a reading that is no finite number")
    pairs = zip(block.base, block.head, strict=True)
    return median(
        _log_ratio(max(base, 0.0) + floor, max(head, 0.0) + floor) for base, head in pairs
    )


def _log_ratio(base: float, head: float) -> float:
    if base == head:
        return 0.0
    if base == 0 or head == 0:
        return math.inf if head else -math.inf
    return math.log(head) - math.log(base)


def room_of(steps: Sequence[Step], base_value: float, floor: float = 0.0) -> float:
    """The looser step of a bound as a ratio of `base_value`, with the floor of `block_value`.

    Infinite for an amount on a base of nothing, which `decide` leaves open.
    """
    base = max(base_value, 0.0) + floor
    return max((_ratio_of(step, base) for step in steps), default=0.0)


def _ratio_of(step: Step, base: float) -> float:
    if step.of_baseline or step.amount == 0:
        return step.amount
    return step.amount / base if base > 0 else math.inf


def risk(count: int) -> float:
    """The `alpha` of the alarm of each of `count` benchmarks judged in one run.

    Fresh blocks have to confirm a red, independently and at `ALPHA_AGAIN`; the product of both, times
    `count` (Bonferroni), stays under `ALPHA` for the run as a whole.
    """
    return min(ALPHA_ALARM, ALPHA / ALPHA_AGAIN / max(count, 1))


def decide(
    values: Sequence[float], room: float, *, alpha: float = ALPHA_ALARM, better: Better = "lower"
) -> Paired:
    """Decide from block values whether the change is within `room`, or how many blocks it still takes.

    A group-sequential test: `alpha` is split evenly over the looks (Bonferroni), each look is a t
    test whose variance is drawn towards a prior one (moderated t, Smyth 2004), and fresh blocks
    have to confirm what is over, at one look or another. Raises `ValueError` for a room below 0.
    """
    sign = 1 if better == "lower" else -1
    worse = [sign * value for value in values]
    bar = _bar(room, better)
    if math.isinf(room):
        look = _look(worse, bar, alpha)
        return _told(look, sign, "open", "the base is 0, and a change from nothing is no ratio")
    for wanted in LOOKS:
        look = _look(worse[:wanted], bar, alpha / len(LOOKS))
        if len(worse) < wanted:
            reason = f"{len(worse)} of {wanted} blocks"
            return replace(_told(look, sign, "more", reason), more=wanted - len(worse))
        if look.within:
            return _told(look, sign, "within", f"{wanted} blocks")
        if look.over:
            return _again(worse, look, sign)
    return _told(look, sign, "open", _doubt(look))


def canary(values: Sequence[float]) -> Paired:
    """How the same code on both sides came out: "within" in both directions, or "open".

    Open, nothing measured beside it counts; with "more" it has to be measured on, also when all
    that is judged is settled. Faster matters as much as slower: it would hide a regression.
    """
    slower = decide(values, CANARY_ROOM)
    faster = decide(values, CANARY_ROOM, better="higher")
    for one in (slower, faster):
        if one.state in ("over", "open"):
            reason = f"the same code on both sides came out {one.change:+.1%}: {one.reason}"
            return replace(one, state="open", reason=reason)
    return max(slower, faster, key=lambda one: one.more)


def _bar(room: float, better: Better) -> float:
    """How far the value may go on the log scale where more is worse."""
    if not room >= 0:
        raise ValueError(f"expected a room of 0 or more; got {room}")
    if better == "lower":
        return math.log1p(room)
    return -math.log1p(-room) if room < 1 else math.inf


@dataclass(frozen=True, slots=True)
class _Look:
    """What some blocks say, on the log scale where more is worse."""

    blocks: int
    mean: float
    median: float
    spread: float
    green: float
    """How far the mean has to lie below the bar to be within."""
    red: float
    """How far it has to lie above the bar to be over."""
    bar: float

    @property
    def within(self) -> bool:
        return self.mean + self.green < self.bar

    @property
    def over(self) -> bool:
        """One block far off can carry the mean beyond the bar, and never the median."""
        return self.mean - self.red > self.bar and self.median > self.bar


def _look(values: Sequence[float], bar: float, alpha: float) -> _Look:
    n = len(values)
    if not n or not all(abs(value) < _FURTHEST for value in values):
        return _Look(n, 0.0, 0.0, 0.0, math.inf, math.inf, bar)
    mean = fmean(values)
    squares = math.fsum((value - mean) ** 2 for value in values)
    freedom = PRIOR_WEIGHT + n - 1
    error = math.sqrt((PRIOR_WEIGHT * PRIOR_SD**2 + squares) / freedom / n)
    return _Look(
        blocks=n,
        mean=mean,
        median=median(values),
        spread=math.sqrt(squares / max(n - 1, 1)),
        green=student_t(1 - (ALPHA_WITHIN if n > LOOKS[0] else ALPHA_FIRST), freedom) * error,
        red=student_t(1 - alpha, freedom) * error,
        bar=bar,
    )


def _again(worse: Sequence[float], first: _Look, sign: int) -> Paired:
    """Judge by fresh blocks alone: those that raised the alarm are too high by their choice."""
    taken, second = first.blocks, first
    fresh = worse[taken:]
    for wanted in LOOKS_AGAIN:
        if len(fresh) < wanted:
            reason = f"over in {taken} blocks; {len(fresh)} of {wanted} to confirm it"
            told = _told(first, sign, "more", reason)
            missing = wanted - len(fresh)
            return replace(told, blocks=len(worse), more=missing, confirming=True)
        second = _look(fresh[:wanted], first.bar, ALPHA_AGAIN / len(LOOKS_AGAIN))
        if second.over:
            reason = f"over in {taken} blocks and again in {wanted} fresh ones"
            return replace(_told(second, sign, "over", reason), blocks=taken + wanted)
        if second.within or math.isinf(second.red):
            break
    reason = f"over in {taken} blocks, not again in {second.blocks} fresh ones: {_doubt(second)}"
    return replace(_told(second, sign, "open", reason), blocks=taken + second.blocks)


def _doubt(look: _Look) -> str:
    if math.isinf(look.red):
        return "a block has no finite change; does a side read 0?"
    if look.spread > NOISY_SD:
        return f"the blocks differ by {math.expm1(look.spread):.1%}, too noisy to judge"
    if look.mean - look.red > look.bar:
        return "a few blocks lie far over the limit, most do not"
    return "the change is too near the limit"


def _told(look: _Look, sign: int, state: State, reason: str) -> Paired:
    reach = look.green if state == "within" else look.red
    low, high = sorted((sign * (look.mean - reach), sign * (look.mean + reach)))
    return Paired(
        state=state,
        change=_ratio(sign * look.mean),
        low=_ratio(low),
        high=_ratio(high),
        visible=_ratio(sign * (look.bar + look.red)),
        blocks=look.blocks,
        reason=reason,
    )


def _ratio(log: float) -> float:
    return math.expm1(log) if log < 700 else math.inf


@dataclass(frozen=True, slots=True)
class Floor:
    """The noise of one benchmark on one machine, from the same code on both sides."""

    mean: float
    spread: float
    """Standard deviation of a block's value, about a ratio."""
    green: float
    red: float

    @property
    def passes(self) -> float:
        """The room, as a ratio, that unchanged code needs to be within it after all blocks."""
        return math.expm1(max(self.mean, 0.0) + self.green)

    def finds(self, room: float) -> float:
        """The change, as a ratio, that would be called over `room` 95 times in 100."""
        return math.expm1(math.log1p(room) + self.red + self.green)


def floor_of(values: Sequence[float]) -> Floor:
    """What all blocks of a verdict could tell, if they differ as these do."""
    last = LOOKS[-1]
    freedom = PRIOR_WEIGHT + len(values) - 1
    squares = math.fsum((value - fmean(values)) ** 2 for value in values)
    error = math.sqrt((PRIOR_WEIGHT * PRIOR_SD**2 + squares) / freedom / last)
    return Floor(
        mean=fmean(values),
        spread=math.sqrt(squares / max(len(values) - 1, 1)),
        green=student_t(1 - ALPHA_WITHIN, freedom) * error,
        red=student_t(1 - ALPHA_ALARM / len(LOOKS), freedom) * error,
    )
