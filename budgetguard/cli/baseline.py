"""`budgetguard baseline`: record, show, compare and merge the committed values."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

import click

from budgetguard.cli.project import configuration, watched
from budgetguard.cli.screen import say, style
from budgetguard.cli.values import change_line, stored_line, stored_row, time_line
from budgetguard.errors import UsageError
from budgetguard.gate.baseline import parse_baseline, read_baseline, write_baseline
from budgetguard.gate.changes import Change, compare
from budgetguard.gate.committed import text_at
from budgetguard.gate.config import Config
from budgetguard.gate.limits import nearest
from budgetguard.gate.merge import conflict_of
from budgetguard.gate.merge import merge as merge_baselines
from budgetguard.gate.model import Baseline, Budget, Point, Request, Stored, Where
from budgetguard.gate.rebase import rebase
from budgetguard.gate.record import Recorded, record

_SHOWN_CHANGES = 50

_BASELINE_EPILOG = """\
\b
Examples:
  budgetguard baseline update
  budgetguard baseline diff
"""

_UPDATE_EPILOG = """\
\b
Examples:
  budgetguard baseline update
  budgetguard baseline update app-bundle tests/perf/test_inbox.py
"""

_SHOW_EPILOG = """\
\b
Example:
  budgetguard baseline show app-bundle
"""

_DIFF_EPILOG = """\
\b
Examples:
  budgetguard baseline diff
  budgetguard baseline diff --against origin/main
"""

_MERGE_EPILOG = """\
\b
Example:
  budgetguard baseline merge
