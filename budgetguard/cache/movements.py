"""Movements of money around a cache, and their sums. Frozen values.

| kind | each is | its money |
|---|---|---|
| LOAD | a call that was answered | spent |
| ERROR | a call that failed | spent, where it was billed nevertheless |
| HIT_MEMORY, HIT_REDIS, HIT_SQL | a call that was not made | saved: what loading the value had cost |
| COALESCED | a caller that shared the load of another | saved: one call, for alone it had made its own |
| REFUSED | an answer that was not kept; its call is a LOAD beside it | none |
| UNPRICED | a LOAD whose cost nobody knows, beside that LOAD | none; what is spent and saved lacks it |

A caller is one of the first four, once, so that no money is spent or saved twice.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from enum import StrEnum
from typing import Final

from budgetguard.cache.policy import Place
from budgetguard.cache.prices import LARGEST_USD, SMALLEST_USD
from budgetguard.errors import UsageError

_EXACT: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)
_LONGEST_NAME = 200
_LATEST_S = 1 << 40


class Kind(StrEnum):
    """What a movement is."""

    LOAD = "load"
    ERROR = "error"
    HIT_MEMORY = "hit_memory"
    HIT_REDIS = "hit_redis"
    HIT_SQL = "hit_sql"
    COALESCED = "coalesced"
    REFUSED = "refused"
    UNPRICED = "unpriced"

    @classmethod
    def hit(cls, place: Place) -> "Kind":
        """The kind of a hit in a place."""
        return cls(f"hit_{place}")


_HITS: Final = {place: Kind.hit(place) for place in Place}
_SPENT: Final = (Kind.LOAD, Kind.ERROR)
_SAVED: Final = (*_HITS.values(), Kind.COALESCED)
_FREE: Final = (Kind.REFUSED, Kind.UNPRICED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What happened `count` times to an operation; `usd` is the money of all of them together."""

    operation: str
    at: float
    """Seconds since 1970, UTC."""
    kind: Kind
    count: int = 1
    usd: Decimal = Decimal(0)

    def __post_init__(self) -> None:
        """Raise `UsageError` for what no ledger can hold."""
        if not self.operation.isprintable() or not 0 < len(self.operation) <= _LONGEST_NAME:
            raise UsageError(
                f"a movement of {self.operation[:40]!r}: expected the name of an operation, 1 to "
                f"{_LONGEST_NAME} printable characters"
            )
        problem = ""
        if not (math.isfinite(self.at) and 0 <= self.at < _LATEST_S):
            problem = f"expected `at` in seconds since 1970; got {self.at!r}"
        elif self.count < 1:
            problem = f"expected a count of 1 or more; got {self.count}"
        elif not (self.usd.is_finite() and 0 <= self.usd <= LARGEST_USD):
            problem = f"expected from 0 to {LARGEST_USD} US dollars; got {self.usd}"
        elif self.usd and self.kind in _FREE:
            problem = (
                f"expected no money for {self.kind}, which is that of the load; got {self.usd}"
            )
        if problem:
            raise UsageError(f"a movement of {self.operation!r}: {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Counts and money by kind; kinds that did not happen may be missing."""

    counts: Mapping[Kind, int] = field(default_factory=dict)
    usd: Mapping[Kind, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, several: Iterable["Sums"]) -> "Sums":
        """All of them together, exactly."""
        counts: Counter[Kind] = Counter()
        usd: defaultdict[Kind, Decimal] = defaultdict(Decimal)
        for each in several:
            counts.update(each.counts)
            for kind, money in each.usd.items():
                usd[kind] = _EXACT.add(usd[kind], money)
        return Sums(counts=dict(counts), usd=dict(usd))

    @property
    def loads(self) -> int:
        """Calls that were answered."""
        return self.counts.get(Kind.LOAD, 0)

    @property
    def errors(self) -> int:
        """Calls that failed."""
        return self.counts.get(Kind.ERROR, 0)

    @property
    def coalesced(self) -> int:
        """Callers that shared another's load."""
        return self.counts.get(Kind.COALESCED, 0)

    @property
    def refused(self) -> int:
        """Answers that were not kept."""
        return self.counts.get(Kind.REFUSED, 0)

    @property
    def unpriced(self) -> int:
        """Loads whose cost nobody knows; with any, the money is a lower bound."""
        return self.counts.get(Kind.UNPRICED, 0)

    @property
    def hits(self) -> dict[Place, int]:
        """Hits of each place."""
        return {place: self.counts.get(kind, 0) for place, kind in _HITS.items()}

    @property
    def calls(self) -> int:
        """All who asked: hits, loads, errors, and those who shared a load."""
        return sum(self.counts.get(kind, 0) for kind in (*_SPENT, *_SAVED))

    @property
    def spent(self) -> Decimal:
        """What calls cost, in US dollars."""
        return self._money(_SPENT)

    @property
    def saved(self) -> Decimal:
        """What was not spent because of the cache, in US dollars."""
        return self._money(_SAVED)

    def _money(self, kinds: Iterable[Kind]) -> Decimal:
        total = Decimal(0)
        for kind in kinds:
            total = _EXACT.add(total, self.usd.get(kind, Decimal(0)))
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(Sums):
    """What happened to one operation from `start` (UTC) on, in so many hours: 1, or 24 of long ago."""

    start: datetime
    hours: int
    operation: str


def whole(usd: Decimal) -> int:
    """Money as a number of `SMALLEST_USD`; what is finer is rounded, half to even."""
    return int(_EXACT.divide(usd, SMALLEST_USD).to_integral_value(context=_EXACT))


def money(units: int) -> Decimal:
    """A number of `SMALLEST_USD` as US dollars."""
    return _EXACT.multiply(Decimal(units), SMALLEST_USD)


def exported(row: Row) -> dict[str, str | int]:
    """A row for JSON or CSV: counts are numbers, and money is text, so that no reader makes it a float."""
    return {
        "start": f"{row.start:%Y-%m-%dT%H:%M:%SZ}",
        "hours": row.hours,
        "operation": row.operation,
        "loads": row.loads,
        "errors": row.errors,
        **{f"hits_{place}": count for place, count in row.hits.items()},
        "coalesced": row.coalesced,
        "refused": row.refused,
        "unpriced": row.unpriced,
        "spent_usd": f"{row.spent:f}",
        "saved_usd": f"{row.saved:f}",
    }
