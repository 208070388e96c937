"""budgets + readings + baseline -> verdicts: what was judged, what is left, what vanished. Pure."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from budgetguard.gate.judge import Yardstick, judge
from budgetguard.gate.limits import nearest, select
from budgetguard.gate.model import (
    Budget,
    Limit,
    Point,
    Reading,
    Readings,
    Stored,
    Where,
    by_subject,
)
from budgetguard.gate.verdict import LeftToCheck, Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose completeness a run can judge."""

    targets: frozenset[str] = frozenset()
    whole: bool = False
    exact: bool = False
    left_out: frozenset[str] = frozenset()
    """Budgets that the run was told to leave out, and lists as such."""
    no_baseline: str = ""
    """Why there can be no baseline, so that a limit relative to it is an ERROR."""

    def covers(self, point: Point, stored: Stored) -> bool:
        """Whether a run of this scope must have measured what is stored."""
        if not self.whole or stored.target not in self.targets or point.budget in self.left_out:
            return False
        return not (self.exact and stored.value is None)


@dataclass(frozen=True, slots=True)
class Settled:
    """The outcome of `settle`."""

    verdicts: tuple[Verdict, ...]
    left: tuple[LeftToCheck, ...]


_NONE: Readings = MappingProxyType({})
LEFT_REASON = (
    "a relative limit on a sampled metric needs base and head measured side by side: "
    "budgetguard check, or pytest --budget-against=REF"
)


def settle(
    budgets: Sequence[Budget],
    readings: Readings,
    by: Yardstick,
    scope: Scope,
    in_turn: Readings = _NONE,
) -> Settled:
    """Judge every limit of `budgets`, then what the baseline holds and nobody measured.

    `in_turn` is what base and head said of relative limits on sampled metrics. It stands beside
    `readings`, for an absolute limit on the same metric is judged by what was read of head alone.
    """
    verdicts: list[Verdict] = []
    left: list[LeftToCheck] = []
    seen: set[Point] = set()
    points = by_subject(readings)
    for budget in budgets:
        whole = readings.get(Point(budget.name, "", ""))
        if whole is not None:
            verdicts.append(_unmeasured(budget, whole))
            seen |= {Point.of(budget, limit) for limit in budget.limits}
            continue
        for limit in budget.limits:
            point = Point.of(budget, limit)
            read = in_turn.get(point, readings.get(point)) if limit.in_turn else readings.get(point)
            if limit.bound.relative and scope.no_baseline:
                why = Reading(error=scope.no_baseline, note="create one: budgetguard init")
                verdicts.append(_unmeasured(replace(budget, limits=(limit,)), why))
            elif limit.in_turn and _is_open(read):
                left.append(LeftToCheck(budget.name, limit.text, LEFT_REASON))
                seen.add(point)
            elif read and read.left:
                left.append(LeftToCheck(budget.name, limit.text, read.error))
                seen.add(point)
            elif limit.in_turn:  # sides are compared at the point that the limit names
                verdicts.append(judge(budget, limit, limit.selector, read, by))
            else:
                known = points.get((budget.name, limit.metric.name), ())
                verdicts += _judged(budget, limit, readings, known, by)
    seen |= {Point(verdict.budget, verdict.selector, verdict.metric) for verdict in verdicts}
    unmeasured = {verdict.budget for verdict in verdicts if not verdict.metric}
    shown_only = {budget.name for budget in budgets if not budget.enforce}
    verdicts += [
        replace(verdict, enforced=verdict.budget not in shown_only)
        for verdict in _vanished(by, scope, seen, unmeasured)
    ]
    return Settled(tuple(verdicts), tuple(left))


def _is_open(reading: Reading | None) -> bool:
    """Whether a reading says nothing of the base: one side alone was read, or none."""
    return reading is None or not (reading.compared or reading.error or reading.unsettled)


def _unmeasured(budget: Budget, reading: Reading) -> Verdict:
    skipped = reading.skipped and bool(budget.may_skip)
    return Verdict(
        budget=budget.name,
        target=budget.target,
        limit=budget.limits[0].text if len(budget.limits) == 1 else "",
        outcome=Outcome.SKIPPED if skipped else Outcome.ERROR,
        reason=budget.may_skip if skipped else reading.error,
        evidence=reading.evidence,
        hint="allow it with may_skip and a reason, or let it run"
        if reading.skipped and not skipped
        else reading.note,
        where=budget.where,
        enforced=budget.enforce,
    )


def _judged(
    budget: Budget, limit: Limit, readings: Readings, points: Collection[Point], by: Yardstick
) -> Iterator[Verdict]:
    metric = limit.metric.name
    parts = {point.selector for point in points}
    selectors = select(limit.selector, parts)
    for selector in selectors:
        yield judge(budget, limit, selector, readings.get(Point(budget.name, selector, metric)), by)
    if not selectors:
        whole = readings.get(Point(budget.name, "", metric))
        why = whole if whole and whole.error else Reading(error=_no_match(limit, parts))
        yield judge(budget, limit, limit.selector, why, by)


def _no_match(limit: Limit, parts: set[str]) -> str:
    known = sorted(parts - {""})
    shown = ", ".join(known[:5]) + (f" and {len(known) - 5} more" if len(known) > 5 else "")
    close = nearest(limit.selector, known) if known else ""
    return f"{limit.selector!r} matches no part of the target; it has {shown or 'none'}{close}"


def _vanished(
    by: Yardstick, scope: Scope, seen: set[Point], unmeasured: set[str]
) -> Iterator[Verdict]:
    for point, values in sorted(by.entries.items()):
        stored = next(iter(values.values()), None)
        module = point.budget.partition("::")[
            0
        ]  # skipped or broken as a whole, it stands for its tests
        if stored is None or point in seen or not unmeasured.isdisjoint((point.budget, module)):
            continue
        if not scope.covers(point, stored):
            continue
        yield Verdict(
            budget=point.budget,
            target=stored.target,
            limit="",
            outcome=Outcome.VANISHED,
            metric=point.metric,
            unit=stored.unit,
            selector=point.selector,
            baseline=stored.value,
            reason="in the baseline, but this run did not measure it",
            hint="bring the test, file or limit back; if it is gone on purpose: budgetguard baseline update",
            where=Where(""),
        )
