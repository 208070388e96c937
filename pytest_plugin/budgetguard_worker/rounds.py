"""Rounds: so many calls of a body, clocked together or one by one.

A round takes the number of calls and returns their cost. `Once` makes one call, clocks it in the
tally it is given, and returns what the body returned.
"""

import os
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import Any

from budgetguard_worker.clock import Cost, Tally, begin, close, cost_of, end, open_schedstat

Round = Callable[[int], Cost]
LaterRound = Callable[[int], Awaitable[Cost]]
Once = Callable[[Tally], Any]
LaterOnce = Callable[[Tally], Awaitable[Any]]

_under_way: list[Iterator[None]] = []


@contextmanager
def turns(count: int) -> Iterator[Iterator[None]]:
    """So many turns of a loop, and none in a fork: one that a body lets return must not call it again."""
    left = repeat(None, count)
    _under_way.append(left)
    try:
        yield left
    finally:
        _under_way.remove(left)


def _end_turns() -> None:
    for left in _under_way:
        deque(left, maxlen=0)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_end_turns)


def straight(call: Callable[[], object]) -> tuple[Once, Round]:
    """Calls in one go, for a body that can be called again as it is."""

    def once(tally: Tally) -> object:
        __tracebackhide__ = True
        with tally:
            return call()

    def many(count: int) -> Cost:
        descriptor = open_schedstat()
        try:
            with turns(count) as left:
                begun = begin(descriptor)
                for _ in left:
                    call()
                ended = end(descriptor)
        finally:
            close(descriptor)
        return cost_of(begun, ended)

    return once, many


def straight_later(call: Callable[[], Awaitable[object]]) -> tuple[LaterOnce, LaterRound]:
    """The same for a coroutine function, within the loop that runs it."""

    async def once(tally: Tally) -> object:
        __tracebackhide__ = True
        with tally:
            return await call()

    async def many(count: int) -> Cost:
        descriptor = open_schedstat()
        try:
            with turns(count) as left:
                begun = begin(descriptor)
                for _ in left:
                    await call()
                ended = end(descriptor)
        finally:
            close(descriptor)
        return cost_of(begun, ended)

    return once, many


def each(once: Once) -> Round:
    """Calls that are clocked one by one: what stands between them does not count."""

    def many(count: int) -> Cost:
        tally = Tally()
        with turns(count) as left:
            for _ in left:
                once(tally)
        return tally.cost

    return many


def each_later(once: LaterOnce) -> LaterRound:
    """The same for a coroutine function."""

    async def many(count: int) -> Cost:
        tally = Tally()
        with turns(count) as left:
            for _ in left:
                await once(tally)
        return tally.cost

    return many
