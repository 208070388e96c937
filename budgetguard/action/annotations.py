"""Verdicts as annotations of GitHub: on the line that carries the budget, worst first."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from budgetguard.action.runner import command
from budgetguard.gate.report.wording import ranked, sentence, subject, visible
from budgetguard.gate.verdict import Outcome, Report, Verdict

_QUIET = (Outcome.PASS, Outcome.SKIPPED)
_EVIDENCE_LINES = 5
_LONGEST = 2_000
_PLACE = re.compile(r"(?:error: |\s+)?(?P<file>[^\s:]+\.(?:yml|toml|py|json)):(?P<line>[0-9]+)\b")


def annotations(report: Report | None, loosened: Sequence[str], most: int) -> list[str]:
    """At most `most` workflow commands: what is looser, then verdicts; the last one counts the rest."""
    told = [problem(text, "") for text in loosened]
    if report:
        verdicts = (one for one in ranked(report.verdicts) if one.outcome not in _QUIET)
        told += [_annotation(one, report) for one in verdicts]
    if len(told) <= most or not most:
        return told[:most]
    hidden = told[most - 1 :]
    level = hidden[0].removeprefix("::").split(" ", 1)[0]
    more = f"{len(hidden)} more in the summary of this job"
    return [*told[: most - 1], command(level, more, title="budgetguard")]


def problem(text: str, folder: str) -> str:
    """An error on the line of the first place that its text names.

    `folder` is from the root of the repository to what places are relative to.
    """
    found = _PLACE.match(text)
    place = {"file": _path(folder, found["file"]), "line": found["line"]} if found else {}
    said = "\n".join(map(visible, text.splitlines()))[:_LONGEST]
    return command("error", said, **place, title="budgetguard")


def _annotation(verdict: Verdict, report: Report) -> str:
    evidence = verdict.evidence[:_EVIDENCE_LINES]
    lines = [sentence(verdict), *evidence, f"→ {verdict.hint}" if verdict.hint else ""]
    where = verdict.where
    place = (
        {"file": _path(report.folder, where.file), "line": str(where.line)} if where.line else {}
    )
    title = visible(f"{verdict.outcome} {verdict.budget}  {subject(verdict)}")
    message = "\n".join(visible(line) for line in lines if line)[:_LONGEST]
    return command(_level(verdict, report), message, **place, title=title)


def _level(verdict: Verdict, report: Report) -> str:
    undecided = verdict.outcome in (Outcome.UNSETTLED, Outcome.NEW)
    if verdict.red or (report.strict and verdict.enforced and undecided):
        return "error"
    return "notice" if verdict.outcome is Outcome.NEW else "warning"


def _path(folder: str, file: str) -> str:
    """From the root of the repository, with slashes, as GitHub wants it."""
    return str(PurePosixPath(folder.replace("\\", "/"), file.replace("\\", "/")))
