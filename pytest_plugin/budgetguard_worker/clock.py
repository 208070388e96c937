"""What a stretch of code costs: CPU time, blocked time and wall time, in nanoseconds.

`blocked` is wall time minus the CPU time and the run-queue wait that Linux counts per thread in
/proc/self/task/TID/schedstat. Where other threads or children ran beside the stretch their waits
overlap, so that the difference means nothing.

The system's counters are read within the wall time that `blocked` comes from. Read outside, a
preemption at the system call would count as waiting.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

try:
    import resource
except ImportError:  # Windows: the CPU time of children cannot be read
    resource = None  # type: ignore[assignment]

OTHERS_SHARE = 0.05
"""Up to this share of the wall time others may run: what is blocked is wrong by no more than that."""
OTHERS_FLOOR_NS = 50_000
"""Below this nobody else ran: reading the clocks one after the other differs by as much."""
OVERLAP = "other threads or processes ran beside the call, and their waiting overlaps with its own"
NO_SCHEDSTAT = "this system does not tell how long a thread waited for a processor"

Clock = Callable[[], int]
"""Bound as a default at import: freezegun and its like replace what modules hold by name."""


class Marks(NamedTuple):
    """Clocks at one end of a stretch; `schedstat` is the kernel's line, or empty."""

    outer_wall: int
    inner_wall: int
    process: int
    thread: int
    children: int
    schedstat: bytes


class Cost(NamedTuple):
    """What one or more stretches cost."""

    cpu_ns: int
    blocked_ns: int | None
    wall_ns: int

    @property
    def busy_ns(self) -> int:
        """What it took, without the wait for a processor where that is known."""
        if self.blocked_ns is None:
            return max(self.cpu_ns, self.wall_ns)
        return self.cpu_ns + self.blocked_ns


NOTHING = Cost(0, 0, 0)


class Tally:
    """A context manager around stretches: sums their costs."""

    def __init__(self) -> None:
        self.cost = NOTHING
        self.stretches = 0
        self._descriptor: int | None = None
        self._begun: Marks | None = None

    def __enter__(self) -> None:
        self._descriptor = open_schedstat()
        self._begun = begin(self._descriptor)

    def __exit__(self, *_: object) -> None:
        ended = end(self._descriptor)
        close(self._descriptor)
        if self._begun is not None:
            self.add(cost_of(self._begun, ended))

    def add(self, cost: Cost) -> None:
        """Add one stretch."""
        self.cost = added(self.cost, cost)
        self.stretches += 1


def added(one: Cost, other: Cost) -> Cost:
    """The cost of both."""
    known = one.blocked_ns is not None and other.blocked_ns is not None
    blocked = (one.blocked_ns or 0) + (other.blocked_ns or 0) if known else None
    return Cost(one.cpu_ns + other.cpu_ns, blocked, one.wall_ns + other.wall_ns)


def open_schedstat(
    thread: Clock = threading.get_native_id, open_file: Callable[[str, int], int] = os.open
) -> int | None:
    """A descriptor of this thread's counters, to be read without a look-up."""
    try:
        return open_file(f"/proc/self/task/{thread()}/schedstat", os.O_RDONLY)
    except OSError:
        return None


def close(descriptor: int | None, close_file: Callable[[int], None] = os.close) -> None:
    """Close what `open_schedstat` has opened, if a body has not closed it."""
    if descriptor is not None:
        with suppress(OSError):
            close_file(descriptor)


def begin(
    descriptor: int | None,
    wall: Clock = time.perf_counter_ns,
    cpu: Clock = time.process_time_ns,
    own: Clock = time.thread_time_ns,
) -> Marks:
    """Read the clocks before a stretch.

    The thread's CPU time stands next to the outer wall time: what our own reading uses in between would
    count as blocked. The inner wall time stands next to the stretch.
    """
    outer, thread = wall(), own()
    schedstat, children = _schedstat(descriptor), _children_ns()
    process = cpu()
    return Marks(outer, wall(), process, thread, children, schedstat)


def end(
    descriptor: int | None,
    wall: Clock = time.perf_counter_ns,
    cpu: Clock = time.process_time_ns,
    own: Clock = time.thread_time_ns,
) -> Marks:
    """Read the clocks in the order that mirrors `begin`."""
    inner, process = wall(), cpu()
    children, schedstat = _children_ns(), _schedstat(descriptor)
    thread = own()
    return Marks(wall(), inner, process, thread, children, schedstat)


_PREAD = getattr(os, "pread", None)


def _schedstat(
    descriptor: int | None,
    read: Callable[[int, int, int], bytes] | None = _PREAD,
) -> bytes:
    if descriptor is None or read is None:  # Windows has neither
        return b""
    try:
        return read(descriptor, 64, 0)
    except OSError:  # closed by the body
        return b""


def _children_ns() -> int:
    if resource is None:
        return 0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((used.ru_utime + used.ru_stime) * 1e9)


def cost_of(begun: Marks, ended: Marks) -> Cost:
    """The cost of the stretch between two readings."""
    return cost_and_doubt(begun, ended)[0]


def cost_and_doubt(begun: Marks, ended: Marks) -> tuple[Cost, str]:
    """The same, and why it is not known how long the thread waited for anything but a processor."""
    cpu_ns = ended.process - begun.process + ended.children - begun.children
    wall_ns = ended.inner_wall - begun.inner_wall
    outer_ns = ended.outer_wall - begun.outer_wall
    own_ns = ended.thread - begun.thread
    if cpu_ns - own_ns > max(OTHERS_FLOOR_NS, OTHERS_SHARE * outer_ns):
        return Cost(cpu_ns, None, wall_ns), OVERLAP
    before, after = begun.schedstat.split(), ended.schedstat.split()
    if len(before) < 2 or len(after) < 2 or after[0] == b"0":  # a kernel that does not count
        return Cost(cpu_ns, None, wall_ns), NO_SCHEDSTAT
    queued_ns = int(after[1]) - int(before[1])
    return Cost(cpu_ns, max(0, outer_ns - queued_ns - own_ns), wall_ns), ""
