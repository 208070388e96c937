"""One subject of one item: where its body is met, how it is called again, and its rounds.

The subject is the item's body, or what it hands to `benchmark`, or a block of the `budget` fixture.
In the item's own run it is called once, then again and again in place. Where that fails, the item
is run again with fresh function-scoped fixtures for each call; where that fails too, each call is
made in a fork of the process that has not made one yet.
"""

import functools
import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest

from budgetguard_worker.clock import Cost, Tally
from budgetguard_worker.forks import in_forks
from budgetguard_worker.internals import (
    body_in_place,
    first_line,
    forget_failure,
    forget_logs,
    kept_failure,
    renew_fixtures,
    uses_benchmark,
)
from budgetguard_worker.rounds import (
    LaterOnce,
    LaterRound,
    Once,
    Round,
    each,
    each_later,
    straight,
    straight_later,
)
from budgetguard_worker.talk import (
    FATAL,
    FRESH,
    PROCESS,
    STRAIGHT,
    USED_UP_RATIO,
    Talk,
    Unrepeatable,
    Worker,
    converse,
    converse_later,
    home,
    is_less,
)

BODY, BENCHMARK, BLOCK = "body", "benchmark", "block"
OWN, CLOCKED, PLAIN = "own run", "clocked once", "not of interest"


