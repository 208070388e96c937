"""Loads what will be asked for before anybody asks, within a budget in money and a rate.

warmer = Warmer(cache)
warmer.add(CHAT, lambda request: client.post("/v1/chat/completions", json=request).json())
warmed = warmer.warm(access_log.read().wanted, budget_usd=Decimal("0.50"), rate=5)
"""

import asyncio
import inspect
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from budgetguard.cache.cache import Cache
from budgetguard.cache.operation import Operation, Request, Response
from budgetguard.cache.plan import Wanted, ranked
from budgetguard.cache.warming_session import Outcome, Session, Warmed
from budgetguard.errors import UsageError

__all__ = ["Warmed", "Warmer"]

Send = Callable[[Request], Response | Awaitable[Response]]
_LOOK_AGAIN_S = 0.01
"""While all that is left has to wait for a call that is under way."""
_END_S = 5.0


@dataclass(frozen=True, slots=True)
class _Source:
    operation: Operation
    send: Send

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.send)


class Warmer:
    """A cache, and how each operation's requests are sent."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self._sources: dict[str, _Source] = {}

    def add(self, operation: Operation, send: Send) -> None:
        """Let requests of this operation be sent so; `send` is a function or a coroutine function."""
        self._sources[operation.policy.name] = _Source(operation, send)

    @property
    def is_async(self) -> bool:
        """Whether an operation can be sent by an event loop only."""
        return any(source.is_async for source in self._sources.values())

    def fresh(self, one: Wanted) -> bool:
        """Whether a request is answered already, and not stale.

        Raises `UsageError` for an operation that was not added.
        """
        operation = self._source(one).operation
        entry = self.cache.entry(operation.key(one.request), policy=operation.policy, tags=one.tags)
        return entry is not None and not entry.stale

    def warm(
        self,
        wanted: Iterable[Wanted],
        *,
        budget_usd: Decimal,
        rate: float,
        concurrency: int = 4,
        watch: Callable[[Warmed], object] = lambda _: None,
    ) -> Warmed:
        """Load what is worth most first, in threads; `watch` hears of each.

        `rate` is calls per second. What is fresh already is skipped at no cost. A call is begun where what
        it is expected to cost is left of the budget: its own cost if the plan knows it, else the largest
        of its operation so far; one of which nothing is known goes alone. So the budget is passed by no
        more than calls under way cost more than expected. Several failures in a row end it.
        """
        session = self._session(wanted, budget_usd, rate)
        threads = [
            threading.Thread(target=self._work, args=(session, watch), name="warm", daemon=True)
            for _ in range(concurrency)
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                thread.join()
        except BaseException:
            session.stop("interrupted")
            for thread in threads:
                thread.join(_END_S / concurrency)
            raise
        return session.so_far()

    async def awarm(
        self,
        wanted: Iterable[Wanted],
        *,
        budget_usd: Decimal,
        rate: float,
        concurrency: int = 4,
        watch: Callable[[Warmed], object] = lambda _: None,
    ) -> Warmed:
        """The same for an event loop."""
        session = self._session(wanted, budget_usd, rate)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(concurrency):
                    group.create_task(self._awork(session, watch))
        except BaseException:
            session.stop("interrupted")
            raise
        return session.so_far()

    def _session(self, wanted: Iterable[Wanted], budget_usd: Decimal, rate: float) -> Session:
        several = ranked(wanted)
        for one in several:
            self._source(one)
        return Session(several, budget_usd, rate)

    def _source(self, one: Wanted) -> _Source:
        source = self._sources.get(one.operation)
        if source is None:
            known = ", ".join(sorted(self._sources)) or "none"
            raise UsageError(
                f"the plan has operation {one.operation!r}, which nobody has said how to send; known: {known}"
            )
        return source

    def _work(self, session: Session, watch: Callable[[Warmed], object]) -> None:
        while not session.over:
            one = session.take()
            if one is None:
                time.sleep(_LOOK_AGAIN_S)
                continue
            outcome = Outcome()
            try:
                if self.fresh(one):
                    outcome.fresh = True
                else:
                    time.sleep(session.turn_s())
                    self._load(one, outcome)
            except Exception as error:  # noqa: BLE001 -- of the loader, whatever it is
                outcome.error = error
            session.settle(one, outcome)
            watch(session.so_far())

    def _load(self, one: Wanted, outcome: Outcome) -> None:
        source = self._source(one)

        def send() -> Any:
            return self._paid(source, one, source.send(one.request), outcome)

        self.cache.call(source.operation, one.request, send, tags=one.tags)

    async def _awork(self, session: Session, watch: Callable[[Warmed], object]) -> None:
        while not session.over:
            one = session.take()
            if one is None:
                await asyncio.sleep(_LOOK_AGAIN_S)
                continue
            outcome = Outcome()
            try:
                if await asyncio.to_thread(self.fresh, one):
                    outcome.fresh = True
                else:
                    await asyncio.sleep(session.turn_s())
                    await self._aload(one, outcome)
            except Exception as error:  # noqa: BLE001 -- of the loader, whatever it is
                outcome.error = error
            session.settle(one, outcome)
            watch(session.so_far())

    async def _aload(self, one: Wanted, outcome: Outcome) -> None:
        source = self._source(one)

        async def send() -> Any:
            if source.is_async:
                answer = await source.send(one.request)
            else:
                answer = await asyncio.to_thread(source.send, one.request)
            return self._paid(source, one, answer, outcome)

        await self.cache.acall(source.operation, one.request, send, tags=one.tags)

    def _paid(self, source: _Source, one: Wanted, answer: Response, outcome: Outcome) -> Response:
        """The answer; what it cost is noted before anything else can happen to it."""
        outcome.paid(source.operation, one.request, answer)
        return answer
