"""Memory: its bound holds, what is worth most stays, and no hit is lost for statistics."""

import gc
import itertools
import os
import random
import subprocess
import sys
import threading
import time
import weakref

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from budgetguard.cache.memory import Memory, Slot
from budgetguard.errors import UsageError

DAY_S = 86_400.0
POLICIES = ("gdsf", "lru")


class Clock:
    """A clock that goes on a little at each look, and further when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        self.now += 1e-6
        return self.now


def slot(key, size=10, *, cost=0.01, ends=float("inf"), value=None):
    return Slot(
        key=key, value=value, packed=None, fresh_until=ends, ends=ends, size=size, cost_usd=cost
    )


def hit(memory, key, times=1):
    """What the cache does at a hit, written out as it is there; whether it was one."""
    found = memory.slots.get(key)
    if found is None:
        return False
    found.hits += times
    found.touched = memory._clock()
    found.aged = memory.age
    return True


def ask(memory, key, **about):
    """A hit, or else a load that is put."""
    if hit(memory, key):
        return True
    memory.put(slot(key, **about))
    return False


def memory_of(capacity, evict="gdsf"):
    memory = Memory(capacity, evict=evict, clock=Clock())
    memory.left = []
    memory.on_leave = memory.left.append
    return memory


class AnyOrder(RuleBasedStateMachine):
    """Whatever is done in whatever order, what memory tells of itself is what it holds."""

    keys = st.integers(0, 30)

    @initialize(evict=st.sampled_from(POLICIES), capacity=st.integers(1, 300))
    def start(self, evict, capacity):
        self.memory = memory_of(capacity, evict)
        self.kept = []
        self.hits = 0

    @rule(
        key=keys,
        size=st.integers(1, 120),
        cost=st.sampled_from([0.0, 1e-9, 0.01, 5.0, -1.0, float("inf"), float("nan")]),
        life_s=st.one_of(st.just(float("inf")), st.floats(0.5, 100)),
    )
    def put(self, key, size, cost, life_s):
        new = slot(key, size, cost=cost, ends=self.memory._clock() + life_s)
        kept = self.memory.put(new)
        assert self.memory.slots.get(key) is (new if kept else None)
        self.kept += [new] * kept

    @rule(key=keys, times=st.integers(1, 500))
    def read(self, key, times):
        self.hits += times * hit(self.memory, key, times)

    @rule(key=keys)
    def remove(self, key):
        there = self.memory.slots.get(key)
        assert self.memory.remove(key) is there
        assert key not in self.memory.slots

    @rule(seconds=st.floats(0.1, 60))
    def wait(self, seconds):
        self.memory._clock.now += seconds

    @rule()
    def purge(self):
        now = self.memory._clock()
        expired = [one for one in self.memory.slots.values() if one.ends <= now]
        assert self.memory.purge() >= len(expired)
        assert not any(one.ends <= now for one in self.memory.slots.values())

    @rule()
    def clear(self):
        held = len(self.memory.slots)
        assert self.memory.clear() == held
        assert not self.memory.slots

    @invariant()
    def bound_holds(self):
        held = sum(one.size for one in self.memory.slots.values())
        assert self.memory.used_bytes == held <= self.memory.capacity_bytes

    @invariant()
    def nothing_is_lost(self):
        known = [*self.memory.left, *self.memory.slots.values()]
        assert {id(one) for one in known} == {id(one) for one in self.kept}
        assert len(known) == len(self.kept)
        assert sum(one.hits for one in known) == self.hits

    @invariant()
    def queues_stay_small(self):
        for queue in (self.memory._by_rank, self.memory._by_end):
            places = len(queue._heap) + len(queue._old)
            assert len(self.memory.slots) <= places <= 2 * len(self.memory.slots) + 80


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # which is of the machine
)


def test_lru_evicts_what_was_used_longest_ago():
    """A read counts as a use, so that the entry between goes."""
    memory = memory_of(30, "lru")
    for key in "abc":
        assert memory.put(slot(key))
    hit(memory, "a")
    memory.put(slot("d"))
    memory.put(slot("e"))
    assert [one.key for one in memory.left] == ["b", "c"]


def test_lru_takes_whatever_fits():
    """An entry that costs nothing makes a dear one go, if that was used before it."""
    memory = memory_of(30, "lru")
    memory.put(slot("dear", 30, cost=9.0))
    assert memory.put(slot("free", 1, cost=0.0))
    assert [one.key for one in memory.left] == ["dear"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"cost": 0.01}, {"cost": 0.02}),
        ({"size": 20}, {"size": 10}),
        ({"cost": 0.01, "size": 11}, {"cost": 0.01, "size": 10}),
        ({"cost": 0.03, "size": 20}, {"cost": 0.02, "size": 10}),
        ({"cost": 0.0}, {"cost": 0.0}),
        ({"cost": float("nan")}, {"cost": 0.01}),
        ({"cost": -5.0}, {"cost": 0.01}),
        ({"cost": 5.0}, {"cost": float("inf")}),
    ],
    ids=str,
)
def test_gdsf_evicts_what_saves_least_per_byte(first, second):
    """What is cheap and large goes before what is dear and small; of equals the older one."""
    memory = memory_of(100)
    memory.put(slot("first", **first))
    memory.put(slot("second", **second))
    memory.put(slot("filler", 100 - memory.used_bytes, cost=1e9))
    memory.put(slot("new", 10, cost=1e9))
    assert memory.left[0].key == "first"


def test_gdsf_counts_requests():
    """Ten times asked for at a tenth of the price is worth more than once at nine tenths of it."""
    memory = memory_of(20)
    memory.put(slot("often", cost=0.1))
    memory.put(slot("once", cost=0.9))
    hit(memory, "often", 9)
    memory.put(slot("new", cost=2.0))
    assert [one.key for one in memory.left] == ["once"]


def test_without_costs_requests_and_sizes_decide():
    """If all costs are 0, or all are equal, the same entries go in the same order."""

    def leaving(cost):
        memory, draw = memory_of(2000), random.Random(7)
        for key in zipf(draw, 3000, keys=300):
            ask(memory, key, size=5 + key % 30, cost=cost)
        return [one.key for one in memory.left]

    assert leaving(0.0) == leaving(1e-7) == leaving(1e-6 * 2**12)
    assert len(leaving(0.0)) > 200


def zipf(draw, requests, keys, skew=0.9):
    weights = list(itertools.accumulate((rank + 1) ** -skew for rank in range(keys)))
    return draw.choices(range(keys), cum_weights=weights, k=requests)


def hit_ratio(evict, trace, capacity):
    memory = memory_of(capacity, evict)
    return sum(ask(memory, key, size=1) for key in trace) / len(trace)


def test_gdsf_hits_more_than_lru():
    """Among keys of unequal popularity, GDSF keeps the popular ones; LRU lets each newcomer in."""
    trace = zipf(random.Random(5), 30_000, keys=10_000)
    assert hit_ratio("gdsf", trace, 200) > hit_ratio("lru", trace, 200) + 0.06


def test_an_old_favourite_goes_in_the_end():
    """A million hits of long ago do not keep an entry for ever, if others are asked for now."""
    memory = memory_of(20 * 10)
    for key in range(20):
        memory.put(slot(("old", key)))
        hit(memory, ("old", key), 1_000_000)
    for _ in range(60):
        for key in range(40):
            ask(memory, key)
    held = [key for key in memory.slots if isinstance(key, tuple)]
    assert not held


def test_a_favourite_that_is_asked_for_stays():
    """The same newcomers cannot drive out what is still asked for."""
    memory = memory_of(20 * 10)
    memory.put(slot("favourite"))
    for _ in range(60):
        for key in range(40):
            ask(memory, key)
            hit(memory, "favourite")
    assert "favourite" in memory.slots


def test_a_scan_does_not_wash_out_favourites():
    """Ten times the capacity of keys that are asked for once leave nearly all favourites in place."""
    memory = memory_of(100 * 10)
    for key in range(50):
        memory.put(slot(key))
        hit(memory, key, 5)
    for key in range(1000):
        memory.put(slot(("scan", key)))
    assert sum(key in memory.slots for key in range(50)) >= 48


def test_what_is_asked_for_again_comes_in():
    """A newcomer that is refused is remembered, and kept once it was asked for more often."""
    memory = memory_of(10)
    memory.put(slot("incumbent"))
    hit(memory, "incumbent", 5)
    tries = [memory.put(slot("newcomer")) for _ in range(7)]
    assert not any(tries[:2])
    assert tries[-1]


def test_a_refused_entry_costs_no_other_its_place():
    """What would make dearer entries go is not kept; also where it would take many small ones with them."""
    memory = memory_of(100)
    for key in range(9):
        memory.put(slot(key, cost=0.001))
    memory.put(slot("dear", cost=10.0))
    hit(memory, "dear", 50)
    assert not memory.put(slot("large", 95, cost=0.1))
    assert len(memory.slots) == 10
    assert not memory.left


def test_what_is_too_large_is_refused():
    """More than the whole capacity makes nothing go, but the older value of that key."""
    for evict in POLICIES:
        memory = memory_of(100, evict)
        memory.put(slot("a", 30))
        memory.put(slot("b", 30))
        assert not memory.put(slot("c", 101))
        assert list(memory.slots) == ["a", "b"]
        assert not memory.put(slot("a", 101))
        assert list(memory.slots) == ["b"]


def test_what_has_expired_goes_first():
    """However dear and often used: its place is taken before that of anything alive, and no more than needed."""
    for evict in POLICIES:
        memory = memory_of(30, evict)
        memory.put(slot("worthless", cost=0.0))
        memory.put(slot("soon", cost=99.0, ends=memory._clock.now + 5))
        memory.put(slot("sooner", cost=99.0, ends=memory._clock.now + 4))
        for key in ("soon", "sooner"):
            hit(memory, key, 1000)
        memory._clock.now += 6
        memory.put(slot("new"))
        assert [one.key for one in memory.left] == ["sooner"]


def test_a_later_end_counts():
    """An entry whose end was moved on is not purged at its first end, but at the new one."""
    memory = memory_of(100)
    memory.put(slot("a", ends=memory._clock.now + 5))
    memory.slots["a"].ends += 10
    memory._clock.now += 6
    assert memory.purge() == 0
    memory._clock.now += 10
    assert memory.purge() == 1


def test_purge_takes_all_that_has_expired():
    """Also more than it takes out at a time."""
    memory = memory_of(10_000)
    for key in range(2500):
        memory.put(slot(key, 1, ends=memory._clock.now + (5 if key % 5 else DAY_S)))
    memory._clock.now += 10
    assert memory.purge() == 2000
    assert len(memory.slots) == memory.used_bytes == 500


def test_another_value_of_a_key_takes_its_place():
    """The old one's bytes are free, its hits are told, and the key is as popular as it was."""
    memory = memory_of(100)
    memory.put(slot("a", 90))
    hit(memory, "a", 7)
    assert memory.put(slot("a", 60))
    assert memory.used_bytes == 60
    assert [one.hits for one in memory.left] == [7]
    assert memory.slots["a"].hits == 0
    assert memory.slots["a"].earlier >= 8


