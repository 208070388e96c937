"""How one kind of value is cached: how long, where, and from what cost on. Frozen values."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from budgetguard.errors import UsageError

_LONGEST_NAME = 100


class Place(StrEnum):
    """Where a value can be kept, from the fastest to the most lasting."""

    MEMORY = "memory"
    REDIS = "redis"
    SQL = "sql"


EVERYWHERE = frozenset(Place)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How values of one operation are cached; `name` keeps its keys apart from those of other policies."""

    name: str
    ttl_s: float
    """How long a value is fresh."""
    stale_s: float = 0.0
    """How long after that it may be served while a fresh one is loaded, or while the loader fails."""
    jitter: float = 0.1
    """The part of `ttl_s` by which lives differ, 0 to 1: what was stored together shall not end together."""
    early: float = 1.0
    """How eagerly a value is refreshed before it expires (XFetch's beta); 0 never does."""
    negative_ttl_s: float = 0.0
    """How long None, as an answer of the loader, is kept; 0 keeps no None."""
    error_ttl_s: float = 0.0
    """How long an error of the loader is raised again in this process without calling it."""
    min_cost_usd: Decimal = Decimal(0)
    """What cost less is not worth its place and is not kept."""
    max_value_bytes: int = 1 << 20
    """What is larger when it is packed is not kept."""
    compress_min_bytes: int = 1024
    places: frozenset[Place] = EVERYWHERE
    copies: bool = True
    """Whether a caller gets a copy of a mutable value; without it values stay in memory, as they are."""
    type: Any = field(default=None)
    """What msgspec turns a value back into: a dataclass, a Struct, list[Article]; None gives plain data."""

    def __post_init__(self) -> None:
        """Raise `UsageError` for what no policy can mean."""
        for problem in _problems(self):
            raise UsageError(f"policy {self.name!r}: {problem}")


def _problems(policy: Policy) -> list[str]:
    found = []
    if not policy.name or len(policy.name) > _LONGEST_NAME or not policy.name.isprintable():
        found.append(f"expected a name of 1 to {_LONGEST_NAME} printable characters")
    if not policy.ttl_s > 0:
        found.append(f"expected ttl_s above 0; got {policy.ttl_s}")
    found += [
        f"expected {name} of 0 or more; got {getattr(policy, name)}"
        for name in ("stale_s", "early", "negative_ttl_s", "error_ttl_s")
        if not getattr(policy, name) >= 0
    ]
    if not 0 <= policy.jitter < 1:
        found.append(f"expected jitter from 0 to below 1; got {policy.jitter}")
    if not policy.places:
        found.append("expected at least one place, such as Place.MEMORY")
    if not policy.copies and policy.places != {Place.MEMORY}:
        found.append(
            "values that are not copied cannot leave the process; expected places={Place.MEMORY}"
        )
    return found
