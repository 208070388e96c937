"""Time of one call: wall, CPU, and the wait for anything but a processor.

`blocked` is wall time minus the CPU time and the run-queue wait that Linux counts per thread in
/proc/self/task/TID/schedstat. Where other threads or children ran beside the block their waits
overlap, so that the difference means nothing: then `time` is CPU time alone and says so.

The system's counters are read within the wall time that `blocked` comes from. Read outside, a
preemption at the system call would count as waiting.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from statistics import fmean, median
from typing import NamedTuple

from budgetguard.gate.inference import quantile
from budgetguard.gate.meters.base import Read
from budgetguard.gate.model import Metric, Reading, Rule
from budgetguard.units import Unit

try:
    import resource
except ImportError:  # Windows: the CPU time of children cannot be read
    resource = None  # type: ignore[assignment]

QUANTILES: Mapping[str, float] = {
    "p50": 0.5,
    "p75": 0.75,
    "p90": 0.9,
    "p95": 0.95,
    "p99": 0.99,
    "p99.9": 0.999,
}
OTHERS_SHARE = 0.05
"""Up to this share of the wall time others may run: `time` is wrong by no more than that."""
OTHERS_FLOOR_NS = 50_000
"""Below this nobody else ran: reading the clocks one after the other differs by as much."""

PROCESSORS = os.cpu_count() or 1
_TICK_NS = 20_000_000
"""Windows counts CPU time in steps of nearly this."""

_STANDS_STILL = (
    "the clock stands still: something replaced time, such as freezegun; "
    "stop it before the measured part, or limit a count"
)
_OVERLAP = "other threads or processes ran beside the call, and their waiting overlaps with its own"
_NO_SCHEDSTAT = "this system does not tell how long a thread waited for a processor"


def _metrics() -> Iterator[Metric]:
    def seconds(name: str, about: str, rule: Rule, q: float | None = None) -> Metric:
        relative = name in ("time", "cpu", "blocked")
        return Metric(
            name=name,
            unit=Unit.SECONDS,
            about=about,
            exact=False,
            rule=rule,
            quantile=q,
            relative=relative,
        )

    yield seconds(
        "time", "CPU time and blocked time: wall without waiting for a processor", Rule.CEILING
    )
    yield seconds("cpu", "CPU time of all threads and ended children", Rule.CEILING)
    yield seconds("blocked", "waiting for I/O, locks or sleep", Rule.CEILING)
    yield seconds("wall", "time on the clock", Rule.CEILING)
    for name, q in QUANTILES.items():
        yield seconds(
            name, f"{name[1:]} of 100 calls take at most this on the clock", Rule.QUANTILE, q
        )
    yield seconds("mean", "mean time on the clock", Rule.MEAN)
    yield seconds("max", "longest time on the clock", Rule.MAXIMUM)


METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _metrics()}


class _Marks(NamedTuple):
    """Clocks in nanoseconds at one end of the block; `schedstat` is the kernel's line, or empty."""

    outer_wall: int
    inner_wall: int
    process: int
    thread: int
    children: int
    schedstat: bytes


@contextmanager
def watch(wanted: frozenset[str]) -> Iterator[Read]:
    """Time one call; quantiles, mean and max are given its wall time as one reading."""
    marks: list[_Marks] = []
    descriptor = _open_schedstat()
    try:
        begin = _begin(descriptor)
        yield lambda: _readings(wanted, *marks)
        end = _end(descriptor)
    finally:
        if descriptor is not None:
            with suppress(OSError):  # closed by a block that closes every descriptor
                os.close(descriptor)
    marks += (begin, end)


def of_rounds(durations: Sequence[float]) -> Mapping[str, Reading]:
    """Readings of the wall metrics from rounds already timed, in seconds per call.

    The value of `wall` is the median; every reading holds the rounds as its samples.
    """
    samples = tuple(durations)
    if not any(sample > 0 for sample in samples):
        no_round = "the benchmark ran no round; call benchmark(...) in the test"
        why = _STANDS_STILL if samples else no_round
        return {name: Reading(error=why) for name in ("wall", *QUANTILES, "mean", "max")}
    values = {name: quantile(samples, q) for name, q in QUANTILES.items()}
    values |= {"wall": median(samples), "mean": fmean(samples), "max": max(samples)}
    return {name: Reading(value=value, samples=samples) for name, value in values.items()}


