"""The flow of `baseline update`: measure, then put what was read in the place of what was stored.

Exact values are read in three sessions that differ in their hash seed, so that what does not repeat
to the digit gets its spread. A bundle's bytes do not depend on a process and are read once.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median_low

from budgetguard.gate import machine
from budgetguard.gate.baseline import timestamp
from budgetguard.gate.changes import Change, compare
from budgetguard.gate.config import Config
from budgetguard.gate.limits import select
from budgetguard.gate.model import (
    Baseline,
    Budget,
    Limit,
    Point,
    Reading,
    Request,
    Stored,
    Where,
    by_subject,
)
from budgetguard.gate.run import Measured, check_names, check_targets, measure

SEEDS = (1, 2, 3)
_READ_ONCE = frozenset({"bundle"})

Subject = tuple[str, str]
"""A budget and a metric of it, "" for all."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What could not be read, or was skipped, so that its old entries stay."""

    name: str
    why: str
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Recorded:
    """The new baseline, what changed in it and what could not be recorded."""

    baseline: Baseline
    changes: tuple[Change, ...]
    kept: tuple[Kept, ...]
    recorded: int

    @property
    def exit_code(self) -> int:
        """4 when anything could not be read or nothing was, else 0."""
        return 4 if any(not one.skipped for one in self.kept) or not self.recorded else 0


def record(config: Config, request: Request, old: Baseline, *, keep_keys: bool = False) -> Recorded:
    """Measure what `request` names and return the baseline with its values.

    An entry loses its values under other keys, which were of older code, unless `keep_keys`.
    Raises `UsageError` for a name that neither a budget nor the old baseline has, and
    `BaselineError` where the old one holds what is not measured here and would be lost.
    """
    check_targets(config.baseline_file, old)
    sessions = _sessions(config, request)
    known = [_stand_in(point.budget) for point in old.entries]
    check_names(request, [*sessions[0].budgets, *config.budgets, *known])
    fresh, kept = _read(sessions)
    stays = _Stays(request, sessions[0].budgets, kept)
    entries = {point: values for point, values in old.entries.items() if stays.keeps(point, values)}
    for point, (key, stored) in fresh.items():
        others = old.entries.get(point, {}) if keep_keys and key else {}
        entries[point] = {**others, key: stored}
    baseline = Baseline(entries, old.time or timestamp())
    return Recorded(baseline, compare(old, baseline), tuple(kept.values()), len(fresh))


def record_session(
    old: Baseline, measured: Measured, *, target: str, whole: bool, left: Collection[str] = ()
) -> Recorded:
    """Put what one session of a target read into `old`; a whole one drops what it did not find.

    `left` are budgets that the session did not measure on purpose. One session cannot tell what does
    not repeat: a stored value stays while the new one lies inside its spread.
    """
    fresh, kept = _read([measured])
    found = {budget.name for budget in measured.budgets}

    def stays(point: Point, values: Mapping[str, Stored]) -> bool:
        if (point.budget, "") in kept or (point.budget, point.metric) in kept:
            return True
        if point.budget in found:
            return False
        return not whole or point.budget in left or next(iter(values.values())).target != target

    entries = {point: values for point, values in old.entries.items() if stays(point, values)}
    for point, (key, stored) in fresh.items():
        before = old.entries.get(point, {}).get(key)
        entries[point] = {key: before if before and _within_spread(stored, before) else stored}
    baseline = Baseline(entries, old.time or timestamp())
    return Recorded(baseline, compare(old, baseline), tuple(kept.values()), len(fresh))


def _within_spread(new: Stored, old: Stored) -> bool:
    return (
        old.spread is not None
        and new.value is not None
        and (new.unit, new.made_with) == (old.unit, old.made_with)
        and old.low <= new.value <= old.high
    )


def _sessions(config: Config, request: Request) -> list[Measured]:
    first = measure(config, replace(request, seed=SEEDS[0]))
    again = {budget.target for budget in first.budgets if budget.measuring(exact=True).limits}
    sessions = [first]
    for seed in SEEDS[1:]:
        readings: dict[Point, Reading] = {}
        for target in sorted(again - _READ_ONCE):
            repeat = replace(request, seed=seed, only=target, exact=True)
            readings |= measure(config, repeat).readings
        sessions.append(Measured((), readings))
    return sessions


