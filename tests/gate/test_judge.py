"""The one place that decides: every outcome, and every boundary between two of them."""

import datetime as dt
import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetguard.gate.judge import Yardstick, judge
from budgetguard.gate.limits import parse_limit
from budgetguard.gate.model import Accepted, Budget, Metric, Point, Reading, Rule, Stored, Where
from budgetguard.gate.verdict import Outcome
from budgetguard.units import Unit

METRICS = {
    metric.name: metric
    for metric in (
        Metric(name="raw", unit=Unit.BYTES, about=""),
        Metric(name="queries", unit=Unit.COUNT, about=""),
        Metric(name="peak", unit=Unit.BYTES, about="", keyed=True),
        Metric(name="score", unit=Unit.COUNT, about="", better="higher"),
        Metric(name="failures", unit=Unit.RATIO, about=""),
        Metric(name="time", unit=Unit.SECONDS, about="", exact=False, rule=Rule.CEILING),
        Metric(name="tokens", unit=Unit.COUNT, about="", exact=False, rule=Rule.CEILING),
        Metric(name="rps", unit=Unit.PER_SECOND, about="", exact=False, rule=Rule.CEILING, better="higher"),
        Metric(name="p95", unit=Unit.SECONDS, about="", exact=False, rule=Rule.QUANTILE, quantile=0.95),
        Metric(name="leaked", unit=Unit.BYTES, about="", exact=False, rule=Rule.INTERVAL),
        Metric(name="kept", unit=Unit.COUNT, about="", exact=False, rule=Rule.INTERVAL, better="higher"),
    )
}  # fmt: skip
TODAY = dt.date(2027, 1, 31)
WHERE = Where("budgetguard.yml", 3, "budgets.app")


def budget_of(*texts, **kwargs):
    limits = tuple(parse_limit(text, METRICS) for text in texts)
    return Budget(name="app", target="bundle", limits=limits, where=WHERE, **kwargs)


def verdict_of(text, reading, by=Yardstick(), selector="", **kwargs):  # noqa: B008  # it is frozen
    budget = budget_of(text, **kwargs)
    if not isinstance(reading, Reading | None):
        reading = Reading(value=reading)
    return judge(budget, budget.limits[0], selector, reading, by)


def stored(value, metric="raw", key="", spread=None, **kwargs):
    found = METRICS[metric]
    one = Stored(
        unit=found.unit, target="bundle", value=value, spread=spread, better=found.better, **kwargs
    )
    return Yardstick(entries={Point("app", "", metric): {key: one}}, key="py-3.11", today=TODAY)


def accepted(limit, until="2027-01-31", budget="app"):
    return Accepted(
        budget=budget, limit=parse_limit(limit, METRICS), reason="ticket 812", until=until, where=WHERE
    )  # fmt: skip


@pytest.mark.parametrize(
    ("limit", "below", "at", "above"),
    [
        ("raw <= 5 kB", "PASS", "PASS", "FAIL"),
        ("raw < 5 kB", "PASS", "FAIL", "FAIL"),
        ("score >= 5000", "FAIL", "PASS", "PASS"),
        ("score > 5000", "FAIL", "FAIL", "PASS"),
        ("queries <= 5000", "PASS", "PASS", "FAIL"),
    ],
)
def test_an_exact_absolute_limit_is_decided_by_its_operator(limit, below, at, above):
    """One below, exactly at and one above the bound."""
    assert [verdict_of(limit, value).outcome for value in (4999, 5000, 5001)] == [below, at, above]


@pytest.mark.parametrize(
    ("limit", "below", "at", "above"),
    [
        ("tokens <= 800", "PASS", "PASS", "FAIL"),
        ("tokens < 800", "PASS", "FAIL", "FAIL"),
        ("rps >= 800 /s", "FAIL", "PASS", "PASS"),
        ("rps > 800 /s", "FAIL", "FAIL", "PASS"),
    ],
)
def test_a_sampled_absolute_limit_is_decided_by_its_operator(limit, below, at, above):
    """The same of five readings each, also exactly at the bound."""
    readings = [Reading(value=value, samples=(value,) * 5) for value in (799.0, 800.0, 801.0)]
    assert [verdict_of(limit, reading).outcome for reading in readings] == [below, at, above]