def test_many_hits_between_two_puts_cost_the_next_put_little():
    """A put looks at some entries only, though the rank of each of 5000 has risen."""
    memory = memory_of(5000)
    for key in range(5000):
        memory.put(slot(key, 1))
    for key in range(5000):
        hit(memory, key, 1 + key % 7)
    looks, rank = [], memory._by_rank._rank
    memory._by_rank._rank = lambda one: looks.append(one) or rank(one)
    memory.put(slot("new", 1, cost=1.0))
    assert len(looks) < 100
    assert memory.left[0].hits == 1


def test_what_left_is_not_held():
    """No queue keeps a value alive after its entry has gone, so that the bound is one of real bytes."""

    class Value:
        pass

    value = Value()
    gone = weakref.ref(value)
    memory = Memory(100)
    memory.put(slot("a", value=value))
    del value
    memory.put(slot("a"))
    gc.collect()
    assert gone() is None


def test_nothing_is_left_after_clear():
    """Neither values nor keys, of which the queues hold some for a while."""
    memory = memory_of(1000)
    for key in range(100):
        memory.put(slot(key))
    assert memory.clear() == 100
    assert memory.used_bytes == len(memory._by_rank._heap) == len(memory._by_end._heap) == 0
    assert memory.put(slot("new"))


def test_listeners_may_use_the_memory():
    """`on_leave` is called without the lock: another thread that it waits for can put and remove."""
    memory = memory_of(20)

    def elsewhere(_slot):
        thread = threading.Thread(target=memory.remove, args=("none",))
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
        memory.left.append(_slot)

    memory.on_leave = elsewhere
    for key in range(4):
        memory.put(slot(key))
    memory.remove(3)
    memory.clear()
    assert len(memory.left) == 4


