"""Verdicts of budgetguard, reached as a user reaches them: `budgetguard check` in a repository."""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.verdict.environments import run
from benchmarks.verdict.projects import git, subject_of, two_commits
from benchmarks.verdict.results import OURS, Judged

CHECK_TIMEOUT_S, RECORD_TIMEOUT_S = 1200.0, 300.0
CODES = (0, 1, 3, 4)
"""Those of a run that judged: within budget, over it, unsettled, not measured."""
OUTCOMES = {
    "PASS": "green",
    "FAIL": "red",
    "UNSETTLED": "open",
    "NEW": "new",
    "VANISHED": "error",
    "ERROR": "error",
    "SKIPPED": "error",
}


def recorded(python: Path, files: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The files of a project and the baseline that `budgetguard baseline update` writes for them."""
    project = two_commits(folder, files, files)
    run([program(python), "baseline", "update"], project.folder, RECORD_TIMEOUT_S)
    new = git(project.folder, "ls-files", "--others", "--exclude-standard").split()
    baseline = [name for name in new if name.endswith(".json")]
    if not baseline:
        raise RuntimeError("budgetguard baseline update wrote no baseline")
    return {**files, **{name: (project.folder / name).read_text() for name in baseline}}


def check(
    python: Path,
    folder: Path,
    percents: Mapping[str, float] | None = None,
    *,
    against: str = "",
    expected: str = "",
    beside: Path | None = None,
) -> list[Judged]:
    """Every verdict on time of one run with same-code recognition off; `beside` holds further programs."""
    began_s = time.monotonic()
    options = ["check", "--json", "--no-same-code", *(["--against", against] if against else [])]
    more = {"PATH": f"{beside}{os.pathsep}{os.environ['PATH']}"} if beside else {}
    done = run([program(python), *options], folder, CHECK_TIMEOUT_S, allowed=CODES, more=more)
    took_s = time.monotonic() - began_s
    return verdicts(json.loads(done.out), percents or {}, took_s, expected)


def verdicts(
    report: Mapping[str, Any], percents: Mapping[str, float], took_s: float, expected: str = ""
) -> list[Judged]:
    """What a JSON report says of the limits on time; what is left to check is an error here."""
    timed = [one for one in report["verdicts"] if one["metric"] in ("time", "")]
    left = [{**one, "outcome": "ERROR"} for one in report["left"]]
    share_s = took_s / max(1, len(timed) + len(left))
    return [
        Judged(
            rule=OURS,
            subject=subject_of(one["budget"]),
            outcome=OUTCOMES[one["outcome"]],
            percent=percents.get(subject_of(one["budget"]), 0.0),
            expected=expected,
            seconds=share_s,
            change=tuple(one.get("change") or ()),
            visible=one.get("visible"),
            reason=" ".join(filter(None, (one["reason"], one.get("note", ""))))[:300],
        )
        for one in [*timed, *left]
    ]


def program(python: Path) -> Path:
    """The command `budgetguard` beside an interpreter."""
    return python.with_name("budgetguard")