@pytest.mark.parametrize(
    ("limit", "base", "last_good", "first_bad"),
    [
        ("raw <= baseline", 1000, 1000, 1001),
        ("raw <= baseline + 2%", 1000, 1020, 1021),
        ("raw < baseline + 2%", 1000, 1019, 1020),
        ("raw <= baseline + 500 B", 1000, 1500, 1501),
        ("raw <= baseline + 2% or 500 B", 1000, 1500, 1501),
        ("raw <= baseline + 2% or 500 B", 100_000, 102_000, 102_001),
        ("queries <= baseline + 10%", 0, 0, 1),
        ("queries <= baseline + 10% or 2", 0, 2, 3),
        ("failures <= baseline + 1 points", 0.02, 0.03, 0.0301),
        ("score >= baseline - 5%", 100, 95, 94),
        ("score > baseline - 5%", 100, 96, 95),
        ("score >= baseline", 100, 100, 99),
    ],
)
def test_a_relative_exact_limit_allows_the_looser_step(limit, base, last_good, first_bad):
    """The last value that is allowed passes and the next fails, with the baseline told."""
    metric = limit.split()[0]
    by = stored(base, metric)
    good, bad = verdict_of(limit, last_good, by), verdict_of(limit, first_bad, by)
    assert (good.outcome, bad.outcome) == (Outcome.PASS, Outcome.FAIL)
    assert bad.baseline == base
    assert "budgetguard baseline update app" in bad.hint


def test_nothing_is_red_inside_the_spread_of_unchanged_code():
    """Both ends of the spread pass every relative limit; beyond it the room is counted from its end."""
    by = stored(1000, spread=(990, 1010))
    for limit in ("raw <= baseline", "raw < baseline + 1 B", "raw <= baseline + 1%"):
        assert [verdict_of(limit, value, by).outcome for value in (990, 1000, 1010)] == ["PASS"] * 3
    assert verdict_of("raw <= baseline", 1011, by).outcome is Outcome.FAIL
    assert verdict_of("raw <= baseline + 1%", 1020, by).outcome is Outcome.PASS
    assert verdict_of("raw <= baseline + 1%", 1021, by).outcome is Outcome.FAIL
    none = stored(0, "queries")
    assert verdict_of("queries < baseline + 5%", 0, none).outcome is Outcome.PASS


def test_a_spread_of_what_is_better_higher_is_left_downwards():
    """The room of a floor begins at the lower end."""
    by = stored(100, "score", spread=(98, 102))
    assert [verdict_of("score >= baseline", value, by).outcome for value in (97, 98, 103)] == [
        "FAIL", "PASS", "PASS",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "outcome"),
    [(990, "PASS"), (1000, "PASS"), (1001, "UNSETTLED"), (1010, "UNSETTLED"), (1011, "FAIL")],
)
def test_an_absolute_limit_inside_the_spread_is_unsettled(value, outcome):
    """Where the limit cuts through the spread of unchanged code, only what lies beyond both is red."""
    verdict = verdict_of("raw <= 1000 B", value, stored(1000, spread=(990, 1010)))
    assert verdict.outcome == outcome
    if outcome == "UNSETTLED":
        assert "inside the spread" in verdict.reason
        assert "0.99 kB to 1.01 kB" in verdict.reason


def test_an_absolute_limit_below_the_spread_is_red_inside_it():
    """A spread excuses no value that never kept the limit."""
    assert (
        verdict_of("raw <= 900 B", 1000, stored(1000, spread=(990, 1010))).outcome is Outcome.FAIL
    )


def test_a_value_recorded_elsewhere_only_is_an_error():
    """Another interpreter's value is no yardstick here; the next step is to record it."""
    verdict = verdict_of("peak <= baseline + 2%", 1000, stored(1000, "peak", key="py-3.12"))
    assert verdict.outcome is Outcome.ERROR
    assert "py-3.12" in verdict.reason
    assert "py-3.11" in verdict.reason
    assert "budgetguard baseline update app" in verdict.hint
    assert (
        verdict_of("peak <= baseline + 2%", 1000, stored(1000, "peak", key="py-3.11")).outcome
        is Outcome.PASS
    )


