"""What a call costs while Redis is dead or stands still, and when it is used again.

    python -m benchmarks.cache.outage [--repeats 3]

A process calls for a new key each 10 ms, with a loader that takes no time. After 1 s the server is killed
(or frozen), 3 s later it is started (or goes on). Told are the first call that meets it, the median and the
worst of the others, and how long after its return the first value is in it.
"""

import argparse
import asyncio
import json
import statistics
import time
from typing import Any

from benchmarks.cache.contenders import CONTENDERS, start, table
from benchmarks.start_up import machine_line
from tests import servers

_CALM_S, _OUTAGE_S, _AFTER_S = 1.0, 3.0, 15.0
_PAUSE_S = 0.01
_BOUND_S = 45.0
_NAMES = ("ours", "ours, async", "dogpile", "dogpile, timeouts", "cashews", "aiocache, Redis")


def main() -> None:
    """Both kinds of outage."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--repeats", type=int, default=3)
    reader.add_argument("--child")
    options = reader.parse_args()
    if options.child:
        print(json.dumps(_child(*json.loads(options.child))))
        return
    print(f"{machine_line()}; {options.repeats} repeats, the worst of them\n")
    headings = ["Redis", "first call", "median after", "worst after", "errors", "used again after"]
    for kind in ("killed", "frozen"):
        rows = []
        for name in _NAMES:
            found = [_outage(name, kind) for _ in range(options.repeats)]
            rows.append([f"{kind}: {CONTENDERS[name].title}", *_told(found)])
        table(headings, rows)
        print()


def _outage(name: str, kind: str) -> Any:
    with servers.redis_server(servers.redis_binary("redis")) as server:
        child = start(__spec__.name, name, server.url)
        assert child.process.stdout is not None
        while child.process.stdout.readline().strip() != "calling":
            if child.process.poll() is not None:
                return child.result(_BOUND_S)
        time.sleep(_CALM_S)
        (server.kill if kind == "killed" else server.freeze)()
        down = time.monotonic()
        time.sleep(_OUTAGE_S)
        (server.start if kind == "killed" else server.thaw)()
        back = time.monotonic()
        healed = _used_again(server.url)
        found = child.result(_BOUND_S)
    if isinstance(found, str):
        return found
    during = [(took, good) for at, took, good in found if down <= at + took and at < back]
    return {
        "first": during[0][0],
        "others": [took for took, _ in during[1:]] or [0.0],
        "errors": sum(not good for _, good in during),
        "healed": None if healed is None else max(0.0, healed - back),
    }


def _used_again(url: str) -> float | None:
    import redis

    client = redis.Redis.from_url(url, socket_timeout=1.0)
    size, until = client.dbsize(), time.monotonic() + _AFTER_S
    while time.monotonic() < until:
        if client.dbsize() > size:
            return time.monotonic()
        time.sleep(0.01)
    return None


def _told(found: list[Any]) -> list[str]:
    wrong = [one for one in found if isinstance(one, str)]
    if wrong:
        return [wrong[0], "-", "-", "-", "-"]
    healed = [one["healed"] for one in found]
    again = "never" if None in healed else f"{max(healed):.2f} s"
    medians = [statistics.median(one["others"]) for one in found]
    return [
        f"{max(one['first'] for one in found) * 1000:.1f} ms",
        f"{max(medians) * 1000:.2f} ms",
        f"{max(max(one['others']) for one in found) * 1000:.1f} ms",
        str(max(one["errors"] for one in found)),
        again,
    ]


def _child(name: str, url: str) -> list[tuple[float, float, bool]]:
    contender = CONTENDERS[name]
    if contender.is_async:
        return asyncio.run(_calls_async(name, url))
    get, calls = contender.make(url, lambda key: key), []
    get("the first")
    print("calling", flush=True)
    until, number = time.monotonic() + _CALM_S + _OUTAGE_S + _AFTER_S, 0
    while time.monotonic() < until:
        number += 1
        began = time.monotonic()
        try:
            good = get(f"key {number}") == f"key {number}"
        except Exception:
            good = False
        calls.append((began, time.monotonic() - began, good))
        time.sleep(_PAUSE_S)
    return calls


async def _calls_async(name: str, url: str) -> list[tuple[float, float, bool]]:
    async def load(key: str) -> str:
        return key

    get, calls = CONTENDERS[name].make(url, load), []
    await get("the first")
    print("calling", flush=True)
    until, number = time.monotonic() + _CALM_S + _OUTAGE_S + _AFTER_S, 0
    while time.monotonic() < until:
        number += 1
        began = time.monotonic()
        try:
            good = await get(f"key {number}") == f"key {number}"
        except Exception:
            good = False
        calls.append((began, time.monotonic() - began, good))
        await asyncio.sleep(_PAUSE_S)
    return calls


if __name__ == "__main__":
    main()
