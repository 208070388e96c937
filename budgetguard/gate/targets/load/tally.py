"""How often what took how long: counts and times of requests, at 3 significant digits. Pure values.

locust keeps two digits: 102 ms is 100 ms to it, and all below 1 ms is nothing.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_DIGITS = 3
_MOST_ERRORS = 20
"""Different error texts that are told apart; a server may put a number into each."""
OTHER_ERRORS = "(other errors)"


def rounded(seconds: float) -> float:
    """Three significant digits of a time: at most 0.5 % from it."""
    if seconds <= 0:
        return 0.0
    return round(seconds, _DIGITS - 1 - math.floor(math.log10(seconds)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Requests that have ended: times in seconds, `buckets` from a rounded time to how many took it."""

    count: int = 0
    failed: int = 0
    total_s: float = 0.0
    max_s: float = 0.0
    buckets: Mapping[float, int] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: "Iterable[Tally]") -> "Tally":
        """All of `parts` in one."""
        counting = Counting()
        for part in parts:
            counting.join(part)
        return counting.tally()

    @property
    def mean_s(self) -> float:
        """The mean time; 0 without a request."""
        return self.total_s / self.count if self.count else 0.0

    def quantile_s(self, q: float) -> float:
        """The smallest time that a share of `q` of the requests did not exceed; 0 without a request."""
        return self.at_rank(math.ceil(q * self.count))

    def at_rank(self, rank: int) -> float:
        """The time of the request at a rank, 1 for the fastest; 0 without a request."""
        seen = 0
        for seconds in sorted(self.buckets):
            seen += self.buckets[seconds]
            if seen >= rank:
                return min(seconds, self.max_s)  # the largest may be rounded up
        return self.max_s

    def beyond(self, seconds: float) -> int:
        """How many requests took longer."""
        return sum(number for one, number in self.buckets.items() if one > seconds)

    def to_plain(self) -> dict[str, object]:
        """As JSON holds it."""
        return {
            "count": self.count,
            "failed": self.failed,
            "total_s": self.total_s,
            "max_s": self.max_s,
            "buckets": {str(seconds): number for seconds, number in sorted(self.buckets.items())},
            "errors": dict(self.errors),
        }

    @classmethod
    def from_plain(cls, told: Mapping[str, Any]) -> "Tally":
        """Read what `to_plain` wrote."""
        buckets = {float(seconds): int(number) for seconds, number in told["buckets"].items()}
        return cls(**{**told, "buckets": buckets})


class Counting:
    """A tally that is still being counted."""

    def __init__(self) -> None:
        self._count = self._failed = 0
        self._total_s = self._max_s = 0.0
        self._buckets: dict[float, int] = {}
        self._errors: dict[str, int] = {}

    def add(self, seconds: float, error: str = "") -> None:
        """Count one request."""
        self._count += 1
        self._total_s += seconds
        self._max_s = max(self._max_s, seconds)
        key = rounded(seconds)
        self._buckets[key] = self._buckets.get(key, 0) + 1
        if error:
            self._failed += 1
            self._fail(error, 1)

    def join(self, part: Tally) -> None:
        """Count what another tally holds."""
        self._count += part.count
        self._failed += part.failed
        self._total_s += part.total_s
        self._max_s = max(self._max_s, part.max_s)
        for seconds, number in part.buckets.items():
            self._buckets[seconds] = self._buckets.get(seconds, 0) + number
        for error, number in part.errors.items():
            self._fail(error, number)

    def tally(self) -> Tally:
        """What was counted so far."""
        return Tally(
            count=self._count,
            failed=self._failed,
            total_s=self._total_s,
            max_s=self._max_s,
            buckets=dict(self._buckets),
            errors=dict(self._errors),
        )

    def _fail(self, error: str, number: int) -> None:
        if error not in self._errors and len(self._errors) >= _MOST_ERRORS:
            error = OTHER_ERRORS
        self._errors[error] = self._errors.get(error, 0) + number
