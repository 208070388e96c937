"""Memory of one call, counted by memray with Python's own allocators traced.

The numbers repeat to the digit because the heap is put in order first: a full collection empties
the free lists, and what lives already is frozen, so that neither old garbage nor the size of the
heap decides when the collector runs inside the block. The first call of a body still differs from
later ones (caches, imports). What other threads allocate meanwhile counts too.
"""

import gc
import heapq
import os
import platform
import shutil
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from budgetguard import heap
from budgetguard.errors import MissingExtra
from budgetguard.extras import need
from budgetguard.gate.meters.base import Read
from budgetguard.gate.model import Metric, Reading, Step
from budgetguard.units import Unit, show

if TYPE_CHECKING:
    from memray import AllocationRecord, Tracker
    from memray._stats import Stats

_FINEST = 0.005
"""The ratio that these numbers repeat to over sessions, measured by benchmarks/repeatability.py."""
METRICS: Mapping[str, Metric] = {
    name: Metric(
        name=name,
        unit=unit,
        about=about,
        keyed=True,
        grain=(Step(_FINEST, of_baseline=True), Step(least, of_baseline=False)),
    )
    for name, unit, least, about in (
        ("peak", Unit.BYTES, 1024, "most memory that the call held at once"),
        ("allocated", Unit.BYTES, 1024, "all memory that the call asked for"),
        ("allocations", Unit.COUNT, 8, "how often the call asked for memory"),
    )
}

Frame = tuple[str, str, int]
"""Function, file and line, as memray tells them."""

