"""Redis and Valkey as a tier: the contract of all tiers, the URL, and what the server remembers."""

import importlib.util
import math
import secrets
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from budgetguard.cache.tiers.base import Change, Changes, TierError
from budgetguard.cache.tiers.redis import RedisTier
from budgetguard.errors import BudgetguardError, MissingExtra, UsageError

_spec = importlib.util.spec_from_file_location(
    "tier_contract", Path(__file__).with_name("tier_contract.py")
)
tier_contract = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tier_contract)

KEY, OTHER = tier_contract.KEY, tier_contract.OTHER
PATIENT_S = 10.0
"""For what is not about time: the machine may be busy."""


@pytest.fixture
def open_tier(each_redis_url):
    """Opens tiers of this test alone."""
    run, opened = secrets.token_hex(4), []

    def open_one(namespace="tests", timeout_s=PATIENT_S, **options):
        namespace = f"{run} {namespace}"
        opened.append(
            RedisTier(each_redis_url, namespace=namespace, timeout_s=timeout_s, **options)
        )
        return opened[-1]

    yield open_one
    for tier in opened:
        tier.close()
    with redis.Redis.from_url(each_redis_url) as client:
        names = list(client.scan_iter(f"{run}*", count=1000))
        client.unlink("none", *names)


@pytest.fixture
def tier(open_tier):
    return open_tier()


@pytest.fixture
def raw(each_redis_url, tier):
    """A plain client of the same server."""
    with redis.Redis.from_url(each_redis_url) as client:
        yield client


def names(raw, tier, kind=""):
    """What the server holds of a tier."""
    return sorted(raw.scan_iter(tier._entries.replace("entry:", f"{kind}*"), count=1000))


class TestRedis(tier_contract.TierContract):
    """All that is asked of any tier."""


# --- the URL


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hunter2",
        "http://:hunter2@127.0.0.1:6379/0",
        "redis:/127.0.0.1",
        "redis://:hunter2@127.0.0.1:port/0",
        "redis://:hunter2@127.0.0.1:99999/0",
        "redis://:hunter2@127.0.0.1/name",
        "redis://:hunter2@127.0.0.1/0/1",
        "redis://:hunter2@127.0.0.1/0?socket_timeout=3",
        "redis://:hunter2@127.0.0.1/0?db=hunter2",
        "rediss://:hunter2@127.0.0.1/0?ssl_cert_reqs=hunter2",
        "redis://:hunter2@127.0.0.1/0?ssl_cert_reqs=none",
        "redis://:12#hunter2@127.0.0.1/0",
        "redis://:12?hunter2@127.0.0.1/0",
        "redis://:12/hunter2@127.0.0.1/0",
        f"redis://:hunter2@{'a' * 70}/0",
        "redis://:hunter2@[::1/0",
        "unix://",
        "unix://:hunter2@",
        "unix://hunter2/socket",
    ],
)
def test_a_wrong_url(url):
    """Says what was expected, and repeats no password."""
    with pytest.raises(UsageError, match="expected redis://") as error:
        RedisTier(url)
    assert "hunter2" not in str(error.value)
    assert error.value.__suppress_context__ or error.value.__context__ is None


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://", "localhost:6379"),
        ("redis://127.0.0.1", "127.0.0.1:6379"),
        ("valkey://user:hunter2@host:1234/5", "host:1234"),
        ("rediss://:hunter2@host/?ssl_cert_reqs=none", "host:6379"),
        ("valkeys://:hunter2@[::1]:7000", "::1:7000"),
        ("unix:///run/redis.sock?db=3", "/run/redis.sock"),
        ("unix://user:hunter2@/run/redis.sock", "/run/redis.sock"),
    ],
)
def test_a_right_url(url, where):
    """Nothing is connected to before it is needed; nobody sees a password."""
    tier = RedisTier(url)
    assert where in repr(tier)
    assert "hunter2" not in repr(tier)


def test_a_tier_needs_a_namespace():
    """An empty one is a mistake."""
    with pytest.raises(UsageError, match="namespace"):
        RedisTier("redis://", namespace="")


