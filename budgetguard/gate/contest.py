"""Two sides in turn: block after block, until every relative limit is decided or its time is used up."""

import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

from budgetguard.gate.judge import Yardstick, in_force
from budgetguard.gate.model import Budget, Compared, Limit, Point, Reading, Step
from budgetguard.gate.paired import LOOKS, Paired, block_value, canary, decide, risk, room_of
from budgetguard.gate.side import CANARY_POINT, Block
from budgetguard.gate.targets.base import Duel
from budgetguard.units import Unit, show

SECONDS = 20.0
"""How long one benchmark may take before it stays unsettled."""
_FIRST_LOOK_S = 120.0
"""A benchmark gets its first look even beyond its seconds, if that takes no longer than this."""
_CONFIRMING = 3
"""How many times its seconds a benchmark may take to have a red confirmed."""
_MOST_BLOCKS = 96
"""A bound on the loop; decisions end it after 80 at most."""
_FLOORS = {"blocked": 20e-6, "failures": 0.001}
"""Less than this is nothing, in the metric's unit: a ratio of two such waits or shares says nothing."""
_DECIDED = ("within", "over")
"""What a canary that moved undoes."""

_BROKEN = "{said}, so that no time measured beside it counts; run it again on a quieter machine"


@dataclass(slots=True)
class _Subject:
    """What is known of one relative limit so far."""

    limit: Limit
    steps: tuple[Step, ...]
    values: list[float] = field(default_factory=list)
    bases: list[float] = field(default_factory=list)
    heads: list[float] = field(default_factory=list)
    note: str = ""
    failed: Block | None = None
    spent_s: float = 0.0

    def take(self, block: Block) -> None:
        if block.error or block.unsettled or not block.base:
            told = block.error or block.unsettled
            self.failed = block if told else Block(error="a block without a pair")
            return
        self.values.append(block_value(block, self.floor))
        self.bases.append(median(block.base))
        self.heads.append(median(block.head))
        self.note = block.note or self.note

    def decision(self, alpha: float) -> Paired:
        return decide(self.values, self.allowed, alpha=alpha, better=self.limit.metric.better)

    @property
    def allowed(self) -> float:
        """How far it may move, as a ratio; it is fixed by the first look, so that no block moves the bar."""
        if not self.bases:
            return 0.0
        return room_of(self.steps, median(self.bases[: LOOKS[0]]), self.floor)

    @property
    def floor(self) -> float:
        """What does not count, in the metric's unit."""
        return no_wait(self.limit)


def contest(
    duel: Duel,
    budgets: Sequence[Budget],
    by: Yardstick,
    *,
    seconds: float = SECONDS,
    watch: Callable[[str], object] = str,
    draw: random.Random | None = None,
    now: Callable[[], float] = time.monotonic,
) -> dict[Point, Reading]:
    """A reading with what was compared, for each relative limit of `budgets`."""
    if not budgets:  # nothing for the canary to vouch for
        return {}
    draw = draw or random.Random()  # noqa: S311  # hash seeds and orders, no secret
    subjects = _subjects(budgets, by)
    alpha = risk(len(subjects))
    canaries: list[float] = []
    for number in range(_MOST_BLOCKS):
        open_points = [
            point for point, one in subjects.items() if _is_open(one, alpha, seconds=seconds)
        ]
        if not open_points and not _waits_for(canaries, subjects.values(), alpha):
            break
        wanted = _only(budgets, subjects, open_points)
        watch(_progress(number, wanted))
        began = now()
        # once it is decided, no further block of the canary changes that: its time is the benchmarks'
        with_canary = canary(canaries).state == "more"
        blocks = duel.block(wanted, draw.randrange(2**32), canary=with_canary)
        _share(now() - began, [subjects[point] for point in open_points])
        if not _take(blocks, subjects, open_points, canaries):
            break
    broken = _canary_says(canaries)
    return {
        point: _reading(point, one, alpha, broken, seconds=seconds)
        for point, one in subjects.items()
    }


