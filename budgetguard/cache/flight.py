"""One load of a key at a time in this process, for threads and tasks of any event loop alike."""

import asyncio
import threading
from collections.abc import Collection, Hashable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from budgetguard.errors import UsageError


class LeaderLost(Exception):
    """Who loaded was interrupted; one of those that wait has to load instead."""


class Flight:
    """A load under way. Its result is shared; `valid` ends when the key is invalidated meanwhile."""

    def __init__(self, tags: Collection[str] = ()) -> None:
        self.valid = True
        self.tags = frozenset(tags)
        self.loop = running_loop()
        self.waits_for: set[Flight] = set()
        self.future: Future[Any] = Future()
        self.future.set_running_or_notify_cancel()  # from now on no follower can cancel it for the others

    def leads_to(self, other: "Flight") -> bool:
        """Whether this one waits for another, over any number of steps."""
        return self is other or any(one.leads_to(other) for one in tuple(self.waits_for))


_aloft: ContextVar[tuple[tuple[Hashable, Flight], ...]] = ContextVar(
    "budgetguard_aloft", default=()
)


class Flights:
    """The loads of one cache."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[Hashable, Flight] = {}

    def join(self, key: Hashable, tags: Collection[str] = ()) -> tuple[Flight, bool]:
        """The load of a key, and whether the caller is the one to do it.

        Raises `UsageError` where the caller is itself part of that load: it would wait for itself.
        """
        if any(key == mine for mine, _ in _aloft.get()):
            raise UsageError(
                f"the load of {key!r} asks for {key!r} itself; load something else in it"
            )
        with self._lock:
            flight = self._flights.get(key)
            if flight is None or not flight.valid:
                self._flights[key] = flight = Flight(tags)
                return flight, True
            return flight, False

    def busy(self, key: Hashable) -> bool:
        """Whether a key is being loaded."""
        return key in self._flights

    def land(self, key: Hashable, flight: Flight) -> None:
        """The load has ended, in whatever way; who comes from now on begins another."""
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
        if not flight.future.done():
            flight.future.set_exception(LeaderLost())

    def invalidate(self, key: Hashable) -> None:
        """What is being loaded may be old: it goes to those who wait, and to nobody after them."""
        with self._lock:
            flight = self._flights.pop(key, None)
            if flight is not None:
                flight.valid = False

    def invalidate_tagged(self, tags: Collection[str]) -> None:
        """The same for each key that is loaded with one of these tags."""
        for key, flight in tuple(self._flights.items()):
            if not flight.tags.isdisjoint(tags):
                self.invalidate(key)

    def invalidate_all(self) -> None:
        """The same for every key."""
        for key in tuple(self._flights):
            self.invalidate(key)


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop of this thread, None where there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@contextmanager
def aloft(key: Hashable, flight: Flight) -> Iterator[None]:
    """Whatever runs in this context, tasks begun in it too, is part of that load."""
    token = _aloft.set((*_aloft.get(), (key, flight)))
    try:
        yield
    finally:
        _aloft.reset(token)


@contextmanager
def waiting(flight: Flight, key: Hashable) -> Iterator[None]:
    """Raises `UsageError` where two loads would wait for each other for ever."""
    mine = [one for _, one in _aloft.get()]
    if any(flight.leads_to(one) for one in mine):
        raise UsageError(f"the load of {key!r} waits for a load that waits for {key!r}")
    for one in mine:
        one.waits_for.add(flight)
    try:
        yield
    finally:
        for one in mine:
            one.waits_for.discard(flight)


def landing(flight: Flight) -> "asyncio.Future[None]":
    """Done when a load has ended, however it did; to cancel it, or to leave it, ends nothing else.

    It holds no error, so that none is told as never retrieved where the caller has gone meanwhile.
    """
    loop = asyncio.get_running_loop()
    landed: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not landed.done():
            landed.set_result(None)

    def landed_elsewhere(_: Future[Any]) -> None:
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(tell)

    flight.future.add_done_callback(landed_elsewhere)
    return landed