def test_a_database_of_its_own(each_redis_url, open_tier, raw):
    """The number in the URL is the database in the server."""
    url = urlsplit(each_redis_url)._replace(path="/1").geturl()
    second = RedisTier(url, namespace="database", timeout_s=PATIENT_S)
    second.put(KEY, b"v", 60)
    assert not raw.exists(f"database:entry:{{{KEY}}}")
    assert second.clear() == 1
    second.close()
    with redis.Redis.from_url(url) as client:
        client.delete("database:log", "database:versions")


def test_nobody_listens():
    """The cause is told, and where."""
    tier = RedisTier("redis://:hunter2@127.0.0.1:1/0")
    with pytest.raises(TierError, match=r"redis at 127\.0\.0\.1:1: .*refused") as error:
        tier.ping()
    assert "hunter2" not in str(error.value)
    assert isinstance(error.value, BudgetguardError)
    with pytest.raises(TierError, match="No such file"):
        RedisTier("unix:///nowhere/at/all").ping()


# --- what the server remembers


@pytest.mark.parametrize("namespace", ["a*", "a?c", "[a]", "{a}", "a:entry", "ä ß", "a\\"])
def test_any_word_is_a_namespace(open_tier, namespace):
    """None is a pattern that finds its neighbours' keys, or the beginning of another's."""
    tier, others = open_tier(namespace), [open_tier(name) for name in ("a", "abc", "a:entry:x")]
    for each in (tier, *others):
        each.put(KEY, b"v", 60)
    assert list(tier.keys()) == [KEY]
    assert tier.clear() == 1
    assert all(list(other.keys()) == [KEY] for other in others)


def test_names_of_one_key_share_a_slot(tier, raw):
    """A cluster would keep entry, fence and lease of a key together."""
    tier.acquire(KEY, "t", 60)
    tier.put(KEY, b"v", 60, "t")
    assert [name.count(b"{%s}" % KEY.encode()) for name in names(raw, tier)].count(1) == 3


def test_all_but_the_log_and_the_versions_ends(tier, raw):
    """Nothing stays for ever that grows with the number of keys."""
    tier.acquire(KEY, "t", 60)
    tier.put(KEY, b"v", 6, "t")
    tier.bump(["a"])
    tier.ping()
    lasting = [name for name in names(raw, tier) if raw.ttl(name) == -1]
    assert [name.rpartition(b":")[2] for name in lasting] == [b"log", b"versions"]
    fence, *_ = names(raw, tier, "fence")
    assert 600 < raw.ttl(fence) <= 900


def test_no_entry_outlives_the_versions(tier):
    """30 days are the most; a version is forgotten later."""
    assert tier.put(KEY, b"v", math.inf)
    assert tier.get(KEY).left_s <= 30 * 24 * 3600


def test_old_versions_are_dropped(tier, raw):
    """Those that no entry can still carry, when another tag is invalidated; the others stay."""
    tier.put(KEY, b"v", 60)
    present = tier.bump(["new"])["new"]
    versions, *_ = names(raw, tier, "versions")
    day = 24 * 3600 * 1_000_000
    raw.zadd(versions, {"old": present - 32 * day, "younger": present - 30 * day})
    tier.bump(["another"])
    assert tier.versions(["old"]) == {"old": 0}
    assert tier.versions(["younger", "new"]) == {"younger": present - 30 * day, "new": present}
    assert tier.get(KEY).blob == b"v"


def test_a_server_whose_clock_goes_back(tier, raw):
    """The next version is still a later one."""
    ahead = tier.bump(["a"])["a"] + 7200 * 1_000_000
    versions, *_ = names(raw, tier, "versions")
    raw.zadd(versions, {"a": ahead})
    assert [tier.bump(["a"])["a"] for _ in range(3)] == [ahead + 1, ahead + 2, ahead + 3]


def test_an_evicted_version_ends_what_it_guarded(tier, raw):
    """A server that makes room may forget versions: no value comes back that one had outdated."""
    assert tier.acquire(OTHER, "t", 60)
    tier.put(KEY, b"old", 60)
    tier.bump(["a"])
    raw.delete(*names(raw, tier, "versions"))
    assert tier.versions(["a"]) == {"a": 0}
    assert tier.get(KEY, ["a"]) is None
    assert not tier.put(OTHER, b"old", 60, "t")
    assert tier.put(KEY, b"new", 60)
    assert tier.get(KEY, ["a"]).blob == b"new"


