"""Which asyncio tasks count as left behind."""

import asyncio
import contextlib
import threading

from budgetguard.monitoring import Left, track


async def forever():
    await asyncio.Event().wait()


def test_a_pending_task_is_told_with_where_it_waits():
    """A task of a loop that does not run at the moment is seen, with its name and line."""
    with asyncio.Runner() as runner:
        kept = []

        async def main():
            kept.append(asyncio.create_task(forever(), name="poll"))
            await asyncio.sleep(0)

        with track({"tasks"}, grace_s=0) as tracked:
            runner.run(main())
    line = forever.__code__.co_firstlineno + 1
    (told,) = tracked.left.tasks
    assert told.startswith("poll, waits in forever at ")
    assert told.endswith(f"test_tasks_left.py:{line}")


def test_tasks_of_another_threads_loop_are_seen():
    """All loops of the process are judged, not only the caller's."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    with track({"tasks"}, grace_s=0.01) as tracked:
        future = asyncio.run_coroutine_threadsafe(forever(), loop)
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(10)
    future.cancel()
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()
    assert len(tracked.left.tasks) == 1


def test_async_block_gives_tasks_their_grace():
    """With `async with` a task of the same loop that is about to end does not count."""

    async def main():
        async with track({"tasks"}, grace_s=10) as tracked:
            task = asyncio.create_task(asyncio.sleep(0.01))
        assert task.done()
        return tracked.left

    assert asyncio.run(main()) == Left()


def test_a_cancelled_task_only_needs_its_loops_next_turn():
    """A cancelled task counts if its loop had a turn and it went on; else it does not."""

    async def stubborn():
        with contextlib.suppress(asyncio.CancelledError):
            await forever()
        await forever()

    async def main():
        with track({"tasks"}, grace_s=0) as without_turn:
            task = asyncio.create_task(forever())
            await asyncio.sleep(0)
            task.cancel()
        async with track({"tasks"}, grace_s=0.02) as with_turns:
            other = asyncio.create_task(stubborn())
            await asyncio.sleep(0)
            other.cancel()
        return without_turn.left.tasks, len(with_turns.left.tasks)

    assert asyncio.run(main()) == ((), 1)
