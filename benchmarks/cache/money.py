"""Dollars saved and hits, by what evicts: ours beside GDSF as published, and beside its peers.

    python -m benchmarks.cache.money [--seeds 5] [--quick]

The first table is of paid calls: 200 000 requests to three services, whose answers differ in price and
size (`traces.SERVICES`), in a memory of 5, 20 and 80 MB. Told is the share of the money that hits saved
and the share of hits, each the mean of the seeds. The second table is of hits alone: 300 000 requests,
100 000 keys, all of the same price and size. Every miss is followed by a put. A request is for a
key and nothing else: times, threads and what entries need beside their values have no part in it.
Needs cachebox, cachetools, theine and s3fifo-cache. theine and s3fifo-cache bound entries and not bytes;
in the first table theine may have as many entries as would fill the memory on average.
"""

import argparse
import heapq
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from statistics import mean

import cachebox
import cachetools
import s3fifo
import theine

from benchmarks.cache.traces import Item, loop, mixed, shifting, with_scans, zipf
from benchmarks.start_up import machine_line
from budgetguard.cache.memory import Memory, Slot

MB = 1_000_000
CAPACITIES_MB = (5, 20, 80)
GOAL_MB, GOAL_RATIO, GOAL_POINTS = 20, 1.8, 2.0
FREE = Item(0.0, 1)

Ask = Callable[[int, Item], bool]
"""One request; whether it was a hit."""


def ours(evict: str, *, costs: bool = True) -> Callable[[int], Ask]:
    """Our memory, with or without knowing what a load costs."""

    def cache(capacity: int) -> Ask:
        memory, clock = Memory(capacity, evict=evict), time.monotonic

        def ask(key: int, item: Item) -> bool:
            slot = memory.slots.get(key)
            if slot is not None:
                slot.hits += 1
                slot.touched = clock()
                slot.aged = memory.age
                return True
            cost_usd = item.cost_usd if costs else 0.0
            memory.put(Slot(key, None, None, 1e12, 1e12, item.size, cost_usd))
            return False

        return ask

    return cache


def published(capacity: int) -> Ask:
    """GDSF as Cherkasova has it (HPL-98-69R1, 1998): the age is the last evicted rank, nothing is refused."""
    held: dict[int, list] = {}  # rank, key, requests, size
    heap: list[tuple[float, int]] = []
    age, free = 0.0, capacity

    def ask(key: int, item: Item) -> bool:
        nonlocal age, free
        entry, worth = held.get(key), max(item.cost_usd, 1e-6) / item.size
        if entry is not None:
            entry[2] += 1
            entry[0] = age + entry[2] * worth
            heapq.heappush(heap, (entry[0], key))
            return True
        while free < item.size:
            rank, other = heapq.heappop(heap)
            if other in held and held[other][0] == rank:
                age = rank
                free += held.pop(other)[3]
        held[key] = [age + worth, key, 1, item.size]
        heapq.heappush(heap, (age + worth, key))
        free -= item.size
        return False

    return ask


def mapping(cache: Mapping) -> Ask:
    """A peer that is a mapping of keys to sizes."""

    def ask(key: int, item: Item) -> bool:
        if cache.get(key) is not None:
            return True
        cache[key] = item.size
        return False

    return ask


def of_theine(entries: int) -> Ask:
    """W-TinyLFU, with adaptive window; it counts entries."""
    cache = theine.Cache(entries)

    def ask(key: int, item: Item) -> bool:
        _, found = cache.get(key)
        if not found:
            cache.set(key, item.size)
        return found

    return ask


def of_s3fifo(entries: int) -> Ask:
    """S3-FIFO; it counts entries."""
    cache = s3fifo.Cache(entries)

    def ask(key: int, item: Item) -> bool:
        if cache.get(key) is not None:
            return True
        cache.put(key, item.size)
        return False

    return ask


def box(kind: type) -> Callable[[int], Ask]:
    """One of cachebox, by bytes."""
    return lambda capacity: mapping(kind(capacity, getsizeof=lambda _key, size: size))


def tools(kind: type) -> Callable[[int], Ask]:
    """One of cachetools, by bytes."""
    return lambda capacity: mapping(kind(capacity, getsizeof=lambda size: size))


GDSF, LRU = "ours, GDSF", "ours, LRU"
NAMES = {name: f"{name} {version(name)}" for name in ("theine", "cachebox", "cachetools")}
THEINE = f"{NAMES['theine']}, W-TinyLFU"
BY_BYTES = {
    GDSF: ours("gdsf"),
    "ours, GDSF that knows no costs": ours("gdsf", costs=False),
    LRU: ours("lru"),
    "GDSF as published": published,
    f"{NAMES['cachebox']}, LRU": box(cachebox.LRUCache),
    f"{NAMES['cachebox']}, LFU": box(cachebox.LFUCache),
    f"{NAMES['cachetools']}, LRU": tools(cachetools.LRUCache),
}
BY_ENTRIES = {
    GDSF: ours("gdsf"),
    LRU: ours("lru"),
    "GDSF as published": published,
    THEINE: of_theine,
    f"s3fifo-cache {version('s3fifo-cache')}": of_s3fifo,
    f"{NAMES['cachebox']}, LFU": box(cachebox.LFUCache),
    f"{NAMES['cachebox']}, LRU": box(cachebox.LRUCache),
}


@dataclass(frozen=True, slots=True)
class Saved:
    """The shares of the money and of the requests that hits saved, 0 to 1."""

    money: float
    hits: float


