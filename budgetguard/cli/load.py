"""`budgetguard load`: the load of a budget alone, and workers of it on other machines."""

import datetime as dt
import json
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click

from budgetguard import __version__
from budgetguard.cli.project import configuration, watched
from budgetguard.cli.report import check_formats, reports_option, tell, write_all
from budgetguard.cli.screen import say, style
from budgetguard.errors import UsageError
from budgetguard.gate import machine
from budgetguard.gate.config import Config
from budgetguard.gate.judge import Yardstick
from budgetguard.gate.limits import nearest
from budgetguard.gate.model import Baseline, Budget, Readings
from budgetguard.gate.report.json import plain as plain_report
from budgetguard.gate.report.wording import visible
from budgetguard.gate.run import yardstick
from budgetguard.gate.sampling import sample
from budgetguard.gate.settle import Scope, settle
from budgetguard.gate.side import Side
from budgetguard.gate.sides.reaper import Reaper
from budgetguard.gate.targets.load.environments import LOCAL
from budgetguard.gate.targets.load.load_run import LoadRun
from budgetguard.gate.targets.load.options import LoadOptions
from budgetguard.gate.targets.load.probe import How, LoadProbe
from budgetguard.gate.targets.load.profiles import PROFILES, Profile
from budgetguard.gate.targets.load.telling import plain, summary
from budgetguard.gate.targets.load.worker import work
from budgetguard.gate.verdict import Report

_RUN_EPILOG = """\
\b
Examples:
  budgetguard load run api-at-10x
  budgetguard load run spike
  budgetguard load run api-at-10x --profile stress --json > stress.json
  budgetguard load run api-at-10x --environment staging
  budgetguard load run api-soak --profile endurance --full

The exit codes are those of budgetguard check.
"""
_LOAD_EPILOG = """\
\b
Examples:
  budgetguard load run api-at-10x
  budgetguard load worker api-at-10x --master 10.0.0.5
"""
_WORKER_EPILOG = """\
\b
Examples, for a budget with workers: external and processes: 2:
  budgetguard load run api-at-10x                              on one machine
  budgetguard load worker api-at-10x --master 10.0.0.5         on two others
"""
_MASTER = re.compile(r"[^:]+(:\d{1,5})?")


@click.group(epilog=_LOAD_EPILOG)
def load() -> None:
    """Run the load of a budget alone, or a worker of it elsewhere.

    Together with all other budgets it is run by budgetguard check.
    """


