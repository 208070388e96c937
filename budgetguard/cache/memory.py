"""The first tier: values of this process within a bound of bytes, evicted by worth (GDSF) or by last use."""

import heapq
import itertools
import math
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from budgetguard.errors import UsageError

_LEAST_USD = 1e-6  # a tenth of a second of a rented core: no load is free of charge
_MOST_USD = 1e6  # beyond it one entry would make the age useless for all others
_TURNOVERS_TO_AGE = 4  # of all entries, until what nobody asks for has lost 1 - 1/e of its lead
_MOST_LOOKS = 64
_MOST_PER_SLOT = 1.5  # places in a queue; the others are of slots that have gone
_SPARE_IN_QUEUE = 64
_MOVED_AT_A_PUSH = 8

_Ranked = tuple[float, int, Hashable]  # rank, number, key: no slot, which would outlive its removal

_HALF = bytes(count // 2 for count in range(256))
_MOST_COUNT = 255
_LEAST_COUNTS = 1024  # a power of two, as each size is
_COUNTS_PER_ENTRY = 16
_PUTS_PER_ENTRY_TO_HALVE = 10

_LOCK = threading.RLock()  # one for all, so that a fork finds each memory whole
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release
    )


@dataclass(slots=True, eq=False, repr=False)
class Slot:
    """One entry. A reader adds to `hits` and sets `touched` and `aged`, without a lock."""

    key: Hashable
    value: Any
    packed: bytes | None
    """Of a mutable value, so that every caller gets a fresh copy of it."""
    fresh_until: float
    ends: float
    """When it has expired, in seconds of the memory's clock; a later end may be set at any time."""
    size: int
    """In bytes, 1 or more; as `size_of` tells it."""
    cost_usd: float = 0.0
    """What a hit saves."""
    guard: Any = None
    about: Any = None
    hits: int = 0
    touched: float = 0.0
    """The clock at the last hit, or when it was put."""
    aged: float = 0.0
    """The memory's age at that time."""
    earlier: int = 0
    """How often the key was asked for before, as far as the memory remembers it."""
    worth: float = 0.0
    """What a hit saves for each byte, in US dollars."""
    number: int = -1


