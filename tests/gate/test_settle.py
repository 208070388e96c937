"""From budgets and readings to a report: what is judged, what is left, what vanished, what it exits with."""

import itertools
from dataclasses import replace

import pytest

from budgetguard.gate.judge import Yardstick
from budgetguard.gate.limits import parse_limit
from budgetguard.gate.model import (
    Budget,
    Compared,
    Metric,
    Point,
    Reading,
    Request,
    Rule,
    Stored,
    Where,
)
from budgetguard.gate.settle import Scope, settle
from budgetguard.gate.verdict import RED, LeftToCheck, Outcome, Report, Verdict
from budgetguard.units import Unit

METRICS = {
    "raw": Metric(name="raw", unit=Unit.BYTES, about=""),
    "gzip": Metric(name="gzip", unit=Unit.BYTES, about=""),
    "time": Metric(name="time", unit=Unit.SECONDS, about="", exact=False, rule=Rule.CEILING),
}
WHOLE = Scope(targets=frozenset({"bundle"}), whole=True)
STORED = Stored(unit=Unit.BYTES, target="bundle", value=1000)
FRAME = Stored(unit=Unit.SECONDS, target="bundle")


def budget_of(*texts, name="app", **kwargs):
    limits = tuple(parse_limit(text, METRICS) for text in texts)
    return Budget(
        name=name, target="bundle", limits=limits, where=Where("budgetguard.yml", 3), **kwargs
    )


def outcomes(budgets, readings, entries=None, scope=WHOLE):
    points = {Point(*point): reading for point, reading in readings.items()}
    by = Yardstick(entries={Point(*point): {"": one} for point, one in (entries or {}).items()})
    return settle(budgets, points, by, scope)


def told(settled):
    return [(one.budget, one.selector, one.metric, str(one.outcome)) for one in settled.verdicts]


def test_every_match_of_a_selector_is_judged_alone():
    """A glob has a verdict for each part; the exact name has one."""
    readings = {
        ("app", name, "raw"): Reading(value=size)
        for name, size in (("a.js", 1), ("b.js", 9000), ("c.css", 2))
    }
    settled = outcomes([budget_of("*.js raw <= 5 kB", "c.css raw <= 1 B")], readings)
    assert told(settled) == [
        ("app", "a.js", "raw", "PASS"),
        ("app", "b.js", "raw", "FAIL"),
        ("app", "c.css", "raw", "FAIL"),
    ]


def test_a_selector_without_match_is_an_error_with_the_nearest_part():
    """A misspelled part is never silently no part."""
    names = [f"part{number}.css" for number in range(6)]
    readings = {("app", name, "raw"): Reading(value=1) for name in ("main.js", *names)}
    (verdict,) = outcomes([budget_of("mian.js raw <= 5 kB")], readings).verdicts
    assert verdict.outcome is Outcome.ERROR
    assert "'mian.js' matches no part of the target; it has main.js" in verdict.reason
    assert "and 2 more" in verdict.reason
    assert "did you mean main.js?" in verdict.reason
    (verdict,) = outcomes([budget_of("*.js raw <= 5 kB")], {}).verdicts
    assert "it has none" in verdict.reason


def test_why_nothing_could_be_read_goes_before_no_match():
    """Where the whole has an error, that is why its parts have no readings."""
    readings = {("app", "", "raw"): Reading(error="dist: no such folder")}
    (verdict,) = outcomes([budget_of("*.js raw <= 5 kB")], readings).verdicts
    assert verdict.reason == "dist: no such folder"


def test_a_budget_that_could_not_be_measured_is_one_error():
    """One verdict and not one for each limit, with the evidence; nothing of it is VANISHED as well."""
    readings = {("app", "", ""): Reading(error="exit code 3", evidence=("Traceback",))}
    entries = {("app", "", "raw"): STORED, ("app", "a.js", "gzip"): STORED}
    settled = outcomes([budget_of("raw <= 5 kB", "gzip <= 5 kB")], readings, entries)
    assert told(settled) == [("app", "", "", "ERROR")]
    assert settled.verdicts[0].evidence == ("Traceback",)