def test_what_clear_did_not_come_to_remove(tier, raw):
    """It is gone all the same, from the first step on."""
    tier.put(KEY, b"old", 60)
    entry, *_ = names(raw, tier, "entry")
    old = raw.get(entry)
    tier.clear()
    raw.set(entry, old, ex=60)
    assert tier.get(KEY) is None
    assert tier.clear() == 1
    assert not raw.exists(entry)


# --- what others may have left


def test_a_value_that_is_too_large_is_a_miss(open_tier, raw):
    """It is not even transferred, and stays: a process with another limit may read it."""
    small, large = open_tier(max_blob_bytes=1_000_000), open_tier()
    large.put(KEY, b"x" * 1_000_001, 60)
    before = raw.info("stats")["total_net_output_bytes"]
    assert small.get(KEY) is None
    assert raw.info("stats")["total_net_output_bytes"] - before < 100_000
    assert large.get(KEY).blob == b"x" * 1_000_001
    large.put(KEY, b"x" * 1_000_000, 60)
    assert small.get(KEY).blob == b"x" * 1_000_000


@pytest.mark.parametrize("length", [0, 1, 15, 16, 17, 5000])
def test_a_value_that_put_did_not_leave_is_a_miss(tier, raw, length):
    """Whatever its length; the next put heals it."""
    tier.put(OTHER, b"v", 60)
    raw.set(names(raw, tier, "entry")[0].replace(OTHER.encode(), KEY.encode()), b"\0" * length)
    assert tier.get(KEY) is None
    assert tier.put(KEY, b"v", 60)
    assert tier.get(KEY).blob == b"v"


def test_something_else_under_a_key_is_a_miss(tier, raw):
    """A list does not end the tier, and does not keep the key from being used."""
    tier.put(KEY, b"v", 60)
    entry, *_ = names(raw, tier, "entry")
    raw.delete(entry)
    raw.rpush(entry, "x")
    assert tier.get(KEY) is None
    assert tier.usage().entries == 1
    assert tier.put(KEY, b"v", 60)
    assert tier.get(KEY).blob == b"v"
    raw.delete(entry)
    raw.rpush(entry, "x")
    assert tier.clear() == 1


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        ("fence", lambda tier: tier.put(KEY, b"v", 60, "t")),
        ("versions", lambda tier: tier.get(KEY)),
        ("log", lambda tier: tier.changes("")),
    ],
)
def test_something_else_in_the_place_of_what_is_ours(tier, raw, kind, call):
    """Is an error of the tier, until it is removed."""
    tier.acquire(KEY, "t", 60)
    tier.put(KEY, b"v", 60)
    tier.bump(["a"])
    (name,) = names(raw, tier, kind)
    raw.delete(name)
    raw.rpush(name, "x")
    with pytest.raises(TierError, match="WRONGTYPE"):
        call(tier)
    raw.delete(name)
    assert tier.put(KEY, b"v", 60)


def test_a_version_that_is_no_number(tier, raw):
    """Is an error of the tier, and no other exception."""
    tier.bump(["a"])
    raw.zadd(names(raw, tier, "versions")[0], {"a": 0.5})
    with pytest.raises(TierError, match="no whole numbers"):
        tier.versions(["a"])


def test_a_value_without_an_end(tier, raw):
    """Somebody has taken its end away; its own time to live still bounds it, which is not ours to judge."""
    tier.put(KEY, b"v", 60)
    raw.persist(names(raw, tier, "entry")[0])
    assert tier.get(KEY).left_s == math.inf


# --- the log