def test_another_tool_matters_only_when_it_would_be_red():
    """Counted by another version, over the limit is an ERROR that names both, within it a PASS."""
    by = stored(1000, made_with="brotli 1.1")
    now = Reading(value=1100, made_with="brotli 1.2")
    verdict = verdict_of("raw <= baseline + 2%", now, by)
    assert verdict.outcome is Outcome.ERROR
    assert "brotli 1.1" in verdict.reason
    assert "brotli 1.2" in verdict.reason
    assert "baseline update" in verdict.hint
    assert verdict_of("raw <= baseline + 2%", replace(now, value=1010), by).outcome is Outcome.PASS
    assert (
        verdict_of("raw <= baseline + 2%", replace(now, made_with="brotli 1.1"), by).outcome
        is Outcome.FAIL
    )


def test_a_number_that_changed_its_unit_or_direction_is_an_error():
    """Seconds are never compared with bytes, nor a cost with a gain."""
    for change in ({"unit": Unit.SECONDS}, {"better": "higher"}):
        by = stored(1000)
        entries = {
            Point("app", "", "raw"): {
                "": replace(by.entries[Point("app", "", "raw")][""], **change)
            }
        }
        verdict = verdict_of("raw <= baseline + 2%", 1, replace(by, entries=entries))
        assert verdict.outcome is Outcome.ERROR
        assert "baseline update" in verdict.hint


def test_without_a_stored_value_a_relative_limit_is_new():
    """Not in the baseline: NEW, and the command that records."""
    verdict = verdict_of("raw <= baseline + 2%", 1000, Yardstick())
    assert verdict.outcome is Outcome.NEW
    assert verdict.hint == "budgetguard baseline update app"
    assert not verdict.red


@pytest.mark.parametrize("name", ["tests/test_a.py::test_b[x y-'1']", "my app; rm $HOME"])
def test_a_name_in_a_command_is_quoted_for_a_shell(name):
    """Brackets, spaces and quotes of a budget's name reach the command as they are."""
    limit = parse_limit("raw <= baseline", METRICS)
    budget = Budget(name=name, target="bundle", limits=(limit,), where=WHERE)
    entries = {Point(name, "", "raw"): {"": Stored(unit=Unit.BYTES, target="bundle", value=1.0)}}
    hints = [
        judge(budget, limit, "", Reading(value=2.0), by).hint
        for by in (Yardstick(), Yardstick(entries=entries))
    ]
    hints.append(judge(budget, limit, "", None, Yardstick()).hint)
    assert all(shlex.split(hint)[-1] == name for hint in hints)


def test_an_entry_that_has_lost_its_value_is_no_first_run():
    """Taking the value out of an entry does not switch its limit off."""
    verdict = verdict_of("raw <= baseline + 2%", 1000, stored(None))
    assert verdict.outcome is Outcome.ERROR
    assert verdict.hint == "budgetguard baseline update app"


@pytest.mark.parametrize(("value", "told"), [(999, False), (989, True), (1010, False)])
def test_an_improvement_is_told(value, told):
    """Better than the baseline and its spread asks to be kept."""
    verdict = verdict_of("raw <= baseline + 2%", value, stored(1000, spread=(990, 1010)))
    assert ("keep it" in verdict.hint) is told


@pytest.mark.parametrize(
    ("limit", "interval", "outcome"),
    [
        ("leaked <= 10 B", (0, 10), "PASS"),
        ("leaked < 10 B", (0, 10), "UNSETTLED"),
        ("leaked <= 10 B", (0, 11), "UNSETTLED"),
        ("leaked <= 10 B", (11, 20), "FAIL"),
        ("leaked <= 10 B", (0, float("inf")), "UNSETTLED"),
        ("kept >= 10", (10, 20), "PASS"),
        ("kept >= 10", (9, 20), "UNSETTLED"),
        ("kept >= 10", (0, 9), "FAIL"),
    ],
)
def test_an_estimate_is_red_only_as_a_whole(limit, interval, outcome):
    """The whole interval beyond the bound is red, the whole within is green, across it is open."""
    assert verdict_of(limit, Reading(value=interval[0], interval=interval)).outcome == outcome


