"""Runs both sides of a command, one after the other or at the same time on one core.

At the same time is more precise where neighbours load the machine: the scheduler gives each side a few
ms in turn, so that whatever slows the core meets both, as the rounds of two workers that alternate do.
Measured on 12 blocks of 8 pairs each (a Python program of 35 ms, 2 cores, load 6): the standard
deviation of a block's CPU ratio was 1.0 %, against 6.0 % one after the other.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import psutil

from budgetguard.gate.model import Reading
from budgetguard.process import Finished

Ended = Finished | Reading
Run = Callable[[], Ended]
Name = Literal["base", "head"]
_MEMORY_SHARE = 0.5
"""Of the memory that is free, so much may two at the same time take."""
_WAITING_SHARE = 0.25
"""Of its CPU time, so much may a command wait that runs beside the other. A host that takes its
machine's processor away looks like waiting, too."""


def in_turn(runs: Mapping[Name, Run]) -> dict[Name, Ended]:
    """What each came to, one after the other in this order."""
    return {name: run() for name, run in runs.items()}


def together(runs: Mapping[Name, Run]) -> dict[Name, Ended]:
    """What each came to, all at the same time; the last runs in the calling thread.

    After an interrupt the others go on until they end or we do, and then their supervisors end them.
    """
    ended: dict[Name, Ended] = {}
    failed: list[BaseException] = []

    def run(name: Name) -> None:
        try:
            ended[name] = runs[name]()
        except BaseException as error:  # noqa: BLE001 -- it is raised in the caller's thread
            failed.append(error)

    *others, last = runs
    threads = [threading.Thread(target=run, args=(name,), daemon=True) for name in others]
    for thread in threads:
        thread.start()
    ended[last] = runs[last]()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return ended


def may_meet(costs: Sequence[Finished]) -> bool:
    """Whether they can run at the same time: each works more than it waits, and both fit into memory."""
    peaks = sum(cost.peak_rss_bytes for cost in costs)
    return (
        all(_waits_under(1.0, cost) for cost in costs)
        and peaks <= _MEMORY_SHARE * psutil.virtual_memory().available
    )


def has_waited(costs: Sequence[Finished]) -> bool:
    """Whether one that ran beside the other may have waited for it: for a lock, a port, a file."""
    return not all(_waits_under(_WAITING_SHARE, cost) for cost in costs)


def _waits_under(share: float, cost: Finished) -> bool:
    return cost.blocked_s is not None and cost.blocked_s <= share * cost.cpu_s


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """What is started meanwhile runs on this core; a core that has vanished is no obstacle.

    A process inherits the mask of the thread that starts it, a thread that of its maker. Only the
    calling thread's is changed and put back, so the rest of our own process keeps its cores.
    """
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {core})
        yield
    finally:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, before)
