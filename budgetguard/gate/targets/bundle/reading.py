"""From the files of a bundle to readings: of the whole, and of the parts that selectors mean."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from budgetguard.errors import MeasureError
from budgetguard.gate.limits import select
from budgetguard.gate.model import Budget, Point, Reading, Readings
from budgetguard.gate.targets.bundle.archives import members
from budgetguard.gate.targets.bundle.encoding import (
    PIECE_BYTES,
    SLOW,
    SLOW_ENCODER_BYTES,
    Encoder,
    count,
    load,
)
from budgetguard.gate.targets.bundle.finding import File, Found, why
from budgetguard.gate.targets.bundle.naming import stable_names
from budgetguard.units import Unit, show

SHOWN_FILES = 5
_NAME_CHARS = 70

Sizes = Mapping[str, Reading]
"""The readings of one file by metric."""
Encoders = Mapping[str, Encoder | str]
"""What compresses for a metric, or why nothing can."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What an archive holds: each member by its name as a part, packed and unpacked."""

    archive: File
    prefix: str
    packed_bytes: Mapping[str, int]
    unpacked_bytes: Mapping[str, int]


def failed(budget: Budget, error: str) -> Readings:
    """One error for the budget as a whole."""
    return {Point(budget.name, "", ""): Reading(error=error)}


def read(budget: Budget, found: Found) -> Readings:
    """The whole's readings, and those of each part that a limit selects.

    Raises `MeasureError` for an archive that cannot be opened, and where there is nothing in any file.
    """
    alone = len(found.archives) == 1 and not found.files
    contents = [_contents(archive, alone=alone) for archive in found.archives]
    _refuse_nothing(found, contents)
    encoders = load(limit.metric.name for limit in budget.limits)
    whole = frozenset(limit.metric.name for limit in budget.limits if not limit.selector)
    names = _names(found, contents)
    called = _called(budget, names)
    asked = _asked(called)
    weighed = {
        file.name: _weigh_file(file, whole | asked.get(file.name, frozenset()), encoders)
        for file in found.files
    }
    parts = {name: sizes for name, sizes in weighed.items() if name in asked}
    for content in contents:
        parts |= _weigh_members(content, asked, encoders)
        weighed[content.archive.name] = _weigh_file(content.archive, whole, encoders)
    readings = {
        Point(budget.name, part, metric): parts[name][metric]
        for part, metric, name in called
        if name in parts
    }
    for metric in whole:
        reading = _sum(metric, weighed, contents, found)
        readings[Point(budget.name, "", metric)] = reading
    return readings


def _refuse_nothing(found: Found, contents: Sequence[Contents]) -> None:
    """A build that broke often leaves empty files; they would keep every limit."""
    hollow = [content.archive.name for content in contents if not content.unpacked_bytes]
    if hollow:
        raise MeasureError(f"{hollow[0]}: the archive is empty; build it again")
    files = (*found.files, *found.archives)
    if not any(file.size_bytes for file in files):
        which = (
            f"{files[0].name} is empty" if len(files) == 1 else f"all {len(files)} files are empty"
        )
        raise MeasureError(f"{which}; build it again")


def _names(found: Found, contents: Sequence[Contents]) -> list[str]:
    """Every file and member by its name."""
    names = [file.name for file in found.files]
    for content in contents:
        names += content.unpacked_bytes
    return names


def _called(budget: Budget, names: Sequence[str]) -> set[tuple[str, str, str]]:
    """What selectors ask for: the name of the part, the metric, and the file that it is today."""
    selective = [limit for limit in budget.limits if limit.selector]
    stable = stable_names(names) if selective else {}
    known = set(names)
    called = set()
    for limit in selective:
        if limit.selector in known:
            called.add((limit.selector, limit.metric.name, limit.selector))
            continue
        for name in names:
            known_as = (stable.get(name, name), name)
            part = next((one for one in known_as if select(limit.selector, [one])), None)
            if part is not None:
                called.add((part, limit.metric.name, name))
    return called


def _asked(called: Iterable[tuple[str, str, str]]) -> Mapping[str, frozenset[str]]:
    """The metrics that some selector asks of each file."""
    asked: dict[str, frozenset[str]] = {}
    for _, metric, name in called:
        asked[name] = asked.get(name, frozenset()) | {metric}
    return asked


def _weigh_file(file: File, metrics: frozenset[str], encoders: Encoders) -> Sizes:
    def pieces() -> Iterator[bytes]:
        with open_regular(file) as stream:
            while piece := stream.read(PIECE_BYTES):
                yield piece

    running, refused = _choose(file.name, file.size_bytes, metrics, encoders)
    if not running:
        known = {"raw": Reading(value=file.size_bytes), "files": Reading(value=1)}
        return {metric: known[metric] for metric in metrics - refused.keys()} | refused
    return _weigh(file.name, file.size_bytes, metrics, running, pieces) | refused


def _weigh(
    name: str,
    size_bytes: int,
    metrics: frozenset[str],
    running: Mapping[str, Encoder],
    pieces: Callable[[], Iterator[bytes]],
) -> dict[str, Reading]:
    """The sizes of one file, read once; what stops that is the error of each of them."""
    try:
        totals = count(pieces(), size_bytes, running) | {"files": 1}
    except (MeasureError, OSError) as error:
        told = _told(name, error)
        return {metric: Reading(error=told) for metric in metrics}
    return {
        metric: Reading(
            value=totals[metric],
            made_with=running[metric].made_with if metric in running else "",
        )
        for metric in metrics & totals.keys()
    }


