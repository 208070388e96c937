"""asyncio: tasks that take turns and meet in a queue."""

import asyncio
from contextlib import contextmanager

UNITS = 200


@contextmanager
def prepared():
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def run(loop):
    return loop.run_until_complete(work())


async def work():
    queue = asyncio.Queue()
    await asyncio.gather(*(put(queue, unit) for unit in range(UNITS)))
    total = 0
    while not queue.empty():
        total += await queue.get()
    return total


async def put(queue, unit):
    for _ in range(3):
        await asyncio.sleep(0)
    await queue.put(unit)
