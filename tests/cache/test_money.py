"""What a cache spends and saves reaches its ledger: each call once, and no cent twice."""

import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from budgetguard.cache import Cache, Operation, Policy, open_cache
from budgetguard.cache.ledger import Ledger
from budgetguard.cache.memory import Memory
from budgetguard.cache.policy import Place
from budgetguard.cache.prices import UNKNOWN

SEARCH = Operation(
    policy=Policy(name="search", ttl_s=60, min_cost_usd=Decimal("0.001")),
    key=lambda request: request["q"],
    cost=lambda request, answer, day: UNKNOWN if "odd" in answer else Decimal("0.01"),
    refused=lambda request, answer: "" if answer.get("ok") else "an error",
)


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path / "ledger.db")


@pytest.fixture
def cache(ledger):
    made = Cache(Memory(1 << 20), ledger=ledger)
    yield made
    made.close()


def totals(cache, ledger):
    cache.book()
    return ledger.totals()["search"]


def test_a_load_is_spent_and_hits_are_saved(cache, ledger):
    """Also those of slots that were evicted, and however often it is written down."""
    for _ in range(4):
        cache.call(SEARCH, {"q": "a"}, lambda: {"ok": True})
    assert totals(cache, ledger).saved == Decimal("0.03")
    cache.call(SEARCH, {"q": "a"}, lambda: {"ok": True})
    cache.clear()
    found = totals(cache, ledger)
    assert (found.loads, found.hits[Place.MEMORY]) == (1, 4)
    assert (found.spent, found.saved) == (Decimal("0.01"), Decimal("0.04"))
    assert totals(cache, ledger) == found


def test_who_shares_a_load_has_saved_one(cache, ledger):
    """One load, nine who did not have to."""
    go = threading.Event()

    def send():
        assert go.wait(30)
        return {"ok": True}

    with ThreadPoolExecutor(10) as pool:
        calls = [pool.submit(cache.call, SEARCH, {"q": "a"}, send) for _ in range(10)]
        go.set()
        assert [one.result(30) for one in calls] == [{"ok": True}] * 10
    found = totals(cache, ledger)
    assert (found.loads, found.calls) == (1, 10)
    assert (found.spent, found.saved) == (Decimal("0.01"), Decimal("0.09"))


def test_what_is_not_kept_and_what_has_no_price(cache, ledger):
    """Refused answers are paid for each time; an unknown price is no reason to load again, and is told."""
    for _ in range(2):
        cache.call(SEARCH, {"q": "bad"}, lambda: {"ok": False})
        cache.call(SEARCH, {"q": "new model"}, lambda: {"ok": True, "odd": 1})
    found = totals(cache, ledger)
    assert (found.loads, found.refused, found.unpriced) == (3, 2, 1)
    assert (found.spent, found.saved) == (Decimal("0.02"), Decimal(0))


def test_a_ledger_that_cannot_be_written_loses_nothing(cache, ledger):
    """What was not written down is written the next time."""
    cache.call(SEARCH, {"q": "a"}, lambda: {"ok": True})
    text = ledger.path.read_bytes()
    ledger.path.write_bytes(b"nothing of ours")
    cache.book()
    ledger.path.write_bytes(text)
    assert totals(cache, ledger).spent == Decimal("0.01")


def test_what_nobody_can_price_is_cached(tmp_path):
    """An answer of unknown cost is kept in shared tiers, too, and a hit of it saves nothing that is known."""
    urls = ("memory://1MiB", f"sqlite:///{tmp_path}/cache.db")
    policy = Policy(name="free", ttl_s=60)
    for hits in ({}, {"sql": 1}):
        cache = open_cache(*urls)
        assert cache.get_or_load("k", lambda: [1], policy=policy, cost=lambda _: UNKNOWN) == [1]
        assert cache.stats()["free"].hits == hits
        assert cache.stats()["free"].saved_usd == 0
        cache.close()
