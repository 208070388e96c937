"""`budgetguard report`: a JSON report turned into others, and those of all shards joined to one."""

from pathlib import Path

import click

from budgetguard.atomic import replace_text
from budgetguard.cli.screen import say, style, width
from budgetguard.errors import UsageError
from budgetguard.gate.report import FORMATS, json, renderer_of, terminal
from budgetguard.gate.report.joining import join
from budgetguard.gate.report.reading import read_report
from budgetguard.gate.verdict import Report

_SHOW, _MERGE = "show", "merge"
_REPORT_EPILOG = """\
\b
Examples:
  budgetguard report report.json
  budgetguard report report.json --report budget.md --report junit.xml
  budgetguard report merge shard-*.json --report report.json
"""
_SHOW_EPILOG = """\
\b
Example:
  budgetguard report show report.json --report budget.md
"""
_MERGE_EPILOG = """\
\b
Example:
  budgetguard report merge shard-*.json --report report.json

\b
Exit codes, of all shards together:
  0    within budget
  1    over budget
  2    a report that cannot be read, a shard that is missing, double or of another run
  3    unsettled or new, under --strict
  4    vanished, not measured, or no verdict at all
"""

reports_option = click.option(
    "--report",
    "reports",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"Write a report; the suffix says which: {' '.join(sorted(FORMATS))}. Repeatable.",
)


class _Report(click.Group):
    """`show` is meant where no subcommand is named: `budgetguard report FILE`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = bool(args) and args[0] in (_SHOW, _MERGE, *ctx.help_option_names)
        return super().parse_args(ctx, args if named else [_SHOW, *args])


@click.group(cls=_Report, epilog=_REPORT_EPILOG, subcommand_metavar="[show|merge] FILE...")
def report() -> None:
    """Turn a JSON report into others, or join those of all shards.

    `budgetguard report FILE --report OUT...` is the same as `show`: its exit code is 0 for a report
    that could be read and written, whatever its verdicts are. `merge` ends with the joint verdict.
    A file called show or merge is written ./show.
    """


@report.command(_SHOW, epilog=_SHOW_EPILOG)
@click.argument("file", type=click.Path(path_type=Path))
@reports_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else.")
def show(file: Path, *, reports: tuple[Path, ...], as_json: bool) -> int:
    """Print the JSON report FILE as for a terminal, or write it in other formats.

    The exit code is 0 for a report that could be read and written, whatever its verdicts are.
    """
    check_formats(reports)
    found = read_report(file)
    if as_json or not reports:
        tell(found, as_json=as_json)
    write_all(reports, found)
    return 0


@report.command(_MERGE, epilog=_MERGE_EPILOG)
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE..."
)
@reports_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, and nothing else.")
def merge(files: tuple[Path, ...], *, reports: tuple[Path, ...], as_json: bool) -> int:
    """Join the JSON reports of all shards (`check --shard I/N`) to one verdict."""
    check_formats(reports)
    found: dict[str, Report] = {}
    for file in files:
        if str(file) in found:
            raise UsageError(f"{file} is given twice; give the report of each shard once")
        found[str(file)] = read_report(file)
    joined = join(found)
    tell(joined, as_json=as_json)
    write_all(reports, joined)
    return joined.exit_code


def check_formats(files: tuple[Path, ...]) -> None:
    """Raise `UsageError` for a file whose suffix is no format's, before anything is done."""
    for file in files:
        renderer_of(file)


def tell(found: Report, *, as_json: bool) -> None:
    """Print a report for a person, or as JSON."""
    text = json.render(found) if as_json else terminal.render(found, style=style, width=width())
    say(text.rstrip())


def write_all(files: tuple[Path, ...], found: Report) -> None:
    """Write each report whole; raises `UsageError` where that is not possible."""
    for file in files:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            replace_text(file, renderer_of(file)(found))
        except OSError as error:
            raise UsageError(f"--report {file}: cannot be written: {error.strerror}") from None
