"""Tests on base and head in turn: one sweep of two fresh processes is a block of every wanted test."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from budgetguard.gate.model import Budget, Point, Request
from budgetguard.gate.side import CANARY_POINT, Block, Side, Witness
from budgetguard.gate.sides.reaper import Reaper
from budgetguard.gate.sides.subjects import CANARY_SUBJECT, Cost, Served, Subject, SweepOptions
from budgetguard.gate.sides.sweep import sweep
from budgetguard.gate.targets.base import Prints
from budgetguard.gate.targets.witness import witness
from budgetguard.redaction import Redaction

TIMED = ("time", "cpu", "blocked")
"""The metrics that rounds give."""
_NO_WAITING = (
    "other threads or processes ran beside the test, and their waiting overlaps with its own"
)
_ONE_SIDED = (
    "one side works in threads or processes beside the test and the other does not, so that the "
    "waiting of both cannot be compared; put the limit on cpu, and an absolute one on wall"
)
_MOSTLY = 0.9
_NOT_TIMED = "{metric} is not measured on both sides; limit time, cpu or blocked"


class TestDuel:
    """Base and head of a run's tests; between two blocks nothing runs."""

    __test__ = False

    def __init__(
        self,
        base: Side,
        head: Side,
        request: Request,
        reaper: Reaper,
        options: SweepOptions | None = None,
    ) -> None:
        self._base = base
        self._head = head
        self._options = options or SweepOptions(reaper=reaper, watch=request.watch)
        self._waits: dict[Subject, bool] = {}
        """Whether the waiting of a subject could be read in its first block: it stays so."""

    def block(
        self, wanted: Sequence[Budget], seed: int, *, canary: bool = True
    ) -> Mapping[Point, Block]:
        """One block of each relative limit on a sampled metric of `wanted`, and the canary's.

        `seed` is the hash seed of both sides, and draws the core and every order.
        """
        limits = [(budget, limit) for budget in wanted for limit in budget.in_turn.limits]
        subjects = [Subject(budget.name, limit.selector) for budget, limit in limits]
        options = replace(self._options, canary=canary)
        served = sweep(self._base, self._head, subjects, seed=seed, options=options)
        found = {
            Point.of(budget, limit): self._block(subject, served[subject], limit.metric.name)
            for (budget, limit), subject in zip(limits, subjects, strict=True)
        }
        if CANARY_SUBJECT in served:
            found[CANARY_POINT] = self._block(CANARY_SUBJECT, served[CANARY_SUBJECT], "time")
        return found

    def prints(self, wanted: Sequence[Budget], seed: int) -> Mapping[str, Prints]:
        """By test, what base and head run, recorded in a sweep of its own; none where that failed."""
        subjects = list(dict.fromkeys(Subject(budget.name) for budget in wanted))
        options = replace(self._options, record=True)
        served = sweep(self._base, self._head, subjects, seed=seed, options=options)
        return {subject.item: one.prints for subject, one in served.items() if one.prints}

    def witness(self, budget: Budget) -> Witness:
        """Count the work of one call on both sides."""
        selector = next((limit.selector for limit in budget.in_turn.limits), "")
        given = self._options.environment
        return witness(self._base, self._head, Subject(budget.name, selector), given=given)

    def _block(self, subject: Subject, served: Served, metric: str) -> Block:
        if served.error:
            return Block(error=Redaction()(served.error), new=served.new)
        if metric not in TIMED:
            return Block(error=_NOT_TIMED.format(metric=metric))
        return self._timed(subject, served, metric)

    def _timed(self, subject: Subject, served: Served, metric: str) -> Block:
        waiting = [
            pair for pair in served.rounds if None not in (pair[0].blocked_s, pair[1].blocked_s)
        ]
        if metric != "cpu" and _one_sided(served.rounds):
            return Block(error=_ONE_SIDED)
        waits = self._waits.setdefault(subject, 2 * len(waiting) > len(served.rounds))
        if metric == "cpu":
            return _values(served.rounds, served, _cpu_s)
        if metric == "time" and not waits:
            note = f"CPU time only: {_NO_WAITING}"
            return replace(_values(served.rounds, served, _cpu_s), note=note)
        if not waits or not waiting:
            return Block(error=f"{_NO_WAITING}; put the limit on cpu")
        return _values(waiting, served, _time_s if metric == "time" else _blocked_s)


def _one_sided(rounds: Sequence[tuple[Cost, Cost]]) -> bool:
    """Whether one side's waiting can be read and the other's cannot: CPU alone would let it pass."""
    shares = [
        sum(pair[side].blocked_s is not None for pair in rounds) / len(rounds) for side in (0, 1)
    ]
    return max(shares) >= _MOSTLY and min(shares) <= 1 - _MOSTLY


def _values(
    pairs: Sequence[tuple[Cost, Cost]], served: Served, read: Callable[[Cost], float]
) -> Block:
    """Pair by pair, per call."""
    return Block(
        base=tuple(read(base) / served.units for base, _ in pairs),
        head=tuple(read(head) / served.units for _, head in pairs),
        note=served.note,
    )


def _cpu_s(cost: Cost) -> float:
    return cost.cpu_s


def _blocked_s(cost: Cost) -> float:
    return cost.blocked_s or 0.0


def _time_s(cost: Cost) -> float:
    return cost.cpu_s + (cost.blocked_s or 0.0)
