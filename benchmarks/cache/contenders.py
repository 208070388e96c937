"""Caches as the comparisons of failures use them, each as its documentation says for one load at a time.

A contender is made of a Redis URL and a loader, and gives a function of a key; it runs in a process of its
own, which is killed where it hangs.
"""

import importlib.metadata
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

Make = Callable[[str, Callable[[str], Any]], Callable[[str], Any]]
SECRET = "a secret for benchmarks only"
TTL_S = 60


@dataclass(frozen=True)
class Contender:
    """A library, whether it is awaited, and whether processes share what it keeps."""

    package: str
    make: Make
    is_async: bool = False
    shared: bool = False
    how: str = ""

    @property
    def title(self) -> str:
        """Name, version and what of it is used."""
        version = "" if self.package == "budgetguard" else importlib.metadata.version(self.package)
        return " ".join(part for part in (self.package, version, self.how) if part)


def _ours(url: str, load: Callable[[str], Any]) -> Callable[[str], Any]:
    from budgetguard.cache import Policy, open_cache

    cache, policy = open_cache("memory://16MiB", url, secret=SECRET), Policy(name="p", ttl_s=TTL_S)
    return lambda key: cache.get_or_load(key, lambda: load(key), policy=policy)


def _ours_async(url: str, load: Callable[[str], Any]) -> Callable[[str], Any]:
    from budgetguard.cache import Policy, open_cache

    cache, policy = open_cache("memory://16MiB", url, secret=SECRET), Policy(name="p", ttl_s=TTL_S)
    return lambda key: cache.aget_or_load(key, lambda: load(key), policy=policy)


def _dogpile(url: str, load: Callable[[str], Any]) -> Callable[[str], Any]:
    from dogpile.cache import make_region

    arguments = {"url": url, "distributed_lock": True, "thread_local_lock": False}
    region = make_region().configure(
        "dogpile.cache.redis", expiration_time=TTL_S, arguments=arguments
    )
    return lambda key: region.get_or_create(key, lambda: load(key))


def _dogpile_timeouts(url: str, load: Callable[[str], Any]) -> Callable[[str], Any]:
    from dogpile.cache import make_region

    arguments = {
        "url": url,
        "distributed_lock": True,
        "thread_local_lock": False,
        "lock_timeout": 5,
        "socket_timeout": 2,
    }
    region = make_region().configure(
        "dogpile.cache.redis", expiration_time=TTL_S, arguments=arguments
    )
    return lambda key: region.get_or_create(key, lambda: load(key))


def _cashews(url: str, load: Callable[[str], Any]) -> Callable[[str], Any]:
    from cashews import Cache

    cache = Cache()
    cache.setup(url)

    @cache(ttl=TTL_S, key="{key}", lock=True)
    async def get(key: str) -> Any:
        return await load(key)

    return get


def _aiocache(_url: str, load: Callable[[str], Any]) -> Callable[[str], Any]:
    import aiocache

    @aiocache.cached_stampede(lease=5, ttl=TTL_S, key_builder=lambda _, key: key)
    async def get(key: str) -> Any:
        return await load(key)

    return get


def _aiocache_redis(url: str, load: Callable[[str], Any]) -> Callable[[str], Any]:
    import aiocache

    parts = urlsplit(url)
    cache: Any = aiocache.RedisCache(endpoint=parts.hostname, port=parts.port)

    async def get(key: str) -> Any:
        found = await cache.get(key)
        if found is None:
            found = await load(key)
            await cache.set(key, found, ttl=TTL_S)
        return found

    return get


def _cachetools(_url: str, load: Callable[[str], Any]) -> Callable[[str], Any]:
    import cachetools

    cache: Any = cachetools.TTLCache(1000, TTL_S)
    get: Any = cachetools.cached(cache, condition=threading.Condition())(load)
    return get  # type: ignore[no-any-return]  # has no types


def _cachebox(_url: str, load: Callable[[str], Any]) -> Callable[[str], Any]:
    import cachebox

    return cachebox.cached(cachebox.TTLCache(1000, TTL_S))(load)


def _theine(_url: str, load: Callable[[str], Any]) -> Callable[[str], Any]:
    from theine import Memoize

    get: Any = Memoize(1000, timedelta(seconds=TTL_S))(load)
    return get  # type: ignore[no-any-return]  # has no types


CONTENDERS = {
    "ours": Contender("budgetguard", _ours, shared=True),
    "ours, async": Contender("budgetguard", _ours_async, is_async=True, shared=True, how="async"),
    "dogpile": Contender("dogpile.cache", _dogpile, shared=True, how="distributed_lock"),
    "dogpile, timeouts": Contender(
        "dogpile.cache", _dogpile_timeouts, shared=True, how="lock 5 s, socket 2 s"
    ),
    "cashews": Contender("cashews", _cashews, is_async=True, shared=True, how="lock=True"),
    "aiocache": Contender("aiocache", _aiocache, is_async=True, how="cached_stampede"),
    "aiocache, Redis": Contender(
        "aiocache", _aiocache_redis, is_async=True, shared=True, how="RedisCache"
    ),
    "cachetools": Contender("cachetools", _cachetools, how="condition"),
    "cachebox": Contender("cachebox", _cachebox, how="cached"),
    "theine": Contender("theine", _theine, how="Memoize"),
}


def start(module: str, *arguments: object, env: dict[str, str] | None = None) -> "Child":
    """Run a benchmark's other half in a fresh process."""
    command = [sys.executable, "-m", module, "--child", json.dumps(arguments)]
    return Child(
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env
        )
    )


class Child:
    """A process that prints what it found as its last line."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def result(self, timeout_s: float) -> Any:
        """What it found; a text that says why there is nothing."""
        try:
            out, err = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            return "hangs"
        if self.process.returncode or not out.strip():
            return (err.strip().splitlines() or ["ended without a word"])[-1][:60]
        return json.loads(out.splitlines()[-1])


def wait_until(moment: float) -> None:
    """Wait for a moment of the clock that all processes of a machine share."""
    time.sleep(max(0.0, moment - time.monotonic()))


def table(headings: list[str], rows: list[list[str]]) -> None:
    """Print Markdown."""
    print(f"| {' | '.join(headings)} |\n|---|{'--:|' * (len(headings) - 1)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
