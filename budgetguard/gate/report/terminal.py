"""A report for a person at a terminal: what is within budget in a line each, what is not in a block."""

import shlex
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from budgetguard.gate.report.wording import (
    change,
    columns,
    counts,
    guarded,
    measured_of_allowed,
    ranked,
    sentence,
    shard,
    shorten,
    subject,
    visible,
)
from budgetguard.gate.verdict import LeftToCheck, Outcome, Report, Verdict
from budgetguard.units import Unit, show

Style = Callable[[str, str], str]
"""Gives a text the looks of `red`, `green`, `yellow`, `bold` or `dim`."""

SMALLEST_WIDTH = 60
GREEN_LINES = 40
RED_BLOCKS = 25
LISTED = 10
EVIDENCE_LINES = 3
BLOCK_LINES = 6
_NAME_COLUMNS = 36
_INDENT = " " * 6
_RED = frozenset({Outcome.FAIL, Outcome.ERROR, Outcome.VANISHED})


def plain(text: str, looks: str) -> str:
    """The style of a file or a terminal without colours."""
    del looks
    return text


def render(report: Report, *, style: Style = plain, width: int = 80) -> str:
    """The whole text; no line of it is wider than `width`, save a command that is there to be copied."""
    page = _Page(style, max(width, SMALLEST_WIDTH))
    sections = (
        page.green([verdict for verdict in report.verdicts if verdict.outcome is Outcome.PASS]),
        page.red([verdict for verdict in ranked(report.verdicts) if verdict.outcome in _RED]),
        page.unsettled(_with(report, Outcome.UNSETTLED)),
        page.new(_with(report, Outcome.NEW)),
        page.skipped(_with(report, Outcome.SKIPPED)),
        page.left(report.left),
        page.notes(report),
        page.last(report),
    )
    blocks = ["\n".join(lines) for section in sections if (lines := list(section))]
    return "\n\n".join(blocks) + "\n"


def _with(report: Report, outcome: Outcome) -> list[Verdict]:
    return [verdict for verdict in report.verdicts if verdict.outcome is outcome]