def test_a_skip_is_an_error_unless_it_was_foreseen():
    """`may_skip` makes SKIPPED of a skip, and of nothing else."""
    skip = {("app", "", ""): Reading(skipped=True, error="skipped: no database")}
    assert told(outcomes([budget_of("raw <= 5 kB")], skip))[0][3] == "ERROR"
    foreseen = outcomes([budget_of("raw <= 5 kB", may_skip="no database here")], skip)
    assert (foreseen.verdicts[0].outcome, foreseen.verdicts[0].reason) == (
        "SKIPPED",
        "no database here",
    )
    broken = {("app", "", ""): Reading(error="it crashed")}
    assert told(outcomes([budget_of("raw <= 5 kB", may_skip="x")], broken))[0][3] == "ERROR"


def test_a_reading_that_is_missing_is_an_error():
    """A limit that nobody read a value for is not green."""
    assert told(outcomes([budget_of("raw <= 5 kB")], {})) == [("app", "", "raw", "ERROR")]


def test_a_relative_limit_on_a_sampled_metric_is_left_to_check():
    """It is listed and not judged; its entry in the baseline has not vanished."""
    entries = {("app", "", "time"): FRAME}
    settled = outcomes([budget_of("time <= baseline + 5%")], {}, entries)
    assert settled.verdicts == ()
    assert [(one.budget, one.limit) for one in settled.left] == [("app", "time <= baseline + 5%")]


def test_an_absolute_limit_is_judged_by_head_alone_beside_a_relative_one():
    """Base and head that agree say nothing about a bound that both break."""
    budget, point = budget_of("time <= 1 ms", "time <= baseline + 5%"), Point("app", "", "time")
    alone = Reading(value=0.9, samples=(0.9,) * 5)
    compared = Reading(value=0.9, compared=Compared(same="the same code"))
    settled = settle([budget], {point: alone}, Yardstick(), WHOLE, {point: compared})
    assert [str(one.outcome) for one in settled.verdicts] == ["FAIL", "PASS"]
    left = settle([budget], {point: alone}, Yardstick(), WHOLE)
    assert [str(one.outcome) for one in left.verdicts] == ["FAIL"]
    assert [one.limit for one in left.left] == ["time <= baseline + 5%"]


@pytest.mark.parametrize(
    ("scope", "vanished"),
    [
        (WHOLE, True),
        (replace(WHOLE, whole=False), False),
        (replace(WHOLE, targets=frozenset({"test"})), False),
        (replace(WHOLE, left_out=frozenset({"gone"})), False),
        (replace(WHOLE, left_out=frozenset({"other"})), True),
        (replace(WHOLE, exact=True), True),
    ],
)
def test_what_the_baseline_holds_and_a_whole_run_missed_has_vanished(scope, vanished):
    """Only a whole run of the target judges completeness, and not of what it was told to leave out."""
    found = told(outcomes([], {}, {("gone", "a.js", "raw"): STORED}, scope))
    assert found == ([("gone", "a.js", "raw", "VANISHED")] if vanished else [])


def test_an_exact_run_does_not_miss_what_is_sampled():
    """`--exact` measures no time, so no time can vanish in it."""
    entries = {("gone", "", "time"): FRAME}
    assert told(outcomes([], {}, entries)) == [("gone", "", "time", "VANISHED")]
    assert told(outcomes([], {}, entries, replace(WHOLE, exact=True))) == []


def test_a_part_a_limit_and_a_budget_can_vanish():
    """Each alone: the file behind a glob, a limit that was deleted, a budget that was."""
    entries = {
        ("app", "a.js", "raw"): STORED,
        ("app", "b.js", "raw"): STORED,
        ("app", "", "gzip"): STORED,
        ("old", "", "raw"): STORED,
    }
    settled = outcomes(
        [budget_of("*.js raw <= 5 kB")], {("app", "a.js", "raw"): Reading(value=1)}, entries
    )
    assert told(settled) == [
        ("app", "a.js", "raw", "PASS"),
        ("app", "", "gzip", "VANISHED"),
        ("app", "b.js", "raw", "VANISHED"),
        ("old", "", "raw", "VANISHED"),
    ]
    gone = settled.verdicts[-1]
    assert (gone.red, gone.baseline) == (True, 1000)
    assert "baseline update" in gone.hint


