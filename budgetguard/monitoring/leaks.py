"""How many bytes a call retains, with an interval.

    leak = measure(lambda: app.handle(request))
    leak.verdict, leak.bytes_per_call, leak.low, leak.high, leak.suspects

Whoever drives the calls uses the push form, and judges what survives a call's tear-down:

    with LeakProbe(warmup=10) as probe:
        for _ in range(400):
            set_up(); body(); tear_down()
            probe.checkpoint()
        leak = probe.result()

Truth is the memory in use after a garbage collection, never RSS. tracemalloc counts it: what was
allocated through Python, numpy included. A process started with PYTHONMALLOC=malloc is read
through psutil.heap_info() instead, which sees native code too. `Leak.source` says which.

The levels after each checkpoint are judged by `growth.estimate`. Growth that fades is `filling`,
and then `low` is at most 0.

No finite run tells a leak from a cache that is bounded beyond it and fills evenly; only for
functools.lru_cache is the bound known, and looked up.
"""

import functools
import gc
import inspect
import math
import sys
import time
import tracemalloc
import weakref
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

import psutil

from budgetguard import heap
from budgetguard.errors import MeasureError, UsageError
from budgetguard.monitoring.growth import estimate
from budgetguard.monitoring.suspects import bytes_by_line, ranked, trace_suspects

FLOOR_BYTES = 4.0  # per call: under it nothing is called a leak
MIN_POINTS = 12
_CAPACITY = 256  # points kept; when full, every second one goes
_POINTS = 32  # checkpoints per look of measure()
_LOOKS = 6  # each doubles the calls
_ENOUGH = 3  # looks running that see a leak end the matter; with no time left two will do
_LRU = type(functools.lru_cache(lambda: None))
_TRACED = "tracemalloc: what Python allocates; memory of native code is not seen"
_HEAP = "heap_info under PYTHONMALLOC=malloc: Python and native memory"


@dataclass(frozen=True)
class Leak:
    """Bytes retained per call and their interval, over `calls` calls after `warmup`.

    `suspects` are "file:line  +N B per call"; `filling`: growth that fades or is a cache with room
    left, no leak yet; `source`: what was read, and what it cannot see; `note`: what else to know.
    """

    bytes_per_call: float
    low: float
    high: float
    calls: int
    warmup: int
    suspects: tuple[str, ...]
    filling: bool
    source: str
    note: str = ""

    @property
    def verdict(self) -> Literal["leak", "clean", "undecided"]:
        """Where the interval lies: above FLOOR_BYTES, below it, or across."""
        if self.high <= FLOOR_BYTES:
            return "clean"
        return "leak" if self.low > FLOOR_BYTES and not self.filling else "undecided"


def measure(
    call: Callable[[], object], *, calls: int = 400, warmup: int = 20, time_limit_s: float = 10.0
) -> Leak:
    """Call until the bytes retained per call are decided; a leak must show in looks running.

    A leak is called 400 times more, for a quarter of the time limit at most, to name its lines.
    A first look takes `calls` calls, each further one doubles them, at most 32 times `calls` and
    `time_limit_s` seconds of wall time in all. Raises MeasureError when there was no time for 12
    checkpoints, and whatever `call` raises; tracemalloc and gc are then as they were before.
    """
    _check(call, calls, warmup)
    until_s = time.monotonic() + time_limit_s
    with LeakProbe(warmup=warmup) as probe:
        leak = _looked(probe, call, calls, until_s)
    if leak.verdict == "leak":
        floor = leak.bytes_per_call / 10
        suspects = trace_suspects(call, floor=floor, time_limit_s=time_limit_s / 4)
        leak = replace(leak, suspects=suspects or leak.suspects)
    return leak


def _check(call: Callable[[], object], calls: int, warmup: int) -> None:
    if inspect.iscoroutinefunction(call):
        raise UsageError(
            "measure(call): got a coroutine function; wrap it: lambda: asyncio.run(f())"
        )
    if calls < MIN_POINTS or warmup < 0:
        raise UsageError(
            f"measure(calls={calls}, warmup={warmup}): expected calls >= {MIN_POINTS}, warmup >= 0"
        )


