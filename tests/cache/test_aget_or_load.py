"""The same API for event loops: one load for tasks, threads and loops together."""

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from budgetguard.cache import NOT_MODIFIED, Cache, DeadlineExceeded, Policy, cached
from budgetguard.cache.memory import Memory
from budgetguard.errors import UsageError

ARTICLE = Policy(name="article", ttl_s=60, jitter=0, early=0)


@pytest.fixture
def cache():
    made = Cache(Memory(1 << 20))
    yield made
    made.close()


class Loader:
    """Counts its calls, each of which takes a while."""

    def __init__(self, value="value", seconds=0.05):
        self.value, self.seconds, self.calls = value, seconds, 0

    async def __call__(self):
        self.calls += 1
        await asyncio.sleep(self.seconds)
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def test_a_hundred_tasks_load_once(cache):
    """All have the value of one load."""
    load = Loader({"a": 1})

    async def main():
        return await asyncio.gather(
            *(cache.aget_or_load("k", load, policy=ARTICLE) for _ in range(100))
        )

    values = asyncio.run(main())
    assert values == [{"a": 1}] * 100
    assert len({id(value) for value in values}) == 100
    assert load.calls == 1


def test_an_error_reaches_all(cache):
    """One call, a hundred errors."""
    load = Loader(ValueError("no"))

    async def main():
        calls = (cache.aget_or_load("k", load, policy=ARTICLE) for _ in range(100))
        return await asyncio.gather(*calls, return_exceptions=True)

    assert all(isinstance(error, ValueError) for error in asyncio.run(main()))
    assert load.calls == 1


def test_a_cancelled_leader_harms_no_follower(cache):
    """Its load goes on for the others."""
    load = Loader(seconds=0.2)

    async def main():
        leader = asyncio.create_task(cache.aget_or_load("k", load, policy=ARTICLE))
        await asyncio.sleep(0.02)
        calls = (cache.aget_or_load("k", load, policy=ARTICLE) for _ in range(10))
        followers = asyncio.gather(*calls)
        await asyncio.sleep(0.02)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        return await followers

    assert asyncio.run(main()) == ["value"] * 10
    assert load.calls == 1


def test_a_cancelled_follower_harms_nobody(cache):
    """Neither the leader nor the other followers."""
    load = Loader(seconds=0.2)

    async def main():
        calls = [
            asyncio.create_task(cache.aget_or_load("k", load, policy=ARTICLE)) for _ in range(5)
        ]
        await asyncio.sleep(0.02)
        calls[2].cancel()
        return await asyncio.gather(*calls, return_exceptions=True)

    found = asyncio.run(main())
    assert isinstance(found.pop(2), asyncio.CancelledError)
    assert found == ["value"] * 4


def test_two_event_loops_share_a_load(cache):
    """One of each thread; the loop that ends first takes no load of the other's with it."""
    load = Loader(seconds=0.2)
    together = threading.Barrier(4, timeout=30)

    def main():
        together.wait()
        return asyncio.run(cache.aget_or_load("k", load, policy=ARTICLE))

    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(main) for _ in range(4)]
        assert [one.result(30) for one in found] == ["value"] * 4
    assert load.calls == 1


def test_a_loop_that_ends_in_the_middle_of_a_load(cache):
    """Who waits in another thread loads instead."""
    began, ended = threading.Event(), threading.Event()

    async def for_ever():
        began.set()
        await asyncio.sleep(60)

    async def short():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(cache.aget_or_load("k", for_ever, policy=ARTICLE), 0.3)

    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(lambda: (asyncio.run(short()), ended.set()))
        assert began.wait(30)
        other = pool.submit(cache.get_or_load, "k", lambda: "mine", policy=ARTICLE)
        assert other.result(30) == "mine"
        one.result(30)


def test_threads_and_tasks_share_a_load(cache):
    """A thread waits for a task's load, and has its value."""
    load, began = Loader(seconds=0.3), threading.Event()

    async def main():
        task = asyncio.create_task(cache.aget_or_load("k", load, policy=ARTICLE))
        await asyncio.sleep(0.02)
        began.set()
        return await task

    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(lambda: began.wait(30) and cache.get_or_load("k", list, policy=ARTICLE))
        assert asyncio.run(main()) == "value"
        assert other.result(30) == "value"


def test_a_synchronous_call_in_the_loop_that_loads(cache):
    """It would wait for itself for ever: it loads on its own."""

    async def main():
        task = asyncio.create_task(cache.aget_or_load("k", Loader("slow"), policy=ARTICLE))
        await asyncio.sleep(0.01)
        mine = cache.get_or_load("k", lambda: "mine", policy=ARTICLE)
        return mine, await task

    assert asyncio.run(main()) == ("mine", "slow")


def test_a_deadline(cache):
    """Who has no more time is told; the load goes on. A loader's own TimeoutError is its own."""
    load = Loader(seconds=0.2)

    async def main():
        with pytest.raises(DeadlineExceeded):
            await cache.aget_or_load("k", load, policy=ARTICLE, deadline_s=0.01)
        assert await cache.aget_or_load("k", load, policy=ARTICLE) == "value"
        failing = Loader(TimeoutError("upstream"), seconds=0)
        with pytest.raises(TimeoutError, match="upstream"):
            await cache.aget_or_load("other", failing, policy=ARTICLE, deadline_s=10)

    asyncio.run(main())
    assert load.calls == 1


def test_a_loader_cannot_ask_for_itself(cache):
    """Also from a task that it began."""

    async def itself():
        return await asyncio.create_task(cache.aget_or_load("k", itself, policy=ARTICLE))

    with pytest.raises(UsageError, match="asks for"):
        asyncio.run(cache.aget_or_load("k", itself, policy=ARTICLE))


def test_a_decorated_coroutine(cache):
    """Its arguments are its key."""
    calls = []

    @cached(cache, ARTICLE)
    async def total(a, b=2):
        calls.append(a)
        return a + b

    async def main():
        return [await total(1), await total(a=1, b=2), await total(2)]

    assert asyncio.run(main()) == [3, 3, 4]
    assert len(calls) == 2


def test_a_value_that_is_still_good_lives_on():
    """Revalidation in an event loop."""
    now = [1000.0]
    cache = Cache(Memory(1 << 20, clock=lambda: now[0]), clock=lambda: now[0])
    policy, load, asked = replace(ARTICLE, stale_s=60), Loader(["value"]), []

    async def revalidate(value):
        asked.append(value)
        return NOT_MODIFIED

    async def main():
        for _ in range(2):
            got = await cache.aget_or_load("k", load, policy=policy, revalidate=revalidate)
            assert got == ["value"]
            now[0] += 61
        now[0] -= 61
        while cache.entry("k", policy=policy).stale:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(main(), 30))
    assert (load.calls, asked) == (1, [["value"]])
    cache.close()


def test_who_has_gone_leaves_no_error_behind(cache, caplog):
    """A caller gave up, and the load then fails: nobody is told of an exception that was never retrieved."""
    fails = Loader(ValueError("late"), seconds=0.1)

    async def run():
        with pytest.raises(DeadlineExceeded):
            await cache.aget_or_load("k", fails, policy=ARTICLE, deadline_s=0.02)
        waiter = asyncio.create_task(cache.aget_or_load("k", fails, policy=ARTICLE))
        await asyncio.sleep(0.02)
        waiter.cancel()
        await asyncio.sleep(0.2)

    asyncio.run(run())
    gc.collect()
    assert fails.calls
    assert not [one for one in caplog.records if one.name == "asyncio"]
