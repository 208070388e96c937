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


@pytest.mark.parametrize("tiers", [0, 1, 2])
@pytest.mark.parametrize("by", ["key", "tag"])
def test_nothing_old_is_kept(tmp_path, tiers, by):
    """Readers and writers in two caches of the same tiers; the last write is what is read afterwards."""
    urls = ["memory://1MiB", f"sqlite:///{tmp_path}/a.db", f"sqlite:///{tmp_path}/b.db"][
        : tiers + 1
    ]
    caches = [open_cache(*urls, secret=SECRET) for _ in range(2 if tiers else 1)]
    rounds = 500 if not tiers else 60

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