def _choose(
    name: str, size_bytes: int, metrics: frozenset[str], encoders: Encoders
) -> tuple[dict[str, Encoder], dict[str, Reading]]:
    """The encoders to run on a file, and the errors of those that cannot."""
    running: dict[str, Encoder] = {}
    refused: dict[str, Reading] = {}
    for metric in metrics & encoders.keys():
        encoder = encoders[metric]
        if isinstance(encoder, str):
            refused[metric] = Reading(error=encoder)
        elif metric in SLOW and size_bytes > SLOW_ENCODER_BYTES:
            refused[metric] = Reading(error=_too_large(name, size_bytes, metric))
        else:
            running[metric] = encoder
    return running, refused


def _told(name: str, error: MeasureError | OSError) -> str:
    if isinstance(error, OSError):
        return f"{name}: {why(error)}"
    return str(error) if str(error).startswith(f"{name}: ") else f"{name}: {error}"


def _too_large(name: str, size_bytes: int, metric: str) -> str:
    return (
        f"{name}: is {show(size_bytes, Unit.BYTES)}, and {metric} is read up to "
        f"{show(SLOW_ENCODER_BYTES, Unit.BYTES)} per file, "
        f"as it would take minutes; limit raw or gzip"
    )


@contextmanager
def open_regular(file: File) -> Iterator[BinaryIO]:
    """Open a file to read it; what became a pipe or a device meanwhile never blocks."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(file.path, flags)
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise MeasureError("is no regular file any more; end what writes there, then run again")
        yield stream


def _contents(archive: File, *, alone: bool) -> Contents:
    prefix = "" if alone else f"{archive.name}/"
    packed: dict[str, int] = {}
    unpacked: dict[str, int] = {}
    try:
        with open_regular(archive) as stream:
            for member in members(stream, archive.name):
                unpacked[prefix + member.name] = member.size_bytes
                packed[prefix + member.name] = member.packed_bytes or 0
    except (MeasureError, OSError) as error:
        raise MeasureError(_told(archive.name, error)) from None
    return Contents(archive, prefix, packed, unpacked)


def _weigh_members(
    content: Contents, asked: Mapping[str, frozenset[str]], encoders: Encoders
) -> dict[str, Sizes]:
    """The sizes of the members that are asked for, in one way through the archive."""
    left = asked.keys() & content.unpacked_bytes.keys()
    sizes: dict[str, Sizes] = {}
    if not left:
        return sizes
    try:
        with open_regular(content.archive) as stream:
            for member in members(stream, content.archive.name):
                name = content.prefix + member.name
                if name in left:
                    size_bytes = member.size_bytes
                    running, refused = _choose(name, size_bytes, asked[name], encoders)
                    weighed = _weigh(name, size_bytes, asked[name], running, member.pieces)
                    sizes[name] = weighed | refused
    except (MeasureError, OSError) as error:
        told = _told(content.archive.name, error)
        for name in left - sizes.keys():
            sizes[name] = {metric: Reading(error=told) for metric in asked[name]}
    return sizes


def _sum(
    metric: str, weighed: Mapping[str, Sizes], contents: Sequence[Contents], found: Found
) -> Reading:
    """The whole of a metric: the sum of its files, or the errors of those not read."""
    if metric == "files":
        members_less_archives = sum(len(content.unpacked_bytes) - 1 for content in contents)
        count = len(weighed) + members_less_archives
        return Reading(value=count, evidence=_newest(found), note=found.note)
    readings = {name: sizes[metric] for name, sizes in weighed.items()}
    errors = sorted({reading.error for reading in readings.values() if reading.error})
    if errors:
        return Reading(error=errors[0], evidence=tuple(errors[1:SHOWN_FILES]))
    bytes_of = {name: int(reading.value) for name, reading in readings.items()}
    total = sum(bytes_of.values())
    return Reading(
        value=total,
        evidence=_largest(bytes_of, total, contents),
        made_with=next((reading.made_with for reading in readings.values()), ""),
        note=found.note,
    )


def _newest(found: Found) -> tuple[str, ...]:
    """The files written last: of one file too many these are the suspects."""

    def written(file: File) -> float:
        with suppress(OSError):
            return Path(file.path).stat().st_mtime
        return 0.0

    newest = sorted(found.files, key=written, reverse=True)[:SHOWN_FILES]
    return tuple(f"{_short(file.name)}  among the newest" for file in newest)


def _largest(
    bytes_of: Mapping[str, int], total: int, contents: Sequence[Contents]
) -> tuple[str, ...]:
    """The files that weigh most, and what weighs most in an archive that is measured alone."""
    if len(bytes_of) == 1 and contents:
        return _largest_members(contents[0])
    return tuple(_line(name, size, total) for name, size in _top(bytes_of))


def _largest_members(content: Contents) -> tuple[str, ...]:
    if any(content.packed_bytes.values()):
        size_bytes = content.archive.size_bytes
        return tuple(_line(name, size, size_bytes) for name, size in _top(content.packed_bytes))
    return tuple(
        f"{_short(name)}  {show(size, Unit.BYTES)} unpacked"
        for name, size in _top(content.unpacked_bytes)
    )


def _top(sizes: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(sizes.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_FILES]


def _line(name: str, size_bytes: int, total_bytes: int) -> str:
    share = round(100 * size_bytes / total_bytes) if total_bytes else 0
    return f"{_short(name)}  {show(size_bytes, Unit.BYTES)} ({share} %)"


def _short(name: str) -> str:
    """A name with its end, where the file is, if it is too long for a line."""
    return name if len(name) <= _NAME_CHARS else "…" + name[-_NAME_CHARS + 1 :]
