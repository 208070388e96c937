"""`budgetguard cache gc`: what has expired is removed."""

import json
import time
from collections.abc import Callable

import click

from budgetguard.cache.cleaning import purged
from budgetguard.cache.tiers.base import Tier, TierError
from budgetguard.cli.cache.options import json_option, namespace_option, opened, tiers_option
from budgetguard.cli.project import watched
from budgetguard.cli.screen import say
from budgetguard.cli.screen import style as styled

_GC_EPILOG = """\
\b
Example, each hour by cron:
  7 * * * *  budgetguard cache gc --tier sqlite:////var/lib/app/cache.db

\b
Exit codes:
  0    done, or the time is over
  4    a tier does not answer; the others were cleaned up
"""
_NOT_ALL = 4


@click.command(epilog=_GC_EPILOG)
@click.option(
    "--seconds",
    default=60.0,
    show_default=True,
    type=click.FloatRange(min=0, min_open=True),
    help="Then leave the rest to the next time.",
)
@tiers_option
@namespace_option
@json_option
def gc(*, seconds: float, urls: tuple[str, ...], namespace: str, as_json: bool) -> int:
    """Remove what has expired; for cron.

    It goes in small batches, beside an application that runs, and says nothing where there was nothing.
    Redis removes by itself.
    """
    until = time.monotonic() + seconds
    with opened(urls, namespace) as tiers:
        rows = watched(lambda watch: [_cleaned(tier, until, watch) for tier in tiers])
    if as_json:
        say(json.dumps(rows, indent=2))
    else:
        for row in rows:
            if row["removed"]:
                say(f"{row['tier']}: {row['removed']:,} expired entries removed")
    problems = [row["problem"] for row in rows if row["problem"]]
    for problem in problems:
        click.echo(f"{styled('down', 'red')}: {problem}", err=True)
    return _NOT_ALL if problems else 0


def _cleaned(tier: Tier, until: float, watch: Callable[[str], None]) -> dict[str, object]:
    removed, problem = 0, ""
    try:
        for number in purged(tier):
            removed += number
            watch(f"{removed:,} expired entries of {tier.name} removed")
            if time.monotonic() >= until:
                break
    except TierError as error:
        problem = str(error)
    return {"tier": tier.name, "removed": removed, "problem": problem}