def test_samples_decide_within_over_open_and_too_few():
    """The four ends of sampling: PASS, FAIL, UNSETTLED, and ERROR with too few readings."""
    cases = {
        Outcome.PASS: (1.0,) * 59,
        Outcome.FAIL: (3.0,) * 118,
        Outcome.UNSETTLED: ((1.0,) * 19 + (3.0,)) * 12,
        Outcome.ERROR: (1.0,) * 58,
    }
    for outcome, samples in cases.items():
        verdict = verdict_of("p95 <= 2 s", Reading(value=samples[0], samples=samples))
        assert verdict.outcome is outcome
    assert verdict_of("p95 <= 2 s", 1.0).reason == "too few readings: 1 of 59 readings"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    "limit",
    [
        "raw <= 5 kB",
        "raw <= baseline + 2%",
        "score >= 1",
        "tokens <= 5",
        "p95 <= 2 s",
        "leaked <= 1 B",
    ],
)
def test_what_is_no_number_is_never_green_nor_red(limit, value):
    """NaN lies on no side of a bound; it is an ERROR for every kind of limit, also among samples."""
    for reading in (Reading(value=value), Reading(value=1.0, samples=(1.0, value) * 40)):
        verdict = verdict_of(limit, reading, stored(1000))
        assert verdict.outcome is Outcome.ERROR
        assert "no number" in verdict.reason


def test_what_was_not_measured_is_an_error():
    """No reading, an error and an unforeseen skip are red; a foreseen skip is SKIPPED with its reason."""
    assert verdict_of("raw <= 5 kB", None).reason == "not measured"
    failed = verdict_of("raw <= 5 kB", Reading(error="dist: no such folder", evidence=("x",)))
    assert failed.outcome is Outcome.ERROR
    assert (failed.reason, failed.evidence) == ("dist: no such folder", ("x",))
    skip = Reading(skipped=True, error="the test was skipped: no database")
    assert verdict_of("raw <= 5 kB", skip).red
    assert "may_skip" in verdict_of("raw <= 5 kB", skip).hint
    foreseen = verdict_of("raw <= 5 kB", skip, may_skip="no database here")
    assert foreseen.outcome is Outcome.SKIPPED
    assert foreseen.reason == "no database here"
    assert verdict_of("raw <= 5 kB", Reading(error="x"), may_skip="no database").red


def test_a_budget_that_is_not_enforced_is_judged_and_never_red():
    """`enforce: false` shows the verdict and stops nothing."""
    verdict = verdict_of("raw <= 5 kB", 6000, enforce=False)
    assert (verdict.outcome, verdict.red) == ("FAIL", False)


@pytest.mark.parametrize(
    ("until", "outcome", "told"),
    [
        ("2027-03-01", "PASS", "accepted until 2027-03-01: raw <= 6 kB, ticket 812"),
        ("2027-02-14", "PASS", "; 14 days left"),
        ("2027-01-31", "PASS", "; 0 days left"),
        ("2027-01-30", "FAIL", "the acceptance of `raw <= 6 kB` ended on 2027-01-30: ticket 812"),
    ],
)
def test_an_acceptance_holds_to_the_end_of_its_day(until, outcome, told):
    """It is told, warned about for its last 14 days, and over the day after."""
    by = Yardstick(accepted=(accepted("raw <= 6 kB", until),), today=TODAY)
    verdict = verdict_of("raw <= 5 kB", 5500, by)
    assert verdict.outcome == outcome
    assert told in verdict.note
    assert ("days left" in verdict.note) == ("days left" in told)
    assert verdict_of("raw <= 5 kB", 6500, by).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("limits", "acceptance", "value", "outcomes"),
    [
        (["raw <= 5 kB"], accepted("raw <= 6 kB", budget="other"), 5500, ["FAIL"]),
        (["raw <= 5 kB"], accepted("js raw <= 6 kB"), 5500, ["FAIL"]),
        (["raw <= 5 kB"], accepted("queries <= 6000"), 5500, ["FAIL"]),
        (["raw <= 5 kB"], accepted("raw <= 4 kB"), 4500, ["PASS"]),
        (["raw <= 5 kB", "raw <= baseline + 2%"], accepted("raw <= 6 kB"), 5500, ["PASS", "FAIL"]),
        (["raw <= 5 kB", "raw <= baseline + 2%"], accepted("raw <= baseline + 20%"), 5500, ["FAIL", "PASS"]),
        (["raw <= baseline + 2%"], accepted("raw <= 6 kB"), 5500, ["PASS"]),
    ],
)  # fmt: skip
def test_an_acceptance_loosens_the_limit_it_is_about(limits, acceptance, value, outcomes):
    """Another budget, part, metric or kind stays as it was, and no acceptance tightens a limit."""
    budget = budget_of(*limits)
    by = replace(stored(5000), accepted=(acceptance,))
    found = [judge(budget, limit, "", Reading(value=value), by).outcome for limit in budget.limits]
    assert found == outcomes