def test_what_vanished_of_a_budget_that_is_not_enforced_is_shown_only():
    """`enforce: false` holds for all of a budget; one that is gone altogether is red."""
    entries = {("app", "", "gzip"): STORED, ("old", "", "gzip"): STORED}
    budgets = [budget_of("raw <= 5 kB", enforce=False)]
    settled = outcomes(budgets, {("app", "", "raw"): Reading(value=1)}, entries)
    assert [(one.budget, one.red) for one in settled.verdicts] == [
        ("app", False),
        ("app", False),
        ("old", True),
    ]


def test_an_entry_without_values_does_not_crash():
    """A point that holds no key has nothing to lose."""
    by = Yardstick(entries={Point("old", "", "raw"): {}})
    assert settle([], {}, by, WHOLE).verdicts == ()


def _verdict(outcome, *, enforced=True):
    return Verdict(
        budget="app", target="bundle", limit="raw <= 1 B", outcome=outcome, enforced=enforced
    )


def _report(*found, strict=False, left=()):
    return Report(verdicts=tuple(map(_verdict, found)), strict=strict, left=left)


LEFT = (LeftToCheck("app", "time <= baseline + 5%", "later"),)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    "found",
    [pair for size in (1, 2, 3) for pair in itertools.combinations(Outcome, size)],
    ids="-".join,
)
def test_the_exit_code_is_the_first_of_1_4_3(found, strict):
    """Over budget goes before not measured, that before unsettled under strict, and that before green."""
    kinds = set(found)
    expected = 0
    if strict and kinds & {Outcome.UNSETTLED, Outcome.NEW}:
        expected = 3
    if kinds & {Outcome.ERROR, Outcome.VANISHED} or kinds == {Outcome.SKIPPED}:
        expected = 4
    if Outcome.FAIL in kinds:
        expected = 1
    assert _report(*found, strict=strict).exit_code == expected


def test_a_run_that_measured_nothing_is_not_green():
    """No verdict at all, and nothing but skips, end in 4."""
    assert _report().exit_code == 4
    assert _report(Outcome.SKIPPED, Outcome.SKIPPED).exit_code == 4


def test_a_first_run_is_green():
    """All NEW, there is nothing to compare with yet."""
    assert _report(Outcome.NEW, Outcome.NEW).exit_code == 0
    assert _report(Outcome.NEW, strict=True).exit_code == 3


def test_what_is_left_to_check_is_not_green_under_strict():
    """It counts among the limits and is guarded by nobody."""
    report = _report(Outcome.PASS, left=LEFT)
    assert (report.exit_code, report.guarded, report.total) == (0, 1, 2)
    assert _report(Outcome.PASS, left=LEFT, strict=True).exit_code == 3


@pytest.mark.parametrize("outcome", Outcome)
def test_what_is_not_enforced_changes_no_exit_code(outcome):
    """Beside a PASS, any outcome of a budget that is only shown leaves the run green and unguarded."""
    shown = _verdict(outcome, enforced=False)
    report = Report(verdicts=(_verdict(Outcome.PASS), shown), strict=True)
    assert (report.exit_code, report.guarded) == (0, 1)


def test_guarded_counts_what_was_decided():
    """PASS and FAIL only."""
    assert _report(*Outcome).guarded == 2
    assert {Outcome.FAIL, Outcome.VANISHED, Outcome.ERROR} == RED


def test_names_make_a_request_partial():
    """A budget is wanted by its name, its group's, its test's; the empty name means none."""
    test = Budget(
        name="t.py::test_x[1]", target="test", limits=(), where=Where(""), group="perf\nslow"
    )
    for name in ("t.py::test_x[1]", "t.py::test_x", "t.py", "perf", "slow"):
        request = Request(names=(name,))
        assert request.wants(test)
        assert not request.whole
    for name in ("", "t", "t.py::test", "test_x", "perf\nslow"):
        assert not Request(names=(name,)).wants(test)
    assert Request().whole
    assert Request(only="test").wants(test)
    assert not Request(only="bundle").wants(test)
    assert not budget_of(name="alone").called("")
