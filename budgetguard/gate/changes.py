"""What differs between two baselines."""

from collections.abc import Iterator
from dataclasses import dataclass

from budgetguard.gate.model import Baseline, Point, Stored


@dataclass(frozen=True, slots=True)
class Change:
    """One entry that differs; without `old` it is added, without `new` it is dropped."""

    point: Point
    key: str
    old: Stored | None
    new: Stored | None


def compare(old: Baseline, new: Baseline) -> tuple[Change, ...]:
    """The entries that differ, sorted."""
    return tuple(_changes(old, new))


def _changes(old: Baseline, new: Baseline) -> Iterator[Change]:
    for point in sorted({*old.entries, *new.entries}):
        before, after = old.entries.get(point, {}), new.entries.get(point, {})
        for key in sorted({*before, *after}):
            if before.get(key) != after.get(key):
                yield Change(point, key, before.get(key), after.get(key))
