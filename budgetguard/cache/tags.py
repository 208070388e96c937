"""Versions of tags in this process: a slot that was guarded by older ones counts no more."""

import threading
from collections.abc import Iterable, Mapping
from weakref import WeakValueDictionary


class Tag:
    """One tag; `stamp` grows each time something with it was invalidated."""

    __slots__ = ("__weakref__", "seen", "stamp")

    def __init__(self) -> None:
        self.stamp = 0
        self.seen: dict[str, int] = {}
        """The newest version that each tier has told."""


Guard = tuple[tuple[Tag, int], ...]
"""The stamps that tags had when a load began."""


class Tags:
    """All tags that slots of this process have; others cost nothing."""

    def __init__(self) -> None:
        self._tags: WeakValueDictionary[str, Tag] = WeakValueDictionary()
        self._lock = threading.Lock()

    def after_fork(self) -> None:
        """In the child: who held the lock has stayed in the parent."""
        self._lock = threading.Lock()

    def note(self, tier: str, versions: Mapping[str, int]) -> None:
        """What a tier tells of tags; one that has become newer invalidates what was loaded before."""
        with self._lock:
            for name, version in versions.items():
                tag = self._tags.get(name)
                if tag is not None and version > tag.seen.get(tier, 0):
                    tag.seen[tier] = version
                    tag.stamp += 1

    def bump(self, names: Iterable[str]) -> None:
        """Invalidate here, whatever the tiers say."""
        with self._lock:
            for name in names:
                if (tag := self._tags.get(name)) is not None:
                    tag.stamp += 1

    def guard(self, names: Iterable[str], told: Mapping[str, Mapping[str, int]]) -> Guard:
        """What a load that begins now stands on; `told` is what each tier has just said."""
        with self._lock:
            tags = {name: self._tags.setdefault(name, Tag()) for name in names}
        for tier, versions in told.items():
            self.note(tier, versions)
        return tuple((tag, tag.stamp) for tag in tags.values())


def holds(guard: Guard) -> bool:
    """Whether nothing was invalidated since."""
    for tag, stamp in guard:  # noqa: SIM110 -- a generator costs more, and each hit comes by here
        if tag.stamp != stamp:
            return False
    return True
