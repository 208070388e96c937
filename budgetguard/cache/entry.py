"""A cached value with what is known of it, as callers see it."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from budgetguard.cache.policy import Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A value and where it came from; `place` is None where it was loaded just now."""

    value: Any
    place: Place | None
    age_s: float
    stale: bool
    etag: str
    cost_usd: Decimal
    """What loading it cost."""
    stored_bytes: int

    def matches(self, if_none_match: str) -> bool:
        """Whether an If-None-Match header names this value, so that 304 is the answer (RFC 9110, 13.1.2)."""
        if if_none_match.strip() == "*":
            return True
        named = (tag.strip().removeprefix("W/") for tag in if_none_match.split(","))
        return self.etag in named