"""


_config = click.option(
    "--config", "file", type=click.Path(path_type=Path), help="The configuration to use."
)
_names = click.argument("names", nargs=-1, metavar="[NAME]...")


@click.group(epilog=_BASELINE_EPILOG)
def baseline() -> None:
    """Record, show, compare and merge the committed values."""


@baseline.command(epilog=_UPDATE_EPILOG)
@_names
@_config
@click.option(
    "--keep-keys",
    is_flag=True,
    help="Keep what is recorded under other interpreters and machines beside the new values.",
)
@click.option(
    "--time",
    "move",
    is_flag=True,
    help="Compare time with the base once more, show what was lost, and make now the new base.",
)
def update(names: tuple[str, ...], file: Path | None, keep_keys: bool, move: bool) -> int:
    """Measure and record; with NAME only those budgets.

    Exact values are read in three sessions; what does not repeat gets its spread. Without NAME,
    what vanished is dropped. What could not be measured keeps its entry, and the exit code is 4.

    Memory is recorded per interpreter and machine. An update drops the values of others, as they
    were of older code; a project that is checked on several Pythons records on each with
    --keep-keys.
    """
    config = configuration(file)
    old = read_baseline(config.baseline_file)
    if move:
        return _move(config, names, old)
    recorded = watched(
        lambda watch: record(config, Request(names=names, watch=watch), old, keep_keys=keep_keys)
    )
    if recorded.recorded or recorded.changes:
        write_baseline(config.baseline_file, recorded.baseline)
    _tell(recorded, config.baseline_file)
    return recorded.exit_code


def _move(config: Config, names: tuple[str, ...], old: Baseline) -> int:
    """Move the base of time; it is the commit that brings the new line, so it moves for all at once."""
    if names:
        raise UsageError("--time moves the base of every benchmark; leave the names out")
    moved = watched(lambda watch: rebase(config, Request(watch=watch), old))
    for verdict in moved.verdicts:
        say(f"  {time_line(verdict)}")
    for note in moved.notes:
        say(f"note  {note}")
    write_baseline(config.baseline_file, moved.baseline)
    say(
        f"the base of time is {moved.baseline.time} now · commit {config.baseline_file.name}: "
        "time is compared with the commit that brings this line"
    )
    return 0


def _tell(recorded: Recorded, file: Path) -> None:
    _say_changes(recorded.changes)
    for one in recorded.kept:
        label = style("skipped", "dim") if one.skipped else style("kept", "red")
        say(f"{label}  {one.name}: {one.why}")
    entries = "entry" if recorded.recorded == 1 else "entries"
    failed = sum(not one.skipped for one in recorded.kept)
    keeps = "keeps its" if failed == 1 else "keep their"
    trouble = f" · {failed} could not be measured and {keeps} old entries" if failed else ""
    if not recorded.recorded:
        say(f"nothing recorded{trouble}")
        return
    commit = f" · commit {file.name}" if recorded.changes else ""
    say(f"recorded {recorded.recorded} {entries}, {_number(recorded.changes)}{trouble}{commit}")


@baseline.command(epilog=_SHOW_EPILOG)
@_names
@_config
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(names: tuple[str, ...], file: Path | None, as_json: bool) -> int:
    """Show what is recorded."""
    config = configuration(file)
    found = _named(read_baseline(config.baseline_file), names)
    rows = [(point, key, stored) for point in sorted(found) for key, stored in found[point].items()]
    if as_json:
        say(json.dumps([stored_row(*row) for row in rows], indent=2))
    elif rows:
        say("\n".join(stored_line(*row) for row in rows))
    else:
        say("the baseline is empty; record one: budgetguard baseline update")
    return 0


@baseline.command(epilog=_DIFF_EPILOG)
@_config
@click.option("--against", default="HEAD", metavar="REF", help="The commit to compare with.")
def diff(file: Path | None, against: str) -> int:
    """Compare the baseline file with the committed one."""
    config = configuration(file)
    where = config.baseline_file
    text = text_at(where, against)
    committed = (
        Baseline(exists=False)
        if text is None
        else parse_baseline(text, Path(f"{against}:{where.name}"))
    )
    changes = compare(committed, read_baseline(where))
    _say_changes(changes, limit=None)
    said = "no baseline is committed there" if text is None else _number(changes)
    say(f"{said}, against {against}")
    return 0


@baseline.command(epilog=_MERGE_EPILOG)
@_config
def merge(file: Path | None) -> int:
    """Settle a git conflict in the baseline file.

    Of an entry on both sides the tighter value stays, and it is to be measured again.
    """
    config = configuration(file)
    where = config.baseline_file
    sides = conflict_of(where)
    if sides is None:
        say(f"no conflict marks in {where.name}; if git still lists it: git add {where.name}")
        return 0
    merged = merge_baselines(*sides)
    write_baseline(where, merged.baseline)
    say(f"merged {len(merged.baseline.entries)} entries · git add {where.name}")
    if merged.differed:
        for change in compare(*sides):
            if change.point in merged.differed:
                say(f"  {change_line(change)}")
        again = shlex.join(merged.again)
        say(f"these differed, measure them again: budgetguard baseline update {again}")
    return 0


def _say_changes(changes: tuple[Change, ...], limit: int | None = _SHOWN_CHANGES) -> None:
    for change in changes[:limit]:
        say(f"  {change_line(change)}")
    if limit is not None and len(changes) > limit:
        say(f"  and {len(changes) - limit} more; all of them: budgetguard baseline diff")


def _number(changes: tuple[Change, ...]) -> str:
    if not changes:
        return "nothing changed"
    added = sum(change.old is None for change in changes)
    dropped = sum(change.new is None for change in changes)
    parts = ((len(changes) - added - dropped, "changed"), (added, "added"), (dropped, "dropped"))
    return ", ".join(f"{number} {word}" for number, word in parts if number)


def _named(baseline: Baseline, names: tuple[str, ...]) -> Mapping[Point, Mapping[str, Stored]]:
    """The entries that `names` mean; raises `UsageError` for a name without any."""
    budgets = {
        point.budget: Budget(name=point.budget, target="", limits=(), where=Where(""))
        for point in baseline.entries
    }
    for name in names:
        if not any(budget.called(name) for budget in budgets.values()):
            raise UsageError(f"nothing is recorded for {name!r}{nearest(name, budgets)}")
    return {
        point: values
        for point, values in baseline.entries.items()
        if not names or any(budgets[point.budget].called(name) for name in names)
    }
