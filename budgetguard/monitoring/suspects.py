"""The lines whose memory grows: tracemalloc, summed by file and line."""

import gc
import sysconfig
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

from budgetguard.paths import shown

_LIBRARY = tuple({f"{sysconfig.get_path(name)}/" for name in ("stdlib", "purelib", "platlib")})
_FRAMES = 12
_OWN = f"{Path(__file__).parent}/"
_NEVER = (_OWN, tracemalloc.__file__)


def trace_suspects(
    call: Callable[[], object], *, floor: float, calls: int = 400, time_limit_s: float = 2.5
) -> tuple[str, ...]:
    """Call again under a deeper trace: up to three lines "file:line  +N B per call".

    A line of the standard library or of an installed package gives way to the line that called it;
    lines under `floor` bytes per call are left out, so a rare leak that did not show names nobody.
    """
    ours = not tracemalloc.is_tracing()
    until_s = time.monotonic() + time_limit_s
    if ours:
        tracemalloc.start(_FRAMES)
    try:
        _repeat(call, calls // 2, until_s)  # lists and tables of before get into the trace
        before = bytes_by_line()
        made = _repeat(call, calls - calls // 2, until_s)
        return ranked(before, bytes_by_line(), made, floor) if made else ()
    finally:
        if ours:
            tracemalloc.stop()


def _repeat(call: Callable[[], object], calls: int, until_s: float) -> int:
    made = 0
    while made < calls and time.monotonic() < until_s:
        call()
        made += 1
    gc.collect()
    return made


def bytes_by_line() -> dict[tuple[str, int], int]:
    """Live traced bytes by the line that stands for each allocation."""
    found: dict[tuple[str, int], int] = {}
    for trace in tracemalloc.take_snapshot().traces:
        place = _place(trace.traceback)
        found[place] = found.get(place, 0) + trace.size
    return found


def _place(traceback: tracemalloc.Traceback) -> tuple[str, int]:
    for frame in reversed(traceback):  # the newest call stands last
        if not frame.filename.startswith((*_LIBRARY, _OWN, "<")):
            return frame.filename, frame.lineno
    return traceback[-1].filename, traceback[-1].lineno


def ranked(
    before: dict[tuple[str, int], int],
    after: dict[tuple[str, int], int],
    calls: int,
    floor: float,
) -> tuple[str, ...]:
    """The up to three lines that grew most, by `floor` bytes per call or more."""
    grown = {place: (size - before.get(place, 0)) / calls for place, size in after.items()}
    foreign = {place: rate for place, rate in grown.items() if not place[0].startswith(_NEVER)}
    top = sorted(foreign, key=lambda place: -foreign[place])[:3]
    worth = [place for place in top if foreign[place] >= max(1.0, floor)]
    return tuple(
        f"{shown(file)}:{line}  +{foreign[file, line]:.0f} B per call" for file, line in worth
    )
