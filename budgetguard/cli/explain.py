"""`budgetguard explain`: one budget, measured now, and everything its verdicts rest on."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import click

from budgetguard.cli.project import configuration, watched
from budgetguard.cli.screen import say, style
from budgetguard.errors import UsageError
from budgetguard.gate.baseline import read_baseline
from budgetguard.gate.config import Config
from budgetguard.gate.inference import CEILING_READINGS, readings_for
from budgetguard.gate.judge import Yardstick
from budgetguard.gate.limits import nearest
from budgetguard.gate.model import Budget, Limit, Point, Reading, Request, Rule, Stored
from budgetguard.gate.report.wording import cells, change, subject, visible
from budgetguard.gate.run import Measured, measure, scope, yardstick
from budgetguard.gate.settle import settle
from budgetguard.gate.verdict import LeftToCheck, Outcome, Verdict
from budgetguard.units import show_together

_LOOKS = {
    Outcome.PASS: "green",
    Outcome.FAIL: "red",
    Outcome.ERROR: "red",
    Outcome.VANISHED: "red",
}


_EXPLAIN_EPILOG = """\
\b
Examples:
  budgetguard explain app-bundle
  budgetguard explain tests/perf/test_inbox.py::test_inbox
"""


@click.command(epilog=_EXPLAIN_EPILOG)
@click.argument("name")
@click.option("--config", "file", type=click.Path(path_type=Path), help="The configuration to use.")
def explain(name: str, file: Path | None) -> int:
    """Measure one budget and tell how its verdicts came about.

    NAME is a budget, a group of tests or a test. The exit code is 0 whatever the verdicts are:
    the gate is `budgetguard check`.
    """
    config = configuration(file)
    request = Request(names=(name,))
    by = yardstick(config, read_baseline(config.baseline_file))
    measured = watched(lambda watch: measure(config, Request(names=request.names, watch=watch)))
    _check_name(name, measured, by, config)
    settled = settle(measured.budgets, measured.readings, by, scope(request))
    for budget in measured.budgets:
        verdicts = [verdict for verdict in settled.verdicts if verdict.budget == budget.name]
        left = [one for one in settled.left if one.budget == budget.name]
        say("\n".join(_told(budget, verdicts, left, measured.readings, by)))
    return 0


def _check_name(name: str, measured: Measured, by: Yardstick, config: Config) -> None:
    if measured.budgets:
        return
    known = {point.budget for point in by.entries} | {budget.name for budget in config.budgets}
    raise UsageError(f"no budget is called {name!r}{nearest(name, known)}")


def _told(
    budget: Budget,
    verdicts: Sequence[Verdict],
    left: Sequence[LeftToCheck],
    readings: Mapping[Point, Reading],
    by: Yardstick,
) -> Iterator[str]:
    groups = budget.group.split("\n")
    place = " · ".join(part for part in (budget.target, *groups, str(budget.where)) if part)
    yield f"{style(visible(budget.name), 'bold')}  {visible(place)}"
    yield from () if budget.enforce else ("not enforced: it is shown and stops nothing",)
    for verdict in verdicts:
        limit = next((one for one in budget.limits if one.text == verdict.limit), None)
        point = Point(verdict.budget, verdict.selector, verdict.metric)
        rows = _rows(verdict, limit, readings.get(point), by)
        looks = _LOOKS.get(verdict.outcome, "yellow")
        yield ""
        yield f"{style(verdict.outcome, looks)}  {visible(subject(verdict))}".rstrip()
        yield from (f"  {name:<9} {visible(text)}" for name, text in rows if text)
        if verdict.evidence:
            yield "  evidence"
            yield from (f"    {visible(line)}" for line in verdict.evidence)
    for one in left:
        yield ""
        yield f"{style('left to check', 'yellow')}  {visible(one.limit)}"
        yield f"  {'because':<9} {visible(one.reason)}"
    yield ""


def _rows(
    verdict: Verdict, limit: Limit | None, reading: Reading | None, by: Yardstick
) -> Iterator[tuple[str, str]]:
    measured, allowed, recorded = cells(verdict)
    made_with = f", with {reading.made_with}" if reading and reading.made_with else ""
    yield "measured", measured and f"{measured}{made_with}"
    yield "allowed", allowed
    if limit:
        stored, others = by.stored(
            Point(verdict.budget, verdict.selector, verdict.metric), keyed=limit.metric.keyed
        )
        yield "baseline", _baseline(recorded, stored, by.key if limit.metric.keyed else "", others)
    yield "change", change(verdict)
    if reading:
        yield "readings", _readings(reading, verdict)
    if limit:
        yield "decided", rule_in_words(limit)
    yield "because", verdict.reason
    yield "accepted", verdict.note
    yield "next", verdict.hint


def _baseline(shown: str, stored: Stored | None, key: str, others: str) -> str:
    if stored is None:
        return (
            f"nothing under {key or 'this metric'}{f'; recorded under {others}' if others else ''}"
        )
    if stored.value is None:
        return "its entry has no value: it is there to be missed"
    told = [shown or show_together((stored.value,), stored.unit)[0]]
    if stored.spread:
        told.append(f"spread {' to '.join(show_together(stored.spread, stored.unit))}")
    told += [f"with {stored.made_with}"] if stored.made_with else []
    return ", ".join([*told, *([f"key {key}"] if key else [])])


def _readings(reading: Reading, verdict: Verdict) -> str:
    if len(reading.samples) < 2:
        return ""
    low, high = show_together((min(reading.samples), max(reading.samples)), verdict.unit)
    return f"{len(reading.samples)}, from {low} to {high}"


_RULES: Mapping[Rule, str] = {
    Rule.EXACT: "counted, and compared to the digit",
    Rule.CEILING: "one reading within passes; it fails when {ceiling} fresh ones are all over",
    Rule.QUANTILE: "by the confidence limit of the quantile, from {readings} readings on",
    Rule.MEAN: "by the confidence interval of the mean, from {readings} readings on",
    Rule.MAXIMUM: "by the largest of {readings} readings and more",
    Rule.INTERVAL: "by the confidence interval of the estimate; it fails when all of it is beyond",
    Rule.TWICE: "by the interval of a run; it fails when all of it is beyond, in a second run too",
}


def rule_in_words(limit: Limit) -> str:
    """How a limit is decided from its readings."""
    if limit.bound.relative and limit.metric.exact:
        return "counted; the step is added to the worse end of what was recorded"
    readings = readings_for(limit.metric)
    return _RULES[limit.metric.rule].format(ceiling=CEILING_READINGS, readings=readings)
