"""`budgetguard cache keys`: the largest entries of the tiers."""

import heapq
import json
from collections.abc import Callable, Iterator

import click

from budgetguard.cache.inspection import Held, walk
from budgetguard.cli.cache.figures import life, plain, size, usd
from budgetguard.cli.cache.options import (
    MOST_BYTES,
    codec_of,
    json_option,
    namespace_option,
    opened,
    tiers_option,
)
from budgetguard.cli.project import watched
from budgetguard.cli.screen import say
from budgetguard.errors import QuantityError, UsageError
from budgetguard.table import aligned
from budgetguard.units import Unit, parse_quantity

_KEYS_EPILOG = """\
\b
Examples:
  budgetguard cache keys --limit 10
  budgetguard cache keys --larger-than 100kB --json
"""


@click.command(epilog=_KEYS_EPILOG)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1_000_000))
@click.option("--larger-than", metavar="SIZE", default="0 B", help="Only those, as they are kept.")
@tiers_option
@namespace_option
@json_option
def keys(
    *, limit: int, larger_than: str, urls: tuple[str, ...], namespace: str, as_json: bool
) -> int:
    """List the largest entries of the tiers.

    Keys are hashed before they leave a process: what is listed are their digests, which `get` and
    `invalidate` take, too.
    """
    least = _bytes(larger_than)

    def largest(watch: Callable[[str], None]) -> list[Held]:
        entries = (held for held in _all(urls, namespace, watch) if held.stored_bytes > least)
        return heapq.nlargest(limit, entries, key=lambda held: held.stored_bytes)

    found = watched(largest)
    if as_json:
        say(json.dumps([plain(held) for held in found], indent=2))
    elif found:
        headings = ("digest", "tier", "size", "left", "cost")
        say("\n".join(aligned([headings, *map(_row, found)])))
    return 0


def _all(urls: tuple[str, ...], namespace: str, watch: Callable[[str], None]) -> Iterator[Held]:
    looked = 0
    with opened(urls, namespace) as tiers:
        for tier in tiers:
            for held in walk(tier, codec_of(urls), MOST_BYTES):
                looked += 1
                watch(f"{looked:,} entries looked at, in {tier.name}")
                yield held


def _row(held: Held) -> tuple[str, ...]:
    if held.problem:
        return held.digest, held.tier, size(held.stored_bytes), "-", held.problem
    left = "outdated" if held.outdated else life(held.left_s)
    return held.digest, held.tier, size(held.stored_bytes), left, f"{usd(held.cost_usd)} USD"


def _bytes(text: str) -> int:
    try:
        quantity = parse_quantity(text)
    except QuantityError as error:
        raise UsageError(f"--larger-than: {error}") from None
    if quantity.unit is not Unit.BYTES:
        raise UsageError(f"--larger-than: expected a size such as 100kB; got {text}")
    return int(quantity.value)
