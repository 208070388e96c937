"""`budgetguard cache roi`: what the cache was worth, and what the next 30 days may bring."""

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click

from budgetguard.cache.movements import Row
from budgetguard.cache.projection import Projection, Roi, project_month
from budgetguard.cache.projection import roi as returned
from budgetguard.cli.cache.figures import usd
from budgetguard.cli.cache.options import (
    json_option,
    ledger_of,
    ledger_option,
    moment,
    since_option,
    until_option,
)
from budgetguard.cli.screen import say
from budgetguard.errors import UsageError

_ROI_EPILOG = """\
\b
Example:
  budgetguard cache roi --ledger ledger.db --monthly-cost 15
"""


@click.command(epilog=_ROI_EPILOG)
@ledger_option
@click.option("--monthly-cost", default="0", metavar="USD", help="What its servers cost a month.")
@since_option
@until_option
@json_option
def roi(
    *,
    file: Path | None,
    monthly_cost: str,
    since: dt.datetime | None,
    until: dt.datetime | None,
    as_json: bool,
) -> int:
    """Tell what was spent and saved, and project the next 30 days.

    Saved is what hits and shared loads would have cost: for each what loading its value had cost. There is
    no projection from less than 7 full days or 200 events, nor from days that do not look alike.
    """
    cost, first, last = _usd(monthly_cost), moment(since), moment(until)
    rows = ledger_of(file).rows(first, last)
    if not rows:
        say("[]" if as_json else "the ledger has counted nothing in this time")
        return 0
    begins = first or rows[0].start
    ends = last or rows[-1].start + dt.timedelta(hours=rows[-1].hours)
    worth = returned(rows, storage_usd_per_month=cost, since=begins, until=ends)
    projection = _projection(rows, first, last)
    if as_json:
        say(json.dumps(_plain(worth, projection), indent=2))
    else:
        say("\n".join(_lines(worth, projection)))
    return 0


def _projection(
    rows: Sequence[Row], since: dt.datetime | None, until: dt.datetime | None
) -> Projection:
    return project_month(rows, of="saved", since=since, until=until)


def _usd(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise UsageError(f"--monthly-cost: expected US dollars such as 15; got {text}") from None


def _lines(worth: Roi, projection: Projection) -> Iterator[str]:
    yield f"{worth.since:%Y-%m-%d %H:%M} to {worth.until:%Y-%m-%d %H:%M} UTC, {worth.calls:,} calls"
    yield f"spent      {usd(worth.spent)} USD"
    share = f", {worth.saved_share:.1%} of the bill" if worth.saved_share is not None else ""
    yield f"saved      {usd(worth.saved)} USD{share}"
    if worth.hit_ratio is not None:
        places = ", ".join(f"{place} {part:.1%}" for place, part in worth.hit_ratios.items())
        yield f"hits       {worth.hit_ratio:.1%} ({places})"
    if worth.roi is not None:
        yield f"its cost   {usd(worth.storage)} USD"
        yield f"return     {worth.roi:+.0%} of its cost"
    if worth.unpriced:
        yield f"of {worth.unpriced:,} loads nobody knows the cost: spent and saved are at least this"
    yield _projected(projection)


def _projected(projection: Projection) -> str:
    if projection.expected is None or projection.low is None or projection.high is None:
        return f"no projection: {projection.refused}"
    return (
        f"projected  {usd(projection.expected)} USD saved in 30 days, {usd(projection.low)} to "
        f"{usd(projection.high)} with {projection.confidence:.0%} confidence, from {projection.days} days "
        f"and {projection.events:,} events"
    )


def _plain(worth: Roi, projection: Projection) -> dict[str, object]:
    return {
        "since": worth.since.isoformat(),
        "until": worth.until.isoformat(),
        "calls": worth.calls,
        "spent_usd": f"{worth.spent:f}",
        "saved_usd": f"{worth.saved:f}",
        "cost_usd": f"{worth.storage:f}",
        "roi": _number(worth.roi),
        "saved_share": _number(worth.saved_share),
        "hit_ratio": _number(worth.hit_ratio),
        "hit_ratios": {str(place): _number(part) for place, part in worth.hit_ratios.items()},
        "unpriced": worth.unpriced,
        "projection": {
            "refused": projection.refused or None,
            "expected_usd": _text(projection.expected),
            "low_usd": _text(projection.low),
            "high_usd": _text(projection.high),
            "confidence": float(projection.confidence),
            "days": projection.days,
            "events": projection.events,
        },
    }


def _number(part: Decimal | None) -> float | None:
    return None if part is None else float(part)


def _text(money: Decimal | None) -> str | None:
    return None if money is None else f"{money:f}"
