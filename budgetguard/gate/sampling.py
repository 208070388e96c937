"""Pulls rounds from a probe until the limits on sampled metrics are decided."""

from collections.abc import Sequence
from dataclasses import replace

from budgetguard.gate.inference import decide
from budgetguard.gate.model import Budget, Limit, Reading, Readings, Rule
from budgetguard.gate.targets.base import Probe


def sample(probe: Probe, budgets: Sequence[Budget]) -> Readings:
    """Readings of one side; a probe that has no further ones to give ends the loop."""
    readings = dict(probe.round(budgets))
    while wanted := _undecided(budgets, readings):
        further = probe.round(wanted)
        if not further:
            break
        for point, reading in further.items():
            readings[point] = joined(readings.get(point), reading)
    return readings


def missing(limit: Limit, reading: Reading) -> int:
    """How many further readings it takes to decide a limit; 0 for those that one reading decides."""
    if (
        limit.bound.value is None
        or limit.metric.rule in (Rule.EXACT, Rule.INTERVAL)
        or reading.error
    ):
        return 0
    return decide(limit.metric, reading.samples or (reading.value,), limit.bound.value).more


def _undecided(budgets: Sequence[Budget], readings: Readings) -> list[Budget]:
    wanted = []
    for budget in budgets:
        limits = tuple(limit for limit in budget.limits if _lacks(budget, limit, readings))
        if limits:
            wanted.append(replace(budget, limits=limits))
    return wanted


def _lacks(budget: Budget, limit: Limit, readings: Readings) -> bool:
    points = (
        point
        for point in readings
        if (point.budget, point.metric) == (budget.name, limit.metric.name)
    )
    return any(missing(limit, readings[point]) for point in points)


def joined(first: Reading | None, further: Reading) -> Reading:
    """A reading with a further one behind it; an error takes the place of both."""
    if first is None or further.error:
        return further
    return replace(
        first, samples=(*(first.samples or (first.value,)), *(further.samples or (further.value,)))
    )
