"""Calls that retain memory and calls that only seem to; each maker takes a seeded random.Random."""

import asyncio
import collections
import contextlib
import functools
import importlib
import json
import logging
import re
import sqlite3
import threading
import weakref

_LAZY = [
    "colorsys",
    "wave",
    "netrc",
    "plistlib",
    "fileinput",
    "cmd",
    "bdb",
    "pdb",
    "trace",
    "tabnanny",
    "symtable",
    "sched",
    "shelve",
    "zipapp",
    "mailbox",
    "imaplib",
    "poplib",
    "ftplib",
    "smtplib",
    "nturl2path",
    "pyclbr",
    "modulefinder",
]


class Subject:
    """Something with state and a method, to be listened to or cached on."""

    def __init__(self):
        self.state = [0] * 20

    def method(self):
        return len(self.state)


# --- benign -------------------------------------------------------------------------------------


def lru_cache_fills(rng):
    @functools.lru_cache(maxsize=128)
    def cached(key):
        return str(key) * 20

    return lambda: cached(rng.randrange(10**6))


def lru_cache_too_large_to_fill(rng):
    @functools.lru_cache(maxsize=100_000)
    def cached(key):
        return str(key) * 20

    return lambda: cached(rng.randrange(10**9))


def coupons(rng, kinds=200):
    held = {}
    return lambda: held.setdefault(rng.randrange(kinds), bytes(rng.randrange(500)))


def many_coupons(rng):
    return coupons(rng, kinds=1500)


def re_cache(rng):
    return lambda: re.match(f"a{rng.randrange(10**6)}", "a1")


def lazy_imports(rng):
    names = iter(rng.sample(_LAZY, 5))
    return lambda: _import(next(names, "json"))


def _import(name):
    with contextlib.suppress(ImportError):
        importlib.import_module(name)


def dict_doubles_to_its_bound(rng):
    held, count = {}, [rng.randrange(100)]

    def call():
        count[0] += 1
        held[count[0] % 1000] = count[0]

    return call


def cycles(rng):
    def call():
        first, second = Subject(), Subject()
        first.other, second.other = second, first

    return call


def threads(rng):
    def call():
        thread = threading.Thread(target=Subject)
        thread.start()
        thread.join()

    return call


def asyncio_runs(rng):
    async def main():
        await asyncio.gather(*(asyncio.sleep(0) for _ in range(3)))

    return lambda: asyncio.run(main())


def sqlite(rng):
    def call():
        connection = sqlite3.connect(":memory:")
        connection.execute("create table t (a)")
        connection.executemany("insert into t values (?)", [(n,) for n in range(rng.randrange(20))])
        connection.close()

    return call


def logs_to_a_ring(rng):
    ring = collections.deque(maxlen=50)
    logger = logging.Logger("ring")  # noqa: LOG001
    handler = logging.Handler()
    handler.emit = ring.append
    logger.addHandler(handler)
    return lambda: logger.warning("value %s", rng.random())


def generators(rng):
    def numbers():
        yield from (str(n) for n in range(30))

    def call():
        half_used = numbers()
        next(half_used)

    return call


def random_sizes(rng):
    slots = [b""] * 20

    def call():
        slots[rng.randrange(20)] = bytes(rng.randrange(1000))

    return call


def saw_tooth(rng):
    buffer, bound = [], rng.randrange(60, 120)

    def call():
        buffer.append(bytes(100))
        if len(buffer) > bound:
            buffer.clear()

    return call


def caught_exceptions(rng):
    def call():
        try:
            int("x")
        except ValueError as error:
            return str(error)

    return call


def json_round_trip(rng):
    return lambda: json.loads(json.dumps({"n": [rng.random() for _ in range(20)]}))


def weak_values(rng):
    alive = weakref.WeakValueDictionary()

    def call():
        thing = Subject()
        alive[rng.random()] = thing

    return call


def classes(rng):
    return lambda: type("Made", (), {"n": rng.random()})


def ring_of_last_300(rng):
    ring = collections.deque(maxlen=300)
    return lambda: ring.append(bytes(200))


# --- leaking ------------------------------------------------------------------------------------


def _appends(size):
    def make(rng):
        kept = []
        return lambda: kept.append(bytes(size))

    return make


def listeners(rng):
    listening = []
    return lambda: listening.append(Subject().method)


def cache_on_self(rng):
    class Service(Subject):
        @functools.cache  # noqa: B019
        def answer(self):
            return len(self.state)

    return lambda: Service().answer()


def pending_tasks(rng):
    waiting = []

    async def wait():
        future = asyncio.get_running_loop().create_future()
        waiting.append(future)
        await future

    async def spawn():
        asyncio.create_task(wait())  # noqa: RUF006
        await asyncio.sleep(0)

    loop = asyncio.new_event_loop()
    call = functools.partial(_run, loop, spawn)
    call.close = functools.partial(_close, loop)
    return call


def _run(loop, spawn):
    loop.run_until_complete(spawn())


def _close(loop):
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def stored_exceptions(rng):
    errors = []

    def call():
        try:
            int("x")
        except ValueError as error:
            errors.append(error)

    return call


def rare(rng):
    kept = []

    def call():
        if rng.random() < 0.02:
            kept.append(bytes(4000))

    return call


def after_warm_up(rng):
    kept, count = [], [0]

    def call():
        count[0] += 1
        if count[0] > 300:
            kept.append(bytes(200))

    return call


def dict_of_keys(rng):
    held = {}
    return lambda: held.setdefault(rng.random(), "x" * 50)


def set_of_numbers(rng):
    seen, count = set(), [1000]

    def call():
        count[0] += 1
        seen.add(count[0])

    return call


def noisy(rng):
    kept, churn = [], random_sizes(rng)

    def call():
        churn()
        kept.append(bytes(256))

    return call


def finalizers(rng):
    owner = Subject()
    return lambda: weakref.finalize(owner, len, "").__setattr__("atexit", False)


def kept_classes(rng):
    kept = []
    return lambda: kept.append(type("Made", (), {}))


def suspended_generators(rng):
    kept = []

    def numbers():
        yield from range(3)

    def call():
        kept.append(numbers())
        next(kept[-1])

    return call


BENIGN = [
    lru_cache_fills, lru_cache_too_large_to_fill, coupons, many_coupons, re_cache, lazy_imports,
    dict_doubles_to_its_bound, cycles, threads, asyncio_runs, sqlite, logs_to_a_ring, generators,
    random_sizes, saw_tooth, caught_exceptions, json_round_trip, weak_values, classes,
    ring_of_last_300,
]  # fmt: skip
LEAKING = {
    "64 B": _appends(31), "1 kB": _appends(1000), "10 kB": _appends(10_000),
    "listeners": listeners, "cache on self": cache_on_self, "pending tasks": pending_tasks,
    "stored exceptions": stored_exceptions, "1 in 50": rare, "after warm-up": after_warm_up,
    "dict of keys": dict_of_keys, "set of numbers": set_of_numbers, "noisy": noisy,
    "finalizers": finalizers, "kept classes": kept_classes,
    "suspended generators": suspended_generators,
}  # fmt: skip
