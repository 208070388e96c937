"""What calls cost: prices with the day from which they are valid, in Decimal; data, and tables of your own.

A month that has seen a change of price is priced day by day. A price that nobody knows is never guessed: the
cost of such a call is `UNKNOWN`, which counts as 0 and is told apart by `known`, so that a ledger can say how
many calls its sums lack.
"""

import datetime as dt
import json
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

import yaml

from budgetguard.errors import ConfigError
from budgetguard.paths import shown

SMALLEST_USD: Final = Decimal("1e-12")
"""The unit in which money is kept: less than any price of a single token."""
LARGEST_USD: Final = Decimal(1_000_000)
_EXACT: Final = Context(prec=40, rounding=ROUND_HALF_EVEN)
_MOST_BYTES = 4 << 20


class UnknownCost(Decimal):
    """The cost of a call whose price nobody knows: 0 in every sum."""


UNKNOWN: Final = UnknownCost(0)


def known(cost: Decimal) -> bool:
    """Whether a cost stands on a price."""
    return not isinstance(cost, UnknownCost)


def exact(usd: Decimal) -> Decimal:
    """An amount in whole units of `SMALLEST_USD`, half to even; `UNKNOWN` for what no call can cost."""
    if not (usd.is_finite() and 0 <= usd <= LARGEST_USD):
        return UNKNOWN
    return usd.quantize(SMALLEST_USD, context=_EXACT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What so many units of an item cost from a day on, until a later price of the item is valid."""

    item: str
    valid_from: dt.date
    usd: Decimal
    units: int = 1
    source: str = ""


class PriceTable:
    """Prices by item and day."""

    def __init__(self, prices: Iterable[Price] = ()) -> None:
        """Of prices in any order; of two for one item and day the last counts."""
        days: dict[str, dict[dt.date, Price]] = {}
        for price in prices:
            days.setdefault(price.item, {})[price.valid_from] = price
        self._prices = {
            item: tuple(valid[day] for day in sorted(valid)) for item, valid in days.items()
        }

    @property
    def prices(self) -> tuple[Price, ...]:
        """All of them, by item and day."""
        return tuple(price for item in sorted(self._prices) for price in self._prices[item])

    def find(self, item: str, day: dt.date) -> Price | None:
        """The price of an item on a day; None for an unknown item, and before its first price."""
        prices = self._prices.get(item, ())
        place = bisect_right(prices, day, key=lambda price: price.valid_from)
        return prices[place - 1] if place else None

    def cost(self, item: str, units: Decimal | int, day: dt.date) -> Decimal:
        """What so many units cost on a day; `UNKNOWN` where there is no price for it."""
        price = self.find(item, day)
        if price is None:
            return UNKNOWN
        return exact(
            _EXACT.divide(_EXACT.multiply(price.usd, Decimal(units)), Decimal(price.units))
        )

    def __or__(self, other: "PriceTable") -> "PriceTable":
        """This table with the items of another, whose prices take the place of ours."""
        theirs = {price.item for price in other.prices}
        mine = [price for price in self.prices if price.item not in theirs]
        return PriceTable([*mine, *other.prices])


def load_prices(file: str | Path) -> PriceTable:
    """A table of your own, from YAML or JSON; raises `ConfigError` that names every problem in it.

        prices:
          - item: firecrawl.credit.standard
            valid_from: 2026-11-01
            usd: 83
            units: 100000
            source: our contract of October

    Numbers are read as they are written, never as binary fractions.
    """
    path = Path(file)
    content = _content(path)
    listed = content.get("prices") if isinstance(content, dict) else None
    if not isinstance(listed, list):
        raise ConfigError([f"{shown(path)}: expected a list under `prices`; got {_kind(listed)}"])
    problems: list[str] = []
    prices = [
        _price(entry, f"{shown(path)}: prices[{i}]", problems) for i, entry in enumerate(listed)
    ]
    days = [(price.item, price.valid_from) for price in prices if price]
    problems += [
        f"{shown(path)}: {item!r} has several prices from {day}; expected one, delete the others"
        for item, day in sorted({each for each in days if days.count(each) > 1})
    ]
    if problems:
        raise ConfigError(problems)
    return PriceTable(price for price in prices if price)


def _content(path: Path) -> Any:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise ConfigError([f"{shown(path)}: cannot be read: {error.strerror}"]) from None
    if len(raw) > _MOST_BYTES:
        raise ConfigError([f"{shown(path)}: expected at most {_MOST_BYTES} bytes; got {len(raw)}"])
    try:
        text = raw.decode("utf-8-sig")
        if path.suffix.lower() == ".json":
            return json.loads(text, parse_float=Decimal)
        return yaml.load(text, _Loader)  # noqa: S506 -- a SafeLoader, see below
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise ConfigError([f"{shown(path)}: is no YAML or JSON: {_one_line(error)}"]) from None


class _Loader(yaml.SafeLoader):
    """Reads 0.00083 as that number, and not as the binary fraction beside it."""


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal:
    return Decimal(str(loader.construct_scalar(node)))


_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)

_FIELDS = frozenset({"item", "valid_from", "usd", "units", "source"})


def _price(entry: Any, where: str, problems: list[str]) -> Price | None:
    """One entry of a file; None after its problems have been told."""
    if not isinstance(entry, Mapping):
        problems.append(f"{where}: expected item, valid_from and usd; got {_kind(entry)}")
        return None
    before = len(problems)
    problems += [
        f"{where}: unknown field {str(name)!r}; expected {', '.join(sorted(_FIELDS))}"
        for name in entry
        if name not in _FIELDS
    ]
    item, source = entry.get("item"), entry.get("source", "")
    if not isinstance(item, str) or not item.strip():
        problems.append(
            f"{where}.item: expected a name such as firecrawl.credit.standard; got {item!r}"
        )
    if not isinstance(source, str):
        problems.append(f"{where}.source: expected text; got {_kind(source)}")
    day = _day(entry.get("valid_from"), f"{where}.valid_from", problems)
    usd = _amount(entry.get("usd"), f"{where}.usd", problems)
    units = entry.get("units", 1)
    if not isinstance(units, int) or isinstance(units, bool) or units < 1:
        problems.append(f"{where}.units: expected a whole number of 1 or more; got {units!r}")
    if len(problems) > before:
        return None
    return Price(item=str(item).strip(), valid_from=day, usd=usd, units=units, source=source)


def _day(written: Any, where: str, problems: list[str]) -> dt.date:
    if isinstance(written, dt.date) and not isinstance(written, dt.datetime):
        return written
    try:
        return dt.date.fromisoformat(written)
    except (TypeError, ValueError):
        problems.append(f"{where}: expected a day such as 2026-11-01; got {written!r}")
        return dt.date.min


def _amount(written: Any, where: str, problems: list[str]) -> Decimal:
    try:
        amount = Decimal(written) if isinstance(written, str | int | Decimal) else Decimal("NaN")
    except InvalidOperation:
        amount = Decimal("NaN")
    if isinstance(written, bool) or not amount.is_finite() or not 0 <= amount <= LARGEST_USD:
        problems.append(f"{where}: expected US dollars from 0 to {LARGEST_USD}; got {written!r}")
    return amount


def _kind(value: Any) -> str:
    return "nothing" if value is None else type(value).__name__


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


_FIRECRAWL: Final = "https://www.firecrawl.dev/pricing"
_SERPAPI: Final = "https://serpapi.com/pricing"
_GOOGLE_CSE: Final = "https://developers.google.com/custom-search/v1/overview"

_LISTED: Final = (
    ("firecrawl.credit.hobby", "2025-01-01", 16, 3_000, _FIRECRAWL),
    ("firecrawl.credit.hobby", "2026-10-06", 16, 5_000, _FIRECRAWL),
    ("firecrawl.credit.standard", "2025-01-01", 83, 100_000, _FIRECRAWL),
    ("firecrawl.credit.growth", "2025-01-01", 333, 500_000, _FIRECRAWL),
    ("firecrawl.credit.scale", "2026-10-06", 599, 1_000_000, _FIRECRAWL),
    ("serpapi.search.starter", "2026-05-01", 25, 1_000, _SERPAPI),
    ("serpapi.search.developer", "2025-01-01", 75, 5_000, _SERPAPI),
    ("serpapi.search.production", "2025-01-01", 150, 15_000, _SERPAPI),
    ("serpapi.search.bigdata", "2025-01-01", 275, 30_000, _SERPAPI),
    ("serpapi.search.searcher", "2026-09-16", 725, 100_000, _SERPAPI),
    ("google_cse.query", "2025-01-01", 5, 1_000, _GOOGLE_CSE),
)
"""Item, day, US dollars, units they pay for, source.

Plans are bought by the month: the price of a unit is that of a month whose units are all used (Firecrawl's
when billed yearly), which is the least that one can cost, so that no saving is overstated. The day is the
first on which we know the price to have been listed, not that of an announcement. Google's first 100
queries of a day are free; they are priced like the rest, for a single call cannot know how many came before.
"""

PRICES: Final = PriceTable(
    Price(
        item=item,
        valid_from=dt.date.fromisoformat(day),
        usd=Decimal(usd),
        units=units,
        source=source,
    )
    for item, day, usd, units, source in _LISTED
)
"""The listed prices of Firecrawl's credits and of searches; those of tokens are in `services.tokens`."""