class _Page:
    """The looks and the width, and one method per section; each yields lines."""

    def __init__(self, style: Style, width: int) -> None:
        self.style = style
        self.width = width

    def green(self, verdicts: Sequence[Verdict]) -> Iterator[str]:
        budgets = [list(same) for _, same in groupby(verdicts, key=attrgetter("budget"))]
        names = [visible(budget[0].budget) for budget in budgets[:GREEN_LINES]]
        room = min(max(map(columns, names), default=0), _NAME_COLUMNS * self.width // 80)
        for name, budget in zip(names, budgets, strict=False):
            short = _padded(shorten(name, room), room)
            numbers = _fitting(_numbers(budget), self.width - room - 6)
            yield f"  {self.style('✓', 'green')} {short}  {self.style(numbers, 'dim')}"
        if len(budgets) > GREEN_LINES:
            yield f"    and {len(budgets) - GREEN_LINES} more within budget"

    def red(self, verdicts: Sequence[Verdict]) -> Iterator[str]:
        for number, verdict in enumerate(verdicts[:RED_BLOCKS]):
            if number:
                yield ""
            yield from self._block(verdict)
        if len(verdicts) > RED_BLOCKS:
            yield ""
            yield f"and {len(verdicts) - RED_BLOCKS} more; all of them: --report report.md"

    def _block(self, verdict: Verdict) -> Iterator[str]:
        label = self.style(_padded(verdict.outcome, 5), "red" if verdict.red else "yellow")
        yield f"{label} {self._title(verdict.budget, subject(verdict), len(_label(verdict)) + 1)}"
        hint = self._next_step(verdict.hint)
        lines = max(BLOCK_LINES - 1 - len(hint) - bool(verdict.evidence), 2)
        reason = self._wrapped(sentence(verdict), lines=lines)
        yield from reason
        room = max(BLOCK_LINES - 1 - len(reason) - len(hint), 1)
        yield from self._evidence(verdict, min(room, EVIDENCE_LINES))
        yield from hint

    def _evidence(self, verdict: Verdict, room: int) -> Iterator[str]:
        """The worst culprits, which come first, or the end of the output of something that failed."""
        lines = [line for line in verdict.evidence if line.strip()]
        shown = lines[-room:] if verdict.outcome is Outcome.ERROR else lines[:room]
        hidden = len(lines) - len(shown)
        for number, line in enumerate(shown, start=1):
            more = f"  and {hidden} more" if hidden and number == len(shown) else ""
            fitting = shorten(visible(line), self.width - len(_INDENT) - 2 - len(more))
            yield f"{_INDENT}{self.style('│', 'dim')} {fitting}{self.style(more, 'dim')}"

    def unsettled(self, verdicts: Sequence[Verdict]) -> Iterator[str]:
        if verdicts:
            yield self.style("unsettled", "yellow")
        for verdict in verdicts[:LISTED]:
            yield f"  {self._title(verdict.budget, subject(verdict), 2)}"
            numbers = measured_of_allowed(verdict)
            yield from self._wrapped(
                f"{numbers}: {sentence(verdict)}" if numbers else sentence(verdict), lines=2
            )
            yield from self._next_step(verdict.hint)
        yield from _more(len(verdicts))

    def new(self, verdicts: Sequence[Verdict]) -> Iterator[str]:
        if not verdicts:
            return
        yield f"{self.style('new', 'yellow')}, nothing to compare with yet"
        for verdict in verdicts[:LISTED]:
            measured = (
                "" if verdict.measured is None else f"  {show(verdict.measured, verdict.unit)}"
            )
            title = self._title(verdict.budget, subject(verdict), 2 + len(measured))
            yield f"  {title}{self.style(measured, 'dim')}"
        yield from _more(len(verdicts))
        for reason in dict.fromkeys(one.reason for one in verdicts if one.measured is None):
            yield from self._wrapped(reason, lines=2)
        recorded = {verdict.budget for verdict in verdicts if verdict.measured is not None}
        if recorded:
            name = f" {visible(shlex.quote(recorded.pop()))}" if len(recorded) == 1 else ""
            yield f"{_INDENT}→ record: budgetguard baseline update{name}"

    def skipped(self, verdicts: Sequence[Verdict]) -> Iterator[str]:
        if verdicts:
            yield self.style("skipped", "dim")
        for verdict in verdicts[:LISTED]:
            yield f"  {self._pair(verdict.budget, sentence(verdict), 2)}"
        yield from _more(len(verdicts))

    def left(self, left: Sequence[LeftToCheck]) -> Iterator[str]:
        if not left:
            return
        yield f"{self.style('left to check', 'yellow')}, not guarded by this run"
        for one in left[:LISTED]:
            yield f"  {self._title(one.budget, one.limit, 2)}"
        yield from _more(len(left))
        for reason in dict.fromkeys(one.reason for one in left if one.reason):
            yield from self._wrapped(reason, lines=2)

    def notes(self, report: Report) -> Iterator[str]:
        for verdict in report.verdicts:
            if verdict.note:
                yield from self._note(f"{verdict.budget}: {verdict.note}")
        better = list(
            dict.fromkeys(v.budget for v in report.verdicts if v.outcome is Outcome.PASS and v.hint)
        )
        if better:
            update = f"budgetguard baseline update {shlex.join(better[:3])}"
            said = f"better than the baseline: {_some(better)}; keep it: {update}"
            yield from self._note(said if len(better) <= 3 else f"{said} …")
        for note in report.notes:
            yield from self._note(note)

    def _note(self, text: str) -> Iterator[str]:
        lines = textwrap.wrap(
            visible(text), self.width - 6, break_long_words=False, break_on_hyphens=False
        )
        for number, line in enumerate(lines):
            yield f"{self.style('note', 'yellow') if not number else '    '}  {line}"

    def last(self, report: Report) -> Iterator[str]:
        looks = {0: "green", 1: "red", 4: "red"}.get(report.exit_code, "yellow")
        if not report.total and not report.shard:
            yield self.style(
                "nothing was measured: no budget was found; write one under budgets:, or mark a test",
                "red",
            )
        seconds = show(report.duration_s, Unit.SECONDS, digits=2)
        parts = [guarded(report), *counts(report), f"exit {report.exit_code} · {seconds}"]
        if report.shard:
            yield f"{shard(report)} only; the verdict on all of them: budgetguard report merge"
        lines = [""]
        for part in parts:
            joined = f"{lines[-1]} · {part}" if lines[-1] else part
            lines = [*lines[:-1], joined] if columns(joined) <= self.width else [*lines, part]
        for line in lines:
            yield self.style(line, looks)

    def _title(self, budget: str, what: str, before: int) -> str:
        """The budget in bold and what of it, in what is left of the line."""
        return self._pair(budget, what, before, looks="bold")

    def _pair(self, name: str, what: str, before: int, looks: str = "") -> str:
        name, what, room = visible(name), visible(what), self.width - before - 2
        if columns(name) + columns(what) > room:
            what = shorten(what, max(room // 2, room - columns(name)))
            name = shorten(name, room - columns(what))
        return f"{self.style(name, looks) if looks else name}  {what}".rstrip()

    def _wrapped(self, text: str, *, lines: int) -> list[str]:
        found = textwrap.wrap(visible(text), self.width - len(_INDENT), break_on_hyphens=False)
        kept = found[:lines]
        if len(found) > lines:
            kept[-1] = shorten(" ".join(found[lines - 1 :]), self.width - len(_INDENT))
        return [f"{_INDENT}{line}" for line in kept]

    def _next_step(self, hint: str) -> list[str]:
        """The next step; a command in it stays whole on a line of its own, so that it can be copied."""
        if not hint:
            return []
        said = visible(hint)
        if columns(said) + len(_INDENT) + 2 <= self.width:
            return [f"{_INDENT}→ {said}"]
        words, found, command = said.partition("budgetguard ")
        if found and columns(words) + len(_INDENT) + 2 <= self.width:
            return [f"{_INDENT}→ {words.rstrip()}", f"{_INDENT}  {found}{command}"]
        lines = textwrap.wrap(
            said, self.width - len(_INDENT) - 2, break_long_words=False, break_on_hyphens=False
        )
        return [f"{_INDENT}{'  ' if number else '→ '}{line}" for number, line in enumerate(lines)]


def _label(verdict: Verdict) -> str:
    return _padded(verdict.outcome, 5)


def _padded(text: str, width: int) -> str:
    return text + " " * (width - columns(text))


def _more(number: int) -> Iterator[str]:
    if number > LISTED:
        yield f"  and {number - LISTED} more"


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _numbers(verdicts: Iterable[Verdict]) -> list[str]:
    """One piece of text per part and metric: its value, its ceiling and its change."""
    pieces: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        pieces.setdefault((verdict.selector, verdict.metric), []).append(verdict)
    return [_piece(same) for same in pieces.values()]


def _piece(same: Sequence[Verdict]) -> str:
    """`brotli 142 kB of 150 kB, +0.4 %`."""
    subject = " ".join(visible(part) for part in (same[0].selector, same[0].metric) if part)
    if same[0].measured is None and same[0].change is not None:
        return f"{subject} same code"
    ceiling = next((one for one in same if one.baseline is None), None)
    relative = next((one for one in same if one.baseline is not None), None)
    if ceiling and relative:
        return f"{subject} {measured_of_allowed(ceiling)}, {change(relative)}"
    return f"{subject} {measured_of_allowed(ceiling or same[0])}"


def _fitting(pieces: Sequence[str], room: int) -> str:
    """As many pieces as fit, then how many more there are."""
    for shown in range(len(pieces), 0, -1):
        hidden = len(pieces) - shown
        text = " · ".join([*pieces[:shown], *([f"{hidden} more"] if hidden else [])])
        if columns(text) <= room:
            return text
    return shorten(pieces[0], room)
