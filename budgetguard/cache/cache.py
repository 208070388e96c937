"""Values that are expensive to load: kept in memory, Redis and a database, loaded once for all who ask."""

import datetime as dt
import os
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from budgetguard.cache.access_log import AccessLog
from budgetguard.cache.books import Books
from budgetguard.cache.codec import Codec, pack
from budgetguard.cache.counts import Counts, Health, PolicyStats, TierHealth
from budgetguard.cache.entry import Entry
from budgetguard.cache.filling import Filling
from budgetguard.cache.flight import Flights
from budgetguard.cache.keys import digest, etag
from budgetguard.cache.ledger import Ledger
from budgetguard.cache.link import Link
from budgetguard.cache.making import About, Call, copy
from budgetguard.cache.memory import Memory, Slot
from budgetguard.cache.misses import Misses
from budgetguard.cache.operation import Operation, Request, Response
from budgetguard.cache.policy import Place, Policy
from budgetguard.cache.tags import Tags, holds
from budgetguard.cache.tiers.base import Change
from budgetguard.cache.watch import Watch
from budgetguard.errors import UsageError

_SHORTEST_SECRET = 16
Cost = Callable[[Any], Decimal]
Refused = Callable[[Any], str]
Revalidate = Callable[[Any], Any]


def _free(_value: Any) -> Decimal:
    return Decimal(0)


def _kept(_value: Any) -> str:
    return ""


