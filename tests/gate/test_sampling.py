"""Rounds are pulled until every limit is decided, and never without an end."""

import pytest

from budgetguard.gate.judge import Yardstick
from budgetguard.gate.limits import parse_limit
from budgetguard.gate.model import Budget, Metric, Point, Reading, Rule, Where
from budgetguard.gate.sampling import joined, missing, sample
from budgetguard.units import Unit

METRICS = {
    "raw": Metric(name="raw", unit=Unit.BYTES, about=""),
    "leaked": Metric(name="leaked", unit=Unit.BYTES, about="", exact=False, rule=Rule.INTERVAL),
    "time": Metric(name="time", unit=Unit.SECONDS, about="", exact=False, rule=Rule.CEILING),
    "p50": Metric(name="p50", unit=Unit.SECONDS, about="", exact=False, rule=Rule.QUANTILE, quantile=0.5),
}  # fmt: skip


def budget_of(*texts, name="app"):
    limits = tuple(parse_limit(text, METRICS) for text in texts)
    return Budget(name=name, target="command", limits=limits, where=Where(""))


class Scripted:
    """A probe that reads what it is told to, and remembers what it was asked."""

    def __init__(self, read, most=1000):
        self.read = read
        self.asked = []
        self.most = most

    def budgets(self):
        return ()

    def round(self, wanted):
        self.asked.append([(one.name, [limit.text for limit in one.limits]) for one in wanted])
        assert len(self.asked) <= self.most, "asked without an end"
        return self.read(len(self.asked), wanted)


def constant(value):
    def read(_, wanted):
        return {
            Point(one.name, "", limit.metric.name): Reading(value=value)
            for one in wanted
            for limit in one.limits
        }

    return read


def test_what_one_reading_decides_is_read_once():
    """Exact metrics, intervals, relative limits and a ceiling that holds need no second round."""
    probe = Scripted(constant(0.5))
    budgets = [budget_of("raw <= 5 kB", "leaked <= 1 B", "time <= baseline + 5%", "time <= 1 s")]
    readings = sample(probe, budgets, Yardstick())
    assert len(probe.asked) == 1
    assert readings[Point("app", "", "raw")].samples == ()


def test_a_broken_ceiling_is_read_four_times_more():
    """Only the limits that are open are asked for again."""
    probe = Scripted(constant(2.0))
    budgets = [budget_of("time <= 1 s", "raw <= 5 kB"), budget_of("time <= 3 s", name="other")]
    readings = sample(probe, budgets, Yardstick())
    assert probe.asked[1:] == [[("app", ["time <= 1 s"])]] * 4
    assert readings[Point("app", "", "time")].samples == (2.0,) * 5
    assert readings[Point("other", "", "time")].samples == ()


def test_a_ceiling_that_holds_at_last_ends_the_rounds():
    """The first good reading decides."""
    probe = Scripted(lambda number, _: {Point("app", "", "time"): Reading(value=3.0 - number)})
    assert sample(probe, [budget_of("time <= 1 s")], Yardstick())[
        Point("app", "", "time")
    ].samples == (2.0, 1.0)


def test_a_quantile_has_as_many_readings_as_it_needs():
    """Five within prove a median; all over take a second look and a fresh set."""
    for value, readings in ((0.5, 5), (2.0, 20)):
        probe = Scripted(constant(value))
        sample(probe, [budget_of("p50 <= 1 s")], Yardstick())
        assert len(probe.asked) == readings


@pytest.mark.parametrize(
    "later",
    [
        {},
        {Point("app", "", ""): Reading(error="exit code 3")},
        {Point("app", "", "time"): Reading(error="no clock")},
        {Point("other", "", "time"): Reading(value=1.0)},
        {Point("app", "", "raw"): Reading(value=1.0)},
    ],
)
def test_a_probe_that_has_no_more_to_give_ends_the_loop(later):
    """Nothing, an error of the whole or of the metric, or readings of something else: no further round."""
    probe = Scripted(
        lambda number, _: {Point("app", "", "time"): Reading(value=2.0)} if number == 1 else later,
        most=2,
    )
    readings = sample(probe, [budget_of("time <= 1 s")], Yardstick())
    assert all(readings[point] for point in later)


