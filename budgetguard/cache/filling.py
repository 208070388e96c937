"""What a miss does around its load: ask the shared tiers, take the right to load, keep what was loaded.

All of it may block for as long as tiers may, and none of it calls the loader: threads and event loops
share it.
"""

import math
import random
import secrets
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import msgspec

from budgetguard.cache.codec import PLAIN, Codec, Damaged, Sealed, pack, unpack
from budgetguard.cache.counts import Counts, Event
from budgetguard.cache.flight import Flight
from budgetguard.cache.link import Link
from budgetguard.cache.memory import Memory, Slot, size_of
from budgetguard.cache.policy import Place, Policy
from budgetguard.cache.prices import known
from budgetguard.cache.tags import Guard, Tags, holds
from budgetguard.cache.tiers.base import Found, Tier
from budgetguard.cache.watch import LEASE_S, Watch

NOT_MODIFIED: Final = object()
"""What `revalidate` returns where a value is still good, as an origin does with status 304."""
Told = dict[str, Mapping[str, int]]
"""The versions of tags, by the name of the tier that told them."""


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


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to load, and to keep the value in these links; the first of them has the lease."""

    token: str
    links: list[Link]
    told: Told
    guard: Guard


class Filling:
    """Memory, the shared tiers behind it, and what connects them."""

    def __init__(  # noqa: PLR0913 -- the parts of a cache, put together in one place
        self,
        memory: Memory,
        *,
        links: Sequence[Link],
        codec: Codec,
        tags: Tags,
        counts: Counts,
        watch: Watch,
        clock: Callable[[], float],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._memory, self._links, self._codec, self._tags = memory, tuple(links), codec, tags
        self.keys: dict[str, Hashable] = {}
        """The key in memory of what tiers know by a name."""
        self._counts, self._watch, self._clock, self._draw = counts, watch, clock, draw

    def look(self, call: Call, flight: Flight) -> Slot | Ticket | None:
        """What a shared tier holds, or the right to load it; None while another process has it."""
        ticket = Ticket(secrets.token_hex(8), [], Told(), self._tags.guard(call.tags, {}))
        try:
            found = self._looked(call, ticket)
        except BaseException:
            self.let_go(ticket)
            raise
        if isinstance(found, Slot):
            self._remember(found, flight)
        return found

    def _looked(self, call: Call, ticket: Ticket) -> Slot | Ticket | None:
        for link in self._links:
            if link.place not in call.policy.places:
                continue
            held = self._held(call, link, ticket.told)
            granted = held is None and link.ask(self._acquiring(call, ticket.token), None)
            if granted and not ticket.links:
                self._watch.hold(link, call.name, ticket.token)
                held = self._held(call, link, ticket.told)  # it may have come just before the lease
            if granted:
                ticket.links.append(link)
            elif granted is False and held is None and not ticket.links:
                return None
            if held is not None:
                self._promote(call, ticket, link, *held)
                return held[0]
        return ticket

    def _acquiring(self, call: Call, token: str) -> Callable[[Tier], bool]:
        return lambda tier: tier.acquire(call.name, token, LEASE_S)

    def keep(self, call: Call, ticket: Ticket, flight: Flight, value: Any, load_s: float) -> Slot:
        """Keep what was loaded wherever it may be, and give the lease back."""
        try:
            slot, sealed = self._made(call, value, load_s, ticket.guard)
            if slot.ends > self._clock() and self._put_all(call, ticket, slot, sealed):
                self._remember(slot, flight)
        finally:
            self.give_up(call, ticket)
        return slot

    @property
    def shares(self) -> bool:
        """Whether there are tiers that may have to be waited for."""
        return bool(self._links)

    def peek(self, call: Call) -> Slot | None:
        """What a shared tier holds, and nothing else."""
        for link in self._links:
            if link.place in call.policy.places and (held := self._held(call, link, Told())):
                return held[0]
        return None

    def let_go(self, ticket: Ticket) -> None:
        """Let the leases end by themselves, soon."""
        self._watch.drop(ticket.token)

    def put(self, call: Call, value: Any) -> Slot:
        """Keep a value that nobody asked for; a load under way cannot overwrite it."""
        token, told, taken = secrets.token_hex(8), Told(), list[Link]()
        for link in self._links:
            link.delete([call.name])  # takes the right to put from every load that is under way
            told[link.tier.name] = link.ask(lambda tier: tier.versions(call.tags), {})
            if link.place in call.policy.places and link.ask(self._acquiring(call, token), None):
                taken.append(link)
        ticket = Ticket(token, taken, told, self._tags.guard(call.tags, told))
        slot, sealed = self._made(call, value, 0.0, ticket.guard)
        if slot.ends > self._clock():
            self._put_all(call, ticket, slot, sealed)
            self._remember(slot, Flight())
        self.give_up(call, ticket)
        return slot

    def give_up(self, call: Call, ticket: Ticket) -> None:
        """Give the leases back, so that the next one may load."""
        self._watch.drop(ticket.token)
        for link in ticket.links:
            link.ask(lambda tier: tier.release(call.name, ticket.token), None)

    def _held(self, call: Call, link: Link, told: Told) -> tuple[Slot, Sealed] | None:
        """What one tier holds and what can be trusted of it; None is a miss."""
        found = link.ask(lambda tier: tier.get(call.name, call.tags), None)
        if found is None:
            if call.tags:
                told[link.tier.name] = link.ask(lambda tier: tier.versions(call.tags), {})
            return None
        told[link.tier.name] = found.versions
        try:
            sealed = self._codec.open(call.name, found.blob, call.policy.max_value_bytes)
            return self._opened(call, link, found, sealed)
        except Damaged:
            self._counts.add(call.policy.name, Event.DAMAGED)
            return None

    def _opened(
        self, call: Call, link: Link, found: Found, sealed: Sealed
    ) -> tuple[Slot, Sealed] | None:
        versions = dict(found.versions)
        if more := sealed.versions.keys() - versions.keys():
            versions |= link.ask(lambda tier: tier.versions(tuple(more)), dict.fromkeys(more, -1))
        guard = self._tags.guard(versions, {link.tier.name: versions})
        expires = self._clock() + min(found.left_s - sealed.stale_s, sealed.ttl_s)
        outdated = any(sealed.versions.get(tag, 0) != now for tag, now in versions.items())
        if outdated or found.left_s <= 0 or expires <= call.newer_than:
            return None
        value = unpack(sealed.packed, call.policy.type)
        about = About(
            name=call.name,
            policy=call.policy,
            place=link.place,
            expires=expires,
            life_s=sealed.ttl_s,
            cost_usd=sealed.cost_usd,
        )
        slot = self._slot(call, value, sealed.packed, about, sealed.load_s, guard)
        self._counts.add(call.policy.name, link.place, usd_each=sealed.cost_usd)
        return slot, sealed

    def _promote(
        self, call: Call, ticket: Ticket, source: Link, slot: Slot, sealed: Sealed
    ) -> None:
        """Keep what a slower tier held in the faster ones, too, for as long as it has left."""
        keep_s, tags = slot.ends - self._clock(), sealed.versions.keys() | set(call.tags)
        for link in ticket.links:
            versions = dict(ticket.told.get(link.tier.name, {}))
            # where the caller has not named all its tags, their versions in that tier are not known
            if link is not source and keep_s > 0 and tags <= versions.keys():
                own = msgspec.structs.replace(sealed, versions=versions)
                self._put(call, link, own, keep_s, ticket.token)
        self.give_up(call, ticket)

    def _made(
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
        slot = self._slot(call, value, packed, about, load_s, guard)
        if packed is None or not life_s:
            return slot, None
        return slot, Sealed(
            ttl_s=life_s,
            stale_s=slot.ends - about.expires,
            load_s=load_s,
            cost_usd=cost,
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

    def _slot(
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

    def _put_all(self, call: Call, ticket: Ticket, slot: Slot, sealed: Sealed | None) -> bool:
        """Hand a value to every tier whose token still holds; False where the lease's tier refuses it."""
        if sealed is None:
            return True
        keep_s = slot.ends - self._clock()
        for link in ticket.links:
            versions = dict(ticket.told.get(link.tier.name, {}))
            own = msgspec.structs.replace(sealed, versions=versions)
            if not self._put(call, link, own, keep_s, ticket.token):
                self._counts.add(call.policy.name, Event.FENCED)
                return False
        return True

    def _put(self, call: Call, link: Link, sealed: Sealed, keep_s: float, token: str) -> bool:
        """False where the token has lost its right; a tier that is down refuses nothing."""
        blob = self._codec.seal(call.name, sealed, call.policy.compress_min_bytes)
        return link.ask(lambda tier: tier.put(call.name, blob, keep_s, token), otherwise=True)

    def _remember(self, slot: Slot, flight: Flight) -> None:
        """Keep a slot in memory, unless what it came from was invalidated meanwhile."""
        about: About = slot.about
        if Place.MEMORY not in about.policy.places or not _counts(slot, flight):
            return
        self.keys[about.name] = slot.key
        self._memory.put(slot)
        # once more, so that no moment is between; what may be newer by now stays
        if not _counts(slot, flight) and self._memory.slots.get(slot.key) is slot:
            self._memory.remove(slot.key)

    def forget(self, slot: Slot) -> None:
        """A slot has left memory; another may have taken its place."""
        about: About = slot.about
        if slot.key not in self._memory.slots:
            self.keys.pop(about.name, None)


def _counts(slot: Slot, flight: Flight) -> bool:
    return flight.valid and holds(slot.guard)


def copy(slot: Slot) -> Any:
    """The value of a slot, as an object that nobody else has where it could be changed."""
    if slot.packed is None:
        return slot.value
    about: About = slot.about
    return unpack(slot.packed, about.policy.type)


def pauses() -> Iterator[float]:
    """Seconds between two looks at what another process loads: short at first."""
    pause_s = 0.01
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, 0.05)