def _looked(probe: "LeakProbe", call: Callable[[], object], calls: int, until_s: float) -> Leak:
    """Look until clean, or until a leak was seen in enough looks running, or time is over."""
    pace_s = _warmed_up(probe, call, until_s)
    affordable = (until_s - time.monotonic()) / pace_s / 2**_ENOUGH if pace_s else calls
    batch = max(1, int(min(calls, affordable)) // _POINTS)
    running = 0
    for look in range(_LOOKS):
        finished = _drive(probe, call, batch, until_s)
        leak = probe.result()
        if not finished:
            break
        running = running + 1 if leak.verdict == "leak" else 0
        if leak.verdict == "clean" or running == _ENOUGH:
            return leak
        batch *= 1 if look == 0 else 2
    if leak.verdict == "leak" and running < 2:
        why = "no time was left for a second look, which a leak needs"
        return replace(leak, low=min(leak.low, 0.0), note=why)
    return leak


def _warmed_up(probe: "LeakProbe", call: Callable[[], object], until_s: float) -> float:
    """Make the warm-up's calls; returns the seconds of its fastest call, 0 without a warm-up."""
    fastest_s = math.inf
    for _ in range(probe.warmup):
        began_s = time.monotonic()
        call()
        probe.checkpoint()
        fastest_s = min(fastest_s, time.monotonic() - began_s)
        if time.monotonic() > until_s:
            break
    return 0.0 if math.isinf(fastest_s) else fastest_s


def _drive(probe: "LeakProbe", call: Callable[[], object], batch: int, until_s: float) -> bool:
    """Make one look's calls; false when the time is over."""
    for _ in range(_POINTS):
        for _ in range(batch):
            call()
            if time.monotonic() > until_s:
                return False
        probe.checkpoint(batch)
    return True


class LeakProbe:
    """The push form: `start`, `checkpoint` after each call or batch, `result`, `stop`.

    As a context manager it starts and stops itself. It freezes the objects that were there before
    (gc.freeze), so that its collections cost what the calls made, and gc.get_objects() tells only
    newer ones meanwhile; `stop` undoes that, and stops tracemalloc if the probe started it. Its own
    memory is taken out of the readings.
    """

    def __init__(self, *, warmup: int = 0) -> None:
        self.warmup = warmup
        self._calls = array("q", bytes(8 * _CAPACITY))  # filled in place: no memory while reading
        self._levels = array("d", bytes(8 * _CAPACITY))
        self._points = self._made = self._own = self._skipped = 0
        self._stride = 1
        self._marks: list[_Mark] = []
        self._native = heap_is_exact()
        self._started_tracing = self._froze = False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_raised: object) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to trace and, with no warm-up, read the level that growth is counted from."""
        self._caches = _lru_caches()
        if not self._native and not tracemalloc.is_tracing():
            tracemalloc.start(1)
            self._started_tracing = True
        self._froze = heap.freeze()
        self._read()  # the first reading pays for what reading itself keeps
        if not self.warmup:
            self._record()

    def stop(self) -> None:
        """Leave gc and tracemalloc as `start` found them; a second stop does nothing."""
        if self._froze:
            gc.unfreeze()
        if self._started_tracing:
            tracemalloc.stop()
        self._froze = self._started_tracing = False

    def checkpoint(self, calls: int = 1) -> None:
        """Tell that `calls` more calls have been made; raises MeasureError if tracing has ended."""
        if calls < 1:
            raise UsageError(f"checkpoint(calls={calls}): expected 1 or more")
        before, self._made = self._made, self._made + calls
        if self._made < self.warmup:
            return
        if before < self.warmup:
            self._record()
            return
        self._skipped += 1
        if self._skipped >= self._stride:
            self._skipped = 0
            self._record()

    def result(self) -> Leak:
        """Judge what was read so far; raises MeasureError with fewer than 12 checkpoints."""
        if self._points < MIN_POINTS:
            raise MeasureError(
                f"leaks: got {self._points} checkpoints, expected at least {MIN_POINTS}; "
                "allow more time or measure a smaller piece"
            )
        with self._own_memory():
            growth = estimate(self._calls[: self._points], self._levels[: self._points])
            note = _filling_caches(self._tail_mark(), self._caches, self._judged())
            filling = growth.high > FLOOR_BYTES and (growth.fading or bool(note))
            if growth.low > FLOOR_BYTES and not filling:
                note = f"steady; a cache whose bound lies beyond {self._judged()} calls looks alike"
            return Leak(
                growth.slope,
                min(growth.low, 0.0) if filling else growth.low,
                growth.high,
                self._judged(),
                self.warmup,
                self._suspects(growth.slope / 10) if growth.high > FLOOR_BYTES else (),
                filling,
                _HEAP if self._native else _TRACED,
                note,
            )

    def _judged(self) -> int:
        return self._calls[self._points - 1]

    def _read(self) -> int:
        gc.collect()
        if self._native:
            heap = psutil.heap_info()
            return int(heap.heap_used + heap.mmap_used) - self._own
        if not tracemalloc.is_tracing():
            raise MeasureError(
                "leaks: the code under measure stopped tracemalloc; expected it left alone"
            )
        return tracemalloc.get_traced_memory()[0] - self._own

    @contextmanager
    def _own_memory(self) -> Iterator[None]:
        """Take what the probe itself keeps out of the later readings."""
        before = self._read()
        try:
            yield
        finally:
            self._own += self._read() - before

    def _record(self) -> None:
        if self._points == _CAPACITY:
            self._thin_out()
        self._levels[self._points] = self._read()
        self._calls[self._points] = max(0, self._made - self.warmup)
        self._points += 1
        if self._points >= 8 and self._judged() >= 2 * (
            self._marks[-1].calls if self._marks else 0
        ):
            with self._own_memory():
                self._marks = [*self._marks[-1:], self._mark()]

    def _thin_out(self) -> None:
        half = _CAPACITY // 2
        for kept in range(half):
            self._calls[kept] = self._calls[2 * kept]
            self._levels[kept] = self._levels[2 * kept]
        self._points = half
        self._stride *= 2

    def _mark(self) -> "_Mark":
        known = {id(reference()) for reference in self._caches}
        self._caches += [cache for cache in _lru_caches() if id(cache()) not in known]
        lines = {} if self._native else bytes_by_line()
        return _Mark(self._judged(), lines, _sizes(self._caches))

    def _tail_mark(self) -> "_Mark":
        """The newest mark that leaves at least four tenths of the calls behind it."""
        early = [mark for mark in self._marks if mark.calls <= 0.6 * self._judged()]
        return early[-1] if early else _Mark(0, {}, {})

    def _suspects(self, floor: float) -> tuple[str, ...]:
        mark = self._tail_mark()
        if self._native or not mark.calls:
            return ()
        return ranked(mark.lines, bytes_by_line(), self._judged() - mark.calls, floor)


def heap_is_exact() -> bool:
    """Whether this process allocates through malloc alone and psutil can read malloc's books."""
    return sys.getallocatedblocks() == 0 and hasattr(psutil, "heap_info")


# --- caches that fill ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Mark:
    """What stood where after so many calls: bytes by line, entries by cache."""

    calls: int
    lines: dict[tuple[str, int], int]
    caches: dict[int, int]


def _lru_caches() -> list["weakref.ref[Any]"]:
    """All bounded functools.lru_cache objects that the collector knows and has not frozen."""
    return [
        weakref.ref(thing)
        for thing in gc.get_objects()
        if type(thing) is _LRU and thing.cache_info().maxsize is not None
    ]


def _sizes(caches: Sequence["weakref.ref[Any]"]) -> dict[int, int]:
    return {id(c): c.cache_info().currsize for reference in caches if (c := reference())}


def _filling_caches(mark: _Mark, caches: Sequence["weakref.ref[Any]"], calls: int) -> str:
    """Name the caches that took more than one entry per 20 calls since the mark and have room."""
    if not mark.calls:
        return ""
    for cache in (c for reference in caches if (c := reference())):
        size, bound = cache.cache_info().currsize, cache.cache_info().maxsize
        if size < bound and size - mark.caches.get(id(cache), 0) > (calls - mark.calls) / 20:
            return f"lru_cache {cache.__qualname__} still fills: {size} of {bound} entries"
    return ""
