"""What has expired is removed in the background, by one process at a time, and a log has a line per incident."""

import logging
import threading
import time

import pytest

from budgetguard.cache import Policy, open_cache
from budgetguard.cache.cleaning import Cleaning
from budgetguard.cache.link import Link
from budgetguard.cache.opening import open_links

PAGE = Policy(name="page", ttl_s=600)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/cache.db"
    return request.getfixturevalue("postgres_url")


def link_of(url, request) -> Link:
    return open_links([url], f"clean_{abs(hash(request.node.name)) % 10**8}")[0]


def told(caplog, event):
    """The records of one event; others log, too."""
    return [one for one in caplog.records if getattr(one, "event", "") == event]


def eventually(true):
    until = time.monotonic() + 20
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_it_cleans_up_by_itself(url, request, caplog):
    """In batches; what is still good stays; one line tells how much it was."""
    link = link_of(url, request)
    for number in range(2100):
        link.tier.put(str(number), b"x", 0.001)
    link.tier.put("good", b"x", 600)
    time.sleep(0.05)
    caplog.set_level(logging.INFO, "budgetguard.cache")
    cleaning = Cleaning([link], 0.05)
    cleaning.start()
    eventually(lambda: told(caplog, "cache_cleaned"))
    cleaning.close()

    [record] = told(caplog, "cache_cleaned")
    assert record.number == 2100
    assert list(link.tier.keys()) == ["good"]
    assert link.tier.purge() == 0
    link.tier.clear()
    link.tier.close()


def test_only_one_process_does_it(url, request, caplog):
    """While another holds the lease nothing is removed; afterwards it is."""
    caplog.set_level(logging.INFO, "budgetguard.cache")
    link = link_of(url, request)
    assert link.tier.acquire("clean-up", "another", 60)
    link.tier.put("old", b"x", 0.001)
    cleaning = Cleaning([link], 0.02)
    cleaning.start()
    try:
        time.sleep(0.5)
        assert link.tier.purge() == 1
        link.tier.put("old", b"x", 0.001)
        link.tier.release("clean-up", "another")
        eventually(lambda: told(caplog, "cache_cleaned"))
    finally:
        cleaning.close()
        link.tier.close()


def test_a_cache_cleans_up(tmp_path, caplog):
    """An option of open_cache; the thread begins with the first miss and ends with close."""
    url = f"sqlite:///{tmp_path}/cache.db"
    before = set(threading.enumerate())
    cache = open_cache("memory://1MiB", url, clean_every_s=0.05)
    assert set(threading.enumerate()) <= before
    caplog.set_level(logging.INFO, "budgetguard.cache")
    brief = Policy(name="brief", ttl_s=0.01, jitter=0)
    cache.get_or_load("k", lambda: 1, policy=brief)
    eventually(lambda: told(caplog, "cache_cleaned"))
    cache.close()
    eventually(lambda: set(threading.enumerate()) <= before)


def test_one_line_for_an_outage(start_redis, caplog):
    """A thousand calls while a tier is down are one line; another one when it is back."""
    caplog.set_level(logging.INFO, "budgetguard.cache")
    with start_redis() as server:
        cache = open_cache("memory://1MiB", server.url, secret="0123456789abcdef")
        cache.get_or_load("k", lambda: 1, policy=PAGE)
        server.kill()
        for number in range(1000):
            cache.get_or_load(f"k{number}", lambda: 1, policy=PAGE)
        server.start()
        eventually(lambda: cache.health().tiers[0].up)
        cache.close()
    events = [(one.event, one.tier) for one in caplog.records if hasattr(one, "event")]
    assert events == [("cache_tier_down", "redis"), ("cache_tier_up", "redis")]


def test_one_line_for_damage(tmp_path, caplog):
    """Many damaged entries are one line a minute for a policy and tier, with what was found first."""
    url = f"sqlite:///{tmp_path}/cache.db"
    cache = open_cache("memory://1MiB", url)
    for number in range(20):
        cache.put(str(number), [number], policy=PAGE)
    tier = cache._links[0].tier
    for key in list(tier.keys()):
        tier.put(key, b"BGC1 nonsense", 600)
    cache.close()
    fresh = open_cache("memory://1MiB", url)
    for number in range(20):
        assert fresh.get_or_load(str(number), lambda: "new", policy=PAGE) == "new"
    fresh.close()

    [record] = told(caplog, "cache_entry_damaged")
    assert (record.policy, record.tier, record.number) == ("page", "sqlite", 1)
    assert fresh.stats()["page"].events["damaged"] >= 20


def test_one_line_for_a_ledger(tmp_path, caplog):
    """A ledger that is gone is told once, and that it has caught up."""
    caplog.set_level(logging.INFO, "budgetguard.cache")
    file = tmp_path / "ledger.db"
    cache = open_cache("memory://1MiB", ledger=file)
    aside = tmp_path / "aside.db"
    file.rename(aside)
    for number in range(5):
        cache.get_or_load(f"k{number}", lambda: 1, policy=PAGE)
        cache.book()
    aside.rename(file)
    cache.book()
    cache.close()
    assert [one.event for one in caplog.records] == [
        "cache_ledger_behind",
        "cache_ledger_caught_up",
    ]
