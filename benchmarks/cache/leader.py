"""What becomes of those who wait, and of the value, when the one who loads is killed, cancelled or frozen.

    python -m benchmarks.cache.leader [--repeats 5]

Killed: a process is killed in the middle of a load of 30 s; another asks at the same moment, with a loader of
0.1 s. Told is when it has its value. Cancelled: of 20 tasks that share a load the one that began it is
cancelled; told is how many of the other 19 have the value. Frozen: a process stands still in the middle of
its load, for 6 s, another loads anew, and the first goes on; told is whose value is kept then.
"""

import argparse
import asyncio
import json
import signal
import time
from collections.abc import Callable
from typing import Any

from benchmarks.cache.contenders import CONTENDERS, Child, start, table
from benchmarks.start_up import machine_line
from tests import servers

_SHARED = ("ours", "ours, async", "dogpile", "dogpile, timeouts", "cashews")
_BOUND_S = 20.0
_FROZEN_S = 6.0


def main() -> None:
    """All three fates, of all that can have them."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--repeats", type=int, default=5)
    reader.add_argument("--child")
    options = reader.parse_args()
    if options.child:
        print(json.dumps(_child(*json.loads(options.child))))
        return
    print(f"{machine_line()}; {options.repeats} repeats\n")
    rows = []
    with servers.redis("redis", "valkey") as url:
        for name, contender in CONTENDERS.items():
            if name == "aiocache, Redis":
                continue
            killed = frozen = cancelled = "-"
            if name in _SHARED:
                killed = _worst([_killed(name, url) for _ in range(options.repeats)])
                frozen = _overwritten([_frozen(name, url) for _ in range(options.repeats)])
            if contender.is_async:
                cancelled = str(start(__spec__.name, "cancel", name, url, "c").result(_BOUND_S))
            rows.append([contender.title, killed, cancelled, frozen])
    rows = [row for row in rows if set(row[1:]) != {"-"}]
    table(["", "killed: value after", "cancelled: of 19", "frozen one overwrites"], rows)


def _killed(name: str, url: str) -> Any:
    key = f"killed-{time.monotonic_ns()}"
    leader = start(__spec__.name, "load", name, url, key, 30.0, "old")
    _loading(leader)
    follower = start(__spec__.name, "load", name, url, key, 0.1, "new")
    _imported(follower)
    leader.process.kill()
    leader.process.communicate()
    return follower.result(_BOUND_S)


def _frozen(name: str, url: str) -> Any:
    key = f"frozen-{time.monotonic_ns()}"
    leader = start(__spec__.name, "load", name, url, key, 1.0, "old")
    _loading(leader)
    leader.process.send_signal(signal.SIGSTOP)
    time.sleep(_FROZEN_S)
    newer = start(__spec__.name, "load", name, url, key, 0.1, "new").result(_BOUND_S)
    leader.process.send_signal(signal.SIGCONT)
    leader.result(_BOUND_S)
    if isinstance(newer, str):
        return newer
    left = start(__spec__.name, "load", name, url, key, 0.1, "third").result(_BOUND_S)
    return left if isinstance(left, str) else left["value"]


def _loading(child: Child) -> None:
    """Its loader has begun."""
    assert child.process.stdout is not None
    while child.process.stdout.readline().strip() != "loading":
        if child.process.poll() is not None:
            raise SystemExit("the leader has ended before its load")


def _imported(child: Child) -> None:
    assert child.process.stdout is not None
    while child.process.stdout.readline().strip() != "asking":
        if child.process.poll() is not None:
            return


def _worst(found: list[Any]) -> str:
    wrong = [one for one in found if isinstance(one, str)]
    return wrong[0] if wrong else f"{max(one['took_s'] for one in found):.2f} s"


def _overwritten(found: list[Any]) -> str:
    words = {"old": "yes", "new": "no"}
    return ", ".join(sorted({words.get(one, str(one)) for one in found}))


def _child(what: str, name: str, url: str, key: str, load_s: float = 0.0, value: str = "") -> Any:
    if what == "cancel":
        return asyncio.run(_cancel(name, url))
    contender = CONTENDERS[name]

    def load(_key: str) -> str:
        print("loading", flush=True)
        time.sleep(load_s)
        return value

    async def aload(_key: str) -> str:
        print("loading", flush=True)
        await asyncio.sleep(load_s)
        return value

    get = contender.make(url, aload if contender.is_async else load)
    print("asking", flush=True)
    began = time.monotonic()
    found = asyncio.run(_awaited(get, key)) if contender.is_async else get(key)
    return {"value": found, "took_s": time.monotonic() - began}


async def _awaited(get: Callable[[str], Any], key: str) -> Any:
    return await get(key)


async def _cancel(name: str, url: str) -> int:
    loads = 0

    async def load(_key: str) -> str:
        nonlocal loads
        loads += 1
        await asyncio.sleep(0.5)
        return "value"

    get = CONTENDERS[name].make(url, load)
    key = f"cancelled-{time.monotonic_ns()}"
    leader = asyncio.ensure_future(get(key))
    await asyncio.sleep(0.1)
    others = [asyncio.ensure_future(get(key)) for _ in range(19)]
    await asyncio.sleep(0.1)
    leader.cancel()
    found = await asyncio.wait_for(asyncio.gather(*others, return_exceptions=True), 15)
    return sum(one == "value" for one in found)


if __name__ == "__main__":
    main()