def _subjects(budgets: Sequence[Budget], by: Yardstick) -> dict[Point, _Subject]:
    found = {}
    for budget in budgets:
        for limit in budget.limits:
            found[Point.of(budget, limit)] = _Subject(limit, steps_of(budget, limit, by))
    return found


def steps_of(budget: Budget, limit: Limit, by: Yardstick) -> tuple[Step, ...]:
    """The steps by which a limit may move today, with what the team has accepted."""
    return in_force(budget, limit, by)[0].bound.steps


def no_wait(limit: Limit) -> float:
    """What does not count, in the metric's unit: next to nothing of waiting and failures."""
    return _FLOORS.get(limit.metric.name, 0.0)


def _only(
    budgets: Sequence[Budget], subjects: Mapping[Point, _Subject], points: Sequence[Point]
) -> list[Budget]:
    """The budgets with those limits only that are still open."""
    kept = {point: subjects[point].limit for point in points}
    found = []
    for budget in budgets:
        limits = tuple(limit for point, limit in kept.items() if point.budget == budget.name)
        if limits:
            found.append(replace(budget, limits=limits))
    return found


def _is_open(one: _Subject, alpha: float, *, seconds: float) -> bool:
    if one.failed:
        return False
    decision, taken = one.decision(alpha), len(one.values)
    if decision.state != "more":
        return False
    if taken < LOOKS[0]:
        return not taken or one.spent_s / taken * LOOKS[0] <= max(seconds, _FIRST_LOOK_S)
    return one.spent_s < seconds * (_CONFIRMING if decision.confirming else 1)


def _waits_for(canaries: Sequence[float], subjects: Iterable[_Subject], alpha: float) -> bool:
    """Whether the canary has to be measured on: where anything was decided that it could undo."""
    decided = any(one.decision(alpha).state in _DECIDED for one in subjects if not one.failed)
    return decided and canary(canaries).state == "more"


def _share(spent_s: float, subjects: Sequence[_Subject]) -> None:
    for one in subjects:
        one.spent_s += spent_s / len(subjects)


def _take(
    blocks: Mapping[Point, Block],
    subjects: Mapping[Point, _Subject],
    asked: Sequence[Point],
    canaries: list[float],
) -> bool:
    """Keep what a block told; whether it told anything, without which the next would be asked the same."""
    for point in asked:
        block = blocks.get(point) or Block(error="the block told nothing of it")
        subjects[point].take(block)
    told = blocks.get(CANARY_POINT)
    if told and not told.error and told.base:
        canaries.append(block_value(told))
        return True
    return any(not subjects[point].failed for point in asked)


def _canary_says(values: Sequence[float]) -> str:
    """Why nothing counts, or "" where the canary is as it should be."""
    decision = canary(values)
    if decision.state == "within":
        return ""
    said = decision.reason if values else "the same code on both sides could not be measured"
    return _BROKEN.format(said=said)


def _reading(point: Point, one: _Subject, alpha: float, broken: str, *, seconds: float) -> Reading:
    if one.failed and one.failed.new:
        return Reading(compared=Compared(new=one.failed.error))
    if one.failed:
        return Reading(error=one.failed.error, unsettled=one.failed.unsettled)
    state = one.decision(alpha).state
    unsettled = broken if state in _DECIDED else ""
    if state == "more":
        took = show(one.spent_s, Unit.SECONDS, digits=2)
        blocks = "1 block" if len(one.values) == 1 else f"{len(one.values)} blocks"
        unsettled = f"not decided in {blocks} and {took}; a benchmark may take {seconds:g} s"
    base, head = median(one.bases), median(one.heads)
    compared = Compared(
        base=base,
        head=head,
        values=tuple(one.values),
        room=one.allowed,
        risk=alpha,
        unsettled=unsettled,
    )
    if not all(map(math.isfinite, (base, head, *one.values))):
        return Reading(error=f"{point.metric} was read as {head}, which is no number to judge")
    return Reading(value=head, compared=compared, note=one.note)


def _progress(number: int, wanted: Sequence[Budget]) -> str:
    names = wanted[0].name if len(wanted) == 1 else f"{len(wanted)} benchmarks"
    return f"base and head in turn, block {number + 1}: {names if wanted else 'the canary'}"
