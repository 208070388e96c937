"""Threads: small jobs through a pool of two."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

UNITS = 200


@contextmanager
def prepared():
    with ThreadPoolExecutor(2) as pool:
        yield pool


def run(pool):
    futures = [pool.submit(job, unit) for unit in range(UNITS)]
    return sum(future.result() for future in futures)


def job(unit):
    total = 0
    for number in range(100):
        total += number ^ unit
    return total
