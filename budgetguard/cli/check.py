"""`budgetguard check`: the gate."""

from pathlib import Path

import click

from budgetguard.cli.project import configuration, watched
from budgetguard.cli.report import check_formats, reports_option, tell, write_all
from budgetguard.errors import UsageError
from budgetguard.gate.compare import Comparing
from budgetguard.gate.contest import SECONDS
from budgetguard.gate.model import Request
from budgetguard.gate.run import check as run_check
from budgetguard.gate.shard import parse_shard
from budgetguard.gate.targets import TARGETS

_CHECK_EPILOG = """\
\b
Examples:
  budgetguard check
  budgetguard check app-bundle --report budget.md --report budget.json
  budgetguard check --exact --only test
  budgetguard check --against origin/main
  budgetguard check --shard 1/3 --report shard-1.json

\b
Exit codes:
  0    within budget
  1    over budget
  2    configuration, usage, or a baseline that cannot be read
  3    unsettled or new, under --strict
  4    vanished, not measured, or no verdict at all
  130  interrupted
"""


@click.command(epilog=_CHECK_EPILOG)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--config", "file", type=click.Path(path_type=Path), help="The configuration to use.")
@click.option("--only", type=click.Choice(sorted(TARGETS)), help="Only budgets of this target.")
@click.option("--exact", is_flag=True, help="Only exact metrics: no timing.")
@click.option(
    "--against",
    default="",
    metavar="REF",
    help="Compare with this commit: its code for time, its baseline file for exact values. "
    "Without it, time is compared with the commit that last moved the baseline's line `time`.",
)
@click.option(
    "--no-same-code",
    is_flag=True,
    help="Time every benchmark, also where both sides run the same code.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=SECONDS,
    show_default=True,
    help="How long one benchmark may be timed on both sides before it stays unsettled.",
)
@click.option(
    "--shard",
    default="",
    metavar="I/N",
    help="Only part I of N, counted from 1, for one of N jobs; tests of one file stay together. "
    "The verdict on all: budgetguard report merge.",
)
@click.option("--strict", is_flag=True, help="UNSETTLED, NEW and left to check are red too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else.")
@reports_option
def check(
    names: tuple[str, ...],
    *,
    file: Path | None,
    only: str | None,
    exact: bool,
    against: str,
    no_same_code: bool,
    seconds: float,
    shard: str,
    strict: bool,
    as_json: bool,
    reports: tuple[Path, ...],
) -> int:
    """Measure every budget and judge it.

    NAME is a budget, a group of tests or a test; without one it is everything, and what the
    baseline holds but nobody measured is VANISHED.

    A relative limit on time is settled by measuring: the base commit is checked out beside the
    work tree, and both sides run in turn.
    """
    check_formats(reports)
    if shard and names:
        raise UsageError(
            f"--shard {shard} and NAME {names[0]}: a shard is a part of everything; give one of both"
        )
    part = parse_shard(shard) if shard else None
    config = configuration(file)
    report = watched(
        lambda watch: run_check(
            config,
            Request(names=names, only=only or "", exact=exact, shard=part, watch=watch),
            strict=strict,
            how=Comparing(against=against, same_code=not no_same_code, seconds=seconds),
        )
    )
    tell(report, as_json=as_json)
    write_all(reports, report)
    return report.exit_code