def replay(ask: Ask, requests: Sequence[int], items: Sequence[Item]) -> Saved:
    """Ask for everything in turn."""
    total_usd = saved_usd = 0.0
    hits = 0
    for key in requests:
        item = items[key]
        total_usd += item.cost_usd
        if ask(key, item):
            hits += 1
            saved_usd += item.cost_usd
    return Saved(saved_usd / total_usd, hits / len(requests))


def hit_ratio(ask: Ask, requests: Sequence[int]) -> float:
    """The share of hits where all is alike."""
    return sum(ask(key, FREE) for key in requests) / len(requests)


def of_money(requests: int, seeds: int) -> dict[str, dict[int, list[Saved]]]:
    """What each saves in each capacity, by seed."""
    found: dict[str, dict[int, list[Saved]]] = {}
    for seed in range(1, seeds + 1):
        asked, items = mixed(requests, seed)
        mean_bytes = mean(item.size for item in items)
        by_entries = {THEINE: lambda capacity, each=mean_bytes: of_theine(int(capacity / each))}
        for name, cache in (BY_BYTES | by_entries).items():
            for megabytes in CAPACITIES_MB:
                saved = replay(cache(megabytes * MB), asked, items)
                found.setdefault(name, {}).setdefault(megabytes, []).append(saved)
    return found


def traces(requests: int) -> Iterator[tuple[str, int, list[int]]]:
    """Each with its name and for how many entries there is room."""
    for skew in (0.7, 0.9, 1.1):
        asked = zipf(skew, requests, seed=1)
        yield from ((f"Zipf {skew}, {room:,}", room, asked) for room in (1_000, 10_000))
    for room in (1_000, 10_000):
        yield f"with scans, {room:,}", room, with_scans(0.9, requests, seed=1)
        yield f"shifting, {room:,}", room, shifting(requests, seed=1)
    yield "loop of 12 000, 10,000", 10_000, loop(requests, 12_000)


def of_hits(requests: int) -> dict[str, dict[str, float]]:
    """The hit ratio of each on each trace."""
    found: dict[str, dict[str, float]] = {name: {} for name in BY_ENTRIES}
    for trace, room, asked in traces(requests):
        for name, cache in BY_ENTRIES.items():
            found[name][trace] = hit_ratio(cache(room), asked)
    return found


def saved_mean(found: Sequence[Saved]) -> float:
    """The mean share of the money."""
    return mean(saved.money for saved in found)


def money_table(found: Mapping[str, Mapping[int, Sequence[Saved]]]) -> Iterator[str]:
    """A row for each, with all capacities; the ratio is that of the means."""
    heads = [f"{one} MB: dollars % | hits %" for one in CAPACITIES_MB]
    yield f"| evicts | {' | '.join(heads)} | x LRU at {GOAL_MB} MB (each seed) |"
    yield "|---|" + "--:|" * (2 * len(CAPACITIES_MB) + 1)
    base = found[LRU][GOAL_MB]
    for name, by_capacity in found.items():
        cells = [
            f"{100 * saved_mean(saved):.1f} | {100 * mean(one.hits for one in saved):.1f}"
            for saved in by_capacity.values()
        ]
        own = by_capacity[GOAL_MB]
        ratios = [one.money / other.money for one, other in zip(own, base, strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        times = saved_mean(own) / saved_mean(base)
        yield f"| {name} | {' | '.join(cells)} | {times:.2f} ({spread}) |"


def hits_table(found: Mapping[str, Mapping[str, float]]) -> Iterator[str]:
    """A row for each trace."""
    yield f"| hits %, entries | {' | '.join(found)} |"
    yield "|---|" + "--:|" * len(found)
    for trace in found[GDSF]:
        ratios = " | ".join(f"{100 * by_trace[trace]:.1f}" for by_trace in found.values())
        yield f"| {trace} | {ratios} |"


def verdict(
    money: Mapping[str, Mapping[int, Sequence[Saved]]], hits: Mapping[str, Mapping[str, float]]
) -> Iterator[str]:
    """Whether both goals are met."""
    times = saved_mean(money[GDSF][GOAL_MB]) / saved_mean(money[LRU][GOAL_MB])
    met = "met" if times >= GOAL_RATIO else "missed"
    yield f"- dollars saved at {GOAL_MB} MB: {times:.2f} x LRU (goal: {GOAL_RATIO}): {met}"
    behind = {
        trace: 100 * (hits[THEINE][trace] - own)
        for trace, own in hits[GDSF].items()
        if trace.startswith("Zipf")
    }
    worst = max(behind, key=behind.__getitem__)
    met = "met" if behind[worst] <= GOAL_POINTS else "missed"
    least = f"{-behind[worst]:+.1f} points of hits beside W-TinyLFU, at {worst}"
    yield f"- least on Zipf: {least} (goal: -{GOAL_POINTS:g}): {met}"


def main() -> None:
    """Replay all, then print both tables."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--seeds", type=int, default=5, help="of the paid calls (default: 5)")
    reader.add_argument("--quick", action="store_true", help="a tenth of all, one seed")
    asked = reader.parse_args()
    seeds, part = (1, 10) if asked.quick else (asked.seeds, 1)
    print(f"{machine_line()}; {seeds} seeds{', a tenth of the requests' * asked.quick}\n")
    money = of_money(200_000 // part, seeds)
    print("\n".join(money_table(money)), end="\n\n", flush=True)
    hits = of_hits(300_000 // part)
    print("\n".join(hits_table(hits)))
    if not asked.quick:  # in which no memory has filled
        print("\n".join(["", *verdict(money, hits)]))


if __name__ == "__main__":
    main()
