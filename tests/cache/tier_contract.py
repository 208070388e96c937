"""What every shared tier has to keep of `budgetguard.cache.tiers.base.Tier`, whatever is behind it.

    class TestOurs(tier_contract.TierContract):
        @pytest.fixture
        def open_tier(self, ...):
            # opens a tier: `open_tier()` twice is two processes on one store, `open_tier("other")` another
            # namespace of it; what it opens first is empty, and all of them are closed afterwards

Its time limit should be some seconds, so that a busy machine breaks no promise.
"""

import os
import secrets
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from budgetguard.cache.tiers.base import Change, Changes

BLOBS = {
    "empty": b"",
    "NUL": b"\0",
    "all bytes": bytes(range(256)) * 2,
    "no text": b"\xff\xfe\0\r\n$5\r\n",
    "10 KB": secrets.token_bytes(10_000),
    "1 MB": secrets.token_bytes(1_000_000),
}
TAGS = [
    "plain",
    "two words",
    'it\'s "quoted"',
    "a:b",
    "{x}",
    "100 %",
    "*?[a]",
    "ünïcödé ✓",
    "x" * 200,
]
KEYS = [f"{number:064x}" for number in range(1200)]
KEY, OTHER = KEYS[:2]


def soon(true, within_s=10.0):
    """Whether something becomes true; nobody waits longer than it takes."""
    until = time.monotonic() + within_s
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def together(*calls):
    """What functions return that were begun at the same moment in a thread each."""
    gate = threading.Barrier(len(calls))

    def run(call):
        gate.wait(30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [one.result(60) for one in [pool.submit(run, call) for call in calls]]


class TierContract:
    """Inherited by the test class of each tier."""

    @pytest.fixture
    def tier(self, open_tier):
        return open_tier()

    @pytest.fixture
    def other(self, tier, open_tier):
        """The same store as another process sees it."""
        return open_tier()

    @pytest.fixture
    def neighbour(self, tier, open_tier):
        """Another namespace of the same store."""
        return open_tier("neighbour")

    # --- values

    def test_it_has_a_name_and_can_be_used(self, tier):
        """Statistics need the one, healing the other."""
        assert tier.name in ("redis", "sqlite", "postgresql")
        assert tier.ping() is None

    def test_what_is_not_there(self, tier):
        """Nothing is found in an empty tier, and nothing can be taken from it."""
        assert tier.get(KEY) is None
        assert tier.get(KEY, ["t"]) is None
        assert list(tier.keys()) == []
        assert tier.delete([KEY]) == 0
        assert tier.delete([]) == 0
        assert tier.clear() == 0

    @pytest.mark.parametrize("name", BLOBS)
    def test_any_bytes_come_back_as_they_were(self, tier, other, name):
        """A blob is nobody's text."""
        assert tier.put(KEY, BLOBS[name], 60)
        assert other.get(KEY).blob == BLOBS[name]
        assert type(other.get(KEY).blob) is bytes

    def test_it_tells_how_long_it_keeps_it(self, tier):
        """What is left is never more than was asked for."""
        tier.put(KEY, b"v", 60)
        assert 10 < tier.get(KEY).left_s <= 60
        tier.put(KEY, b"v", 6_000)
        assert 5_000 < tier.get(KEY).left_s <= 6_000
        tier.put(KEY, b"v", 5)
        assert 0 < tier.get(KEY).left_s <= 5

    def test_a_fraction_of_a_second_is_kept_and_ends(self, tier):
        """It is found until then and not afterwards; it can be put again."""
        tier.put(KEY, b"short", 0.25)
        tier.put(OTHER, b"long", 60)
        assert soon(lambda: tier.get(KEY) is None)
        assert tier.get(OTHER).blob == b"long"
        assert tier.put(KEY, b"again", 60)
        assert tier.get(KEY).blob == b"again"

    def test_a_later_put_replaces_the_blob_and_its_life(self, tier):
        """The first one's end is not the second one's."""
        tier.put(KEY, b"one", 0.2)
        tier.put(KEY, b"two", 60)
        time.sleep(0.4)
        assert tier.get(KEY).blob == b"two"

    def test_what_has_expired_is_removed_by_itself_or_by_purge(self, tier):
        """What is alive stays."""
        tier.put(OTHER, b"v", 60)
        for key in KEYS[2:12]:
            tier.put(key, b"v", 0.05)
        assert soon(lambda: tier.get(KEYS[11]) is None)
        assert 0 <= tier.purge(5) <= 5
        assert 0 <= tier.purge() <= 10
        assert list(tier.keys()) == [OTHER]
        assert tier.purge() == 0

    # --- removal

    def test_delete_counts_what_was_held(self, tier, other):
        """Others see it at once; what was not named stays."""
        for key in KEYS[:3]:
            tier.put(key, b"v", 60)
        assert tier.delete([KEYS[0], KEYS[1], KEYS[9]]) == 2
        assert other.get(KEYS[0]) is None
        assert other.get(KEYS[1]) is None
        assert other.get(KEYS[2]) is not None
        assert tier.delete(KEYS[:2]) == 0

    def test_many_keys_at_once(self, tier):
        """All of 1200 are listed, measured and removed."""
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(lambda key: tier.put(key, b"v" * 500, 60), KEYS))
        assert sorted(set(tier.keys())) == KEYS
        assert tier.usage().entries == len(KEYS)
        assert tier.delete(KEYS) == len(KEYS)
        assert list(tier.keys()) == []

    def test_clear_removes_everything(self, tier, other):
        """It tells how much; the tier goes on working."""
        for key in KEYS[:700]:
            tier.put(key, b"v", 60)
        assert other.clear() == 700
        assert tier.get(KEY) is None
        assert list(tier.keys()) == []
        assert tier.put(KEY, b"new", 60)
        assert list(other.keys()) == [KEY]

    def test_usage_counts_entries_and_bytes(self, tier):
        """At least what was put; 0 where nothing is."""
        assert (tier.usage().entries, tier.usage().bytes) == (0, 0)
        for key in KEYS[:50]:
            tier.put(key, secrets.token_bytes(1000), 60)
        usage = tier.usage()
        assert usage.entries == 50
        assert 50_000 <= usage.bytes < 500_000
        assert usage.capacity_bytes >= 0

    # --- tags

    def test_a_tag_that_was_never_invalidated_is_0(self, tier):
        """With and without a value beside it."""
        assert tier.versions(["a", "b"]) == {"a": 0, "b": 0}
        assert tier.versions([]) == {}
        assert tier.bump([]) == {}
        tier.put(KEY, b"v", 60)
        assert tier.get(KEY).versions == {}
        assert tier.get(KEY, ["a", "b"]).versions == {"a": 0, "b": 0}

    def test_an_invalidation_is_seen_by_all(self, tier, other):
        """By the versions alone, and by those that come with a value; other tags stay as they are."""
        tier.put(KEY, b"v", 60)
        new = tier.bump(["a", "b"])
        assert new.keys() == {"a", "b"}
        assert min(new.values()) > 0
        assert other.versions(["a", "b", "c"]) == {**new, "c": 0}
        assert other.get(KEY, ["c", "b"]).versions == {"c": 0, "b": new["b"]}

    def test_a_version_is_never_used_twice(self, tier, other):
        """They grow, however fast they follow each other and whoever asks."""
        seen = [each.bump(["a"])["a"] for _ in range(50) for each in (tier, other)]
        assert seen == sorted(set(seen))

    def test_versions_grow_under_threads(self, tier, other):
        """Each of 40 invalidations at once has a version of its own."""
        calls = [lambda each=each: [each.bump(["a"])["a"] for _ in range(5)] for each in (tier, other) * 4]  # fmt: skip
        seen = [version for found in together(*calls) for version in found]
        assert len(set(seen)) == 40
        assert tier.versions(["a"]) == {"a": max(seen)}

    def test_any_word_is_a_tag(self, tier, other):
        """Up to 200 bytes, whatever they mean to the store."""
        cursor = other.changes("").cursor
        new = tier.bump(TAGS)
        assert other.versions(TAGS) == new
        told = other.changes(cursor).changes
        assert {change.tag: change.version for change in told} == new

    def test_versions_outlast_clear(self, tier):
        """What was loaded before cannot come back as if it had been loaded after."""
        before = tier.bump(["a"])["a"]
        tier.clear()
        assert tier.bump(["a"])["a"] > before

    # --- leases

    def test_one_holds_a_lease(self, tier, other):
        """Until it is given back, of its key only."""
        assert tier.acquire(KEY, "t1", 60)
        assert not other.acquire(KEY, "t2", 60)
        assert other.acquire(OTHER, "t2", 60)
        tier.release(KEY, "t1")
        assert other.acquire(KEY, "t3", 60)

    def test_one_of_many_gets_it(self, tier, other):
        """At the same moment, in threads of two processes."""
        calls = [lambda n=n, each=each: each.acquire(KEY, f"t{n}", 60) for n, each in enumerate([tier, other] * 8)]  # fmt: skip
        assert sum(together(*calls)) == 1

    def test_a_lease_ends_by_itself(self, tier, other):
        """Whoever has died is in nobody's way for long."""
        assert tier.acquire(KEY, "dead", 0.3)
        assert soon(lambda: other.acquire(KEY, "next", 60))
        assert not tier.renew(KEY, "dead", 60)
        assert other.renew(KEY, "next", 60)

    def test_a_lease_that_is_renewed_lasts(self, tier, other):
        """For so long from then on, be it longer or shorter than before."""
        key = next(
            key for key in KEYS if tier.acquire(key, "t1", 0.5) and tier.renew(key, "t1", 60)
        )
        time.sleep(0.7)
        assert not other.acquire(key, "t2", 60)
        assert tier.renew(key, "t1", 0.1)
        assert soon(lambda: other.acquire(key, "t2", 60))

    def test_another_can_neither_renew_nor_release(self, tier, other):
        """A token is needed for both."""
        assert not tier.renew(KEY, "t1", 60)
        assert tier.acquire(KEY, "t1", 60)
        assert not other.renew(KEY, "t2", 60)
        other.release(KEY, "t2")
        assert not other.acquire(KEY, "t2", 60)
        assert tier.put(KEY, b"mine", 60, "t1")

    def test_giving_back_what_is_not_there(self, tier):
        """Means nothing."""
        assert tier.release(KEY, "t1") is None
        assert tier.acquire(KEY, "t2", 60)

    # --- the right to put

    def test_the_last_token_may_put(self, tier, other):
        """More than once, until it is given back."""
        assert tier.acquire(KEY, "t1", 60)
        assert tier.put(KEY, b"one", 60, "t1")
        assert tier.put(KEY, b"two", 60, "t1")
        assert other.get(KEY).blob == b"two"
        tier.release(KEY, "t1")
        assert not tier.put(KEY, b"three", 60, "t1")
        assert other.get(KEY).blob == b"two"

    def test_a_token_that_nobody_gave_out_may_not(self, tier):
        """Nor that of another key; nothing changes."""
        assert tier.acquire(OTHER, "t1", 60)
        tier.put(KEY, b"old", 60)
        assert not tier.put(KEY, b"new", 60, "t1")
        assert not tier.put(KEYS[5], b"new", 60, "t1")
        assert tier.get(KEY).blob == b"old"
        assert tier.get(KEYS[5]) is None

    def test_a_token_outlasts_its_lease(self, tier):
        """Where nobody came after it: what it has loaded is worth keeping."""
        assert tier.acquire(KEY, "slow", 0.1)
        time.sleep(0.3)
        assert not tier.renew(KEY, "slow", 60)
        assert tier.put(KEY, b"late", 60, "slow")
        assert tier.get(KEY).blob == b"late"

    def test_a_later_acquire_takes_the_right(self, tier, other):
        """One that was frozen meanwhile overwrites nothing, before and after the other's value."""
        assert tier.acquire(KEY, "frozen", 0.1)
        assert soon(lambda: other.acquire(KEY, "next", 60))
        assert not tier.put(KEY, b"old", 60, "frozen")
        assert tier.get(KEY) is None
        assert other.put(KEY, b"new", 60, "next")
        assert not tier.put(KEY, b"old", 60, "frozen")
        other.release(KEY, "next")
        assert not tier.put(KEY, b"old", 60, "frozen")
        assert tier.get(KEY).blob == b"new"

    @pytest.mark.parametrize("how", ["delete", "clear"])
    def test_an_invalidation_takes_the_right(self, tier, other, how):
        """Also of a key that is not held: its load began before."""
        assert tier.acquire(KEY, "t1", 60)
        other.delete([KEY]) if how == "delete" else other.clear()
        assert not tier.put(KEY, b"old", 60, "t1")
        assert tier.get(KEY) is None

    def test_who_loads_after_an_invalidation_may_put(self, tier, other):
        """The right of a new token is not that of the old one."""
        tier.acquire(KEY, "t1", 60)
        tier.delete([KEY])
        tier.clear()
        tier.release(KEY, "t1")
        assert other.acquire(KEY, "t2", 60)
        assert other.put(KEY, b"new", 60, "t2")

    def test_without_a_token_it_is_always_held(self, tier, other):
        """Whatever leases there are."""
        assert tier.acquire(KEY, "t1", 60)
        assert other.put(KEY, b"known", 60)
        assert tier.get(KEY).blob == b"known"

    def test_invalidation_against_put(self, tier, other):
        """Nothing stays of a load that had begun before, whichever of the two comes first."""
        for number in range(40):
            assert tier.acquire(KEY, f"t{number}", 60)
            together(
                lambda n=number: tier.put(KEY, b"old", 60, f"t{n}"), lambda: other.delete([KEY])
            )
            assert tier.get(KEY) is None
            tier.release(KEY, f"t{number}")

    # --- changes

    def test_changes_begin_now(self, tier, other):
        """What was before is not told."""
        tier.delete([KEY])
        tier.bump(["a"])
        begun = other.changes("")
        assert begun == Changes(begun.cursor)
        assert begun.cursor
        assert other.changes(begun.cursor) == Changes(begun.cursor)

    def test_changes_are_told_once_and_in_order(self, tier, other):
        """Keys, tags with their versions, and everything; a put is none."""
        cursor = other.changes("").cursor
        tier.put(KEY, b"v", 60)
        tier.delete([KEY, OTHER])
        version = tier.bump(["a"])["a"]
        tier.clear()
        found = other.changes(cursor)
        wanted = (Change(key=KEY), Change(key=OTHER), Change(tag="a", version=version), Change())
        assert found == Changes(found.cursor, wanted)
        assert found.changes[-1].everything
        assert other.changes(found.cursor) == Changes(found.cursor)
        tier.delete([KEY])
        assert other.changes(found.cursor).changes == (Change(key=KEY),)

    def test_every_reader_has_its_own_place(self, tier, other):
        """One that reads takes nothing from another; one hears its own changes, too."""
        mine, theirs = tier.changes("").cursor, other.changes("").cursor
        tier.bump(["a"])
        assert len(tier.changes(mine).changes) == 1
        assert len(tier.changes(mine).changes) == 1
        assert len(other.changes(theirs).changes) == 1

    def test_no_change_is_missed_under_threads(self, tier, other):
        """A reader that polls while others write hears of each key exactly once."""
        cursor, heard = other.changes("").cursor, []
        with ThreadPoolExecutor(4) as pool:
            writing = [pool.submit(tier.delete, [key]) for key in KEYS[:100]]
            while True:
                ended = all(one.done() for one in writing)
                found = other.changes(cursor)
                assert not found.lost
                cursor = found.cursor
                heard += [change.key for change in found.changes]
                if ended:
                    break
        heard += [change.key for change in other.changes(cursor).changes]
        assert sorted(heard) == KEYS[:100]

    # --- what is kept apart

    def test_namespaces_do_not_see_each_other(self, tier, neighbour):
        """Neither values nor versions, leases, rights or changes."""
        cursor = neighbour.changes("").cursor
        tier.put(KEY, b"mine", 60)
        assert neighbour.get(KEY) is None
        neighbour.put(KEY, b"theirs", 60)
        assert tier.get(KEY).blob == b"mine"
        tier.bump(["a"])
        assert neighbour.versions(["a"]) == {"a": 0}
        assert tier.acquire(KEY, "t1", 60)
        assert not neighbour.put(KEY, b"x", 60, "t1")
        assert neighbour.acquire(KEY, "t2", 60)
        assert tier.delete([KEY]) == 1
        assert neighbour.put(KEY, b"theirs", 60, "t2")
        assert neighbour.changes(cursor) == Changes(cursor)

    def test_clear_ends_at_the_namespace(self, tier, neighbour):
        """What a neighbour holds is neither counted nor removed."""
        for key in KEYS[:20]:
            tier.put(key, b"v", 60)
            neighbour.put(key, b"v", 60)
        assert neighbour.usage().entries == 20
        assert tier.clear() == 20
        assert len(set(neighbour.keys())) == 20
        assert tier.usage().entries == 0

    # --- threads and processes

    def test_any_thread(self, tier):
        """32 at once, each of which finds its own values."""

        def work(number):
            for turn in range(10):
                blob = f"{number} {turn}".encode() * 50
                assert tier.put(KEYS[number], blob, 60)
                assert tier.get(KEYS[number]).blob == blob
                assert tier.acquire(KEYS[number], f"t{turn}", 60)
                tier.release(KEYS[number], f"t{turn}")

        together(*[lambda n=n: work(n) for n in range(32)])

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a fork")
    def test_a_fork(self, tier):
        """Parent and child go on at the same time, and neither reads what the other has asked for."""
        tier.put(KEY, b"before", 60)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
            child = os.fork()
        if child == 0:
            signal.alarm(60)
            ended = 1
            try:
                ended = 0 if self._goes_on(tier, KEYS[7], b"child") else 2
            finally:
                os._exit(ended)
        assert self._goes_on(tier, KEYS[8], b"parent")
        assert os.waitpid(child, 0) == (child, 0)
        assert tier.get(KEYS[7]).blob == b"child 199"
        assert tier.get(KEY).blob == b"before"

    def _goes_on(self, tier, key, word):
        blobs = [word + b" %d" % turn for turn in range(200)]
        return all(tier.put(key, blob, 60) and tier.get(key).blob == blob for blob in blobs)

    def test_close_can_be_repeated(self, tier):
        """It gives back what is open, if anything is."""
        tier.put(KEY, b"v", 60)
        tier.close()
        tier.close()
