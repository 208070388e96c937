"""What a hit costs that memory answers: ours and the peers', as multiples of a bare dict get.

    python -m benchmarks.cache.hits [--rounds 15]

A thousand keys of plain text, through the whole API of each library: the call that would load the value,
with statistics where the library has them. Rounds of all take turns; told is the least CPU time of each,
which other work disturbs least, and its ratio to the dict's. Peers: pip install cachebox cachetools
aiocache cashews dogpile.cache
"""

import argparse
import asyncio
import importlib.metadata
import threading
import time
from collections.abc import Awaitable, Callable

from benchmarks.start_up import machine_line
from budgetguard.cache import Cache, Policy
from budgetguard.cache.memory import Memory

KEYS = [f"key {number}" for number in range(1000)]
Round = Callable[[], object]


def main() -> None:
    """Measure in turn, then print the tables."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--rounds", type=int, default=15, help="of each (default: 15)")
    rounds = reader.parse_args().rounds
    print(f"{machine_line()}; {len(KEYS)} keys, {rounds} rounds\n")
    table("hit", best(synchronous(), rounds))
    print()
    table("hit, async", asyncio.run(abest(asynchronous(), rounds)))


def synchronous() -> dict[str, Round]:
    """One round of hits of each library."""
    import cachebox
    import cachetools
    from dogpile.cache import make_region

    plain = {key: key for key in KEYS}
    cache, policy = Cache(Memory(1 << 26)), Policy(name="p", ttl_s=3600)
    region = make_region().configure("dogpile.cache.memory", expiration_time=3600)
    boxed = cachebox.cached(cachebox.TTLCache(2000, 3600))(str)
    tooled = cachetools.cached(cachetools.TTLCache(2000, 3600), lock=threading.RLock())(str)

    def ours() -> None:
        for key in KEYS:
            cache.get_or_load(key, str, policy=policy)

    return {
        "dict.get": lambda: [plain.get(key) for key in KEYS],
        "budgetguard get_or_load": ours,
        _named("cachebox", "cached"): lambda: [boxed(key) for key in KEYS],
        _named("cachetools", "cached, lock"): lambda: [tooled(key) for key in KEYS],
        _named("dogpile.cache", "get_or_create"): lambda: [
            region.get_or_create(key, str) for key in KEYS
        ],
    }


def asynchronous() -> dict[str, Callable[[], Awaitable[object]]]:
    """The same, awaited."""
    import aiocache
    from cashews import cache as cashews

    plain = {key: key for key in KEYS}
    cache, policy = Cache(Memory(1 << 26)), Policy(name="p", ttl_s=3600)
    cashews.setup("mem://")

    async def text(key: str) -> str:
        return key

    cashewed = cashews(ttl="1h", key="{key}")(text)
    aiocached = aiocache.cached(ttl=3600, key_builder=lambda _, key: key)(text)

    async def floor() -> None:
        for key in KEYS:
            plain.get(key)

    async def value() -> str:
        return "a value"

    async def ours() -> None:
        for key in KEYS:
            await cache.aget_or_load(key, value, policy=policy)

    async def of_cashews() -> None:
        for key in KEYS:
            await cashewed(key)

    async def of_aiocache() -> None:
        for key in KEYS:
            await aiocached(key)

    return {
        "dict.get": floor,
        "budgetguard aget_or_load": ours,
        _named("cashews", "cache"): of_cashews,
        _named("aiocache", "cached"): of_aiocache,
    }


def best(libraries: dict[str, Round], rounds: int) -> dict[str, float]:
    """Nanoseconds of a hit of each."""
    least = dict.fromkeys(libraries, float("inf"))
    for _ in range(rounds + 1):  # the first fills
        for name, run in libraries.items():
            begun = time.process_time_ns()
            run()
            least[name] = min(least[name], (time.process_time_ns() - begun) / len(KEYS))
    return least


async def abest(
    libraries: dict[str, Callable[[], Awaitable[object]]], rounds: int
) -> dict[str, float]:
    """The same in an event loop."""
    least = dict.fromkeys(libraries, float("inf"))
    for _ in range(rounds + 1):
        for name, run in libraries.items():
            begun = time.process_time_ns()
            await run()
            least[name] = min(least[name], (time.process_time_ns() - begun) / len(KEYS))
    return least


def table(what: str, least: dict[str, float]) -> None:
    """A row of each, with its ratio to the first."""
    floor = next(iter(least.values()))
    print(f"| {what} | ns | x dict.get |\n|---|--:|--:|")
    for name, nanoseconds in least.items():
        print(f"| {name} | {nanoseconds:.0f} | {nanoseconds / floor:.1f} |")


def _named(library: str, how: str) -> str:
    return f"{library} {importlib.metadata.version(library)}, {how}"


if __name__ == "__main__":
    main()
