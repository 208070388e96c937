"""How often a key is loaded that a hundred callers miss at once, and when the slowest has its value.

    python -m benchmarks.cache.herd [--repeats 3]

In 100 threads, in 100 tasks of an event loop, and in 4 processes of 25 each, with a loader that takes 0.2 s;
then with one that raises after 0.2 s. Each contender is a fresh process and a fresh Redis key; told are the
most loads, and the worst time of the slowest caller beyond the loader's own. Peers: pip install cachebox
cachetools aiocache cashews dogpile.cache theine
"""

import argparse
import asyncio
import json
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.cache.contenders import CONTENDERS, Contender, start, table, wait_until
from benchmarks.start_up import machine_line
from tests import servers

LOAD_S = 0.2
CALLERS = 100
PROCESSES = 4
_BOUND_S = 30.0
_START_S = 2.5
"""Until the last process has imported everything."""


def main() -> None:
    """Every contender in every way that it can be used."""
    reader = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    reader.add_argument("--repeats", type=int, default=3)
    reader.add_argument("--child")
    options = reader.parse_args()
    if options.child:
        print(json.dumps(_child(*json.loads(options.child))))
        return
    print(f"{machine_line()}; {options.repeats} repeats, loader {LOAD_S} s\n")
    with servers.redis("redis", "valkey") as url:
        for raises in (False, True):
            rows = []
            for name, contender in CONTENDERS.items():
                if name in ("aiocache, Redis", "dogpile, timeouts"):
                    continue
                found = [_herd(name, url, raises, 1) for _ in range(options.repeats)]
                crowd = "tasks" if contender.is_async else "threads"
                rows.append([contender.title, f"{CALLERS} {crowd}", *_told(found, raises)])
                if contender.shared:
                    found = [_herd(name, url, raises, PROCESSES) for _ in range(options.repeats)]
                    many = f"{PROCESSES} x {CALLERS // PROCESSES} {crowd}"
                    rows.append([contender.title, many, *_told(found, raises)])
            what = "errors" if raises else "values"
            table(
                ["loader that raises" if raises else "loader", "callers", "loads", what, "slowest"],
                rows,
            )
            print()
    sys.stdout.flush()


def _herd(name: str, url: str, raises: bool, processes: int) -> list[Any]:
    """What each process found; the loads are counted in a file."""
    with tempfile.TemporaryDirectory() as folder:
        calls = Path(folder) / "calls"
        calls.touch()
        go = time.monotonic() + _START_S
        key = f"herd-{time.monotonic_ns()}"
        each = CALLERS // processes
        children = [
            start(__spec__.name, name, url, key, str(calls), raises, each, go)
            for _ in range(processes)
        ]
        found = [child.result(_BOUND_S) for child in children]
        return [calls.stat().st_size, *found]


def _told(repeats: list[list[Any]], raises: bool) -> list[str]:
    loads = max(found[0] for found in repeats)
    wrong = next((one for found in repeats for one in found[1:] if isinstance(one, str)), "")
    if wrong:
        return [str(loads), wrong, "-"]
    ended = [sum(one["errors" if raises else "values"] for one in found[1:]) for found in repeats]
    slowest = max(one["slowest_s"] for found in repeats for one in found[1:])
    return [str(loads), str(min(ended)), f"+{(slowest - LOAD_S) * 1000:.0f} ms"]


def _child(
    name: str, url: str, key: str, calls: str, raises: bool, callers: int, go: float
) -> dict[str, float]:
    contender = CONTENDERS[name]
    counted = _counting(contender, calls, raises)
    get = contender.make(url, counted)
    run = _in_tasks if contender.is_async else _in_threads
    return run(get, key, callers, go)


def _counting(contender: Contender, calls: str, raises: bool) -> Callable[[str], Any]:
    def count() -> None:
        with Path(calls).open("ab", buffering=0) as file:
            file.write(b".")

    def load(key: str) -> str:
        count()
        time.sleep(LOAD_S)
        return _answer(key, raises)

    async def aload(key: str) -> str:
        count()
        await asyncio.sleep(LOAD_S)
        return _answer(key, raises)

    return aload if contender.is_async else load


def _answer(key: str, raises: bool) -> str:
    if raises:
        raise ConnectionError(key)
    return f"value of {key}"


def _in_threads(get: Callable[[str], Any], key: str, callers: int, go: float) -> dict[str, float]:
    ended: list[tuple[bool, float]] = []

    def call() -> None:
        wait_until(go)
        try:
            good = get(key) == f"value of {key}"
        except Exception:
            good = False
        ended.append((good, time.monotonic() - go))

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _summed(ended)


def _in_tasks(get: Callable[[str], Any], key: str, callers: int, go: float) -> dict[str, float]:
    ended: list[tuple[bool, float]] = []

    async def call() -> None:
        await asyncio.sleep(max(0.0, go - time.monotonic()))
        try:
            good = await get(key) == f"value of {key}"
        except Exception:
            good = False
        ended.append((good, time.monotonic() - go))

    async def all_of_them() -> None:
        await asyncio.gather(*(call() for _ in range(callers)))

    asyncio.run(all_of_them())
    return _summed(ended)


def _summed(ended: list[tuple[bool, float]]) -> dict[str, float]:
    values = sum(good for good, _ in ended)
    slowest = max(took for _, took in ended)
    return {"values": values, "errors": len(ended) - values, "slowest_s": slowest}


if __name__ == "__main__":
    main()
