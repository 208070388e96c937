"""Judges a session from what it was told, and sets its exit status."""

from collections.abc import Iterator

import pytest

from budgetguard import __version__
from budgetguard.errors import UsageError
from budgetguard.gate import machine
from budgetguard.gate.compare import Comparing, Comparison, compare, waiting
from budgetguard.gate.items import TestOptions
from budgetguard.gate.model import Budget, Point, Reading, Request
from budgetguard.gate.settle import Scope, settle
from budgetguard.gate.verdict import LeftToCheck, Report, Verdict
from pytest_budgetguard.summary import shown_report, shown_update
from pytest_budgetguard.told import Budgets, Told, beside_others
from pytest_budgetguard.update import update
from pytest_budgetguard.whole import covers, is_whole

_JUDGED = (
    pytest.ExitCode.OK,
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.NO_TESTS_COLLECTED,
)
"""An interrupted session has measured nobody knows what."""


def conclude(
    told: Told, session: pytest.Session, exitstatus: int, *, others: bool = False
) -> list[str]:
    """Judge, set the exit status and return the closing lines.

    ERROR and VANISHED fail the session; FAIL has failed its item, unless that is expected to fail.
    With `others` the readings come from workers that ran beside each other.
    """
    options = session.config.option
    if exitstatus not in _JUDGED or options.collectonly:
        return []
    if options.budget_update:
        return shown_update(update(told.homes, whole=is_whole(session)))
    try:
        report = _report(told, session, others=others)
    except UsageError as error:  # such as a REF that is no commit
        session.exitstatus = pytest.ExitCode.USAGE_ERROR
        return [f"ERROR: --budget-against: {error}"]
    red = any(verdict.red for verdict in report.verdicts) or (
        report.strict and report.exit_code != 0
    )
    lines = shown_report(report, failed_items=exitstatus == pytest.ExitCode.TESTS_FAILED)
    if red and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    return lines


def _report(told: Told, session: pytest.Session, *, others: bool) -> Report:
    verdicts: list[Verdict] = []
    left: list[LeftToCheck] = []
    notes: tuple[str, ...] = ()
    whole = is_whole(session)
    for budgets in told.homes:
        complete = whole and covers(session.config, budgets.home)
        for budget, readings in _without_tests(budgets) if complete else ():
            budgets.budgets[budget.name] = budget
            budgets.readings |= readings
        scope = Scope(
            targets=frozenset({"test"}),
            whole=complete,
            left_out=frozenset(budgets.left),
            no_baseline=budgets.home.no_baseline,
        )
        compared = _compared(budgets, session.config)
        notes += compared.notes
        settled = settle(
            tuple(budgets.budgets.values()),
            budgets.readings,
            budgets.home.yardstick,
            scope,
            compared.readings,
        )
        verdicts += (
            [beside_others(one, _budget(budgets, one)) for one in settled.verdicts]
            if others
            else settled.verdicts
        )
        left += [*settled.left, *_left(budgets)]
    return Report(
        verdicts=tuple(verdicts),
        left=tuple(left),
        notes=notes,
        whole=whole,
        strict=session.config.option.budget_strict,
        machine=machine.describe(),
        tool=f"budgetguard {__version__}",
    )


def _compared(budgets: Budgets, config: pytest.Config) -> Comparison:
    """What `--budget-against` asks for: both sides measured now, in processes of their own."""
    home, against = budgets.home.config, config.option.budget_against
    if not against or home is None:
        return Comparison({})
    request = Request(config=home.file)
    found = waiting(tuple(budgets.budgets.values()), request)
    return compare(home, request, found, budgets.home.yardstick, Comparing(against=against))


def _budget(budgets: Budgets, verdict: Verdict) -> Budget:
    """The budget of a verdict; one that vanished has none any more."""
    nothing = Budget(name=verdict.budget, target="test", limits=(), where=verdict.where)
    return budgets.budgets.get(verdict.budget, nothing)


def _without_tests(told: Budgets) -> Iterator[tuple[Budget, dict[Point, Reading]]]:
    """The groups that no test of a whole run belongs to."""
    known = [*told.budgets.values(), *(budget for budget, _ in told.left.values())]
    covered = {name for budget in known for name in budget.group.split("\n")}
    for group in told.home.groups:
        if group.name not in covered:
            select = group.options.select if isinstance(group.options, TestOptions) else group.name
            reading = Reading(
                error=f"no test matches {select!r}", note=f"bring it in line: {group.where}"
            )
            yield group, {Point(group.name, "", ""): reading}


def _left(told: Budgets) -> Iterator[LeftToCheck]:
    for budget, why in told.left.values():
        for text in [limit.text for limit in budget.limits] or [""]:
            yield LeftToCheck(budget.name, text, why)
