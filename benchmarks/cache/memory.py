"""What an entry takes in memory, and how long it takes to fill one with a million of them.

    python -m benchmarks.cache.memory [--quick]

Each row is a fresh process that puts 100-byte values under keys of 48 characters, as many as fit, then
reads each third, then puts as many again, for which others have to go. Told are the resident bytes per
entry, before and after the latter, the seconds to fill, and of the puts into the full memory the mean
and the slowest, without garbage collection; and what a full one takes, for which the interpreter stops
everything now and then, and which grows with the objects of a process. A dict shows what keys and values
take by themselves; as it bounds nothing, it is not filled twice. Counted is what `size_of` says of an
entry, by which ours keeps to its bound: it should not be less than what is resident. Needs cachebox,
cachetools and theine.
"""

import argparse
import datetime as dt
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import psutil

from benchmarks.start_up import machine_line
from budgetguard.cache.memory import Memory, Slot
from budgetguard.cache.sizes import size_of

TIMEOUT_S = 300.0
COLUMNS = (
    "entries",
    "in",
    "bytes per entry",
    "when full",
    "counted",
    "s to fill",
    "us per put when full",
    "slowest ms",
    "a collection, ms",
)


@dataclass(frozen=True, slots=True)
class Store:
    """A cache: how to put into it, to read from it, and what it says an entry takes."""

    put: Callable[[str, bytes], object]
    get: Callable[[str], object]
    counted_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """What a process found."""

    per_entry_bytes: float
    full_bytes: float
    counted_bytes: int
    fill_s: float
    put_us: float
    slowest_ms: float
    collection_ms: float


def ours(evict: str) -> Callable[[int], Store]:
    """Our memory, with room for exactly so many."""

    def store(entries: int) -> Store:
        each = size_of(*pair(0))
        memory = Memory(entries * each, evict=evict)

        def put(key: str, value: bytes) -> bool:
            now = time.monotonic()
            return memory.put(Slot(key, value, None, now + 60, now + 90, each, 0.01))

        def get(key: str) -> object:
            slot = memory.slots.get(key)
            if slot is None:
                return None
            slot.hits += 1
            slot.touched = time.monotonic()
            slot.aged = memory.age
            return slot.value

        return Store(put, get, each)

    return store


def of_dict(_entries: int) -> Store:
    """What keys and values take."""
    held: dict[str, bytes] = {}
    return Store(held.__setitem__, held.get)


def of_cachebox(kind: str) -> Callable[[int], Store]:
    """One of cachebox; those of VTTLCache have a life of their own each."""

    def store(entries: int) -> Store:
        import cachebox

        cache = getattr(cachebox, kind)(entries)
        lives = {"ttl": 60.0} if kind == "VTTLCache" else {}
        return Store(lambda key, value: cache.insert(key, value, **lives), cache.get)

    return store


def of_cachetools(kind: str) -> Callable[[int], Store]:
    """One of cachetools."""

    def store(entries: int) -> Store:
        import cachetools

        lives = {"ttl": 60.0} if kind == "TTLCache" else {}
        cache = getattr(cachetools, kind)(entries, **lives)
        return Store(cache.__setitem__, cache.get)

    return store


def of_theine(entries: int) -> Store:
    """W-TinyLFU, each entry with a life."""
    import theine

    cache, life = theine.Cache(entries), dt.timedelta(seconds=60)
    return Store(lambda key, value: cache.set(key, value, life), cache.get)


DICT = "a dict"
STORES = {
    DICT: of_dict,
    "ours, GDSF": ours("gdsf"),
    "ours, LRU": ours("lru"),
    "cachebox LRUCache": of_cachebox("LRUCache"),
    "cachebox VTTLCache": of_cachebox("VTTLCache"),
    "cachetools LRUCache": of_cachetools("LRUCache"),
    "cachetools TTLCache": of_cachetools("TTLCache"),
    "theine": of_theine,
}


def pair(number: int) -> tuple[str, bytes]:
    """A key and a value that nothing else holds."""
    return f"{number:048x}", number.to_bytes(100, "big")


def resident_bytes() -> int:
    """What this process holds."""
    return psutil.Process().memory_info().rss


def take(name: str, entries: int) -> Taken:
    """Fill a store in this process, and then put more."""
    store = STORES[name](entries)
    before, began_s = resident_bytes(), time.perf_counter()
    for number in range(entries):
        store.put(*pair(number))
    fill_s, filled = time.perf_counter() - began_s, resident_bytes()
    for number in range(0, entries, 3):
        store.get(pair(number)[0])
    more = range(0) if name == DICT else range(entries, 2 * entries)
    total_s = slowest_s = 0.0
    gc.disable()
    for number in more:
        took_s = timed(store, number)
        total_s += took_s
        slowest_s = max(slowest_s, took_s)
    return Taken(
        per_entry_bytes=(filled - before) / entries,
        full_bytes=(resident_bytes() - before) / entries,
        counted_bytes=store.counted_bytes,
        fill_s=fill_s,
        put_us=1e6 * total_s / max(len(more), 1),
        slowest_ms=1e3 * slowest_s,
        collection_ms=1e3 * collection_s(),
    )


def timed(store: Store, number: int) -> float:
    """The seconds of one put."""
    key, value = pair(number)
    began_s = time.perf_counter()
    store.put(key, value)
    return time.perf_counter() - began_s


def collection_s() -> float:
    """The seconds of a full collection that finds nothing new."""
    gc.collect()
    began_s = time.perf_counter()
    gc.collect()
    return time.perf_counter() - began_s


def fresh(name: str, entries: int) -> Taken:
    """`take` in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.cache.memory", "--one", name, str(entries)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=TIMEOUT_S)
    return Taken(**json.loads(done.stdout))


def table(counts: tuple[int, ...]) -> Iterator[str]:
    """A row for each store and number of entries, as soon as it is there."""
    yield f"| {' | '.join(COLUMNS)} |"
    yield "|--:|---|" + "--:|" * (len(COLUMNS) - 2)
    for entries in counts:
        for name in STORES:
            taken = fresh(name, entries)
            first = [f"{entries:,}", name, f"{taken.per_entry_bytes:.0f}"]
            full = [f"{taken.full_bytes:.0f}", str(taken.counted_bytes or "")]
            puts = [f"{taken.put_us:.1f}", f"{taken.slowest_ms:.1f}", f"{taken.collection_ms:.1f}"]
            cells = [*first, *full, f"{taken.fill_s:.2f}", *puts]
            yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Print a table of all."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--quick", action="store_true", help="100 000 entries only")
    reader.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    asked = reader.parse_args()
    if asked.one:
        name, entries = asked.one
        print(json.dumps(asdict(take(name, int(entries)))))
        return
    print(f"{machine_line()}\n", flush=True)
    for line in table((100_000,) if asked.quick else (100_000, 1_000_000)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
