"""What a cache has done, counted per policy. Values."""

import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from budgetguard.cache.movements import Kind, Movement
from budgetguard.cache.policy import Place
from budgetguard.cache.prices import known


class Event(StrEnum):
    """What is counted, beside the hits of each place."""

    LOAD = "loads"
    LOAD_ERROR = "load_errors"
    REVALIDATED = "revalidated"
    """Values past their life that were found to be still good."""
    COALESCED = "coalesced"
    """Calls that shared another's load."""
    STALE = "stale"
    """Calls that got a value past its life."""
    NEGATIVE = "negative"
    """Calls that got a None or an error that was remembered."""
    REFUSED = "refused"
    """Values that were not kept: too large, too cheap, or forbidden."""
    FENCED = "fenced"
    """Values that a newer load or an invalidation had overtaken."""
    DAMAGED = "damaged"
    """What a tier held and nobody can trust; each was a miss."""
    UNPRICED = "unpriced"
    """Loads whose cost nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStats:
    """The counts of one policy."""

    hits: Mapping[str, int] = field(default_factory=dict)
    """By place: memory, redis, sql."""
    events: Mapping[str, int] = field(default_factory=dict)
    load_s: float = 0.0
    """Seconds that all its loads took together."""
    spent_usd: Decimal = Decimal(0)
    """What its loads cost, as far as that is known."""
    saved_usd: Decimal = Decimal(0)
    """What its hits and shared loads would have cost."""

    @property
    def hit_ratio(self) -> float:
        """Hits of all places among all calls; 0 without any."""
        hits = sum(self.hits.values())
        calls = hits + self.events.get(Event.LOAD, 0) + self.events.get(Event.COALESCED, 0)
        return hits / calls if calls else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TierHealth:
    """A shared tier as this process finds it."""

    name: str
    up: bool
    errors: int
    """Calls that failed."""
    incidents: int
    """How often it went down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What a process has in memory, and how the tiers behind it are."""

    entries: int
    used_bytes: int
    capacity_bytes: int
    tiers: tuple[TierHealth, ...] = ()


class Counts:
    """Counters that any thread may add to; hits in memory are counted in their slots."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._booked: Counter[tuple[str, str]] = Counter()
        self._usd: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self._usd_booked: dict[tuple[str, str], Decimal] = {}
        self._load_s: defaultdict[str, float] = defaultdict(float)

    def add(self, policy: str, what: str, number: int = 1, usd_each: Decimal = Decimal(0)) -> None:
        """Count an event, or hits of a place, and the money that each spent or saved."""
        with self._lock:
            self._counts[policy, what] += number
            if usd_each:
                self._usd[policy, what] += number * usd_each

    def loaded(self, policy: str, seconds: float, cost_usd: Decimal) -> None:
        """Count a load, its time and its cost."""
        self.add(policy, Event.LOAD, usd_each=cost_usd)
        if not known(cost_usd):
            self.add(policy, Event.UNPRICED)
        with self._lock:
            self._load_s[policy] += seconds

    def stats(self) -> dict[str, PolicyStats]:
        """All counts by policy; what is named as a place is a hit, the rest an event."""
        with self._lock:
            counts, load_s, usd = dict(self._counts), dict(self._load_s), dict(self._usd)
        found = {}
        for name in sorted({policy for policy, _ in counts}):
            own = {what: number for (policy, what), number in counts.items() if policy == name}
            money = {what: sum_ for (policy, what), sum_ in usd.items() if policy == name}
            spent = money.pop(Event.LOAD, Decimal(0))
            found[name] = PolicyStats(
                hits={str(what): own[what] for what in sorted(own.keys() & _PLACES)},
                events={str(what): own[what] for what in sorted(own.keys() - _PLACES)},
                load_s=load_s.get(name, 0.0),
                spent_usd=spent,
                saved_usd=sum(money.values(), start=Decimal(0)),
            )
        return found

    def movements(self, at: float) -> list[Movement]:
        """What a ledger has to hear of since the last call; `at` is seconds since 1970."""
        with self._lock:
            new = {
                key: number - self._booked[key]
                for key, number in self._counts.items()
                if key[1] in _KINDS and number > self._booked[key]
            }
            self._booked.update(new)
            zero = Decimal(0)
            sums = {key: self._usd.get(key, zero) for key in new}
            usd = {key: sums[key] - self._usd_booked.get(key, zero) for key in new}
            self._usd_booked.update(sums)
        return [
            Movement(operation=key[0], at=at, kind=_KINDS[key[1]], count=number, usd=usd[key])
            for key, number in new.items()
        ]


_PLACES = frozenset(map(str, Place))
_KINDS: Mapping[str, Kind] = {
    **{str(place): Kind.hit(place) for place in Place},
    Event.LOAD: Kind.LOAD,
    Event.LOAD_ERROR: Kind.ERROR,
    Event.COALESCED: Kind.COALESCED,
    Event.REFUSED: Kind.REFUSED,
    Event.UNPRICED: Kind.UNPRICED,
}
