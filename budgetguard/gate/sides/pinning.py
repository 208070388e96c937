"""Both workers on one processor: two are not equally fast at any moment."""

import os
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


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
