"""`budgetguard cache stats`: what tiers hold, and what the ledger has counted."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from budgetguard.cache.movements import Sums
from budgetguard.cache.tiers.base import Tier, TierError, Usage
from budgetguard.cli.cache.figures import size, usd
from budgetguard.cli.cache.options import (
    json_option,
    ledger_of,
    ledger_option,
    moment,
    namespace_option,
    opened,
    since_option,
    tiers_option,
)
from budgetguard.cli.screen import say, style
from budgetguard.errors import UsageError
from budgetguard.table import aligned

_STATS_EPILOG = """\
\b
Example:
  budgetguard cache stats --tier redis://127.0.0.1:6379/0 --ledger ledger.db --since 2026-11-01

\b
Exit codes:
  0    at least one tier answers
  4    none does
"""
_ALL_DOWN = 4


@dataclass(frozen=True, slots=True)
class _State:
    """A tier that answers, or why it does not."""

    name: str
    usage: Usage | None
    problem: str = ""


@click.command(epilog=_STATS_EPILOG)
@tiers_option
@namespace_option
@ledger_option
@since_option
@json_option
def stats(
    urls: tuple[str, ...],
    *,
    namespace: str,
    file: Path | None,
    since: dt.datetime | None,
    as_json: bool,
) -> int:
    """Tell what tiers hold, and what the ledger has counted.

    What a process has in memory, and what it counts, is told by its own cache.stats().
    """
    if not urls and file is None:
        raise UsageError("nothing to look at: expected --tier URL, --ledger FILE, or both")
    states = _states(urls, namespace) if urls else []
    sums = ledger_of(file).totals(moment(since)) if file else {}
    if as_json:
        tiers = [_plain_tier(state) for state in states]
        operations = {name: _plain_sums(one) for name, one in sums.items()}
        say(json.dumps({"tiers": tiers, "operations": operations}, indent=2))
    else:
        say("\n".join(_lines(states, sums, counted=file is not None)))
    return _ALL_DOWN if states and not any(state.usage for state in states) else 0


def _states(urls: Sequence[str], namespace: str) -> list[_State]:
    with opened(urls, namespace) as tiers:
        return [_state(tier) for tier in tiers]


def _state(tier: Tier) -> _State:
    try:
        return _State(tier.name, tier.usage())
    except TierError as error:
        return _State(tier.name, None, str(error))


def _lines(states: Sequence[_State], sums: Mapping[str, Sums], *, counted: bool) -> Iterator[str]:
    up = [(state.name, state.usage) for state in states if state.usage]
    if up:
        rows = [("tier", "entries", "size", "bound")]
        rows += [(name, f"{one.entries:,}", size(one.bytes), _bound(one)) for name, one in up]
        yield from aligned(rows)
    for state in states:
        if state.usage is None:
            yield f"{style('down', 'red')}  {state.problem}"
    if states and counted:
        yield ""
    if sums:
        headings = ("operation", "calls", "hits", "loads", "errors", "shared", "spent", "saved")
        yield from aligned([headings, *(_row(name, one) for name, one in sums.items())])
        unpriced = sum(one.unpriced for one in sums.values())
        if unpriced:
            yield f"of {unpriced:,} loads nobody knows the cost: spent and saved are at least this"
    elif counted:
        yield "the ledger has counted nothing in this time"


def _bound(usage: Usage) -> str:
    return size(usage.capacity_bytes) if usage.capacity_bytes else "none"


def _row(name: str, sums: Sums) -> tuple[str, ...]:
    hits = sum(sums.hits.values())
    return (
        name,
        f"{sums.calls:,}",
        f"{hits / sums.calls:.1%}" if sums.calls else "-",
        f"{sums.loads:,}",
        f"{sums.errors:,}",
        f"{sums.coalesced:,}",
        f"{usd(sums.spent)} USD",
        f"{usd(sums.saved)} USD",
    )


def _plain_tier(state: _State) -> dict[str, object]:
    if state.usage is None:
        return {"tier": state.name, "up": False, "problem": state.problem}
    return {
        "tier": state.name,
        "up": True,
        "entries": state.usage.entries,
        "bytes": state.usage.bytes,
        "capacity_bytes": state.usage.capacity_bytes or None,
    }


def _plain_sums(sums: Sums) -> dict[str, object]:
    return {
        "calls": sums.calls,
        "hits": {str(place): number for place, number in sums.hits.items()},
        "loads": sums.loads,
        "errors": sums.errors,
        "coalesced": sums.coalesced,
        "refused": sums.refused,
        "unpriced": sums.unpriced,
        "spent_usd": f"{sums.spent:f}",
        "saved_usd": f"{sums.saved:f}",
    }
