"""A report for a pull request: one table, worst first, and the details folded away.

Whatever comes from outside is escaped: it can neither break the table nor mention, link or embed.
"""

import re
from collections.abc import Iterator, Sequence

from budgetguard.gate.report.wording import (
    cells,
    change,
    counts,
    guarded,
    ranked,
    sentence,
    shard,
    subject,
    visible,
)
from budgetguard.gate.verdict import LeftToCheck, Outcome, Report, Verdict
from budgetguard.units import Unit, show

LARGEST = 65_536
"""Characters that GitHub takes for one comment."""
_LONGEST_CELL = 300
_LONGEST_DETAIL = 1_000
_LONGEST_NOTE = 2_000
_TAIL = 1_500
"""Characters kept back for what stands after the cut."""
_MARKS = {
    Outcome.FAIL: "❌",
    Outcome.ERROR: "⚠️",
    Outcome.VANISHED: "👻",
    Outcome.UNSETTLED: "❔",
    Outcome.NEW: "🆕",
    Outcome.SKIPPED: "⏭️",
    Outcome.PASS: "✅",
}
_HEAD = (
    "| | budget | limit | measured | allowed | baseline | change |",
    "|---|---|---|--:|--:|--:|--:|",
)
_ENTITIES = str.maketrans({mark: f"&#{ord(mark)};" for mark in "\\`*_[]|~$!&<>\"'"})
"""Entities and no backslashes, because Markdown is not read in the lines of an HTML block."""
_BLOCK_START = re.compile(r"^([-+=]|[0-9]+(?=[.)](?:\s|$)))")
_BREAK = "\u200b"
_ACTIVE = re.compile(r"(?i)@|(?<!&)#|://|www\.|GH-(?=[0-9])")
"""What becomes a mention, a reference or a link by itself, unless its first character stands apart."""


def render(report: Report, largest: int = LARGEST) -> str:
    """The Markdown text, at most `largest` characters; a line says how much was cut."""
    text = _Text(largest - _TAIL)
    text.add(f"### {_headline(report)}", "", _summary(report), "")
    worst = [verdict for verdict in ranked(report.verdicts) if verdict.outcome is not Outcome.PASS]
    passed = [verdict for verdict in report.verdicts if verdict.outcome is Outcome.PASS]
    if worst:
        text.table([_row(verdict) for verdict in worst], "rows")
    for verdict in worst:
        text.whole(_details(verdict))
    if report.left:
        text.fold(f"{len(report.left)} left to check", _left(report.left))
    if passed:
        text.fold(f"{len(passed)} within budget", [*_HEAD, *(_row(verdict) for verdict in passed)])
    for note in _notes(report):
        text.whole([note])
    return text.end(f"<sub>{escape(_made_by(report), _LONGEST_CELL)}</sub>")


def escape(text: str, longest: int) -> str:
    """Text from outside as inert text of one line, cut after `longest` characters of it."""
    shown = visible(text)
    shown = shown if len(shown) <= longest else f"{shown[: longest - 1]}…"
    inert = _BLOCK_START.sub(rf"{_BREAK}\1", shown.strip()).translate(_ENTITIES)
    return _ACTIVE.sub(lambda found: found[0][0] + _BREAK + found[0][1:], inert)