class Memory:
    """Entries within a bound of bytes; what is kept is what saves most money per byte, or was used last.

    GDSF (Cherkasova, HPL-98-69R1, 1998) ranks an entry by age + requests x cost / size. Here the age
    follows the lowest rank slowly, and requests are remembered after an entry has gone (`_History`):
    so a scan cannot wash out what is asked for often, and what was asked for long ago goes in the end.
    An entry that has expired goes before all others. Hits that come while an entry leaves may not be counted.
    """

    def __init__(
        self,
        capacity_bytes: int,
        *,
        evict: Literal["gdsf", "lru"] = "gdsf",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raise `UsageError` for a capacity below 1 byte, or another word for `evict`."""
        if capacity_bytes < 1:
            raise UsageError(f"memory: expected capacity_bytes above 0; got {capacity_bytes}")
        if evict not in ("gdsf", "lru"):
            raise UsageError(f"memory: expected evict to be 'gdsf' or 'lru'; got {evict!r}")
        self.capacity_bytes = capacity_bytes
        self.used_bytes = 0
        self.slots: dict[Hashable, Slot] = {}
        self.age = 0.0
        self.on_leave: Callable[[Slot], object] = _ignore
        self._clock = clock
        self._rank = _saved_per_byte if evict == "gdsf" else _last_use
        self._by_rank = _Queue(self.slots, self._rank)
        self._by_end = _Queue(self.slots, _end)
        self._history = _History() if evict == "gdsf" else None
        self._numbers = itertools.count()

    def put(self, slot: Slot) -> bool:
        """Keep a new slot, in place of all that was under its key; whether it is kept.

        False where it is larger than the capacity or, with GDSF, where only what is worth more could
        make room for it; then nothing else has to go.
        """
        left: list[Slot] = []
        with _LOCK:
            self._drop(self.slots.get(slot.key), left)
            self._weigh(slot)
            kept = self._make_room(slot, left)
            if kept:
                self._keep(slot)
        self._tell(left)
        return kept

    def remove(self, key: Hashable) -> Slot | None:
        """Take out what is under a key."""
        left: list[Slot] = []
        with _LOCK:
            slot = self._drop(self.slots.get(key), left)
        self._tell(left)
        return slot

    def clear(self) -> int:
        """Take out everything; how many there were."""
        with _LOCK:
            left = list(self.slots.values())
            for slot in left:
                self._drop(slot, [])
            self._by_rank.clear()
            self._by_end.clear()
        self._tell(left)
        return len(left)

    def purge(self) -> int:
        """Take out what has expired; how many there were. Others can use the memory meanwhile."""
        count = 0
        while True:
            left: list[Slot] = []
            with _LOCK:
                self._drop_expired(left, most=1000)
            self._tell(left)
            count += len(left)
            if not left:
                return count

    def _weigh(self, slot: Slot) -> None:
        slot.number = next(self._numbers)
        slot.touched, slot.aged = self._clock(), self.age
        slot.worth = min(max(_LEAST_USD, slot.cost_usd), _MOST_USD) / slot.size
        if self._history is not None:
            slot.earlier = self._history.count(slot.key, len(self.slots))

    def _make_room(self, slot: Slot, left: list[Slot]) -> bool:
        """Drop what has to go for it; False, and nothing of worth has gone, where it is not to be kept."""
        if slot.size > self.capacity_bytes:
            return False
        self._drop_expired(left, wanted_bytes=slot.size)
        free, going, rank = self.capacity_bytes - self.used_bytes, [], self._rank(slot)
        while free < slot.size and (lowest := self._by_rank.pop()):
            going.append(lowest)
            free += lowest.size
            if self._history is not None and self._grow_older(lowest) > rank:
                for other in going:
                    self._by_rank.push(other)
                return False
        for other in going:
            self._drop(other, left)
        return True

    def _grow_older(self, lowest: Slot) -> float:
        """Let the age follow the lowest rank, also if it stays; returns that rank.

        If it were set to it, as in GDSF, each newcomer would stand above many an old favourite.
        """
        rank = self._rank(lowest)
        step = 1 / (_TURNOVERS_TO_AGE * len(self.slots))
        self.age += max(0.0, rank - self.age) * step
        return rank

    def _keep(self, slot: Slot) -> None:
        slot.aged = self.age
        self.slots[slot.key] = slot
        self.used_bytes += slot.size
        self._by_rank.push(slot)
        self._by_end.push(slot)

    def _drop(self, slot: Slot | None, left: list[Slot]) -> Slot | None:
        if slot is not None:
            del self.slots[slot.key]
            self.used_bytes -= slot.size
            if self._history is not None:
                self._history.keep(slot.key, slot.earlier + 1 + slot.hits)
            left.append(slot)
        return slot

    def _drop_expired(
        self, left: list[Slot], *, wanted_bytes: float = math.inf, most: float = math.inf
    ) -> None:
        now = self._clock()
        while len(left) < most and self.used_bytes + wanted_bytes > self.capacity_bytes:
            if not self._drop(self._by_end.pop(now), left):
                return

    def _tell(self, left: Iterable[Slot]) -> None:
        """Without the lock, since this is others' code, as is what happens when the last reference goes."""
        for slot in left:
            self.on_leave(slot)


class _Queue:
    """Slots by a rank that may rise unnoticed: only what seems to be the lowest is looked up again.

    So a reader changes nothing but the slot. If many have risen, the lowest of a few is good enough.
    What has left memory stays in the heap until it seems the lowest, or until so many have left that
    the others move to a new heap, some at each push, so that no push has to wait for all.
    """

    def __init__(self, slots: dict[Hashable, Slot], rank: Callable[[Slot], float]) -> None:
        self._slots = slots
        self._rank = rank
        self._heap: list[_Ranked] = []
        self._old: list[_Ranked] = []

    def push(self, slot: Slot) -> None:
        heapq.heappush(self._heap, (self._rank(slot), slot.number, slot.key))
        if len(self._heap) > _MOST_PER_SLOT * len(self._slots) + _SPARE_IN_QUEUE and not self._old:
            self._heap, self._old = [], self._heap
        for _ in range(min(_MOVED_AT_A_PUSH, len(self._old))):
            ranked = self._old.pop()  # a leaf, so that the others stay a heap
            if self._slot(ranked):
                heapq.heappush(self._heap, ranked)

    def pop(self, most: float = math.inf) -> Slot | None:
        """Take out the lowest; None where its rank is above `most`, or there is none."""
        looked: list[_Ranked] = []
        while len(looked) < _MOST_LOOKS and (heap := self._lower_heap()):
            if heap[0][0] > most or (looked and looked[0] <= heap[0]):
                break
            ranked = heapq.heappop(heap)
            if slot := self._slot(ranked):
                heapq.heappush(looked, (self._rank(slot), *ranked[1:]))
        lowest = heapq.heappop(looked) if looked and looked[0][0] <= most else None
        for ranked in looked:
            heapq.heappush(self._heap, ranked)
        return self._slot(lowest) if lowest else None

    def clear(self) -> None:
        self._heap, self._old = [], []

    def _lower_heap(self) -> list[_Ranked]:
        if self._heap and self._old:
            return min(self._heap, self._old, key=_first)
        return self._heap or self._old

    def _slot(self, ranked: _Ranked) -> Slot | None:
        slot = self._slots.get(ranked[2])
        return slot if slot is not None and slot.number == ranked[1] else None


class _History:
    """How often keys were asked for, one byte for many a key, found by its hash and halved now and then.

    After TinyLFU (Einziger, Friedman and Manes 2017), with one row: keys that share a byte count too high.
    """

    def __init__(self) -> None:
        self._counts = bytearray(_LEAST_COUNTS)
        self._puts = 0

    def count(self, key: Hashable, entries: int) -> int:
        """Note one more request; returns how many there were before."""
        if entries * _COUNTS_PER_ENTRY > len(self._counts):
            self._counts = self._counts * 2  # each half answers as the whole did
        self._puts += 1
        if self._puts > _PUTS_PER_ENTRY_TO_HALVE * max(entries, _LEAST_COUNTS // _COUNTS_PER_ENTRY):
            self._counts = self._counts.translate(_HALF)
            self._puts = 0
        place = self._place(key)
        before = self._counts[place]
        self._counts[place] = min(before + 1, _MOST_COUNT)
        return before

    def keep(self, key: Hashable, requests: int) -> None:
        """Remember at least so many."""
        place = self._place(key)
        self._counts[place] = max(self._counts[place], min(requests, _MOST_COUNT))

    def _place(self, key: Hashable) -> int:
        return hash(key) & (len(self._counts) - 1)


def _saved_per_byte(slot: Slot) -> float:
    return slot.aged + (slot.earlier + 1 + slot.hits) * slot.worth


def _first(heap: list[_Ranked]) -> _Ranked:
    return heap[0]


def _last_use(slot: Slot) -> float:
    return slot.touched


def _end(slot: Slot) -> float:
    return slot.ends


def _ignore(_slot: Slot) -> None:
    return None