def test_a_budget_that_could_not_be_measured_is_not_asked_again():
    """An error of the whole ends its rounds, beside others that go on."""

    def read(_, wanted):
        readings = {
            Point(one.name, "", "time"): Reading(value=2.0) for one in wanted if one.name == "b"
        }
        return readings | {
            Point("a", "", ""): Reading(error="x"),
            Point("a", "", "time"): Reading(value=2.0),
        }

    probe = Scripted(read)
    sample(
        probe, [budget_of("time <= 1 s", name="a"), budget_of("time <= 1 s", name="b")], Yardstick()
    )
    assert all(name == "b" for asked in probe.asked[1:] for name, _ in asked)
    assert len(probe.asked) == 5


def test_parts_are_sampled_until_each_is_decided():
    """A selector's limit goes on while any of its parts is open."""

    def read(number, _):
        return {
            Point("app", name, "time"): Reading(value=value)
            for name, value in (("/a", 0.5), ("/b", 2.0))
        }

    probe = Scripted(read)
    readings = sample(probe, [budget_of("/* time <= 1 s")], Yardstick())
    assert len(probe.asked) == 5
    assert len(readings[Point("app", "/b", "time")].samples) == 5


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_is_not_sampled_on(value):
    """More readings make no number of NaN; the judge tells it."""
    limit = parse_limit("p50 <= 1 s", METRICS)
    assert missing(limit, Reading(value=value)) == 0
    assert missing(limit, Reading(value=1.0, samples=(1.0, value))) == 0


def test_missing_tells_how_many_readings_are_lacking():
    """None for an error, four for a median that was read once."""
    limit = parse_limit("p50 <= 1 s", METRICS)
    assert missing(limit, Reading(value=0.5)) == 4
    assert missing(limit, Reading(error="x")) == 0
    assert missing(parse_limit("time < 1 s", METRICS), Reading(value=1.0)) == 4


def test_readings_are_joined_in_their_order():
    """Samples follow each other; an error takes the place of what was read before."""
    first, second = Reading(value=1.0, evidence=("x",)), Reading(value=2.0)
    assert joined(None, second) is second
    assert joined(first, second) == Reading(value=1.0, samples=(1.0, 2.0), evidence=("x",))
    assert joined(joined(first, second), Reading(value=3.0, samples=(3.0, 4.0))).samples == (
        1.0,
        2.0,
        3.0,
        4.0,
    )
    error = Reading(error="x")
    assert joined(first, error) is error


TWICE = {
    "p95": Metric(name="p95", unit=Unit.SECONDS, about="", exact=False, rule=Rule.TWICE, quantile=0.95)
}  # fmt: skip


def _between(*bounds, **more):
    return Reading(value=sum(bounds) / 2, interval=bounds, **more)


@pytest.mark.parametrize(
    ("first", "rounds"),
    [
        (_between(0.1, 0.9), 1),
        (_between(0.9, 1.1), 1),
        (_between(1.1, 1.3), 2),
        (_between(1.1, 1.3, unsettled="busy"), 1),
    ],
)
def test_only_a_whole_interval_beyond_is_measured_twice(first, rounds):
    """What holds, straddles or does not count is read once."""
    budget = budget_of()
    budget = Budget(
        name="app", target="load", limits=(parse_limit("p95 <= 1 s", TWICE),), where=budget.where
    )
    probe = Scripted(lambda *_: {Point("app", "", "p95"): first})
    sample(probe, [budget], Yardstick())
    assert len(probe.asked) == rounds


def test_two_intervals_become_their_whole_stretch():
    """So that it lies beyond a bound only where both do."""
    both = joined(_between(1.1, 1.3), _between(0.8, 1.0))
    assert both.interval == (0.8, 1.3)
    assert len(both.samples) == 2
