"""What a miss does around its load: ask the shared tiers, take the right to load, keep what was loaded.

All of it may block for as long as tiers may, and none of it calls the loader: threads and event loops
share it.
"""

import random
import secrets
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from budgetguard.cache.codec import Codec, Damaged, Sealed, unpack
from budgetguard.cache.counts import Counts, Event
from budgetguard.cache.events import Damage
from budgetguard.cache.flight import Flight
from budgetguard.cache.link import Link
from budgetguard.cache.making import About, Call, Making
from budgetguard.cache.memory import Memory, Slot
from budgetguard.cache.policy import Place
from budgetguard.cache.tags import Guard, Tags, holds
from budgetguard.cache.tiers.base import Found, Tier
from budgetguard.cache.watch import LEASE_S, Watch

_DRAW = random.SystemRandom()  # not the module's own state: others seed that, and watch it
Told = dict[str, Mapping[str, int]]
"""The versions of tags, by the name of the tier that told them."""


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
        draw: Callable[[], float] = _DRAW.random,
    ) -> None:
        self._memory, self._links, self._codec, self._tags = memory, tuple(links), codec, tags
        self.keys: dict[str, Hashable] = {}
        """The key in memory of what tiers know by a name."""
        self._counts, self._watch, self._clock = counts, watch, clock
        self._making = Making(counts, clock, draw)
        self._damage = Damage(clock)

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
                saved = held[1].cost_usd
                self._counts.add(call.policy.name, link.place, usd_each=saved)
                self._promote(call, ticket, link, *held)
                return held[0]
        return ticket

    def _acquiring(self, call: Call, token: str) -> Callable[[Tier], bool]:
        return lambda tier: tier.acquire(call.name, token, LEASE_S)

    def keep(self, call: Call, ticket: Ticket, flight: Flight, value: Any, load_s: float) -> Slot:
        """Keep what was loaded wherever it may be, and give the lease back."""
        try:
            slot, sealed = self._making.made(call, value, load_s, ticket.guard)
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
        slot, sealed = self._making.made(call, value, 0.0, ticket.guard)
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
        except Damaged as error:
            self._counts.add(call.policy.name, Event.DAMAGED)
            self._damage(call.policy.name, link.tier.name, str(error))
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
        slot = self._making.slot(call, value, sealed.packed, about, sealed.load_s, guard)
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


def pauses() -> Iterator[float]:
    """Seconds between two looks at what another process loads: short at first."""
    pause_s = 0.01
    while True:
        yield pause_s
        pause_s = min(2 * pause_s, 0.05)
