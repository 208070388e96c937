"""`budgetguard cache warm`: what is asked for most is loaded before anybody asks."""

import asyncio
import json
import sys
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from importlib import import_module
from pathlib import Path

import click

from budgetguard.cache.plan import Plan, Wanted, read_plan
from budgetguard.cache.warming import Warmed, Warmer
from budgetguard.cli import INTERRUPTED
from budgetguard.cli.cache.figures import usd
from budgetguard.cli.cache.options import json_option
from budgetguard.cli.project import watched
from budgetguard.cli.screen import say
from budgetguard.errors import UsageError

_WARM_EPILOG = """\
\b
Examples:
  budgetguard cache warm shop.caching:warmer --plan access.jsonl --budget "0.50 USD" --rate 5
  budgetguard cache warm shop.caching:warmer --plan front-page.jsonl --budget 2 --dry-run

\b
MODULE:NAME is yours: a function without arguments that returns a Warmer, in shop/caching.py such as
  def warmer():
      warmer = Warmer(open_cache(...))
      warmer.add(CHAT, lambda request: client.post("/v1/chat/completions", json=request).json())
      return warmer

\b
Exit codes:
  0    all of it is there, or the money is spent
  1    some loads failed
  130  interrupted; what was loaded is kept
"""
_FAILED = 1


@click.command(epilog=_WARM_EPILOG)
@click.argument("where", metavar="MODULE:NAME")
@click.option(
    "--plan",
    "files",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="Requests as lines of JSON: a plan of yours, or an access log. Repeatable.",
)
@click.option("--budget", required=True, metavar="USD", help='What it may cost: "0.50 USD".')
@click.option("--rate", default=2.0, show_default=True, help="Calls per second.")
@click.option("--concurrency", default=4, show_default=True, type=click.IntRange(1, 64))
@click.option("--dry-run", is_flag=True, help="Tell what would be loaded, and call nobody.")
@json_option
def warm(
    where: str,
    *,
    files: tuple[Path, ...],
    budget: str,
    rate: float,
    concurrency: int,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Load what is asked for most, within a budget in money.

    What saves most comes first: how often it was asked for x what it costs. What is fresh already is
    skipped. A plan is lines of JSON: {"operation": NAME, "request": {...}, "times": 12, "usd": "0.007"}.
    """
    money, plan = _usd(budget), read_plan(*files)
    warmer = _warmer(where)
    if plan.damaged:
        click.echo(f"{plan.damaged:,} lines that are no requests were left out", err=True)
    try:
        if dry_run:
            return _foretold(warmer, plan, as_json=as_json)
        warmed, code = _warmed(warmer, plan, money, rate, concurrency)
    finally:
        warmer.cache.close()
    _tell(warmed, as_json=as_json)
    return code


def _warmed(
    warmer: Warmer, plan: Plan, money: Decimal, rate: float, concurrency: int
) -> tuple[Warmed, int]:
    last = Warmed()

    def run(watch: Callable[[str], None]) -> Warmed:
        def heard(so_far: Warmed) -> None:
            nonlocal last
            last = so_far
            begun = so_far.loaded + so_far.fresh + so_far.refused + so_far.failed
            watch(f"{begun:,} of {len(plan.wanted):,} requests, {usd(so_far.spent_usd)} USD spent")

        start = warmer.awarm if warmer.is_async else warmer.warm
        found = start(
            plan.wanted, budget_usd=money, rate=rate, concurrency=concurrency, watch=heard
        )
        return found if isinstance(found, Warmed) else asyncio.run(found)

    try:
        warmed = watched(run)
    except KeyboardInterrupt:
        return last, INTERRUPTED
    return warmed, _FAILED if warmed.failed else 0


def _foretold(warmer: Warmer, plan: Plan, *, as_json: bool) -> int:
    missing = [one for one in plan.wanted if not warmer.fresh(one)]
    if as_json:
        say(json.dumps([_plain(one) for one in missing], indent=2))
        return 0
    known = sum((one.usd for one in missing if one.usd is not None), start=Decimal(0))
    unknown = sum(one.usd is None for one in missing)
    say(
        f"{len(missing):,} of {len(plan.wanted):,} requests would be loaded, for {usd(known)} USD"
        + (f" and what {unknown:,} cost of which nothing is known" if unknown else "")
    )
    return 0


def _tell(warmed: Warmed, *, as_json: bool) -> None:
    if as_json:
        known = {name: getattr(warmed, name) for name in Warmed.__slots__}
        say(json.dumps({**known, "spent_usd": f"{warmed.spent_usd:f}"}, indent=2))
        return
    say(
        f"{warmed.loaded:,} loaded for {usd(warmed.spent_usd)} USD, {warmed.fresh:,} were fresh, "
        f"{warmed.failed:,} failed, {warmed.refused:,} not kept, {warmed.left_out:,} left out, "
        f"in {warmed.seconds:.1f} s"
    )
    if warmed.stopped:
        say(warmed.stopped)


def _plain(one: Wanted) -> dict[str, object]:
    return {
        "operation": one.operation,
        "request": dict(one.request),
        "times": one.times,
        "usd": None if one.usd is None else f"{one.usd:f}",
    }


def _usd(text: str) -> Decimal:
    try:
        return Decimal(text.strip().removesuffix("USD").strip())
    except InvalidOperation:
        raise UsageError(f'--budget: expected US dollars such as "0.50 USD"; got {text}') from None


def _warmer(where: str) -> Warmer:
    """What the user's function returns; raises `UsageError` where there is none."""
    module, _, name = where.partition(":")
    if not module or not name:
        raise UsageError(f"expected MODULE:NAME, such as shop.caching:warmer; got {where}")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{where}: cannot be imported: {error}") from None
    warmer = found() if callable(found) else found
    if not isinstance(warmer, Warmer):
        raise UsageError(f"{where}: expected a function that returns a Warmer; got {warmer!r}")
    return warmer