@pytest.mark.parametrize("evict", POLICIES)
def test_the_bound_holds_under_threads(evict):
    """Eight threads read, put and remove: never more bytes than allowed, and nothing is counted twice."""
    memory = Memory(2000, evict=evict)
    left, seen, start = [], [], threading.Barrier(9)
    memory.on_leave = left.append
    kept = [0] * 8

    def work(number):
        draw = random.Random(number)
        start.wait()
        for _ in range(1500):
            key = draw.randrange(200)
            if draw.random() < 0.05:
                memory.remove(key)
            elif not hit(memory, key):
                new = slot(key, draw.randint(1, 90), cost=draw.random())
                kept[number] += memory.put(new)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    start.wait()
    while any(thread.is_alive() for thread in threads):
        seen.append(memory.used_bytes)
        time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert max(seen) <= 2000
    assert memory.used_bytes == sum(one.size for one in memory.slots.values()) <= 2000
    assert len(left) + len(memory.slots) == sum(kept)
    assert len({id(one) for one in left}) == len(left)


FORKS = """
import os, sys, threading
from budgetguard.cache.memory import Memory, Slot

memory = Memory(5000)
ended = threading.Event()

def put(key, size=7):
    return memory.put(Slot(key, None, None, 1e12, 1e12, size))

def work(number):
    while not ended.is_set():
        for key in range(2000):
            put((number, key))

threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
for thread in threads:
    thread.start()
wrong = 0
for _ in range(20):
    child = os.fork()
    if not child:
        whole = memory.used_bytes == sum(slot.size for slot in memory.slots.values())
        memory.clear()
        os._exit(0 if whole and put("child") else 1)
    wrong += os.waitpid(child, 0)[1] != 0
ended.set()
for thread in threads:
    thread.join()
sys.exit(wrong)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_finds_memory_whole():
    """A child can use it at once, though threads of its parent were in the middle of a put."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKS], check=True, timeout=60)


@pytest.mark.parametrize("wrong", [{"capacity_bytes": 0}, {"capacity_bytes": 9, "evict": "lfu"}])
def test_what_no_memory_can_be(wrong):
    """The error says what was expected and what came."""
    with pytest.raises(UsageError, match=r"expected .*; got "):
        Memory(**wrong)