@load.command(epilog=_RUN_EPILOG)
@click.argument("name", metavar="NAME|PROFILE")
@click.option("--config", "file", type=click.Path(path_type=Path), help="The configuration to use.")
@click.option("--environment", default=LOCAL, show_default=True, help="Where the load goes.")
@click.option("--profile", type=click.Choice(PROFILES), help="Another profile than the budget's.")
@click.option(
    "--full", is_flag=True, help="As long as the profile is meant: endurance, 30 minutes."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON with the series over time.")
@reports_option
def run(
    name: str,
    *,
    file: Path | None,
    environment: str,
    profile: Profile | None,
    full: bool,
    as_json: bool,
    reports: tuple[Path, ...],
) -> int:
    """Run the load of a budget, or of all budgets of a profile, and judge its absolute limits.

    A limit that a run breaks is measured once more before it counts. Limits with `baseline` are
    settled by budgetguard check.
    """
    check_formats(reports)
    config, started = configuration(file), dt.datetime.now(dt.UTC)
    budgets, by = _wanted(config, name), yardstick(config, Baseline())
    _check_environment(budgets, environment)
    side = _side(config)
    how = How(environment=environment, profile=profile, full=full, alone=True)
    ran = watched(lambda watch: [_run(budget, side, how, by, watch) for budget in budgets])
    report = _report(ran, by, started)
    if as_json:
        runs = [{"budget": one.budget.name, **plain(run)} for one in ran for run in one.runs]
        say(json.dumps({"runs": runs, "report": plain_report(report)}, indent=2))
    else:
        _show(ran)
        tell(report, as_json=False)
    write_all(reports, report)
    return report.exit_code


@load.command(epilog=_WORKER_EPILOG)
@click.argument("name")
@click.option("--master", required=True, metavar="HOST[:PORT]", help="Where load run was started.")
@click.option("--config", "file", type=click.Path(path_type=Path), help="The configuration to use.")
@click.option(
    "--host", default="", help="The app, as the workers reach it; else the budget's host."
)
@click.option("--environment", default=LOCAL, show_default=True, help="Where the load goes.")
def worker(name: str, *, master: str, file: Path | None, host: str, environment: str) -> int:
    """Be one of the workers that a budget with `workers: external` waits for.

    It needs the same locustfile and configuration; it ends when the run has ended.
    """
    config = configuration(file)
    (budget, *others) = _wanted(config, name)
    if others:
        raise UsageError(f"{name} means {len(others) + 1} budgets; a worker is of one: name it")
    if not _MASTER.fullmatch(master):
        raise UsageError(f"--master {master}: expected HOST or HOST:PORT, such as 10.0.0.5:5557")
    _check_environment([budget], environment)
    return work(budget, _side(config), How(environment=environment), master, host)


@dataclass(frozen=True, slots=True)
class _Ran:
    """A budget, what was read of it and what came of each run."""

    budget: Budget
    readings: Readings
    runs: tuple[LoadRun, ...]


def _wanted(config: Config, name: str) -> list[Budget]:
    """The load budget of that name, or all of a profile; raises `UsageError` where there is none."""
    own = [budget for budget in config.budgets if budget.target == "load"]
    named = [budget for budget in own if budget.name == name]
    found = named or [budget for budget in own if _options(budget).profile == name]
    if found:
        return found
    if not own:
        raise UsageError(
            f"{config.file.name} has no load budget; write one with load: locustfile.py"
        )
    if name in PROFILES:
        raise UsageError(
            f"no load budget has the profile {name}; run another one so: "
            f"budgetguard load run {own[0].name} --profile {name}"
        )
    known = [budget.name for budget in own]
    raise UsageError(f"no load budget and no profile is called {name!r}{nearest(name, known)}")


def _check_environment(budgets: Sequence[Budget], name: str) -> None:
    """Raise `UsageError` for a name that none of the budgets has."""
    known = sorted({one for budget in budgets for one in _options(budget).environments})
    if name not in known:
        raise UsageError(f"no environment {name!r}{nearest(name, known)}")


def _options(budget: Budget) -> LoadOptions:
    return cast("LoadOptions", budget.options)


def _side(config: Config) -> Side:
    return Side("head", config.folder, sys.executable)


def _run(
    budget: Budget, side: Side, how: How, by: Yardstick, watch: Callable[[str], object]
) -> _Ran:
    """Run a budget's load, and once more where it went over an absolute limit."""
    with Reaper() as reaper:
        probe = LoadProbe(budget, side, reaper, watch, how)
        found = probe.budgets()
        readings = sample(probe, found, by)
    return _Ran(found[0], readings, tuple(probe.runs))


def _report(ran: Sequence[_Ran], by: Yardstick, started: dt.datetime) -> Report:
    readings = {point: reading for one in ran for point, reading in one.readings.items()}
    settled = settle([one.budget for one in ran], readings, by, Scope())
    return Report(
        verdicts=settled.verdicts,
        left=settled.left,
        whole=False,
        machine=machine.describe(),
        tool=f"budgetguard {__version__}",
        started=started.isoformat(timespec="seconds"),
        duration_s=(dt.datetime.now(dt.UTC) - started).total_seconds(),
    )


def _show(ran: Sequence[_Ran]) -> None:
    for one in ran:
        measured = [run for run in one.runs if not run.problem]
        for number, run in enumerate(measured, start=1):
            again = f", run {number}" if len(measured) > 1 else ""
            say(style(f"{one.budget.name}{again}", "bold"))
            say("\n".join(f"  {visible(line)}" for line in summary(run)))
            say("")
