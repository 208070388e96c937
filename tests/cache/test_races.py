"""Invalidations that race with loads, in a thousand schedules: what is kept in the end is what is true."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from budgetguard.cache import Policy, open_cache

ARTICLE = Policy(name="article", ttl_s=60, early=0)
SECRET = "0123456789abcdef"


class Source:
    """What is cached: a number that grows; to read it takes a moment."""

    def __init__(self, seed):
        self.value, self._draw, self._lock = 0, random.Random(seed), threading.Lock()

    def pause(self):
        with self._lock:
            seconds = self._draw.choice((0, 0, 0.0002, 0.001))
        time.sleep(seconds)

    def read(self):
        self.pause()
        value = self.value
        self.pause()
        return value

    def write(self, invalidate):
        self.pause()
        self.value += 1
        self.pause()
        invalidate()


@pytest.fixture(params=["memory", "sqlite", "sqlite and sqlite", "redis and postgresql"])
def urls(request, tmp_path):
    """The tiers behind memory."""
    if request.param == "redis and postgresql":
        return [request.getfixturevalue("redis_url"), request.getfixturevalue("postgres_url")]
    return [f"sqlite:///{tmp_path}/{n}.db" for n in range(request.param.count("sqlite"))]


@pytest.mark.parametrize("by", ["key", "tag"])
def test_nothing_old_is_kept(urls, by):
    """Readers and writers in two caches of the same tiers; the last write is what is read afterwards."""
    space = f"races_{by}"
    caches = [
        open_cache("memory://1MiB", *urls, secret=SECRET, namespace=space)
        for _ in range(2 if urls else 1)
    ]
    rounds = 60 if urls else 500

    def read(cache, key, source):
        return cache.get_or_load(key, source.read, policy=ARTICLE, tags=["t"])

    def invalidate(cache, key):
        if by == "key":
            cache.invalidate(key, policy=ARTICLE)
        else:
            cache.invalidate_tags("t")

    with ThreadPoolExecutor(6) as pool:
        for seed in range(rounds):
            key, source = f"key {seed}", Source(seed)
            work = [pool.submit(read, caches[n % len(caches)], key, source) for n in range(4)]
            work += [
                pool.submit(source.write, lambda k=key: invalidate(caches[0], k)) for _ in range(2)
            ]
            for one in work:
                one.result(30)
            assert read(caches[0], key, source) == source.value, f"seed {seed}"
    for cache in caches:
        cache.close()
