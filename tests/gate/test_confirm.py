"""A red on memory is told only when further sessions agree."""

import pytest

from budgetguard.gate.confirm import doubted, lower
from budgetguard.gate.judge import Yardstick, judge
from budgetguard.gate.limits import parse_limit
from budgetguard.gate.meters import METRICS
from budgetguard.gate.model import Budget, Point, Reading, Stored, Where
from budgetguard.gate.verdict import Outcome, Verdict
from budgetguard.units import Unit

KEY = "here"


def budget(*limits: str) -> Budget:
    return Budget(
        name="t",
        target="test",
        limits=tuple(parse_limit(one, METRICS) for one in limits),
        where=Where("f"),
    )


def verdict(metric: str, measured: float, outcome: Outcome = Outcome.FAIL) -> Verdict:
    return Verdict(
        budget="t",
        target="test",
        limit="",
        outcome=outcome,
        metric=metric,
        measured=measured,
        allowed=100,
    )


@pytest.mark.parametrize(
    ("metric", "measured", "outcome", "names"),
    [
        ("peak", 101, Outcome.FAIL, ("t",)),
        ("peak", 126, Outcome.FAIL, ()),
        ("peak", 101, Outcome.PASS, ()),
        ("queries", 101, Outcome.FAIL, ()),
    ],
)
def test_only_a_near_red_that_depends_on_its_process_is_doubted(metric, measured, outcome, names):
    """A count is what it is, and a hopeless value needs no second look."""
    both = budget("peak <= 100 B", "queries <= 100")
    assert doubted([verdict(metric, measured, outcome)], [both]) == names


def test_the_lowest_session_counts():
    """Only the numbers that depend on a process are taken from a further session, and never an error."""
    points = [Point("t", "", name) for name in ("peak", "allocations", "queries")]
    first = dict.fromkeys(points, Reading(value=10))
    again = {
        points[0]: Reading(value=9),
        points[1]: Reading(error="no"),
        points[2]: Reading(value=1),
    }
    found = lower(first, again, [budget("peak <= 1 B", "allocations <= 1", "queries <= 1")])
    assert [found[point].value for point in points] == [9, 10, 10]


@pytest.mark.parametrize(
    ("measured", "spread", "outcome"),
    [
        (100_000, None, Outcome.PASS),
        (101_024, None, Outcome.UNSETTLED),
        (101_025, None, Outcome.FAIL),
        (112_000, (90_000, 110_000), Outcome.UNSETTLED),
        (131_025, (90_000, 110_000), Outcome.FAIL),
    ],
)
def test_a_step_finer_than_memory_repeats_is_not_a_red(measured, spread, outcome):
    """Over the baseline by less than the grain, and once more the spread seen, is UNSETTLED."""
    stored = Stored(unit=Unit.BYTES, target="test", value=100_000, spread=spread)
    by = Yardstick(entries={Point("t", "", "peak"): {KEY: stored}}, key=KEY)
    relative = budget("peak <= baseline")
    judged = judge(relative, relative.limits[0], "", Reading(value=measured), by)
    assert judged.outcome is outcome
    assert judged.outcome is not Outcome.UNSETTLED or "step" in judged.hint
