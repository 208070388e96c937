"""How reports put numbers and names into words; the same for every format."""

import unicodedata
from collections import Counter
from collections.abc import Sequence

from budgetguard.gate.verdict import Outcome, Report, Verdict
from budgetguard.units import show, show_change, show_together

WORST_FIRST = (
    Outcome.FAIL,
    Outcome.ERROR,
    Outcome.VANISHED,
    Outcome.UNSETTLED,
    Outcome.NEW,
    Outcome.SKIPPED,
    Outcome.PASS,
)
_COUNTED: dict[Outcome, str] = {
    Outcome.FAIL: "over budget",
    Outcome.ERROR: "not measured",
    Outcome.VANISHED: "vanished",
    Outcome.UNSETTLED: "unsettled",
    Outcome.NEW: "new",
    Outcome.SKIPPED: "skipped",
}
ELLIPSIS = "…"


def ranked(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Worst first; what is not enforced comes after what is, and equals keep their order."""
    return sorted(verdicts, key=lambda v: (not v.red, WORST_FIRST.index(v.outcome), not v.enforced))


def subject(verdict: Verdict) -> str:
    """The limit as written, with the part it matched, or the metric that is gone."""
    if not verdict.limit:
        return " ".join(part for part in (verdict.selector, verdict.metric) if part)
    if verdict.selector and not verdict.limit.startswith(verdict.selector):
        return f"{verdict.limit} at {verdict.selector}"
    return verdict.limit


def sentence(verdict: Verdict) -> str:
    """The reason, and whether it counts."""
    said = verdict.reason or verdict.outcome.lower()
    if verdict.enforced or verdict.outcome is Outcome.PASS:
        return said
    return f"{said} (not enforced)"


def measured_of_allowed(verdict: Verdict) -> str:
    """`142 kB of 150 kB` for an absolute limit, `142 kB, +0.4 %` for one on the baseline."""
    if verdict.measured is None:
        return ""
    if verdict.baseline is not None:
        return f"{show(verdict.measured, verdict.unit)}, {change(verdict)}"
    if verdict.allowed is None:
        return show(verdict.measured, verdict.unit)
    return " of ".join(show_together((verdict.measured, verdict.allowed), verdict.unit))


def cells(verdict: Verdict) -> tuple[str, str, str]:
    """Measured, allowed and baseline, unequal numbers told apart; "" where unknown."""
    numbers = (verdict.measured, verdict.allowed, verdict.baseline)
    known = tuple(number for number in numbers if number is not None)
    shown = iter(show_together(known, verdict.unit))
    measured, allowed, baseline = ("" if number is None else next(shown) for number in numbers)
    return measured, allowed, baseline


def change(verdict: Verdict) -> str:
    """The change from the baseline, "" without one."""
    if verdict.baseline is None or verdict.measured is None:
        return ""
    if verdict.measured == verdict.baseline:
        return "unchanged"
    return show_change(verdict.measured, verdict.baseline)


def counts(report: Report) -> list[str]:
    """`1 over budget`, `2 new` and so on, worst first; what is not enforced is told apart."""
    enforced: Counter[Outcome] = Counter(
        verdict.outcome for verdict in report.verdicts if verdict.enforced
    )
    shown: Counter[Outcome] = Counter(
        verdict.outcome
        for verdict in report.verdicts
        if not verdict.enforced and verdict.outcome is not Outcome.PASS
    )
    words = [f"{enforced[one]} {word}" for one, word in _COUNTED.items() if enforced[one]]
    words += [f"{shown[one]} {word}, not enforced" for one, word in _COUNTED.items() if shown[one]]
    return [*words, *([f"{len(report.left)} left to check"] if report.left else [])]


def guarded(report: Report) -> str:
    """`guarded 11 of 14 limits`."""
    limits = "limit" if report.total == 1 else "limits"
    return f"guarded {report.guarded} of {report.total} {limits}"


def shard(report: Report) -> str:
    """`shard 2/5`, "" for a report of everything."""
    return f"shard {report.shard}" if report.shard else ""


def visible(text: str) -> str:
    """One line without power over a terminal: control characters and stray bytes as escapes."""
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character in "\n\t\r":
        return " "
    if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character.encode("unicode_escape", "backslashreplace").decode()
    return character


def columns(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def shorten(text: str, width: int) -> str:
    """A text of `width` columns at most; the middle goes, because both ends tell names apart."""
    if columns(text) <= width:
        return text
    keep = max(width - 1, 1)
    tail = _fitting(text[::-1], keep * 3 // 5)[::-1]
    head = _fitting(text, keep - columns(tail))
    return f"{head}{ELLIPSIS}{tail}"


def _fitting(text: str, width: int) -> str:
    used = 0
    for end, character in enumerate(text):
        used += _columns(character)
        if used > width:
            return text[:end]
    return text