_SITES_TOLD = 5
_STACKS_READ = 300
"""Of many thousand stacks only the largest are summed to sites: reading one takes some 10 us."""
_RSS_INTERVAL_MS = 1000
"""Memray's sampling thread shall wake seldom: nothing here reads its samples."""
_LAST_SIZE = 331
"""Of the one object made at the end of a block. A capture without it was cut short: memray stops
tracing where a disk is full, and the rest would read as a small and false number."""
_LAST_LENGTH = _LAST_SIZE - b"".__sizeof__()
_FREE_DISK = 16 * 2**20
"""Sums are written at the end, in no order, so that there only the space on the disk tells."""
SCRATCH = "BUDGETGUARD_SCRATCH"
"""Names a folder for captures that whoever started us removes, also after a kill."""
_LIBRARIES = tuple(
    sorted({sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")})
)
_CUT_SHORT = "it was cut short; free some space on the disk, or set TMPDIR to another one"
_MACHINERY = frozenset({"_pytest", "pytest", "pluggy", "memray", "pytest_budgetguard"})
_OURS = str(Path(__file__).parents[2]) + os.sep


def watch(wanted: frozenset[str]) -> AbstractContextManager[Read]:
    """Read the `wanted` metrics of the block; no file is left when it has ended."""
    return _Watch(wanted)


class _Watch:
    """A class and not a generator: nothing of ours may allocate between the start and the block."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = wanted
        self._readings: Mapping[str, Reading] = {}
        self._tracker: Tracker | None = None
        self._folder = ""
        self._froze = False
        self._pid = os.getpid()

    def __enter__(self) -> Read:
        try:
            self._tracker = self._prepared()
            self._froze = heap.freeze()
            self._tracker.__enter__()
            # Almost free now. It sets the collector's counters to 0 and empties the free lists, so
            # that neither the starting of memray nor the caller decides when the collector runs.
            gc.collect()
        except (MissingExtra, OSError, RuntimeError) as error:
            self._tracker = None
            self._failed(_why_not(error))
        except BaseException:
            self._clear()
            raise
        return self._read

    def __exit__(self, kind: type[BaseException] | None, *raised: object) -> None:
        tracker, self._tracker = self._tracker, None
        if os.getpid() != self._pid:  # a forked child that ran on to here: not the block's process
            return
        try:
            if tracker is not None:
                bytes(_LAST_LENGTH)
                tracker.__exit__(None, None, None)
                self._readings = {} if kind else _read_capture(self._capture, self._wanted)
        except OSError as error:
            self._failed(f"memray's capture is unusable: {error}")
        finally:
            self._clear()

    def _read(self) -> Mapping[str, Reading]:
        return self._readings

    @property
    def _capture(self) -> str:
        return str(Path(self._folder, "capture"))

    def _prepared(self) -> "Tracker":
        memray = need("memray", extra="memory")
        self._folder = tempfile.mkdtemp(prefix="budgetguard-memory-", dir=os.environ.get(SCRATCH))
        # Sums per stack are enough for the peak, and small; the other two need each allocation.
        formats = memray.FileFormat
        peak_only = self._wanted <= {"peak"}
        tracker: Tracker = memray.Tracker(
            self._capture,
            trace_python_allocators=True,
            memory_interval_ms=_RSS_INTERVAL_MS,
            file_format=formats.AGGREGATED_ALLOCATIONS if peak_only else formats.ALL_ALLOCATIONS,
        )
        return tracker

    def _failed(self, why: str) -> None:
        self._readings = {
            name: Reading(error=f"{name} was not measured: {why}") for name in self._wanted
        }

    def _clear(self) -> None:
        if self._froze:
            gc.unfreeze()
            self._froze = False
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = ""


def _why_not(error: Exception) -> str:
    if isinstance(error, RuntimeError):  # memray has no class of its own for it
        return (
            "another memray tracker runs already, and memray allows only one; "
            "run without --memray and outside of `memray run`"
            if "Tracker" in str(error)
            else f"memray could not start: {error}"
        )
    return str(error) if isinstance(error, MissingExtra) else f"memray could not start: {error}"


def _read_capture(capture: str, wanted: frozenset[str]) -> dict[str, Reading]:
    readings = {}
    made_with = _made_with()
    if wanted <= {"peak"} and shutil.disk_usage(capture).free < _FREE_DISK:
        raise OSError(_CUT_SHORT)
    if "peak" in wanted:
        value, evidence = _peak(capture)
        readings["peak"] = Reading(value=value, evidence=evidence, made_with=made_with)
    if wanted - {"peak"}:
        stats = _statistics(capture)
        if _LAST_SIZE not in stats.allocation_count_by_size:
            raise OSError(_CUT_SHORT)
        counted = {
            "allocated": (stats.total_memory_allocated - _LAST_SIZE, stats.top_locations_by_size),
            "allocations": (stats.total_num_allocations - 1, stats.top_locations_by_count),
        }
        for name in wanted & set(counted):
            value, places = counted[name]
            evidence = _places(places, METRICS[name].unit)
            readings[name] = Reading(value=float(value), evidence=evidence, made_with=made_with)
    return readings


def _peak(capture: str) -> tuple[float, tuple[str, ...]]:
    from memray import FileReader

    with closing(FileReader(capture)) as reader:
        records = reader.get_high_watermark_allocation_records(merge_threads=True)
        return float(reader.metadata.peak_memory), _sites(records)


def _statistics(capture: str) -> "Stats":
    # What `memray stats` calls; the public way, an object per allocation, takes thrice as long.
    from memray._memray import compute_statistics

    return compute_statistics(capture, num_largest=4 * _SITES_TOLD)


def _sites(records: "Iterable[AllocationRecord]") -> tuple[str, ...]:
    """The lines of the user that the largest parts of the peak come from."""
    sizes: Counter[Frame] = Counter()
    for record in heapq.nlargest(_STACKS_READ, records, key=lambda record: record.size):
        frame = nearest_frame(record.stack_trace())
        if frame:
            sizes[frame] += record.size
    return tuple(_told(frame, size, Unit.BYTES) for frame, size in sizes.most_common(_SITES_TOLD))


def _places(places: Sequence[tuple[Frame, int]], unit: Unit) -> tuple[str, ...]:
    kept = [(frame, amount) for frame, amount in places if not _of_machinery(frame[1])]
    return tuple(_told(frame, amount, unit) for frame, amount in kept[:_SITES_TOLD])


def nearest_frame(stack: Sequence[Frame]) -> Frame | None:
    """The innermost frame of a user's own file, else of a library; None for our own doing."""
    frames = [frame for frame in stack if not _of_machinery(frame[1])]
    return next(
        (frame for frame in frames if not _of_library(frame[1])), frames[0] if frames else None
    )


@cache
def _of_machinery(file: str) -> bool:
    return file.startswith(_OURS) or not _MACHINERY.isdisjoint(Path(file).parts)


@cache
def _of_library(file: str) -> bool:
    return file.startswith(("<", *_LIBRARIES)) or "site-packages" in Path(file).parts


def _told(frame: Frame, amount: float, unit: Unit) -> str:
    function, file, line = frame
    path = Path(file)
    for root in (Path.cwd(), *map(Path, _LIBRARIES)):
        if path.is_relative_to(root):
            path = path.relative_to(root)
            break
    what = show(amount, unit) if unit is Unit.BYTES else f"{amount:.0f} allocations"
    return f"{str(path)[-60:]}:{line} {function[:25]}  {what}"


@cache
def _made_with() -> str:
    memray = need("memray", extra="memory")
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return f"memray {memray.__version__}, {python}"