@pytest.mark.parametrize("loss", ["flush", "trim", "evict"])
def test_a_log_that_has_forgotten(open_tier, raw, loss):
    """Says so once, and goes on from there."""
    tier = open_tier()
    tier.bump(["a"])
    cursor = tier.changes("").cursor
    tier.bump(["b"])
    log, *_ = names(raw, tier, "log")
    if loss == "flush":
        raw.delete(*names(raw, tier))
    elif loss == "trim":
        raw.xtrim(log, maxlen=1, approximate=False)
    else:
        raw.delete(log)
        tier.delete([KEY])
    found = tier.changes(cursor)
    assert (found.lost, found.changes) == (True, ())
    assert tier.changes(found.cursor) == Changes(found.cursor)
    tier.delete([KEY])
    assert tier.changes(found.cursor).changes == (Change(key=KEY),)


def test_a_log_that_was_outrun(tier, raw):
    """It is bounded; who was away for more invalidations than it holds has lost some."""
    cursor = tier.changes("").cursor
    tier.delete([f"{number:064x}" for number in range(5_000)])
    assert len(tier.changes(cursor).changes) == 5_000
    tier.delete([f"{number:064x}" for number in range(6_000)])
    assert tier.changes(cursor).lost
    assert raw.xlen(names(raw, tier, "log")[0]) < 11_000


def test_a_record_that_is_not_understood(tier, raw):
    """It may come from a newer release: something was invalidated, and nobody here knows what."""
    cursor = tier.changes("").cursor
    log, *_ = names(raw, tier, "log")
    place = raw.xadd(log, {"prefix": "x"}).decode()
    assert tier.changes(cursor) == Changes(place, lost=True)
    raw.xadd(log, {"tag": b"\xff", "version": "1"})
    assert tier.changes(place).lost


# --- how much there is


def test_usage_of_many_keys_is_an_estimate(tier, raw):
    """Beyond some thousand names it is extrapolated: within a quarter of the truth, in bounded time."""
    with raw.pipeline(transaction=False) as pipe:
        for number in range(15_000):
            pipe.set(f"someone else's {number}", "x", ex=60)
        pipe.execute()
    tier.put(KEY, b"v" * 1000, 60)
    entry, *_ = names(raw, tier, "entry")
    held = raw.get(entry)
    with raw.pipeline(transaction=False) as pipe:
        for number in range(15_000):
            pipe.set(entry.replace(KEY.encode(), b"%d" % number), held, ex=60)
        pipe.execute()
    usage = tier.usage()
    assert 0.75 < usage.entries / 15_001 < 1.25
    assert 0.75 < usage.bytes / (15_001 * raw.memory_usage(entry)) < 1.25
    raw.delete(*raw.scan_iter("someone else's *", count=1000))


# --- connections


def test_a_script_that_the_server_has_forgotten(tier, raw):
    """It is sent again."""
    tier.put(KEY, b"v", 60)
    raw.script_flush()
    assert tier.get(KEY).blob == b"v"


def test_more_threads_than_connections(start_redis):
    """They wait for one another; the server never has more than it was said to have."""
    with start_redis() as server:
        tier = RedisTier(server.url, max_connections=3, timeout_s=PATIENT_S)
        with ThreadPoolExecutor(24) as pool:
            assert all(pool.map(lambda n: tier.put(f"{n}", b"v" * 10_000, 60), range(300)))
        with redis.Redis.from_url(server.url) as client:
            assert client.info("stats")["total_connections_received"] < 12  # with those of the test
        tier.close()


def test_no_connection_is_free(open_tier):
    """Who waits for one gives up when the call's time is over, and nothing is lost by it."""
    tier = open_tier(max_connections=1, timeout_s=0.2)
    with tier._server._connection():
        began = time.monotonic()
        with pytest.raises(TierError, match="all 1 connections are in use"):
            tier.get(KEY)
        assert time.monotonic() - began < 5
    assert tier.get(KEY) is None


def test_without_the_library(monkeypatch):
    """The command that installs it is told."""
    monkeypatch.setitem(sys.modules, "redis", None)
    for name in ("redis", "redis_connections"):
        monkeypatch.delitem(sys.modules, f"budgetguard.cache.tiers.{name}")
    with pytest.raises(MissingExtra, match=r"pip install 'pytest-budgetguard\[cache\]'"):
        import_module("budgetguard.cache.tiers.redis")
