"""A red that another session might not see is measured again before it is told. Pure.

What else ran in a process, its hash seed and the order of tests move a number of memory, mostly
upwards; the lowest of a few sessions is what the code itself needs.
"""

from collections.abc import Sequence

from budgetguard.gate.model import Budget, Readings
from budgetguard.gate.verdict import Outcome, Verdict

CONFIRMING_SEEDS = (2, 3)
"""One further session each; the first red ran without a seed."""
MOST_DOUBTED = 200
"""So many reds at once are no accident of a session, nor would their names fit a command line."""
HOPELESS = 1.25
"""A value this much over its bound is red whatever another session says."""


def doubted(verdicts: Sequence[Verdict], budgets: Sequence[Budget]) -> tuple[str, ...]:
    """The budgets with a red on a metric that depends on its process, near its bound."""
    keyed = _keyed(budgets)
    found = sorted({v.budget for v in verdicts if (v.budget, v.metric) in keyed and _near(v)})
    return tuple(found) if len(found) <= MOST_DOUBTED else ()


def lower(readings: Readings, again: Readings, budgets: Sequence[Budget]) -> Readings:
    """The readings, with the lower one of two wherever a number depends on the process."""
    keyed = _keyed(budgets)
    better = {
        point: reading
        for point, reading in again.items()
        if (point.budget, point.metric) in keyed
        and point in readings
        and not reading.error
        and reading.value < readings[point].value
    }
    return {**readings, **better}


def _keyed(budgets: Sequence[Budget]) -> set[tuple[str, str]]:
    return {
        (b.name, limit.metric.name) for b in budgets for limit in b.limits if limit.metric.keyed
    }


def _near(verdict: Verdict) -> bool:
    if verdict.outcome is not Outcome.FAIL or verdict.measured is None or verdict.allowed is None:
        return False
    return verdict.measured <= HOPELESS * verdict.allowed
