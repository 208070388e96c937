"""Pulls rounds from a probe until the limits on sampled metrics are decided."""

import math
from collections.abc import Sequence
from dataclasses import replace

from budgetguard.gate.inference import decide
from budgetguard.gate.judge import Yardstick, beyond, in_force
from budgetguard.gate.model import Budget, Limit, Point, Reading, Readings, Rule, by_subject
from budgetguard.gate.targets.base import Probe


def sample(probe: Probe, budgets: Sequence[Budget], by: Yardstick) -> Readings:
    """Readings of one side; a probe that has no further ones to give ends the loop."""
    readings = dict(probe.round(budgets))
    while wanted := _undecided(budgets, readings, by):
        further = probe.round(wanted)
        for point, reading in further.items():
            readings[point] = joined(readings.get(point), reading)
        if not _advances(further, wanted):
            break
    return readings


def missing(limit: Limit, reading: Reading) -> int:
    """How many further readings it takes to decide a limit; 0 for those that one reading decides."""
    if (
        limit.bound.value is None
        or limit.metric.rule in (Rule.EXACT, Rule.INTERVAL)
        or reading.error
    ):
        return 0
    if limit.metric.rule is Rule.TWICE:
        return int(len(reading.samples) < 2 and not reading.unsettled and beyond(limit, reading))
    samples = reading.samples or (reading.value,)
    if not all(map(math.isfinite, samples)):
        return 0
    strict = limit.operator in ("<", ">")
    return decide(limit.metric, samples, limit.bound.value, strict=strict).more


def _undecided(budgets: Sequence[Budget], readings: Readings, by: Yardstick) -> list[Budget]:
    wanted = []
    points = by_subject(readings)
    for budget in budgets:
        if Point(budget.name, "", "") in readings:
            continue  # it could not be measured at all
        limits = tuple(
            limit
            for limit in budget.limits
            if any(
                missing(in_force(budget, limit, by)[0], readings[point])
                for point in points.get((budget.name, limit.metric.name), ())
            )
        )
        if limits:
            wanted.append(replace(budget, limits=limits))
    return wanted


def _advances(further: Readings, wanted: Sequence[Budget]) -> bool:
    """Whether a round read what was asked for; without it the next would be asked the same."""
    asked = {(budget.name, limit.metric.name) for budget in wanted for limit in budget.limits}
    return any((point.budget, point.metric) in asked for point in further)


def joined(first: Reading | None, further: Reading) -> Reading:
    """A reading with a further one behind it; an error takes the place of both.

    Of two intervals it has the whole stretch, which lies beyond a bound only where both do.
    """
    if first is None or further.error:
        return further
    if first.interval and further.interval:
        low, high = zip(first.interval, further.interval, strict=True)
        samples = (*(first.samples or (first.value,)), further.value)
        return replace(further, samples=samples, interval=(min(low), max(high)))
    return replace(
        first, samples=(*(first.samples or (first.value,)), *(further.samples or (further.value,)))
    )
