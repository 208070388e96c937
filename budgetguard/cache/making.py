"""How what was loaded becomes an entry: its cost, its life, when it is refreshed, and what it takes."""

import math
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from budgetguard.cache.codec import PLAIN, Sealed, pack, unpack
from budgetguard.cache.counts import Counts, Event
from budgetguard.cache.memory import Slot
from budgetguard.cache.policy import Place, Policy
from budgetguard.cache.prices import known
from budgetguard.cache.sizes import size_of
from budgetguard.cache.tags import Guard

NOT_MODIFIED: Final = object()
"""What `revalidate` returns where a value is still good, as an origin does with status 304."""


@dataclass(slots=True, kw_only=True)
class About:
    """What is known of a slot beside its value; `counted` are those of its hits that statistics have."""

    name: str
    policy: Policy
    place: Place | None
    expires: float
    life_s: float
    cost_usd: Decimal
    counted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One miss: what is asked for, and what decides whether the answer is kept."""

    key: Hashable
    name: str
    policy: Policy
    tags: tuple[str, ...]
    cost: Callable[[Any], Decimal]
    refused: Callable[[Any], str]
    revalidate: Callable[[Any], Any] | None = None
    newer_than: float = -math.inf
    """A refresh wants what expires later than this, in seconds of the cache's clock."""


@dataclass(frozen=True, slots=True)
class Unchanged:
    """What a check found instead of another value: the one of this slot is good for another life."""

    slot: Slot


class Making:
    """Makes slots of values, and what shared tiers hold of them."""

    def __init__(
        self, counts: Counts, clock: Callable[[], float], draw: Callable[[], float]
    ) -> None:
        """`draw` gives numbers from 0 to below 1, for what shall differ by chance."""
        self._counts, self._clock, self._draw = counts, clock, draw

    def made(
        self, call: Call, value: Any, load_s: float, guard: Guard
    ) -> tuple[Slot, Sealed | None]:
        """A slot of what was loaded, and what goes to the tiers; it ends at once where it is not kept."""
        policy = call.policy
        value, cost = self._paid(call, value, load_s)
        packed = pack(value, policy.name) if policy.copies else None
        life_s = self._life_s(call, value, cost, packed)
        about = About(
            name=call.name,
            policy=policy,
            place=None,
            expires=self._clock() + life_s,
            life_s=life_s,
            cost_usd=cost,
        )
        slot = self.slot(call, value, packed, about, load_s, guard)
        if packed is None or not life_s:
            return slot, None
        return slot, Sealed(
            ttl_s=life_s,
            stale_s=slot.ends - about.expires,
            load_s=load_s,
            cost_usd=Decimal(cost),  # what is not known is 0 there
            versions={},
            packed=packed,
        )

    def _paid(self, call: Call, loaded: Any, load_s: float) -> tuple[Any, Decimal]:
        """The value, and what a hit of it saves; one that is still good has cost nothing again."""
        if isinstance(loaded, Unchanged):
            self._counts.add(call.policy.name, Event.REVALIDATED)
            return copy(loaded.slot), loaded.slot.about.cost_usd
        cost = call.cost(loaded)
        self._counts.loaded(call.policy.name, load_s, cost)
        return loaded, cost

    def _life_s(self, call: Call, value: Any, cost: Decimal, packed: bytes | None) -> float:
        """How long a value is fresh; 0 where it is not kept at all."""
        policy = call.policy
        if value is None:
            return policy.negative_ttl_s
        too_large = packed is not None and len(packed) > policy.max_value_bytes
        too_cheap = known(cost) and cost < policy.min_cost_usd
        if too_large or too_cheap or call.refused(value):
            self._counts.add(policy.name, Event.REFUSED)
            return 0.0
        return policy.ttl_s * (1 - policy.jitter * self._draw())

    def slot(
        self,
        call: Call,
        value: Any,
        packed: bytes | None,
        about: About,
        load_s: float,
        guard: Guard,
    ) -> Slot:
        """A slot that is refreshed before it expires, the earlier the longer its load takes (XFetch).

        Vattani, Chierichetti and Lowenstein 2015, "Optimal probabilistic cache stampede prevention".
        """
        early_s = -math.log(1 - self._draw()) * load_s * call.policy.early
        unchanging = isinstance(value, PLAIN) or packed is None
        stale_s = call.policy.stale_s if about.life_s and value is not None else 0.0
        return Slot(
            key=call.key,
            value=value if unchanging else None,
            packed=None if unchanging else packed,
            fresh_until=about.expires - min(early_s, about.life_s / 2),
            ends=about.expires + stale_s,
            cost_usd=float(about.cost_usd),
            size=size_of(call.key, call.name, value if unchanging else packed),
            guard=guard,
            about=about,
        )


def copy(slot: Slot) -> Any:
    """The value of a slot, as an object that nobody else has where it could be changed."""
    if slot.packed is None:
        return slot.value
    about: About = slot.about
    return unpack(slot.packed, about.policy.type)
