"""How many hits and puts a second each tier bears, under 1, 8 and 64 threads of one process.

    python -m benchmarks.cache.throughput [--seconds 2]

Entries of 1 kB, a thousand keys. Memory is measured through the whole API; of the others a hit is what a miss
in memory costs that the tier answers (get), and a put is what it takes to keep a value there, both with
signature and compression. Of calls that a tier was too busy for the share stands beside. `redis-py` is that client alone, GET and SET of the same bytes.
"""

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.cache.contenders import SECRET, table
from benchmarks.start_up import machine_line
from budgetguard.cache import Place, Policy, open_cache
from tests import servers

_THREADS = (1, 8, 64)
_KEYS = [f"key {number}" for number in range(1000)]
_VALUE = "".join(random.Random(1).choices("abcdefghijklmnop", k=1000))


@dataclass(frozen=True)
class Calls:
    """What is called, and how many calls did not reach the tier."""

    do: Callable[[str], object]
    missed: Callable[[], int] = lambda: 0


def main() -> None:
    """Each tier, each number of threads."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--seconds", type=float, default=2.0)
    seconds = reader.parse_args().seconds
    print(f"{machine_line()}; {seconds:g} s each, a second's calls\n")
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        servers.redis("redis", "valkey") as redis,
        servers.postgres() as postgres,
    ):
        urls = {
            "memory": "",
            "redis": redis,
            "sqlite": f"sqlite:///{folder}/c.db",
            "postgresql": postgres,
        }
        for name, url in urls.items():
            for what, calls in _ours(url).items():
                rows.append([f"{name}, {what}", *_rates(calls, seconds)])
            if name == "redis":
                rows += [
                    [f"redis-py, {what}", *_rates(do, seconds)] for what, do in _bare(url).items()
                ]
    table(["", *(f"{number} threads" for number in _THREADS)], rows)


def _ours(url: str) -> dict[str, Calls]:
    places = frozenset(Place) - {Place.MEMORY} if url else frozenset({Place.MEMORY})
    policy = Policy(name="p", ttl_s=3600, places=places)
    cache, loads = open_cache(*([url] if url else []), secret=SECRET), list[str]()
    for key in _KEYS:
        cache.put(key, _VALUE, policy=policy)

    def load() -> str:
        loads.append("")
        return _VALUE

    return {
        "get": Calls(lambda key: cache.get_or_load(key, load, policy=policy), lambda: len(loads)),
        "put": Calls(
            lambda key: cache.put(key, _VALUE, policy=policy),
            lambda: sum(tier.errors for tier in cache.health().tiers),
        ),
    }


def _bare(url: str) -> dict[str, Calls]:
    import redis

    client = redis.Redis.from_url(url)
    return {"get": Calls(client.get), "set": Calls(lambda key: client.set(key, _VALUE))}


def _rates(calls: Calls, seconds: float) -> list[str]:
    return [_rate(calls, threads, seconds) for threads in _THREADS]


def _rate(calls: Calls, number: int, seconds: float) -> str:
    counts, errors = [0] * number, list[BaseException]()
    begin, until = threading.Barrier(number + 1), [0.0]

    def work(index: int) -> None:
        keys = random.Random(index).choices(_KEYS, k=50)
        begin.wait()
        try:
            while time.monotonic() < until[0]:
                for key in keys:
                    calls.do(key)
                counts[index] += len(keys)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    missed, began = calls.missed(), time.monotonic()
    until[0] = began + seconds
    begin.wait()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    rate = sum(counts) / (time.monotonic() - began)
    share = (calls.missed() - missed) / sum(counts)
    return f"{rate:,.0f}" + (f" ({share:.1%} missed)" if share else "")


if __name__ == "__main__":
    main()