def _read(
    sessions: Sequence[Measured],
) -> tuple[dict[Point, tuple[str, Stored]], dict[Subject, Kept]]:
    """What the sessions say of each point, and what they could not say."""
    fresh: dict[Point, tuple[str, Stored]] = {}
    kept: dict[Subject, Kept] = {}
    known = by_subject(sessions[0].readings)
    for budget in sessions[0].budgets:
        whole = _first(sessions, Point(budget.name, "", ""))
        if whole:
            kept[budget.name, ""] = _kept(budget, budget.name, whole)
            continue
        for limit in budget.limits:
            parts = {point.selector for point in known.get((budget.name, limit.metric.name), ())}
            for point, result in _points(budget, limit, parts, sessions):
                if isinstance(result, Stored):
                    fresh[point] = (machine.key() if limit.metric.keyed else "", result)
                else:
                    named = " ".join(part for part in point if part)
                    kept[budget.name, point.metric] = _kept(budget, named, result)
    return fresh, kept


def _kept(budget: Budget, name: str, reading: Reading) -> Kept:
    skipped = reading.skipped and bool(budget.may_skip)
    return Kept(name, budget.may_skip if skipped else reading.error or "it was skipped", skipped)


def _first(sessions: Sequence[Measured], point: Point) -> Reading | None:
    return next((s.readings[point] for s in sessions if point in s.readings), None)


def _points(
    budget: Budget, limit: Limit, parts: Collection[str], sessions: Sequence[Measured]
) -> Iterator[tuple[Point, Stored | Reading]]:
    metric, frame = limit.metric, _frame(budget, limit)
    if limit.in_turn:
        yield Point.of(budget, limit), frame
        return
    for selector in select(limit.selector, parts) or [limit.selector]:
        point = Point(budget.name, selector, metric.name)
        repeats = sessions[: 1 if budget.target in _READ_ONCE or not metric.exact else None]
        found = [
            session.readings.get(point) or _absent(budget, limit, session) for session in repeats
        ]
        failed = next((reading for reading in found if reading.error or reading.skipped), None)
        yield point, failed or (_exact(budget, limit, found) if metric.exact else frame)


def _absent(budget: Budget, limit: Limit, session: Measured) -> Reading:
    """Why a part has no reading: that of the whole, where it has one, or that nothing matches."""
    whole = session.readings.get(Point(budget.name, "", limit.metric.name))
    if whole and whole.error:
        return whole
    what = f"{limit.selector!r} matches no part of the target" if limit.selector else "not measured"
    return Reading(error=f"`{limit.text}`: {what}")


def _frame(budget: Budget, limit: Limit) -> Stored:
    """The entry of a metric without a stored value."""
    return Stored(unit=limit.metric.unit, target=budget.target, better=limit.metric.better)


def _exact(budget: Budget, limit: Limit, readings: Sequence[Reading]) -> Stored | Reading:
    values = [reading.value for reading in readings]
    low, high = min(values), max(values)
    if not math.isfinite(low) or not math.isfinite(high):
        return Reading(error=f"{limit.metric.name} was read as {low}, which is not a number")
    return replace(
        _frame(budget, limit),
        value=median_low(values),
        spread=(low, high) if low != high else None,
        made_with=readings[0].made_with,
    )


class _Stays:
    """Which old entries are left alone: those out of scope and those that could not be read."""

    def __init__(
        self, request: Request, budgets: Sequence[Budget], kept: Mapping[Subject, Kept]
    ) -> None:
        self._names = request.names
        self._kept = kept
        self._found = {budget.name for budget in budgets}
        errors = {name for (name, metric), one in kept.items() if not metric and not one.skipped}
        self._broken = {budget.target for budget in budgets if budget.name in errors}

    def keeps(self, point: Point, values: Mapping[str, Stored]) -> bool:
        """Whether an old entry stays; one of a budget that was measured goes with its limit."""
        if (point.budget, "") in self._kept or (point.budget, point.metric) in self._kept:
            return True
        if point.budget in self._found:
            return False
        # a session that broke, or a file that does not import, cannot say what vanished
        if next(iter(values.values())).target in self._broken:
            return True
        return bool(self._names) and not _called(point.budget, self._names)


def _called(budget: str, names: Sequence[str]) -> bool:
    return any(_stand_in(budget).called(name) for name in names)


def _stand_in(name: str) -> Budget:
    return Budget(name=name, target="", limits=(), where=Where(""))
