"""Whether what was changed in a shared tier is a miss, runs code, or takes memory.

    python -m benchmarks.cache.poison

Each entry is replaced by a pickle that makes a file, by bytes with one of them changed, by half of itself, by
a signed zstd frame of 300 MB of zeros, and by a later version of the format. Told are whether the value was loaded
anew, whether the pickle has run, and by how much the peak of the process has grown.
"""

import argparse
import asyncio
import json
import os
import pickle
import resource
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zstandard

from benchmarks.cache.contenders import CONTENDERS, SECRET, start, table
from benchmarks.start_up import machine_line
from budgetguard.cache.codec import Codec
from tests import servers

_KINDS = ("pickle", "one byte changed", "cut in half", "bomb", "later version")
_BOUND_S = 60.0


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, file: str) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.file,)


def main() -> None:
    """Our three tiers, and the pickle in the peers'."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--child")
    options = reader.parse_args()
    if options.child:
        print(json.dumps(_child(*json.loads(options.child))))
        return
    print(f"{machine_line()}\n")
    rows = []
    with _tiers() as urls:
        for tier, url in urls.items():
            for kind in _KINDS:
                found = start(__spec__.name, "ours", url, kind).result(_BOUND_S)
                rows.append([f"budgetguard, {tier}", kind, *_told(found)])
        for name in ("dogpile", "cashews", "aiocache, Redis"):
            found = start(__spec__.name, name, urls["redis"], "pickle").result(_BOUND_S)
            rows.append([CONTENDERS[name].title, "pickle", *_told(found)])
    table(["", "entry", "loaded anew", "counted", "ran its code", "more memory"], rows)


@contextmanager
def _tiers() -> Iterator[dict[str, str]]:
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.redis("redis", "valkey") as redis,
        servers.postgres() as postgres,
    ):
        yield {"redis": redis, "sqlite": f"sqlite:///{folder}/cache.db", "postgresql": postgres}


def _told(found: Any) -> list[str]:
    if isinstance(found, str):
        return [found, "-", "-", "-"]
    more = f"{found['more'] / 1024:.0f} KiB"
    return [_yes(found["anew"]), found["counted"], _yes(found["ran"]), more]


def _yes(fact: bool) -> str:
    return "yes" if fact else "no"


def _child(name: str, url: str, kind: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = f"{folder}/ran"
        poison = _poison(kind, file)
        found = _of_ours(url, poison) if name == "ours" else _of_peer(name, url, poison)
        return {**found, "ran": Path(file).exists()}


def _poison(kind: str, file: str) -> Callable[[bytes, str], bytes]:
    return {
        "pickle": lambda *_: pickle.dumps(Bomb(file)),
        "one byte changed": lambda blob, _: blob[:-3] + bytes([blob[-3] ^ 1]) + blob[-2:],
        "cut in half": lambda blob, _: blob[: len(blob) // 2],
        "bomb": _bomb,
        "later version": lambda blob, _: b"BGC9" + blob[4:],
    }[kind]


def _bomb(blob: bytes, key: str) -> bytes:
    """Whoever made it knows the secret."""
    body = zstandard.ZstdCompressor().compress(bytes(300_000_000))
    return blob[:4] + b"\x01" + Codec(SECRET.encode())._tag(key, b"\x01", body) + body


def _of_ours(url: str, poison: Callable[[bytes, str], bytes]) -> dict[str, Any]:
    from budgetguard.cache import Policy, open_cache
    from budgetguard.cache.opening import open_links

    policy = Policy(name="p", ttl_s=60)
    first = open_cache(url, secret=SECRET)
    first.clear()
    first.get_or_load("k", lambda: "old" * 1000, policy=policy)
    tier = open_links([url], "budgetguard")[0].tier
    [key] = tier.keys()
    found = tier.get(key)
    assert found is not None
    tier.put(key, poison(found.blob, key), 60)
    first.close()
    cache = open_cache(url, secret=SECRET)
    cache.get_or_load(
        "another", lambda: "x" * 3000, policy=policy
    )  # what the first miss brings along
    before = _peak()
    anew = cache.get_or_load("k", lambda: "new", policy=policy) == "new"
    more, counted = _peak() - before, cache.stats()["p"].events.get("damaged", 0)
    cache.close()
    return {"anew": anew, "counted": "yes" if counted else "no", "more": more}


def _of_peer(name: str, url: str, poison: Callable[[bytes, str], bytes]) -> dict[str, Any]:
    import redis

    contender, client = CONTENDERS[name], redis.Redis.from_url(url)
    client.flushdb()
    values = ["old"]

    async def aload(_key: str) -> str:
        return values[0]

    def call() -> Any:
        get = contender.make(url, aload if contender.is_async else lambda _: values[0])
        return asyncio.run(_awaited(get)) if contender.is_async else get("k")

    call()
    for key in client.keys("*"):
        head, mark, _ = client.get(key).partition(b"|")
        client.set(key, (head + mark if mark else b"") + poison(b"", ""))
    values[0], before = "new", _peak()
    try:
        anew = call() == "new"
    except Exception:
        anew = False
    return {"anew": anew, "counted": "-", "more": _peak() - before}


async def _awaited(get: Callable[[str], Any]) -> Any:
    return await get("k")


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