def test_of_two_acceptances_the_later_end_counts():
    """An old entry that was forgotten does not take back a new one."""
    by = Yardstick(
        accepted=(accepted("raw <= 6 kB", "2027-01-01"), accepted("raw <= 7 kB", "2027-06-30")),
        today=TODAY,
    )
    assert verdict_of("raw <= 5 kB", 6500, by).outcome is Outcome.PASS


def test_a_group_s_acceptance_holds_for_its_tests():
    """The name of a group, a file or a parametrized test means all of its tests."""
    limit = parse_limit("queries <= 5", METRICS)
    name = "t.py::test_x[1]"
    budget = Budget(name=name, target="test", limits=(limit,), where=WHERE, group="perf")
    for said in ("perf", "t.py::test_x", "t.py", name):
        by = Yardstick(accepted=(accepted("queries <= 9", budget=said),), today=TODAY)
        assert judge(budget, limit, "", Reading(value=7), by).outcome is Outcome.PASS
    by = Yardstick(accepted=(accepted("queries <= 9", budget="t.py::test"),), today=TODAY)
    assert judge(budget, limit, "", Reading(value=7), by).outcome is Outcome.FAIL


def test_a_red_verdict_has_its_numbers_first_and_a_next_step():
    """Measured, allowed, change and baseline in one unit, unequal numbers apart, then what to do."""
    verdict = verdict_of("raw <= baseline + 2%", 1021, stored(1000))
    assert verdict.reason == "1.021 kB is over 1.02 kB, +2.1 % from 1 kB"
    plain = verdict_of("score >= 5", 4)
    assert plain.reason == "4 is under 5"
    assert "budgetguard.yml:3 budgets.app" in plain.hint


LIMITS = [
    "raw <= 1000 B", "raw < 1000 B", "score >= 1000", "score > 1000", "tokens <= 1000",
    "tokens < 1000", "rps >= 1000 /s", "raw <= baseline + 2%", "raw < baseline + 10 B",
    "score >= baseline - 2%", "score > baseline - 10",
]  # fmt: skip
RANK = {Outcome.PASS: 0, Outcome.UNSETTLED: 1, Outcome.FAIL: 2}


@given(
    st.sampled_from(LIMITS),
    st.integers(900, 1100),
    st.integers(900, 1100),
    st.integers(900, 1100),
    st.integers(0, 60),
)
def test_a_worse_reading_never_comes_out_better(text, one, other, base, width):
    """The outcome is monotonic in the reading, whatever limit, baseline and spread."""
    metric = METRICS[text.split()[0]]
    good, bad = sorted((one, other), reverse=metric.better == "higher")
    by = stored(base, metric.name, spread=(base - width, base + width) if width else None)
    readings = [
        Reading(value=value, samples=() if metric.exact else (value,) * 5) for value in (good, bad)
    ]
    first, second = (RANK[verdict_of(text, reading, by).outcome] for reading in readings)
    assert first <= second


@given(st.sampled_from(LIMITS[7:]), st.integers(0, 10_000))
def test_what_the_baseline_holds_passes(text, base):
    """The unchanged value is never red against its own baseline."""
    by = stored(base, text.split()[0])
    assert verdict_of(text, base, by).outcome is Outcome.PASS


TWICE = Metric(name="p95", unit=Unit.SECONDS, about="", exact=False, rule=Rule.TWICE, quantile=0.95)


@pytest.mark.parametrize(
    ("reading", "outcome", "words"),
    [
        (Reading(value=0.8, interval=(0.7, 0.9)), Outcome.PASS, "to"),
        (Reading(value=1.0, interval=(0.9, 1.1)), Outcome.UNSETTLED, "between"),
        (Reading(value=1.3, interval=(1.1, 1.4), samples=(1.2, 1.3)), Outcome.FAIL, "twice"),
        (Reading(value=9, interval=(8, 9), unsettled="too busy"), Outcome.UNSETTLED, "too busy"),
        (Reading(error="gone", unsettled="too busy"), Outcome.UNSETTLED, "too busy"),
    ],
)
def test_an_interval_that_has_to_be_beyond_twice(reading, outcome, words):
    """The whole interval decides; what a machine too busy measured decides nothing."""
    limit = parse_limit("p95 <= 1 s", {"p95": TWICE})
    budget = Budget(name="app", target="load", limits=(limit,), where=WHERE)
    found = judge(budget, limit, "", reading, Yardstick())
    assert found.outcome is outcome
    assert words in found.reason