class _Text:
    """Lines up to a number of characters; what no longer fits is counted."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._lines: list[str] = []
        self._cut: dict[str, int] = {}

    def add(self, *lines: str) -> bool:
        """Add lines together or not at all."""
        size = sum(len(line) + 1 for line in lines)
        if size > self._room:
            return False
        self._room -= size
        self._lines += lines
        return True

    def whole(self, lines: Sequence[str]) -> None:
        """Add a block, or count it as one detail that was cut."""
        if lines and not self.add(*lines, ""):
            self._count("details", 1)

    def table(self, rows: Sequence[str], kind: str) -> None:
        """Add a table with as many rows as fit."""
        self.add(*_HEAD)
        for number, row in enumerate(rows):
            if not self.add(row):
                self._count(kind, len(rows) - number)
                break
        self._lines.append("")

    def fold(self, title: str, lines: Sequence[str]) -> None:
        """Add a folded block with as many lines as fit."""
        if not self.add("<details>", f"<summary>{title}</summary>", "", "</details>", ""):
            self._count("lists", 1)
            return
        end = self._lines[-2:]
        del self._lines[-2:]
        for number, line in enumerate(lines):
            if not self.add(line):
                self._count("rows", len(lines) - number)
                break
        self._lines += ["", *end]

    def end(self, last: str) -> str:
        """The text, with a line about what was cut."""
        cut = ", ".join(f"{number} more {kind}" for kind, number in self._cut.items())
        lines = [f"**Cut here: {cut}.** The JSON report has everything.", ""] if cut else []
        return "\n".join([*self._lines, *lines, last]) + "\n"

    def _count(self, kind: str, number: int) -> None:
        self._cut[kind] = self._cut.get(kind, 0) + number


def _headline(report: Report) -> str:
    mark = {0: "✅", 1: "❌", 4: "⚠️"}.get(report.exit_code, "❔")
    if report.shard and not report.total:
        return f"{mark} no budget is in {shard(report)}"
    if not report.total:
        return f"{mark} budgetguard measured nothing"
    said = " · ".join(counts(report)[:3]) or "within budget"
    return f"{mark} {said} · {shard(report)} only" if report.shard else f"{mark} {said}"


def _summary(report: Report) -> str:
    seconds = show(report.duration_s, Unit.SECONDS, digits=2)
    return " · ".join([guarded(report), *counts(report), f"exit {report.exit_code}", seconds])


def _row(verdict: Verdict) -> str:
    mark = _MARKS[verdict.outcome]
    outcome = mark if verdict.enforced else f"{mark} not enforced"
    named = [_code(verdict.budget), _code(subject(verdict))]
    numbers = [_cell(text) for text in (*cells(verdict), change(verdict))]
    return (
        "|" + "|".join(f" {cell} " if cell else " " for cell in (outcome, *named, *numbers)) + "|"
    )


def _cell(text: str) -> str:
    """A number of ours; `|`, `<` and the like cannot be in it."""
    return text.replace(" ", "\u00a0")


def _code(text: str) -> str:
    """Mentions, issue numbers and links are dead inside <code>."""
    return f"<code>{escape(text, _LONGEST_CELL)}</code>" if text else ""


def _details(verdict: Verdict) -> list[str]:
    lines = [escape(sentence(verdict), _LONGEST_DETAIL)]
    lines += [_code(line) for line in verdict.evidence]
    lines += [f"→ {escape(verdict.hint, _LONGEST_DETAIL)}"] if verdict.hint else []
    lines += [_code(str(verdict.where))] if verdict.where.file else []
    title = f"{verdict.outcome}: {_code(verdict.budget)} {_code(subject(verdict))}"
    body = "<br>\n".join(lines)
    return ["<details>", f"<summary>{title}</summary>", "", body, "", "</details>"]


def _left(left: Sequence[LeftToCheck]) -> list[str]:
    lines = [f"- {_code(one.budget)} {_code(one.limit)}" for one in left]
    reasons = dict.fromkeys(one.reason for one in left if one.reason)
    return [*lines, "", *(escape(reason, _LONGEST_DETAIL) for reason in reasons)]


def _notes(report: Report) -> Iterator[str]:
    for verdict in report.verdicts:
        if verdict.note:
            yield f"> {_code(verdict.budget)}: {escape(verdict.note, _LONGEST_NOTE)}"
    for note in report.notes:
        yield f"> {escape(note, _LONGEST_NOTE)}"


def _made_by(report: Report) -> str:
    return " · ".join(part for part in (report.tool, report.machine, report.started) if part)
