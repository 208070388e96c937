"""A scrape over HTTP tells what caches did, by names that hold no key."""

import urllib.request
from decimal import Decimal

import prometheus_client
import pytest
from prometheus_client.parser import text_string_to_metric_families

from budgetguard.cache import Policy, open_cache
from budgetguard.cache.prometheus import CacheCollector

PAGE = Policy(name="page", ttl_s=600)


def name(metric, *labels):
    """A sample as the scrape has it."""
    return f"budgetguard_cache{metric}", frozenset(labels)


@pytest.fixture
def scrape():
    registry = prometheus_client.CollectorRegistry()
    server, thread = prometheus_client.start_http_server(0, "127.0.0.1", registry)

    def read():
        url = f"http://127.0.0.1:{server.server_port}/metrics"
        with urllib.request.urlopen(url, timeout=20) as answer:
            text = answer.read().decode()
        families = text_string_to_metric_families(text)
        samples = [sample for family in families for sample in family.samples]
        return text, {(one.name, frozenset(one.labels.values())): one.value for one in samples}

    yield registry, read
    server.shutdown()
    server.server_close()
    thread.join(20)


def test_a_scrape(scrape, tmp_path):
    """Hits by place, loads, money, memory, tiers; of two caches, each under its name."""
    registry, read = scrape
    file = f"sqlite:///{tmp_path}/cache.db"
    pages, others = open_cache("memory://1MiB", file), open_cache("memory://2MiB")
    registry.register(CacheCollector(pages=pages, others=others))
    for _ in range(5):
        pages.get_or_load("my-key", lambda: [1], policy=PAGE, cost=lambda _: Decimal("0.25"))
    others.get_or_load("k", lambda: 1, policy=PAGE)
    text, found = read()

    assert found[name("_hits_total", "pages", "page", "memory")] == 4
    assert found[name("_loads_total", "pages", "page")] == 1
    assert found[name("_loads_total", "others", "page")] == 1
    assert found[name("_spent_usd_total", "pages", "page")] == 0.25
    assert found[name("_saved_usd_total", "pages", "page")] == 1.0
    assert found[name("_load_seconds_total", "pages", "page")] > 0
    assert found[name("_memory_entries", "pages")] == 1
    assert found[name("_memory_capacity_bytes", "others")] == 2 << 20
    assert found[name("_tier_up", "pages", "sqlite")] == 1
    assert "my-key" not in text
    pages.close()
    others.close()


def test_a_tier_that_is_down(scrape):
    """It is 0, and its incident is counted."""
    registry, read = scrape
    cache = open_cache("memory://1MiB", "redis://127.0.0.1:1/0", secret="0123456789abcdef")
    registry.register(CacheCollector(pages=cache))
    cache.get_or_load("k", lambda: 1, policy=PAGE)
    _, found = read()

    assert found[name("_tier_up", "pages", "redis")] == 0
    assert found[name("_tier_incidents_total", "pages", "redis")] == 1
    cache.close()


def test_money_stays_when_it_is_booked(tmp_path):
    """A counter never falls: also what the ledger has heard of goes on being counted."""
    cache = open_cache("memory://1MiB", ledger=tmp_path / "ledger.db")
    for expected in ("0.25", "0.50"):
        cache.get_or_load(expected, lambda: 1, policy=PAGE, cost=lambda _: Decimal("0.25"))
        cache.book()
        assert cache.stats()["page"].spent_usd == Decimal(expected)
    cache.close()
