"""A Redis tier whose server is frozen, slow, dead, full, closed or no Redis: an error soon, and nothing wrong later."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from budgetguard.cache.link import Link
from budgetguard.cache.policy import Place
from budgetguard.cache.tiers.base import TierError
from budgetguard.cache.tiers.redis import RedisTier

KEY, OTHER = "a" * 64, "b" * 64
SOON_S = 1.0
"""Twenty times what a call may take: the machine may be busy."""
PATIENT_S = 10.0
CALLS = {
    "get": lambda tier: tier.get(KEY, ["t"]),
    "put": lambda tier: tier.put(KEY, b"v", 60),
    "put with a token": lambda tier: tier.put(KEY, b"v", 60, "token"),
    "delete": lambda tier: tier.delete([KEY]),
    "acquire": lambda tier: tier.acquire(KEY, "token", 60),
    "renew": lambda tier: tier.renew(KEY, "token", 60),
    "release": lambda tier: tier.release(KEY, "token"),
    "versions": lambda tier: tier.versions(["t"]),
    "bump": lambda tier: tier.bump(["t"]),
    "changes from now": lambda tier: tier.changes(""),
    "changes": lambda tier: tier.changes("1-1"),
    "keys": lambda tier: list(tier.keys()),
    "clear": lambda tier: tier.clear(),
    "usage": lambda tier: tier.usage(),
    "ping": lambda tier: tier.ping(),
}
each_call = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


@pytest.fixture
def server(start_redis):
    with start_redis() as server:
        yield server


@pytest.fixture
def open_tier():
    """Opens tiers that are closed afterwards."""
    opened = []

    def open_one(url, **options):
        opened.append(RedisTier(url, **options))
        return opened[-1]

    yield open_one
    for tier in opened:
        tier.close()


@pytest.fixture
def patient(open_tier, server):
    """A tier whose calls are not about time."""
    return open_tier(server.url, timeout_s=PATIENT_S)


@pytest.fixture
def tier(open_tier, server):
    """A tier that waits as long as one in use does, 50 ms."""
    return open_tier(server.url)


def fails(call, tier, match="redis at"):
    """The error, which has come soon."""
    began = time.monotonic()
    with pytest.raises(TierError, match=match) as error:
        call(tier)
    assert time.monotonic() - began < SOON_S
    return str(error.value)


def at_last(call, tier, within_s=20.0):
    """What a call returns when the server is there again; a busy machine may need a second try."""
    until = time.monotonic() + within_s
    while True:
        try:
            return call(tier)
        except TierError:
            if time.monotonic() > until:
                raise


# --- frozen, slow


@pytest.mark.parametrize("how", ["url", "unix_url"])
def test_a_frozen_server(server, open_tier, how):
    """Every call ends soon with an error, on old connections and on new ones; afterwards all is well."""
    tier = open_tier(getattr(server, how))
    at_last(CALLS["ping"], tier)
    server.freeze()
    for call in CALLS.values():
        fails(call, tier, "no answer within 50 ms")
        fails(call, open_tier(getattr(server, how)), "no answer within 50 ms")
    server.thaw()
    for call in CALLS.values():
        at_last(call, tier)


def test_no_late_answer_is_read(server, tier, patient):
    """What a frozen server answers later is not taken for the answer to another question."""
    for number in range(50):
        patient.put(f"{number}", b"%d" % number, 60)
    for _ in range(3):
        server.freeze()
        for number in range(4):
            fails(lambda tier, key=f"{number}": tier.get(key), tier)
        server.thaw()
        for number in range(50):
            found = at_last(lambda tier, key=f"{number}": tier.get(key), tier)
            assert found.blob == b"%d" % number


def test_a_put_that_comes_late_overwrites_nothing(server, tier, patient):
    """A frozen server does what it was asked before: a token has no right left then."""
    assert patient.acquire(KEY, "t1", 60)
    server.freeze()
    fails(lambda tier: tier.put(KEY, b"late", 60, "t1"), tier)
    waiting = threading.Thread(target=lambda: patient.delete([KEY]))
    waiting.start()
    server.thaw()
    waiting.join(PATIENT_S)
    assert patient.get(KEY) is None
    assert not patient.put(KEY, b"later", 60, "t1")


def test_a_pause(server, tier, patient):
    """CLIENT PAUSE is like freezing; it ends by itself."""
    patient.put(KEY, b"v", 60)
    with redis.Redis.from_url(server.url) as client:
        client.client_pause(2000)
    for call in (CALLS["get"], CALLS["put"], CALLS["ping"]):
        fails(call, tier, "no answer within 50 ms")
    assert at_last(CALLS["get"], tier).blob == b"v"


def test_many_threads_and_few_connections(server, open_tier):
    """Who waits for a connection that a frozen server holds up has waited for both."""
    tier = open_tier(server.url, max_connections=2)
    at_last(CALLS["ping"], tier)
    server.freeze()
    with ThreadPoolExecutor(32) as pool:
        began = time.monotonic()
        failed = list(pool.map(lambda _: fails(CALLS["get"], tier), range(32)))
        assert time.monotonic() - began < 2 * SOON_S
    assert any("all 2 connections are in use" in text for text in failed)
    server.thaw()
    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(lambda _: at_last(CALLS["put"], tier), range(32)))


# --- dead


@each_call
def test_a_dead_server(server, tier, call):
    """Every call says so soon, and works again when the server does."""
    at_last(call, tier)
    server.kill()
    fails(call, tier)
    fails(call, tier, "refused")
    server.start()
    at_last(call, tier)


def test_a_restart_between_two_calls(server, patient):
    """The connections of before are found out, and nobody sees an error; all is forgotten, which is told."""
    patient.put(KEY, b"v", 60)
    assert patient.acquire(KEY, "t1", 60)
    patient.bump(["t"])
    cursor = patient.changes("").cursor
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: patient.ping(), range(50)))
    server.kill()
    server.start()
    assert patient.get(KEY) is None
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: patient.ping(), range(50)))
    assert not patient.put(KEY, b"old", 60, "t1")
    assert patient.changes(cursor).lost


def test_connections_that_the_server_has_closed(server, patient):
    """It may close what is idle; nobody sees an error."""
    with redis.Redis.from_url(server.url) as client:
        for _ in range(5):
            patient.put(KEY, b"v", 60)
            client.client_kill_filter(_type="normal", skipme=True)
            assert patient.get(KEY).blob == b"v"


def test_a_flush(server, patient):
    """What depended on what was forgotten is given up, and new versions are later than all before."""
    patient.put(KEY, b"v", 60)
    assert patient.acquire(OTHER, "t1", 60)
    before = patient.bump(["t"])["t"]
    cursor = patient.changes("").cursor
    with redis.Redis.from_url(server.url) as client:
        client.flushall()
    assert patient.get(KEY) is None
    assert patient.versions(["t"]) == {"t": 0}
    assert not patient.put(OTHER, b"old", 60, "t1")
    assert patient.changes(cursor).lost
    assert patient.bump(["t"])["t"] > before


# --- closed


def fill(server, tier):
    """The keys of what a server holds that has 200 KB more than it may."""
    keys = [f"{number}" for number in range(100)]
    assert all(tier.put(key, b"x" * 20_000, 60) for key in keys)
    with redis.Redis.from_url(server.url) as client:
        client.config_set("maxmemory", client.info("memory")["used_memory"] - 200_000)
    return keys


def test_a_full_server(server, patient):
    """It holds nothing more and says so, is no use until there is room, and can be cleared."""
    cursor = patient.changes("").cursor
    held = fill(server, patient)
    for call in ("put", "ping", "acquire", "bump"):
        fails(CALLS[call], patient, "maxmemory")
    assert patient.get("1").blob == b"x" * 20_000
    assert patient.usage().capacity_bytes > 1_000_000
    assert patient.clear() == len(held)
    patient.ping()
    assert patient.changes(cursor).changes[-1].everything


def test_a_full_server_can_be_emptied_by_keys(server, patient):
    """What removes something is not refused, and is logged."""
    cursor = patient.changes("").cursor
    held = fill(server, patient)
    assert patient.delete(held) == len(held)
    assert patient.put(KEY, b"v", 60)
    assert [change.key for change in patient.changes(cursor).changes] == held


def test_all_clients_that_a_server_takes(start_redis, open_tier):
    """One more is refused; when another goes there is room."""
    with start_redis("--maxclients", "4") as server:
        tier = open_tier(server.url)
        address = server.url.removeprefix("redis://").removesuffix("/0").split(":")
        taken = [socket.create_connection((address[0], int(address[1]))) for _ in range(4)]
        for each in taken:
            each.sendall(b"PING\r\n")
            assert each.recv(100) == b"+PONG\r\n"
        fails(CALLS["get"], tier, "max number of clients|reset|closed|[Bb]roken pipe")
        for each in taken:
            each.close()
        assert at_last(CALLS["put"], tier)


def test_a_password(start_redis, open_tier):
    """A missing or wrong one is told; neither it nor the right one is repeated."""
    right, wrong = "r@ht/h#nter?2 %", "wr0ng-h#nter"
    with start_redis("--requirepass", right) as server:
        at = server.url.removeprefix("redis://")
        fails(CALLS["get"], open_tier(f"redis://{at}"), "Authentication required|NOAUTH")
        for url in (f"redis://:wr0ng-h%23nter@{at}", f"redis://someone:wr0ng-h%23nter@{at}"):
            text = fails(CALLS["get"], open_tier(url), "invalid username-password")
            assert not any(word in text for word in (right, wrong, "nter"))
        tier = open_tier(f"redis://:r%40ht%2Fh%23nter%3F2%20%25@{at}")
        assert at_last(CALLS["put"], tier)
        assert "nter" not in repr(tier)


def test_a_server_that_does_not_know_auth(start_redis, open_tier):
    """Its own error repeats what was sent; ours does not."""
    with start_redis("--rename-command", "AUTH", "") as server:
        at = server.url.removeprefix("redis://")
        text = fails(CALLS["get"], open_tier(f"redis://:hunter2@{at}"), "does not know a command")
        assert "hunter2" not in text


def test_a_replica(start_redis, open_tier):
    """It can be read; that nothing can be written is an error, as of all that is of no use."""
    with start_redis("--replicaof", "127.0.0.1", "1") as server:
        tier = open_tier(server.url, timeout_s=PATIENT_S)
        assert tier.get(KEY) is None
        for call in ("put", "ping", "acquire", "delete", "bump", "changes from now"):
            fails(CALLS[call], tier, "read only replica")


def test_a_server_that_is_loading(start_redis, open_tier):
    """While it reads its file it answers nothing else; then it does."""
    slowly = ("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024")
    with start_redis(*slowly) as server:
        tier = open_tier(server.url, timeout_s=PATIENT_S)
        for number in range(150):
            tier.put(f"{number}", b"x" * 2000, 600)
        with redis.Redis.from_url(server.url) as client:
            client.config_set("rdbcompression", "no")
            client.save()
        server.kill()
        server.start()
        fails(CALLS["get"], tier, "loading the dataset")
        assert at_last(lambda tier: tier.get("7"), tier).blob == b"x" * 2000


# --- no Redis


class Imitation(threading.Thread):
    """Answers whatever it is sent with the same bytes."""

    def __init__(self, answer):
        super().__init__(daemon=True)
        self.answer, self.accepted = answer, 0
        self.door = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://:hunter2@127.0.0.1:{self.door.getsockname()[1]}/0"

    def run(self):
        while True:
            try:
                talk, _ = self.door.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self.talk, args=(talk,), daemon=True).start()

    def talk(self, talk):
        with talk:
            while talk.recv(65536):
                talk.sendall(self.answer)


@pytest.fixture
def imitation():
    """Starts servers that are none."""
    started = []

    def start(answer):
        started.append(Imitation(answer))
        started[-1].start()
        return started[-1]

    yield start
    for each in started:
        each.door.shutdown(socket.SHUT_RDWR)
        each.door.close()
        each.join(PATIENT_S)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 100, b"+OK\r\nrest"]
)
def test_something_else_listens(imitation, open_tier, answer):
    """A web server is no cache, and what it says is an error of the tier."""
    tier = open_tier(imitation(answer).url, timeout_s=PATIENT_S)
    assert "hunter2" not in fails(CALLS["ping"], tier)


def test_an_answer_that_nobody_has_asked_for(imitation, open_tier):
    """A connection with something left in it is not used again."""
    server = imitation(b"+OK\r\n+OK\r\n")
    tier = open_tier(server.url.replace(":hunter2@", ""), timeout_s=PATIENT_S)
    tier.ping()
    time.sleep(0.1)
    assert server.accepted == 1
    tier.ping()
    assert server.accepted == 2


def test_a_process_with_too_many_threads_does_not_lose_its_tier(start_redis):
    """Who finds no free connection misses by himself: the tier stays up for all others."""
    with start_redis() as server:
        tier = RedisTier(server.url, max_connections=1, timeout_s=0.2)
        link = Link(tier, Place.REDIS)
        link.tier.put("k", b"v", 60)
        with tier._server._connection():
            assert link.ask(lambda one: one.get("k"), None) is None
            assert link.up
        assert link.ask(lambda one: one.get("k"), None).blob == b"v"
        with tier._server._connection():
            link.delete(["k"])  # nobody may read it before the tier has heard of this
            assert not link.up
        assert link.heal()
        assert link.ask(lambda one: one.get("k"), None) is None
        tier.close()