class Cache:
    """Memory, and the tiers that several processes share behind it.

    Every method may be called from any thread; those that begin with `a` are for event loops. `secret`
    signs what leaves the process: all that share a tier need the same one, of 16 bytes or more.
    """

    def __init__(
        self,
        memory: Memory,
        links: Sequence[Link] = (),
        secret: bytes = b"",
        ledger: Ledger | None = None,
        clock: Callable[[], float] = time.monotonic,
        *,
        access_log: AccessLog | None = None,
        clean_every_s: float = 0.0,
    ) -> None:
        """Of parts; `open_cache` makes them of URLs. Raises `UsageError` for a secret that is too short."""
        if links and len(secret) < _SHORTEST_SECRET:
            raise UsageError(
                f"what leaves the process is signed: expected a secret of {_SHORTEST_SECRET} bytes or more, "
                f"got {len(secret)}; set BUDGETGUARD_CACHE_SECRET, as by: openssl rand -hex 32"
            )
        self._memory, self._links, self._secret, self._clock = memory, tuple(links), secret, clock
        self._ledger, self._access, self._tags = ledger, access_log, Tags()
        self._clean_every_s = clean_every_s
        self._fresh = _reader(memory, clock)
        self._begin()
        memory.on_leave = self._left
        _CACHES.add(self)

    def _begin(self) -> None:
        """All that has locks and threads, so that a child makes it anew after a fork."""
        self._counts, self._flights = Counts(), Flights()
        self._books = Books(self._memory, self._counts, self._ledger)
        written = self._ledger is not None or self._access is not None
        book = self.book if written else None
        self._watch = Watch(self._links, self._heard, book, self._clean_every_s)
        self._filling = Filling(
            self._memory,
            links=self._links,
            codec=Codec(self._secret),
            tags=self._tags,
            counts=self._counts,
            watch=self._watch,
            clock=self._clock,
        )
        self._misses = Misses(self._filling, self._flights, self._counts, self._clock)

    def get_or_load(  # noqa: PLR0913 -- what a caller may say of a key, by name
        self,
        key: Any,
        load: Callable[[], Any],
        *,
        policy: Policy,
        tags: Iterable[str] = (),
        cost: Cost = _free,
        refused: Refused = _kept,
        revalidate: Revalidate | None = None,
        deadline_s: float | None = None,
    ) -> Any:
        """The value of a key, loaded where no tier has it: once for all who ask for it meanwhile.

        `cost` tells what a loaded value cost in US dollars, `refused` why it must not be kept. A value in its
        `stale_s` is refreshed by `revalidate`, if given: it is called with that value, and returns another,
        or NOT_MODIFIED where it is still good. Raises what `load` raises, and `DeadlineExceeded` after
        `deadline_s`.
        """
        own = key if type(key) is str else digest(self._secret, policy.name, key)
        slot = self._fresh((policy.name, own))
        if slot is not None:
            return slot.value if slot.packed is None else copy(slot)
        call = self._call(key, policy, tags, cost, refused, revalidate)
        held = self._memory.slots.get(call.key)
        return self._misses.answer(call, load, held, deadline_s)

    async def aget_or_load(  # noqa: PLR0913 -- the same
        self,
        key: Any,
        load: Callable[[], Awaitable[Any]],
        *,
        policy: Policy,
        tags: Iterable[str] = (),
        cost: Cost = _free,
        refused: Refused = _kept,
        revalidate: Revalidate | None = None,
        deadline_s: float | None = None,
    ) -> Any:
        """The same for an event loop. A caller that is cancelled takes nobody's load with it."""
        own = key if type(key) is str else digest(self._secret, policy.name, key)
        slot = self._fresh((policy.name, own))
        if slot is not None:
            return slot.value if slot.packed is None else copy(slot)
        call = self._call(key, policy, tags, cost, refused, revalidate)
        held = self._memory.slots.get(call.key)
        return await self._misses.aanswer(call, load, held, deadline_s)

    def call(
        self, operation: Operation, request: Request, send: Callable[[], Response], **options: Any
    ) -> Response:
        """The answer of a paid service, asked only where no tier has it; options as `get_or_load`."""
        key = operation.key(request)
        told = self._told(operation, request, key, options.get("tags", ()))
        return self.get_or_load(key, send, **told, **options)

    async def acall(
        self,
        operation: Operation,
        request: Request,
        send: Callable[[], Awaitable[Response]],
        **options: Any,
    ) -> Response:
        """The same for an event loop."""
        key = operation.key(request)
        told = self._told(operation, request, key, options.get("tags", ()))
        return await self.aget_or_load(key, send, **told, **options)

    def _told(
        self, operation: Operation, request: Request, key: Any, tags: Iterable[str]
    ) -> dict[str, Any]:
        """What a call of a service says of its answers; the access log hears of it."""
        name, access = operation.policy.name, self._access
        note = None if access is None else access.asked(name, digest(b"", name, key), request, tags)

        def cost(answer: Response) -> Decimal:
            usd = operation.cost(request, answer, dt.datetime.now(dt.UTC).date())
            if note is not None:
                note.usd = usd
            return usd

        return {
            "policy": operation.policy,
            "cost": cost,
            "refused": lambda answer: operation.refused(request, answer),
        }

    def entry(self, key: Any, *, policy: Policy, tags: Iterable[str] = ()) -> Entry | None:
        """What is held under a key, with all that is known of it; None where nothing is."""
        call, place = self._call(key, policy, tags, _free, _kept), Place.MEMORY
        slot = self._memory.slots.get(call.key)
        if slot is None or slot.ends <= self._clock() or not holds(slot.guard):
            slot = self._filling.peek(call)
            if slot is None:
                return None
            place = slot.about.place
        return self._entry(slot, place)

    def put(
        self, key: Any, value: Any, *, policy: Policy, tags: Iterable[str] = (), cost: Cost = _free
    ) -> None:
        """Keep a value that is known already; a load of the key that is under way does not overwrite it."""
        call = self._call(key, policy, tags, cost, _kept)
        self._flights.invalidate(call.key)
        self._filling.put(call, value)

    def invalidate(self, *keys: Any, policy: Policy) -> None:
        """Give up what is held under keys, here now and in other processes within a second.

        A load under way goes to those who wait for it, and is kept nowhere.
        """
        calls = [self._call(key, policy, (), _free, _kept) for key in keys]
        for link in self._links:
            link.delete([call.name for call in calls])
        for call in calls:  # what was read of a tier before that is not kept now
            self._flights.invalidate(call.key)
            self._memory.remove(call.key)

    def invalidate_tags(self, *tags: str) -> None:
        """Give up all that was cached with one of these tags, however much it is."""
        for link in self._links:
            self._tags.note(link.tier.name, link.bump(tags))
        self._tags.bump(tags)
        self._flights.invalidate_tagged(tags)

    def clear(self) -> None:
        """Give up everything, in every tier."""
        for link in self._links:
            link.clear()
        self._flights.invalidate_all()
        self._memory.clear()

    def stats(self) -> dict[str, PolicyStats]:
        """What was done for each policy, by its name."""
        self._books.count_hits()
        return self._counts.stats()

    def health(self) -> Health:
        """What is in memory, and which tiers are up, as this process knows it; nothing is asked."""
        return Health(
            entries=len(self._memory.slots),
            used_bytes=self._memory.used_bytes,
            capacity_bytes=self._memory.capacity_bytes,
            tiers=tuple(
                TierHealth(
                    name=link.tier.name, up=link.up, errors=link.errors, incidents=link.incidents
                )
                for link in self._links
            ),
        )

    def book(self) -> None:
        """Write what was spent, saved and asked for since the last time; so it does itself, too."""
        self._books.book()
        if self._access is not None:
            self._access.flush()

    def close(self) -> None:
        """End the thread beside it, write into the ledger, and give back connections."""
        self._watch.close()
        self.book()
        for link in self._links:
            link.tier.close()

    def _after_fork(self) -> None:
        """What the parent counts and loads is the parent's; what it has in memory is as good here."""
        for slot in self._memory.slots.values():
            slot.about.counted = slot.hits
        self._tags.after_fork()
        if self._access is not None:
            self._access.after_fork()
        for link in self._links:
            link.after_fork()
        watched = self._watch.runs
        self._begin()
        if watched:
            self._watch.start()  # a child that only hits would not hear of anything else

    def _call(
        self,
        key: Any,
        policy: Policy,
        tags: Iterable[str],
        cost: Cost,
        refused: Refused,
        revalidate: Revalidate | None = None,
    ) -> Call:
        """What a miss needs to know; from now on the process hears of what others invalidate."""
        name = digest(self._secret, policy.name, key)
        self._watch.start()
        return Call(
            key=(policy.name, key if type(key) is str else name),
            name=name,
            policy=policy,
            tags=tuple(sorted(set(tags))),
            cost=cost,
            refused=refused,
            revalidate=revalidate,
        )

    def _entry(self, slot: Slot, place: Place) -> Entry:
        about: About = slot.about
        left_s = about.expires - self._clock()
        packed = slot.packed or pack(slot.value, about.policy.name)
        return Entry(
            value=copy(slot),
            place=place,
            age_s=max(0.0, about.life_s - left_s),
            stale=left_s <= 0,
            etag=etag(packed),
            cost_usd=about.cost_usd,
            stored_bytes=slot.size,
        )

    def _heard(self, tier: str, changes: Sequence[Change], *, lost: bool) -> None:
        """Give up here what was invalidated elsewhere; everything, where it is not known what that was."""
        if lost or any(change.everything for change in changes):
            self._flights.invalidate_all()
            self._memory.clear()
            return
        keys = self._filling.keys
        for key in [keys[one.key] for one in changes if one.key in keys]:
            self._flights.invalidate(key)
            self._memory.remove(key)
        versions = {change.tag: change.version for change in changes if change.tag}
        self._flights.invalidate_tagged(versions)
        self._tags.note(tier, versions)

    def _left(self, slot: Slot) -> None:
        self._filling.forget(slot)
        self._books.count(slot)


def _reader(memory: Memory, clock: Callable[[], float]) -> Callable[[tuple[str, Any]], Slot | None]:
    """What finds and counts a hit; a closure, which is half as dear as a method."""
    get = memory.slots.get

    def fresh(key: tuple[str, Any]) -> Slot | None:
        slot = get(key)
        if slot is None:
            return None
        now = clock()
        if now >= slot.fresh_until or (slot.guard and not holds(slot.guard)):
            return None
        slot.hits += 1
        slot.touched = now
        slot.aged = memory.age
        return slot

    return fresh


_CACHES: "weakref.WeakSet[Cache]" = weakref.WeakSet()


def _all_after_fork() -> None:
    for cache in tuple(_CACHES):
        cache._after_fork()  # noqa: SLF001 -- of this module


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_all_after_fork)
