"""When a value's life ends whose clock is set by two hours in the middle of it.

    python -m benchmarks.cache.clock

Needs libfaketime (pip install libfaketime), which is loaded into the process of the cache alone: what
servers keep goes by their own clocks. A life of 3 s is begun, after 1 s the clock is set, and the value is
asked for until it has gone. Told is by how much its life, by the monotonic clock, differs from 3 s; 8 s is the end.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.cache.contenders import SECRET, start, table
from benchmarks.start_up import machine_line
from tests import servers, wall_clock

_LIFE_S, _SET_AFTER_S, _END_S = 3, 1.0, 8.0
_NAMES = (
    "ours, memory", "ours, sqlite", "ours, redis", "ours, postgresql",
    "cachetools", "cachebox", "theine", "dogpile", "aiocache", "cashews",
)  # fmt: skip


def main() -> None:
    """Both directions."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--child")
    options = reader.parse_args()
    if options.child:
        print(json.dumps(_child(*json.loads(options.child))))
        return
    if wall_clock.library() is None:
        raise SystemExit("libfaketime is not there; run: pip install libfaketime")
    print(f"{machine_line()}; a life of {_LIFE_S} s\n")
    with servers.redis("redis", "valkey") as redis, servers.postgres() as postgres:
        urls = {"ours, redis": redis, "ours, postgresql": postgres}
        rows = []
        for name in _NAMES:
            found = [_set(name, urls.get(name, ""), hours) for hours in (2, -2)]
            rows.append([name.replace("ours", "budgetguard"), *map(_told, found)])
    table(["", "two hours on", "two hours back"], rows)


def _set(name: str, url: str, hours: int) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        if name == "ours, sqlite":
            url = f"sqlite:///{folder}/cache.db"
        clock = Path(folder) / "clock"
        clock.write_text("+0\n")
        loaded = wall_clock.library()
        assert loaded is not None
        env = wall_clock.environment(clock, loaded)
        return start(__spec__.name, name, url, hours, str(clock), env=env).result(40)


def _told(found: Any) -> str:
    if isinstance(found, str):
        return found
    if found["lived_s"] >= _END_S:
        return "never ends"
    return f"{found['lived_s'] - _LIFE_S:+.2f} s"


def _child(name: str, url: str, hours: int, clock: str) -> dict[str, float]:
    return asyncio.run(_lived(name, url, hours, clock))


async def _lived(name: str, url: str, hours: int, clock: str) -> dict[str, float]:
    put, held = _cache(name, url)
    before = time.time()
    await put()
    began = time.monotonic()
    await asyncio.sleep(_SET_AFTER_S)
    Path(clock).write_text(f"{hours * 3600:+d}\n")
    if abs(time.time() - before - hours * 3600) > 60:
        raise SystemExit("the clock was not set")
    while await held() and time.monotonic() - began < _END_S:
        await asyncio.sleep(0.02)
    return {"lived_s": time.monotonic() - began}


def _cache(name: str, url: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """How the value is put, and whether it is still there."""
    if name.startswith("ours"):
        return _ours(url)
    if name in ("aiocache", "cashews"):
        return _awaited(name)
    get, put = _mapping(name)

    async def aput() -> None:
        put()

    async def held() -> bool:
        return get() == "v"

    return aput, held


def _ours(url: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    from budgetguard.cache import Place, Policy, open_cache

    places = frozenset(Place) - ({Place.MEMORY} if url else set())
    policy = Policy(name="p", ttl_s=_LIFE_S, jitter=0, early=0, places=places)
    cache = open_cache(*([url] if url else []), secret=SECRET)

    async def put() -> None:
        await asyncio.to_thread(cache.put, "k", "v", policy=policy)

    async def held() -> bool:
        entry = await asyncio.to_thread(cache.entry, "k", policy=policy)
        return entry is not None and not entry.stale

    return put, held


def _mapping(name: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    if name == "cachetools":
        import cachetools

        tooled: Any = cachetools.TTLCache(10, _LIFE_S)
        return lambda: tooled.get("k"), lambda: tooled.__setitem__("k", "v")
    if name == "cachebox":
        import cachebox

        boxed: Any = cachebox.TTLCache(10, _LIFE_S)
        return lambda: boxed.get("k"), lambda: boxed.__setitem__("k", "v")
    if name == "theine":
        from theine import Cache

        wheeled: Any = Cache(10)
        return lambda: wheeled.get("k")[0], lambda: wheeled.set(
            "k", "v", timedelta(seconds=_LIFE_S)
        )
    from dogpile.cache import make_region

    region = make_region().configure("dogpile.cache.memory", expiration_time=_LIFE_S)
    return lambda: region.get("k"), lambda: region.set("k", "v")


def _awaited(name: str) -> tuple[Callable[[], Any], Callable[[], Any]]:
    cache: Any
    if name == "aiocache":
        import aiocache

        cache = aiocache.SimpleMemoryCache()

        async def put() -> None:
            await cache.set("k", "v", ttl=_LIFE_S)
    else:
        from cashews import Cache

        cache = Cache()
        cache.setup("mem://")

        async def put() -> None:
            await cache.set("k", "v", expire=_LIFE_S)

    async def held() -> bool:
        return bool(await cache.get("k") == "v")

    return put, held


if __name__ == "__main__":
    main()
