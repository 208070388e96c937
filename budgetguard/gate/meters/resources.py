"""What one call leaves open: threads, files, sockets, asyncio tasks and child processes."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from budgetguard.gate.meters.base import Read
from budgetguard.gate.model import Metric, Reading
from budgetguard.units import Unit

if TYPE_CHECKING:
    from budgetguard.monitoring.resources import Tracked

METRICS: Mapping[str, Metric] = {
    name: Metric(name=name, unit=Unit.COUNT, about=f"{what} left behind by the call")
    for name, what in (
        ("threads", "running threads"),
        ("fds", "open files"),
        ("sockets", "open sockets"),
        ("tasks", "unfinished asyncio tasks"),
        ("children", "child processes"),
    )
}

_TOLD = 5
_LONGEST = 100


@contextmanager
def watch(wanted: frozenset[str]) -> Iterator[Read]:
    """Count what is new and still alive shortly after the block; leaving nothing costs no wait."""
    from budgetguard.monitoring.resources import track  # brings psutil and asyncio

    with track(wanted) as tracked:
        yield lambda: {name: _reading(tracked, name) for name in wanted}


def _reading(tracked: "Tracked", name: str) -> Reading:
    left: tuple[str, ...] = getattr(tracked.left, name)
    evidence = tuple(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…" for text in left)
    return Reading(value=float(len(left)), evidence=evidence[:_TOLD])
