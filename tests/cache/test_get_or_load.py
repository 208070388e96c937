"""One API over memory: hits, lives, copies, single flight and errors, in threads."""

import copy as copies
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest

from budgetguard.cache import NOT_MODIFIED, Cache, DeadlineExceeded, Place, Policy, cached
from budgetguard.cache.memory import Memory
from budgetguard.errors import UsageError

ARTICLE = Policy(name="article", ttl_s=60, jitter=0, early=0)


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Loader:
    """Counts its calls; what it returns or raises can be changed, and it can be held up."""

    def __init__(self, *values):
        self.values, self.calls, self.go = list(values), 0, threading.Event()
        self.go.set()

    def __call__(self):
        self.calls += 1
        assert self.go.wait(30)
        value = self.values[min(self.calls, len(self.values)) - 1]
        if isinstance(value, Exception):
            raise value
        return copies.deepcopy(value)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(clock):
    made = Cache(Memory(1 << 20, clock=clock), clock=clock)
    yield made
    made.close()


def until(holds):
    """Wait for what another thread does."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_a_value_is_loaded_once_until_it_expires(cache, clock):
    """Fresh for its time to live, and not a second longer."""
    load = Loader("one", "two")
    assert [cache.get_or_load("k", load, policy=ARTICLE) for _ in range(3)] == ["one"] * 3
    clock.now += 59
    assert cache.get_or_load("k", load, policy=ARTICLE) == "one"
    clock.now += 1.5
    assert cache.get_or_load("k", load, policy=ARTICLE) == "two"
    assert load.calls == 2
    stats = cache.stats()["article"]
    assert (stats.hits, stats.events) == ({"memory": 3}, {"loads": 2})
    assert stats.hit_ratio == pytest.approx(0.6)


def test_policies_and_keys_are_apart(cache):
    """The same key of another policy is another value; content decides of keys that are no text."""
    other = Policy(name="other", ttl_s=60)
    assert cache.get_or_load("k", lambda: 1, policy=ARTICLE) == 1
    assert cache.get_or_load("k", lambda: 2, policy=other) == 2
    assert cache.get_or_load({"a": [1], "b": 2}, lambda: 3, policy=ARTICLE) == 3
    assert cache.get_or_load({"b": 2, "a": [1]}, lambda: 4, policy=ARTICLE) == 3
    found = [
        cache.get_or_load(key, lambda k=key: repr(k), policy=ARTICLE) for key in (1, 1.0, True)
    ]
    assert found == ["1", "1.0", "True"]


def test_nobody_can_change_what_is_cached(cache):
    """Neither the first caller nor a later one; without copies all have the same object."""
    first = cache.get_or_load("k", lambda: {"words": ["a"]}, policy=ARTICLE)
    first["words"].append("b")
    second = cache.get_or_load("k", list, policy=ARTICLE)
    second["words"].append("c")
    assert cache.get_or_load("k", list, policy=ARTICLE) == {"words": ["a"]}
    kept = Policy(name="kept", ttl_s=60, places=frozenset({Place.MEMORY}), copies=False)
    thing = object()
    assert cache.get_or_load("k", lambda: thing, policy=kept) is thing
    assert cache.get_or_load("k", list, policy=kept) is thing


@dataclass
class Article:
    title: str
    cost: Decimal


def test_a_type_comes_back(cache):
    """Dataclasses come back as what they are, where the policy names them."""
    typed = Policy(name="typed", ttl_s=60, type=Article)
    article = Article("a", Decimal("0.1"))
    assert cache.get_or_load("k", lambda: article, policy=typed) == article
    again = cache.get_or_load("k", list, policy=typed)
    assert (again, again is article) == (article, False)


def test_a_stale_value_is_served_while_a_fresh_one_is_loaded(cache, clock):
    """Nobody waits for the refresh, and it happens once."""
    policy = Policy(name="p", ttl_s=60, stale_s=30, jitter=0, early=0)
    load = Loader("old", "new")
    cache.get_or_load("k", load, policy=policy)
    clock.now += 70
    load.go.clear()
    assert [cache.get_or_load("k", load, policy=policy) for _ in range(5)] == ["old"] * 5
    load.go.set()
    until(lambda: cache.get_or_load("k", load, policy=policy) == "new")
    assert load.calls == 2
    assert cache.stats()["p"].events["stale"] >= 5


def test_a_failing_refresh_leaves_the_stale_value(cache, clock):
    """It is served until its end, and the loader is asked once a second at most."""
    policy = Policy(name="p", ttl_s=60, stale_s=30, jitter=0, early=0)
    load = Loader("old", ValueError("no"))
    cache.get_or_load("k", load, policy=policy)
    clock.now += 70
    assert cache.get_or_load("k", load, policy=policy) == "old"
    until(lambda: cache.stats()["p"].events.get("load_errors") == 1)
    until(lambda: load.calls == 2)
    time.sleep(0.05)
    assert [cache.get_or_load("k", load, policy=policy) for _ in range(5)] == ["old"] * 5
    assert load.calls == 2
    clock.now += 21
    with pytest.raises(ValueError, match="no"):
        cache.get_or_load("k", load, policy=policy)


def test_a_value_that_is_still_good_lives_on(cache, clock):
    """The loader is not called again, nothing is spent again, and another answer takes its place."""
    policy = replace(ARTICLE, stale_s=60)
    load, asked, answers = Loader({"tag": "1"}), [], [NOT_MODIFIED, {"tag": "2"}]

    def revalidate(value):
        asked.append(value)
        return answers[len(asked) - 1]

    def get():
        options = {"policy": policy, "cost": lambda _: Decimal("0.5"), "revalidate": revalidate}
        return cache.get_or_load("k", load, **options)

    assert get() == {"tag": "1"}
    clock.now += 61
    assert get() == {"tag": "1"}
    until(lambda: not cache.entry("k", policy=policy).stale)
    assert cache.entry("k", policy=policy).cost_usd == Decimal("0.5")
    clock.now += 61
    assert get() == {"tag": "1"}
    until(lambda: get() == {"tag": "2"})
    assert (load.calls, asked) == (1, [{"tag": "1"}, {"tag": "1"}])
    events = cache.stats()["article"].events
    assert (events["revalidated"], events["loads"]) == (1, 2)


def test_what_takes_long_to_load_is_refreshed_early(clock):
    """Before it expires, with a probability that grows with the time of its load."""
    policy = Policy(name="p", ttl_s=60, jitter=0, early=1)
    refreshed = 0
    for _ in range(40):
        cache = Cache(Memory(1 << 20, clock=clock), clock=clock)

        def load():
            clock.now += 20

        cache.get_or_load("k", lambda: load() or "x", policy=policy)
        (slot,) = cache._memory.slots.values()
        refreshed += slot.fresh_until < clock.now + 50
        cache.close()
    assert 10 < refreshed < 40  # e^-0.5 of them


def test_none_is_kept_only_where_it_is_asked_for(cache, clock):
    """As an answer of its own, for a time of its own."""
    load = Loader(None)
    for _ in range(2):
        assert cache.get_or_load("k", load, policy=ARTICLE) is None
    assert load.calls == 2
    negative = Policy(name="n", ttl_s=60, negative_ttl_s=5, jitter=0)
    for _ in range(2):
        assert cache.get_or_load("k", load, policy=negative) is None
    assert load.calls == 3
    clock.now += 6
    cache.get_or_load("k", load, policy=negative)
    assert load.calls == 4


def test_jitter_spreads_lives(cache, clock):
    """Of a thousand values that were stored together, no tenth of a life sees half of them end."""
    policy = Policy(name="p", ttl_s=100, jitter=0.5, early=0)
    for number in range(1000):
        cache.get_or_load(str(number), lambda: 1, policy=policy)
    ends = [slot.ends - clock.now for slot in cache._memory.slots.values()]
    assert min(ends) >= 50
    assert max(ends) <= 100
    assert sum(70 <= end < 80 for end in ends) < 400


@pytest.mark.parametrize("threads", [100])
def test_a_hundred_threads_load_once(cache, threads):
    """All get the value of one load, and are counted as having shared it."""
    load = Loader({"a": 1})
    load.go.clear()
    with ThreadPoolExecutor(threads) as pool:
        found = [pool.submit(cache.get_or_load, "k", load, policy=ARTICLE) for _ in range(threads)]
        until(lambda: load.calls)
        load.go.set()
        values = [one.result(30) for one in found]
    assert values == [{"a": 1}] * threads
    assert len({id(value) for value in values}) == threads
    assert load.calls == 1
    stats = cache.stats()["article"]
    shared = stats.events.get("coalesced", 0) + stats.hits.get("memory", 0)
    assert shared == threads - 1


def test_a_loader_that_raises_is_called_once_for_all_who_wait(cache):
    """Each of them gets the error, and the next caller a load of its own."""
    load = Loader(ValueError("no"), "yes")
    load.go.clear()
    with ThreadPoolExecutor(50) as pool:
        found = [pool.submit(cache.get_or_load, "k", load, policy=ARTICLE) for _ in range(50)]
        until(lambda: sum(one.running() for one in found) == 50)
        time.sleep(0.05)
        load.go.set()
        errors = [one.exception(30) for one in found]
    assert (
        sum(isinstance(error, ValueError) for error in errors) >= 45
    )  # a late one may have come after
    assert load.calls <= 2
    assert cache.get_or_load("k", load, policy=ARTICLE) == "yes"


def test_an_error_can_be_remembered(cache, clock):
    """For its own time to live, in which the loader is left alone."""
    policy = Policy(name="p", ttl_s=60, error_ttl_s=5)
    load = Loader(ValueError("no"), "yes")
    for _ in range(3):
        with pytest.raises(ValueError, match="no"):
            cache.get_or_load("k", load, policy=policy)
    assert load.calls == 1
    clock.now += 6
    assert cache.get_or_load("k", load, policy=policy) == "yes"


def test_an_interrupted_leader_harms_nobody(cache):
    """One of those who wait loads instead."""
    began = threading.Event()

    def interrupted():
        began.set()
        until(lambda: cache._flights._flights)
        time.sleep(0.1)
        raise KeyboardInterrupt

    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(cache.get_or_load, "k", interrupted, policy=ARTICLE)
        assert began.wait(30)
        follower = pool.submit(cache.get_or_load, "k", lambda: "value", policy=ARTICLE)
        assert follower.result(30) == "value"
        assert isinstance(leader.exception(30), KeyboardInterrupt)


def test_a_deadline(cache):
    """Who has no more time is told so, and the load goes on for others."""
    load = Loader("value")
    load.go.clear()
    with pytest.raises(DeadlineExceeded, match="article"):
        cache.get_or_load("k", load, policy=ARTICLE, deadline_s=0)
    load.go.set()
    until(lambda: cache.entry("k", policy=ARTICLE))
    assert cache.get_or_load("k", list, policy=ARTICLE) == "value"


def test_a_loader_cannot_ask_for_itself(cache):
    """Neither directly nor by way of another thread: it would wait for ever."""

    def itself():
        return cache.get_or_load("k", itself, policy=ARTICLE)

    with pytest.raises(UsageError, match="asks for"):
        cache.get_or_load("k", itself, policy=ARTICLE)


def test_two_loaders_cannot_wait_for_each_other(cache):
    """One of them is told; nobody hangs."""
    both = threading.Barrier(2, timeout=30)

    def load(other):
        both.wait()
        return cache.get_or_load(other, lambda: "inner", policy=ARTICLE)

    with ThreadPoolExecutor(2) as pool:
        found = [
            pool.submit(cache.get_or_load, one, lambda o=other: load(o), policy=ARTICLE)
            for one, other in (("a", "b"), ("b", "a"))
        ]
        errors = [one.exception(30) for one in found]
    assert any(isinstance(error, UsageError) for error in errors)


def test_what_must_not_be_kept(cache):
    """Too cheap, too large or refused: it is given to its callers, and not kept."""
    policy = Policy(name="p", ttl_s=60, min_cost_usd=Decimal("0.01"), max_value_bytes=1000)
    cheap, fair = (lambda _: Decimal("0.001")), (lambda _: Decimal("0.02"))
    cases = [("x", cheap, None), ("x" * 2000, fair, None), ("x", fair, lambda _: "half of it")]
    for number, (value, cost, refused) in enumerate(cases):
        options = {"refused": refused} if refused else {}
        assert (
            cache.get_or_load(number, lambda v=value: v, policy=policy, cost=cost, **options)
            == value
        )
        assert cache.entry(number, policy=policy) is None
    assert cache.stats()["p"].events["refused"] == 3
    cache.get_or_load("kept", lambda: "x", policy=policy, cost=fair)
    assert cache.entry("kept", policy=policy).cost_usd == Decimal("0.02")


def test_an_entry_tells_what_is_known(cache, clock):
    """Age, cost, place and a validator that changes with the value alone."""
    assert cache.entry("k", policy=ARTICLE) is None
    cache.get_or_load("k", lambda: {"a": 1}, policy=ARTICLE)
    clock.now += 7
    entry = cache.entry("k", policy=ARTICLE)
    assert (entry.value, entry.place, entry.age_s, entry.stale) == (
        {"a": 1},
        Place.MEMORY,
        7,
        False,
    )
    assert entry.matches(f'W/"other", W/{entry.etag}')
    assert not entry.matches('"other"')
    cache.put("k", {"a": 2}, policy=ARTICLE)
    assert not cache.entry("k", policy=ARTICLE).matches(entry.etag)


def test_invalidation(cache):
    """By key and by tag; everything else stays."""
    for key, tags in {"a": ["news"], "b": ["news", "x"], "c": ["x"], "d": []}.items():
        cache.get_or_load(key, lambda k=key: k, policy=ARTICLE, tags=tags)
    cache.invalidate("d", policy=ARTICLE)
    cache.invalidate_tags("news")
    found = [cache.get_or_load(key, lambda: "new", policy=ARTICLE, tags=["t"]) for key in "abcd"]
    assert found == ["new", "new", "c", "new"]
    cache.clear()
    assert cache.get_or_load("c", lambda: "newer", policy=ARTICLE) == "newer"


@pytest.mark.parametrize("by", ["key", "tag", "clear", "put"])
def test_an_invalidation_wins_over_a_load_under_way(cache, by):
    """What was begun before it reaches those who waited, and nobody else."""
    load = Loader("old")
    load.go.clear()
    with ThreadPoolExecutor(1) as pool:
        leader = pool.submit(cache.get_or_load, "k", load, policy=ARTICLE, tags=["t"])
        until(lambda: load.calls)
        {
            "key": lambda: cache.invalidate("k", policy=ARTICLE),
            "tag": lambda: cache.invalidate_tags("t"),
            "clear": cache.clear,
            "put": lambda: cache.put("k", "new", policy=ARTICLE, tags=["t"]),
        }[by]()
        assert cache.get_or_load("k", lambda: "new", policy=ARTICLE, tags=["t"]) == "new"
        load.go.set()
        assert leader.result(30) == "old"
    assert cache.get_or_load("k", lambda: "newer", policy=ARTICLE, tags=["t"]) == "new"


def test_a_decorated_function(cache):
    """Its arguments are its key, however they are given."""
    calls = []

    @cached(cache, ARTICLE)
    def total(a, b=2, *more, **named):
        """Adds."""
        calls.append((a, b))
        return a + b

    assert [total(1), total(1, 2), total(a=1, b=2), total(b=2, a=1)] == [3] * 4
    assert total(2) == 4
    assert (len(calls), total.__doc__) == (2, "Adds.")
