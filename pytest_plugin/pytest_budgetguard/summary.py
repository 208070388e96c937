"""The closing section of a session: what no failed test has told, then how much was guarded."""

from collections.abc import Iterator

import pytest

from budgetguard.gate.settle import LEFT_REASON
from budgetguard.gate.verdict import LeftToCheck, Outcome, Report, Verdict
from budgetguard.units import show_together
from pytest_budgetguard.update import Updated

_TOLD = 4
_LONGEST = 8
"""How many verdicts of one outcome are told in full."""


def show(lines: list[str], reporter: pytest.TerminalReporter) -> None:
    """Write the closing lines, if there are any."""
    if lines:
        reporter.section("budgets", sep="-")
        for line in lines:
            reporter.line(line)


def shown_update(updated: list[Updated]) -> list[str]:
    """What `--budget-update` did."""
    lines = []
    for one in updated:
        changed = f"{one.changed} {'entry' if one.changed == 1 else 'entries'} changed"
        lines.append(f"recorded {one.recorded} in {one.file}: {changed}")
        lines += [f"  kept {name}: {why}" for name, why in one.kept]
    return lines or ["recorded nothing: no test with a budget has a budgetguard.yml above it"]


def shown_report(report: Report, *, failed_items: bool) -> list[str]:
    """The lines of a judged session; failed items have told their own story above them."""
    if not report.total:
        return []
    lines: list[str] = []
    for outcome in (Outcome.ERROR, Outcome.VANISHED, Outcome.FAIL, Outcome.UNSETTLED):
        told = [
            verdict
            for verdict in report.verdicts
            if verdict.outcome is outcome
            and not (
                outcome is Outcome.FAIL
                and verdict.enforced
                and failed_items
                and not _compared(verdict)
            )
        ]
        lines += [line for verdict in told[:_LONGEST] for line in _block(verdict)]
        if len(told) > _LONGEST:
            lines.append(f"{outcome} {len(told) - _LONGEST} more")
    lines += _new(report)
    lines += _skipped(report)
    lines += _left(report)
    lines += [
        f"note: {verdict.budget}: {verdict.note}"
        for verdict in report.verdicts
        if verdict.note.startswith(("accepted", "the acceptance"))
    ]
    lines += [f"note: {note}" for note in report.notes]
    strict = "; --budget-strict wants all" if report.strict and report.exit_code == 3 else ""
    return [*lines, f"guarded {report.guarded} of {report.total} limits{strict}"]


def _compared(verdict: Verdict) -> bool:
    """Whether it came after all tests, so that none of them has told it."""
    return verdict.change is not None


def _block(verdict: Verdict) -> Iterator[str]:
    subject = " ".join(part for part in (verdict.budget, verdict.limit or verdict.metric) if part)
    was = ""
    if verdict.outcome is Outcome.VANISHED and verdict.baseline is not None:
        was = f" (it was {show_together((verdict.baseline,), verdict.unit)[0]})"
    yield f"{verdict.outcome} {subject}{'' if verdict.enforced else ' (not enforced)'}"
    yield f"  {verdict.reason}{was}"
    yield from (f"    {line}" for line in verdict.evidence[:3])
    if verdict.hint:
        yield f"  next: {verdict.hint}"


def _new(report: Report) -> Iterator[str]:
    count = sum(verdict.outcome is Outcome.NEW for verdict in report.verdicts)
    if count:
        values = "value is" if count == 1 else "values are"
        yield f"NEW: {count} {values} not in the baseline yet; record: budgetguard baseline update"


def _skipped(report: Report) -> Iterator[str]:
    for verdict in report.verdicts:
        if verdict.outcome is Outcome.SKIPPED:
            yield f"SKIPPED {verdict.budget}: {verdict.reason}"


def _left(report: Report) -> Iterator[str]:
    compared = [left for left in report.left if left.reason == LEFT_REASON]
    others = [left for left in report.left if left.reason != LEFT_REASON]
    if compared:
        names = _some(sorted({left.limit for left in compared}))
        yield f"left to check: {len(compared)} ({names}); {LEFT_REASON}"
    for reason in sorted({left.reason for left in others}):
        same = [left for left in others if left.reason == reason]
        yield f"left to check: {len(same)}, {reason} ({_some(_names(same))})"


def _names(left: list[LeftToCheck]) -> list[str]:
    return list(dict.fromkeys(one.budget for one in left))


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more
