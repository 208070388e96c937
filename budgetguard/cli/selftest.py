"""`budgetguard selftest`: whether every budget notices that it is broken."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from budgetguard.cli.project import configuration, watched
from budgetguard.cli.screen import say, style
from budgetguard.gate.model import Request
from budgetguard.gate.report.wording import visible
from budgetguard.gate.selftest import Tried
from budgetguard.gate.selftest import selftest as break_all
from budgetguard.gate.targets import TARGETS

_EPILOG = """\
\b
Examples:
  budgetguard selftest
  budgetguard selftest tests/perf/test_cart.py::test_total

\b
Exit codes: 0 every budget that was broken turned red · 1 one is asleep · 4 none could be tried
"""


@click.command(epilog=_EPILOG)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--config", "file", type=click.Path(path_type=Path), help="The configuration to use.")
@click.option("--only", type=click.Choice(sorted(TARGETS)), help="Only budgets of this target.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def selftest(names: tuple[str, ...], *, file: Path | None, only: str | None, as_json: bool) -> int:
    """Break budgets on purpose, on a copy, and tell which of them would not notice.

    Bundles grow in a copy; tests sleep, allocate, query and leave things behind while they are
    measured, and run slower than their base. Nothing in the project is changed.
    """
    config = configuration(file)
    tried = watched(
        lambda watch: break_all(config, Request(names=names, only=only or "", watch=watch))
    )
    if as_json:
        say(json.dumps([asdict(one) | {"asleep": one.asleep} for one in tried], indent=2))
    else:
        say("\n".join([*map(_line, tried), "", _last(tried)]))
    if any(one.asleep for one in tried):
        return 1
    return 0 if any(one.outcome for one in tried) else 4


def _line(one: Tried) -> str:
    name = f"{visible(one.budget)}  {visible(one.limit)}"
    if one.outcome is None:
        return f"  {style('-', 'dim')} {name}  {style(visible(one.what), 'dim')}"
    if one.asleep:
        said = f"{one.what}: {one.outcome}, {one.reason}"
        return f"  {style('✗', 'red')} {name}  {style('asleep', 'red')}, {visible(said)}"
    return f"  {style('✓', 'green')} {name}  {style(visible(one.what), 'dim')}"


def _last(tried: list[Tried]) -> str:
    asleep = sum(one.asleep for one in tried)
    broken = sum(one.outcome is not None for one in tried)
    said = f"{broken - asleep} of {broken} broken limits turned red"
    untried = len(tried) - broken
    more = f" · {untried} not tried" if untried else ""
    return style(f"{said}{more}", "red" if asleep or not broken else "green")
