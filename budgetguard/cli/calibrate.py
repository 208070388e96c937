"""`budgetguard calibrate`: how noisy this machine is, and which limits are too tight for it."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from budgetguard.cli.project import configuration, watched
from budgetguard.cli.screen import say, style
from budgetguard.gate import machine
from budgetguard.gate.calibrate import BLOCKS, Calibrated, Calibration
from budgetguard.gate.calibrate import calibrate as measure_noise
from budgetguard.gate.model import Request
from budgetguard.gate.paired import Floor
from budgetguard.gate.report.wording import columns, visible

_EPILOG = """\
\b
Examples:
  budgetguard calibrate
  budgetguard calibrate tests/perf --blocks 16
"""

_CANARY = "(a loop of our own)"
_LEGEND = (
    "noise   how far one block of unchanged code lies off, as a standard deviation",
    "passes  the room that unchanged code needs here",
    "finds   the change that 32 blocks call over the limit 95 times in 100",
)


@click.command(epilog=_EPILOG)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--config", "file", type=click.Path(path_type=Path), help="The configuration to use.")
@click.option(
    "--blocks",
    type=click.IntRange(4, 64),
    default=BLOCKS,
    show_default=True,
    help="How many blocks of each benchmark are measured.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def calibrate(names: tuple[str, ...], *, file: Path | None, blocks: int, as_json: bool) -> int:
    """Measure the noise of this machine, and tell which limits are too tight for it.

    The work tree is measured against itself. Tells which limits unchanged code may miss here, and
    from which change on each would be found. A test or command without a relative limit on time is
    tried with `time <= baseline + 5%`.
    """
    config = configuration(file)
    found = watched(lambda watch: measure_noise(config, Request(names=names, watch=watch), blocks))
    if as_json:
        say(json.dumps(_document(found), indent=2))
    else:
        say("\n".join(_table(found)))
    return 4 if all(one.error for one in found.limits) else 0


def _table(found: Calibration) -> list[str]:
    rows = [(_name(one), _numbers(one)) for one in found.limits]
    if found.canary:
        spread, passes = found.canary.spread, found.canary.passes
        rows.append((_CANARY, f"{spread:>7.1%}  {passes:>+7.1%}"))
    wide = max(columns(name) for name, _ in rows)
    lines = [f"{'':<{wide}}  {'noise':>7}  {'passes':>7}  {'finds':>7}"]
    lines += [f"{name}{' ' * (wide - columns(name))}  {numbers}" for name, numbers in rows]
    return [*lines, "", *_LEGEND, *_advice(found.limits)]


def _advice(limits: Sequence[Calibrated]) -> Iterator[str]:
    tight = sum(one.own and one.too_tight for one in limits)
    if tight:
        are = "limit is" if tight == 1 else "limits are"
        yield f"{tight} {are} too tight for this machine: give more room, or use a quieter one"


def _numbers(one: Calibrated) -> str:
    if one.floor is None:
        return style(visible(one.error), "red")
    finds = "-" if one.finds is None else f"{one.finds:+.1%}"
    shown = f"{one.floor.spread:>7.1%}  {one.floor.passes:>+7.1%}  {finds:>7}"
    if one.too_tight:
        return f"{shown}  {style('too tight', 'yellow')}"
    return shown if one.own else f"{shown}  {style('no limit yet', 'dim')}"


def _name(one: Calibrated) -> str:
    return visible(f"{one.budget}  {one.limit.text}")


def _document(found: Calibration) -> dict[str, object]:
    """All of it as JSON: changes and rooms are ratios, null where there is no number."""
    return {
        "machine": machine.describe(),
        "canary": found.canary and _noise(found.canary),
        "limits": [_row(one) for one in found.limits],
    }


def _row(one: Calibrated) -> dict[str, object]:
    return {
        "budget": one.budget,
        "limit": one.limit.text,
        "own": one.own,
        "room": one.room if one.floor and math.isfinite(one.room) else None,
        **(_noise(one.floor) if one.floor else {"noise": None, "passes": None}),
        "finds": one.finds,
        "too_tight": one.too_tight,
        "error": one.error,
    }


def _noise(floor: Floor) -> dict[str, object]:
    return {"noise": floor.spread, "passes": floor.passes}
