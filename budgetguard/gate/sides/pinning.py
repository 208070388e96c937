"""Both workers on one processor: two are not equally fast at any moment.

Nor is one the same from moment to moment: on a host that shares its cores, its speed was seen to change
by a third within a millisecond. What is compared has to be closer together than that.
"""

import contextlib
import os
import random
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

TICK_S = 0.0003


def draw_core(order: random.Random) -> int | None:
    """A processor of those that this process may use; None where that cannot be told, or is all there is."""
    try:
        cores = sorted(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        return None
    return order.choice(cores) if len(cores) > 1 else None


@contextmanager
def pinned(pids: Sequence[int], core: int | None) -> Iterator[bool]:
    """All threads of the processes on one processor meanwhile; whether that worked for each of them.

    A processor may vanish: then they run where the system puts them.
    """
    if core is None:
        yield False
        return
    before = os.sched_getaffinity(0)
    try:
        placed = [_place(pid, {core}) for pid in pids]  # every one, also where the first failed
        yield all(placed)
    finally:
        for pid in pids:
            if not _place(pid, before):
                _place(pid, os.sched_getaffinity(0))


@contextmanager
def metronome(core: int) -> Iterator[None]:
    """Let those that work on this processor take turns every `TICK_S`, not every few milliseconds.

    A thread of ours wakes up there that often: what the scheduler picks when it sleeps again is what
    has had less of the processor. Measured in docs/benchmarks.md, "Noise of a block".
    """
    over = threading.Event()

    def tick() -> None:
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {core})
            while not over.is_set():
                time.sleep(TICK_S)

    thread = threading.Thread(target=tick, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _place(pid: int, cores: set[int]) -> bool:
    try:
        threads = [int(task.name) for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        threads = [pid]
    placed = []
    for thread in threads:
        try:
            os.sched_setaffinity(thread, cores)
            placed.append(True)
        except ProcessLookupError:  # a thread that has ended
            continue
        except OSError:
            placed.append(False)
    return bool(placed) and all(placed)
