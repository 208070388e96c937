"""`budgetguard bisect`: the commit that broke a budget."""

from collections.abc import Iterator
from pathlib import Path

import click

from budgetguard.cli.project import configuration, watched
from budgetguard.cli.screen import say, style, width
from budgetguard.gate.bisect import Found, Step
from budgetguard.gate.bisect import bisect as search
from budgetguard.gate.contest import SECONDS
from budgetguard.gate.report.wording import sentence, shorten, subject, visible
from budgetguard.gate.verdict import Outcome

_EPILOG = """\
\b
Examples:
  budgetguard bisect app-bundle v1.2 HEAD
  budgetguard bisect tests/perf/test_cart.py::test_total main~20 main
"""


@click.command(epilog=_EPILOG)
@click.argument("name")
@click.argument("good")
@click.argument("bad")
@click.option("--config", "file", type=click.Path(path_type=Path), help="The configuration to use.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=SECONDS,
    show_default=True,
    help="How long one benchmark may be timed at a commit before it stays unsettled.",
)
def bisect(name: str, good: str, bad: str, *, file: Path | None, seconds: float) -> int:
    """Find the commit that broke a budget.

    It is the first one between GOOD and BAD that breaks NAME. The search follows the first parents.
    Each commit tried is checked out beside the work tree with an environment of its own, and runs
    the benchmark of the work tree. What is relative to the baseline is compared with GOOD: time side
    by side, and numbers that are counted with what GOOD counts.
    """
    config = configuration(file)
    found = watched(lambda watch: search(config, name, good, bad, seconds=seconds, watch=watch))
    for step in found.steps:
        for line in _lines(step):
            say(line)
    say("\n".join(_told(found, name)))
    return 0


def _lines(step: Step) -> Iterator[str]:
    state, looks = ("bad", "red") if step.red else ("good", "green")
    if step.unknown and not step.red:
        state, looks = "?", "yellow"
    yield f"  {style(f'{state:<4}', looks)} {step.commit.short}  {visible(step.commit.subject)}"
    if state == "?":
        why = step.unknown.strip().splitlines() or [""]
        yield f"       {style(shorten(visible(why[0]), width() - 7), 'dim')}"


def _told(found: Found, name: str) -> list[str]:
    commit = found.first.commit
    lines = [
        "",
        f"{style(visible(name), 'bold')} is over budget since",
        f"  {commit.short} of {commit.when}: {visible(commit.subject)}",
    ]
    for verdict in found.first.verdicts:
        if verdict.outcome is Outcome.FAIL:
            lines.append(f"  {visible(subject(verdict))}: {visible(sentence(verdict))}")
            lines += [f"    {visible(line)}" for line in verdict.evidence[:3]]
    if found.suspects:
        names = ", ".join(one.short for one in found.suspects)
        lines.append(f"  or one of {names}, which could not be measured")
    lines.append(f"  see it: git show {commit.short}")
    return lines
