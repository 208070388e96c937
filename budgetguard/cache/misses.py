"""What becomes of a call that memory cannot answer: it loads, in a thread or a task, or waits for a load."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import replace
from typing import Any, ParamSpec, TypeVar

from budgetguard.cache.counts import Counts, Event
from budgetguard.cache.filling import Filling, Ticket, pauses
from budgetguard.cache.flight import (
    Flight,
    Flights,
    LeaderLost,
    aloft,
    landing,
    running_loop,
    waiting,
)
from budgetguard.cache.making import NOT_MODIFIED, About, Call, Unchanged, copy
from budgetguard.cache.memory import Slot
from budgetguard.cache.tags import holds
from budgetguard.errors import BudgetguardError

_MOST_REFRESHES = 8
_MOST_ERRORS = 10_000
_AGAIN_S = 1.0
"""Between two refreshes that fail."""

P = ParamSpec("P")
T = TypeVar("T")
Load = Callable[[], Any]
AsyncLoad = Callable[[], Awaitable[Any]]


class DeadlineExceeded(BudgetguardError, TimeoutError):
    """A value was not there in the time its caller had; its load goes on for others."""


class Misses:
    """The loads of one cache, of threads and of event loops."""

    def __init__(
        self, filling: Filling, flights: Flights, counts: Counts, clock: Callable[[], float]
    ) -> None:
        self._filling, self._flights, self._counts, self._clock = filling, flights, counts, clock
        self._errors: dict[Hashable, tuple[float, Exception]] = {}
        self._refreshes = threading.BoundedSemaphore(_MOST_REFRESHES)
        self._tasks: set[asyncio.Task[None]] = set()

    def answer(self, call: Call, load: Load, slot: Slot | None, deadline_s: float | None) -> Any:
        """The value, by a load of this thread or by waiting for another's."""
        if slot is not None and self._usable(slot):
            self._refresh(call, load, slot)
            return self._served(call, slot)
        until = None if deadline_s is None else self._clock() + deadline_s
        while True:
            self._raise_remembered(call)
            flight, leads = self._flights.join(call.key, call.tags)
            if leads and until is None:
                return copy(self._lead(call, load, flight))
            if leads:
                _in_thread(self._lead, call, load, flight)
            elif flight.loop is not None and flight.loop is running_loop():
                return load()  # to wait here would stop the loop that has to finish it
            try:
                return self._shared(call, self._wait(call, flight, until), leads=leads)
            except LeaderLost:
                continue

    async def aanswer(
        self, call: Call, load: AsyncLoad, slot: Slot | None, deadline_s: float | None
    ) -> Any:
        """The same for an event loop; the load is a task of its own, so that no caller's end is its end."""
        if slot is not None and self._usable(slot):
            self._arefresh(call, load, slot)
            return self._served(call, slot)
        until = None if deadline_s is None else self._clock() + deadline_s
        while True:
            self._raise_remembered(call)
            flight, leads = self._flights.join(call.key, call.tags)
            if leads:
                self._in_task(self._alead(call, load, flight))
            try:
                return self._shared(call, await self._await(call, flight, until), leads=leads)
            except LeaderLost:
                continue

    def _usable(self, slot: Slot) -> bool:
        return self._clock() < slot.ends and holds(slot.guard)

    def _served(self, call: Call, slot: Slot) -> Any:
        """A value that is about to expire, or has: good enough while another is loaded."""
        about: About = slot.about
        slot.hits += 1
        slot.touched = self._clock()
        if about.expires <= self._clock():
            self._counts.add(call.policy.name, Event.STALE)
        return copy(slot)

    def _shared(self, call: Call, slot: Slot, *, leads: bool) -> Any:
        if not leads:
            about: About = slot.about
            self._counts.add(call.policy.name, Event.COALESCED, usd_each=about.cost_usd)
        return copy(slot)

    def _lead(self, call: Call, load: Load, flight: Flight) -> Slot:
        """Load in this thread, for all that wait."""
        try:
            with aloft(call.key, flight):
                slot = self._fill(call, load, flight)
        except Exception as error:
            flight.future.set_exception(error)
            raise
        else:
            flight.future.set_result(slot)
            return slot
        finally:
            self._flights.land(call.key, flight)

    def _fill(self, call: Call, load: Load, flight: Flight) -> Slot:
        ticket = self._filling.look(call, flight)
        for pause_s in pauses():
            if ticket is not None:
                break
            time.sleep(pause_s)
            ticket = self._filling.look(call, flight)
        if not isinstance(ticket, Ticket):
            assert ticket is not None  # noqa: S101 -- the loop has seen to it; this is for mypy
            return ticket
        began = self._clock()
        try:
            value = load()
        except BaseException as error:
            self._failed(call, error)
            self._filling.give_up(call, ticket)
            raise
        return self._filling.keep(call, ticket, flight, value, self._clock() - began)

    async def _alead(self, call: Call, load: AsyncLoad, flight: Flight) -> None:
        """Load in this task, for all that wait."""
        try:
            with aloft(call.key, flight):
                flight.future.set_result(await self._afill(call, load, flight))
        except Exception as error:  # noqa: BLE001 -- goes to all who wait
            flight.future.set_exception(error)
        finally:
            self._flights.land(call.key, flight)

    async def _afill(self, call: Call, load: AsyncLoad, flight: Flight) -> Slot:
        ticket = await self._blocking(self._filling.look, call, flight)
        for pause_s in pauses():
            if ticket is not None:
                break
            await asyncio.sleep(pause_s)
            ticket = await self._blocking(self._filling.look, call, flight)
        if not isinstance(ticket, Ticket):
            assert ticket is not None  # noqa: S101 -- the loop has seen to it; this is for mypy
            return ticket
        began = self._clock()
        try:
            value = await load()
        except Exception as error:
            self._failed(call, error)
            await self._blocking(self._filling.give_up, call, ticket)
            raise
        except BaseException:
            self._filling.let_go(ticket)  # cancelled: there is no time to ask the tiers
            raise
        took_s = self._clock() - began
        return await self._blocking(self._filling.keep, call, ticket, flight, value, took_s)

    async def _blocking(self, do: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Where tiers may be asked, in a thread: an event loop waits for none."""
        if not self._filling.shares:
            return do(*arguments, **named)
        return await asyncio.to_thread(do, *arguments, **named)

    def _wait(self, call: Call, flight: Flight, until: float | None) -> Slot:
        left_s = None if until is None else max(0.0, until - self._clock())
        try:
            with waiting(flight, call.key):
                slot: Slot = flight.future.result(left_s)
                return slot
        except TimeoutError:
            raise self._late(call, flight) from None

    async def _await(self, call: Call, flight: Flight, until: float | None) -> Slot:
        left_s = None if until is None else max(0.0, until - self._clock())
        try:
            with waiting(flight, call.key):
                await asyncio.wait_for(landing(flight), left_s)
                slot: Slot = flight.future.result()
                return slot
        except TimeoutError:
            raise self._late(call, flight) from None

    def _late(self, call: Call, flight: Flight) -> BaseException:
        """The loader's own TimeoutError, or that of the deadline."""
        if flight.future.done() and (error := flight.future.exception()) is not None:
            return error
        return DeadlineExceeded(f"a value of policy {call.policy.name} was not loaded in time")

    def _refresh(self, call: Call, load: Load, slot: Slot) -> None:
        """Load anew in a thread, unless somebody does, or too many do."""
        if not self._flights.busy(call.key) and self._refreshes.acquire(blocking=False):
            _in_thread(self._refreshed, call, load, slot)

    def _refreshed(self, call: Call, load: Load, slot: Slot) -> None:
        try:
            flight, leads = self._flights.join(call.key, call.tags)
            if leads:
                self._lead(_newer(call, slot), _check(call, load, slot), flight)
        except Exception:  # noqa: BLE001 -- it was counted, and the old value goes on being served
            self._later(slot)
        finally:
            self._refreshes.release()

    def _arefresh(self, call: Call, load: AsyncLoad, slot: Slot) -> None:
        if self._flights.busy(call.key):
            return
        flight, leads = self._flights.join(call.key, call.tags)
        if leads:
            check = _acheck(call, load, slot)
            task = self._in_task(self._alead(_newer(call, slot), check, flight))
            task.add_done_callback(lambda _: self._later(slot) if _failed(flight) else None)

    def _later(self, slot: Slot) -> None:
        """A loader that fails is not asked again by each call."""
        slot.fresh_until = min(slot.ends, self._clock() + _AGAIN_S)

    def _failed(self, call: Call, error: BaseException) -> None:
        """Count an error, and remember it where the policy says so."""
        self._counts.add(call.policy.name, Event.LOAD_ERROR)
        if isinstance(error, Exception) and call.policy.error_ttl_s:
            if len(self._errors) >= _MOST_ERRORS:
                self._errors.clear()
            self._errors[call.key] = (self._clock() + call.policy.error_ttl_s, error)

    def _raise_remembered(self, call: Call) -> None:
        remembered = self._errors.get(call.key)
        if remembered is None:
            return
        until, error = remembered
        if self._clock() < until:
            self._counts.add(call.policy.name, Event.NEGATIVE)
            raise error.with_traceback(None)
        self._errors.pop(call.key, None)

    def forget_errors(self) -> None:
        """Call loaders again that have failed."""
        self._errors.clear()

    def _in_task(self, load: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """A task that is kept from being collected while it runs."""
        task = asyncio.get_running_loop().create_task(load)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _newer(call: Call, slot: Slot) -> Call:
    """The same call, for which what is about to expire is no answer."""
    about: About = slot.about
    return replace(call, newer_than=about.expires)


def _check(call: Call, load: Load, slot: Slot) -> Load:
    """What refreshes a value: its revalidation where the caller has one, else its load."""
    revalidate = call.revalidate
    if revalidate is None:
        return load
    return lambda: _answer(revalidate(copy(slot)), slot)


def _acheck(call: Call, load: AsyncLoad, slot: Slot) -> AsyncLoad:
    revalidate = call.revalidate
    if revalidate is None:
        return load

    async def check() -> Any:
        return _answer(await revalidate(copy(slot)), slot)

    return check


def _answer(found: Any, slot: Slot) -> Any:
    return Unchanged(slot) if found is NOT_MODIFIED else found


def _failed(flight: Flight) -> bool:
    return flight.future.done() and flight.future.exception() is not None


def _in_thread(do: Callable[..., object], *arguments: Any) -> None:
    """In a thread that no interpreter waits for at its end."""

    def quietly() -> None:
        with contextlib.suppress(Exception):  # who waits has it from the flight
            do(*arguments)

    threading.Thread(target=quietly, name="cache load", daemon=True).start()