class Performance:
    """A subject in the hands of the coordinator."""

    def __init__(
        self, worker: Worker, number: int, item: pytest.Function, block: str, mode: str
    ) -> None:
        self.worker = worker
        self.item = item
        self.problem = ""
        self.kind = BLOCK if block else BENCHMARK if uses_benchmark(item) else BODY
        in_place = self.kind == BENCHMARK
        self.talk = Talk(worker, number, settle=lambda: forget_logs(item), in_place=in_place)
        self._block = block
        self._mode = mode
        self._next = ""
        self._state = PLAIN
        self._reached = 0
        self._tally = Tally()

    @contextmanager
    def own_run(self) -> Iterator[None]:
        """Around the item's own call: rounds are served from within its body."""
        self._state = OWN
        try:
            with self._in_place():
                yield
        finally:
            self._state = PLAIN

    def finish(self) -> None:
        """Go on after the item's own call, where calls could not be repeated in place."""
        if self.problem or kept_failure(self.item) is not None:
            return
        if not self._reached:
            self.problem = f"{self._called} was not reached"
        elif self._next == FRESH and not self._in_place_after_all():
            self._next = converse(self.talk.serve(FRESH), self._fresh)
        if self._next and not self.problem:
            kind = "unrepeatable" if self._next == PROCESS else "stuck"
            self.worker.link.send(kind, self.talk.number, {"why": self.talk.why})

    def _in_place_after_all(self) -> bool:
        """Go on in place where the first call was long for another reason than what its fixtures gave.

        It imported, filled a cache, or was held up: then a call with fresh fixtures is short, too.
        """
        later, self.talk.doubted = self.talk.doubted, None
        if later is None:
            return False
        fresh = [self._cost_of_fresh_call() for _ in range(2)]
        if is_less(later, min(fresh), USED_UP_RATIO / 2):
            return False
        self.talk.in_place, self.talk.first, self._next = True, Tally(), ""
        self._run_again(OWN)
        return self._next != FRESH

    def _cost_of_fresh_call(self) -> float:
        """In nanoseconds; without an end where there is none, which `serve` will say again."""
        try:
            return self._fresh(1).busy_ns
        except FATAL:
            raise
        except BaseException:  # noqa: BLE001  # of a test: whatever it raises
            return math.inf

    @property
    def met(self) -> bool:
        """Whether the subject was met already in this call of the item."""
        return self._state == PLAIN

    @property
    def _called(self) -> str:
        return {BLOCK: f"the block {self._block!r}", BENCHMARK: "benchmark(...)"}.get(
            self.kind, "the measured body"
        )

    def _in_place(self) -> AbstractContextManager[None]:
        if self.kind == BENCHMARK or (self.kind == BLOCK and self._state != OWN):
            return nullcontext()
        return body_in_place(self.item, self._around)

    def _around(self, body: Callable[..., Any]) -> Callable[..., Any]:
        """What stands in the body's place; for a coroutine function one, too."""
        if inspect.iscoroutinefunction(body):

            @functools.wraps(body)
            async def awaited(*args: Any, **kwargs: Any) -> object:
                __tracebackhide__ = True
                call = functools.partial(body, *args, **kwargs)
                once, run = straight_later(call)
                if self.kind == BLOCK:
                    once = self._through_later(call)
                    run = each_later(once)
                return await self._meet_later(once, run)

            return awaited

        @functools.wraps(body)
        def called(*args: Any, **kwargs: Any) -> object:
            __tracebackhide__ = True
            call = functools.partial(body, *args, **kwargs) if args or kwargs else body
            once, run = straight(call)
            if self.kind == BLOCK:
                once = self._through(call)
                run = each(once)
            return self.meet(once, run)

        return called

    def _reach(self) -> str:
        """What to do now that the subject is reached; only once in a call of the item."""
        state, self._state = self._state, PLAIN
        self._reached += 1
        if state == OWN and self.worker.recorder:
            self.worker.recorder.rounds_begin()
        return state

    def meet(self, once: Once, run: Round) -> object:
        """The subject is reached: serve it, or clock one call of it, or just call it."""
        __tracebackhide__ = True
        state = self._reach()
        if state == OWN and self._mode == PROCESS:
            self._next = converse(self.talk.serve(PROCESS), in_forks(once))
            return once(Tally())
        if state == OWN:
            result = once(self.talk.first)
            self.worker.link.stay()
            if not self.problem:
                self._next = converse(self.talk.serve(STRAIGHT), run)
            return result
        if state == CLOCKED:
            return once(self._tally)
        return once(Tally())

    async def _meet_later(self, once: LaterOnce, run: LaterRound) -> object:
        __tracebackhide__ = True
        state = self._reach()
        if state == OWN and self._mode == PROCESS:
            self.problem = "an asynchronous body cannot be called again, nor in a fork of its loop"
        elif state == OWN:
            result = await once(self.talk.first)
            self.worker.link.stay()
            if not self.problem:
                self._next = await converse_later(self.talk.serve(STRAIGHT), run)
            return result
        return await once(self._tally if state == CLOCKED else Tally())

    def block(self, name: str) -> AbstractContextManager[None]:
        """The clock for a block of the `budget` fixture, if it is the subject."""
        return self._tally if self.kind == BLOCK and name == self._block else nullcontext()

    def _through(self, call: Callable[[], Any]) -> Once:
        """One run of the whole body, clocked by the block in it."""

        def once(tally: Tally) -> object:
            __tracebackhide__ = True
            self._tally = Tally()
            result = call()
            self._take_block(tally)
            return result

        return once

    def _through_later(self, call: Callable[[], Any]) -> LaterOnce:
        async def once(tally: Tally) -> object:
            __tracebackhide__ = True
            self._tally = Tally()
            result = await call()
            self._take_block(tally)
            return result

        return once

    def _take_block(self, tally: Tally) -> None:
        if self._tally.stretches == 1:
            tally.add(self._tally.cost)
        elif not self._tally.stretches:
            self.problem = f"{self._called} was not reached"
        else:
            self.problem = f"{self._called} ran more than once in one call; give each a name="
        if self.problem and self.talk.ready:
            raise Unrepeatable(self.problem)

    def _fresh(self, count: int) -> Cost:
        """A round of calls, each with function-scoped fixtures of its own."""
        total = Tally()
        for _ in range(count):
            self._tally = Tally()
            self._run_again(CLOCKED)
            if self._tally.stretches != 1:
                raise Unrepeatable(f"{self._called} was reached {self._tally.stretches} times")
            total.add(self._tally.cost)
        return total.cost

    def _run_again(self, state: str) -> None:
        """The item's call once more, with function-scoped fixtures of its own."""
        self.worker.link.stay()
        home(self.worker.folder)
        renew_fixtures(self.item)
        self._state = state
        with self._in_place():
            self.item.runtest()
        failure = kept_failure(self.item)
        if failure is not None:
            forget_failure(self.item)
            raise Unrepeatable(first_line(failure))