def _open_schedstat() -> int | None:
    try:
        return os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY)
    except OSError:
        return None


Clock = Callable[[], int]
"""Bound as a default at import: freezegun and its like replace what modules hold by name."""


def _begin(
    descriptor: int | None,
    wall: Clock = time.perf_counter_ns,
    cpu: Clock = time.process_time_ns,
    own: Clock = time.thread_time_ns,
) -> _Marks:
    # The thread's CPU time stands next to the outer wall time: what our own reading uses in
    # between would count as blocked. The inner wall time stands next to the block.
    outer, thread = wall(), own()
    schedstat, children = _schedstat(descriptor), _children_ns()
    process = cpu()
    return _Marks(outer, wall(), process, thread, children, schedstat)


def _end(
    descriptor: int | None,
    wall: Clock = time.perf_counter_ns,
    cpu: Clock = time.process_time_ns,
    own: Clock = time.thread_time_ns,
) -> _Marks:
    inner, process = wall(), cpu()
    children, schedstat = _children_ns(), _schedstat(descriptor)
    thread = own()
    return _Marks(wall(), inner, process, thread, children, schedstat)


def _schedstat(descriptor: int | None) -> bytes:
    if descriptor is None:
        return b""
    try:
        return os.pread(descriptor, 64, 0)
    except OSError:  # closed by the block
        return b""


def _children_ns() -> int:
    if resource is None:
        return 0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return int((used.ru_utime + used.ru_stime) * 1e9)


def _readings(wanted: frozenset[str], begin: _Marks, end: _Marks) -> Mapping[str, Reading]:
    if _stands_still(begin, end):
        return {name: Reading(error=_STANDS_STILL) for name in wanted}
    wall_ns = end.inner_wall - begin.inner_wall
    cpu_ns = end.process - begin.process + end.children - begin.children
    blocked_ns, why_not = _blocked_ns(begin, end, cpu_ns)
    readings = {
        "cpu": Reading(value=cpu_ns / 1e9),
        "blocked": Reading(value=blocked_ns / 1e9),
        "time": Reading(value=(cpu_ns + blocked_ns) / 1e9),
    }
    if why_not:
        readings["time"] = Reading(value=cpu_ns / 1e9, note=f"CPU time only: {why_not}")
        readings["blocked"] = Reading(
            error=f"blocked could not be read: {why_not}; put the limit on time or wall"
        )
    return {name: readings.get(name, Reading(value=wall_ns / 1e9)) for name in wanted}


def _stands_still(begin: _Marks, end: _Marks) -> bool:
    """Whether less time passed than it took to read the clocks, or than all processors could use up."""
    wall_ns = end.outer_wall - begin.outer_wall
    cpu_ns = end.process - begin.process
    return wall_ns <= 0 or cpu_ns > PROCESSORS * (wall_ns + _TICK_NS)


def _blocked_ns(begin: _Marks, end: _Marks, cpu_ns: int) -> tuple[int, str]:
    """How long the thread waited for anything but a processor, or 0 and why that is not known."""
    wall_ns = end.outer_wall - begin.outer_wall
    own_ns = end.thread - begin.thread
    if cpu_ns - own_ns > max(OTHERS_FLOOR_NS, OTHERS_SHARE * wall_ns):
        return 0, _OVERLAP
    before, after = begin.schedstat.split(), end.schedstat.split()
    if len(before) < 2 or len(after) < 2 or after[0] == b"0":  # a kernel that does not count
        return 0, _NO_SCHEDSTAT
    queued_ns = int(after[1]) - int(before[1])
    return max(0, wall_ns - queued_ns - own_ns), ""
