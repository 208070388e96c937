"""A PostgreSQL tier whose server is frozen, crashed, locked, full or closed: an error soon, and nothing wrong later."""

import contextlib
import os
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg
import pytest

from budgetguard.cache import Policy, open_cache
from budgetguard.cache.tiers.base import Change, TierError
from budgetguard.cache.tiers.postgres import PostgresTier
from budgetguard.errors import UsageError
from tests import servers

KEY, OTHER = "a" * 64, "b" * 64
SOON_S = 5.0
"""Twenty times what a call may take: the machine may be busy."""
PATIENT_S = 10.0
CALLS = {
    "get": lambda tier: tier.get(KEY, ["t"]),
    "put": lambda tier: tier.put(KEY, b"v", 60),
    "put with a token": lambda tier: tier.put(KEY, b"v", 60, "token"),
    "delete": lambda tier: tier.delete([KEY]),
    "acquire": lambda tier: tier.acquire(KEY, "token", 60),
    "bump": lambda tier: tier.bump(["t"]),
    "changes": lambda tier: tier.changes(""),
    "clear": lambda tier: tier.clear(),
    "usage": lambda tier: tier.usage(),
    "ping": lambda tier: tier.ping(),
}


@pytest.fixture(scope="module")
def server():
    """The URL of a server that these tests may harm."""
    if "BUDGETGUARD_TEST_POSTGRES" in os.environ:
        pytest.skip("the server of BUDGETGUARD_TEST_POSTGRES is not ours to stop")
    with servers.postgres() as url:
        yield url


@pytest.fixture
def open_tier(server):
    """Opens tiers of this test alone, that wait as long as one in use does."""
    namespace, opened = f"t{secrets.token_hex(4)}", []

    def open_one(timeout_s=0.25, **options):
        opened.append(PostgresTier(server, namespace=namespace, timeout_s=timeout_s, **options))
        return opened[-1]

    open_one(timeout_s=PATIENT_S).ping()  # the schema is there
    yield open_one
    for tier in opened:
        tier.close()


@pytest.fixture
def patient(open_tier):
    """A tier whose calls are not about time."""
    return open_tier(timeout_s=PATIENT_S)


@pytest.fixture
def raw(server):
    with psycopg.connect(server, autocommit=True) as connection:
        yield connection


def fails(call, tier, cause="postgresql at"):
    began = time.monotonic()
    with pytest.raises(TierError, match=cause):
        call(tier)
    assert time.monotonic() - began < SOON_S


def postmaster(url):
    folder = Path(parse_qs(urlsplit(url).query)["host"][0])
    return psutil.Process(int((folder / "data/postmaster.pid").read_text().split()[0]))


@contextlib.contextmanager
def frozen(url):
    """Every process of the server stopped; those that come do so when the others go on."""
    first = postmaster(url)
    first.suspend()
    stopped = [first, *first.children()]
    try:
        for one in stopped[1:]:
            one.suspend()
        yield
    finally:
        for one in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.resume()


def backends(raw):
    """The processes that serve tiers."""
    told = "SELECT pid FROM pg_stat_activity WHERE application_name = 'budgetguard cache'"
    return [pid for (pid,) in raw.execute(told)]


@pytest.mark.parametrize("connected", [True, False], ids=["connected", "not yet"])
def test_a_frozen_server(server, open_tier, connected):
    """A call waits its time and no longer; when the server goes on, so does the tier, and nothing is left over."""
    tier = open_tier()
    if connected:
        with contextlib.suppress(TierError):  # a busy machine may take longer
            tier.get(KEY)
    with frozen(server):
        for call in CALLS.values():
            fails(call, tier)
    patient = open_tier(timeout_s=PATIENT_S)
    assert patient.get(OTHER) is None
    patient.put(KEY, b"after", 60)
    assert patient.get(KEY).blob == b"after"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_nobody_listens(call):
    """Told at once, with the place and without the password."""
    tier = PostgresTier("postgresql://me:geheim@127.0.0.1:1/x")
    fails(call, tier, "127.0.0.1:1")
    with pytest.raises(TierError) as caught:
        tier.ping()
    assert "geheim" not in f"{caught.value!r}{tier!r}"
    tier.close()


def test_connections_that_the_server_has_ended(patient, raw):
    """They are found out before they are used."""
    patient.put(KEY, b"v", 60)
    for pid in backends(raw):
        raw.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    assert patient.get(KEY).blob == b"v"


def test_a_crash(server, open_tier):
    """PostgreSQL empties what is not logged: readers hear that they know nothing, and versions go on rising."""
    tier = open_tier(timeout_s=PATIENT_S)
    tier.put(KEY, b"v", 60)
    cursor, version = tier.changes("").cursor, tier.bump(["t"])["t"]
    with psycopg.connect(server, autocommit=True) as connection:
        served = [psutil.Process(pid) for pid in backends(connection)]
    served[0].kill()
    assert not psutil.wait_procs(served, timeout=30)[1]
    assert _when_it_is_back(tier) is None
    assert tier.changes(cursor).lost
    assert tier.bump(["t"])["t"] > version
    tier.put(KEY, b"new", 60)
    assert tier.get(KEY).blob == b"new"


def _when_it_is_back(tier):
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            tier.ping()
            return tier.get(KEY)
        except TierError:
            time.sleep(0.1)
    pytest.fail("the server has not come back in 30 s")


@pytest.mark.parametrize("table", ["entry", "fence", "state"])
def test_a_table_that_somebody_has_locked(open_tier, raw, table):
    """The call that needs it says so soon; afterwards all is well."""
    tier, patient = open_tier(), open_tier(timeout_s=PATIENT_S)
    needs = {"entry": CALLS["get"], "fence": CALLS["acquire"], "state": CALLS["delete"]}
    patient.put(KEY, b"v", 60)
    with raw.transaction():
        raw.execute(f"LOCK TABLE {tier._schema}.{table} IN ACCESS EXCLUSIVE MODE")
        fails(needs[table], tier)
    assert patient.get(KEY).blob == b"v"


def test_an_invalidation_that_commits_late_is_not_missed(patient, raw):
    """A reader's cursor never passes one that is still to come: whoever logs later waits for it."""
    cursor, names = patient.changes("").cursor, patient._schema
    with raw.transaction():
        raw.execute(f"UPDATE {names}.state SET last = last + 1")
        raw.execute(
            f"INSERT INTO {names}.log (number, key) SELECT last, %s FROM {names}.state",
            [OTHER.encode()],
        )
        later = threading.Thread(target=patient.delete, args=[[KEY]])
        later.start()
        time.sleep(0.2)
        seen = patient.changes(cursor)
        assert seen.changes == ()
    later.join(PATIENT_S)
    assert patient.changes(seen.cursor).changes == (Change(key=OTHER), Change(key=KEY))


def test_a_late_put_loses_to_an_invalidation(patient, raw):
    """A put whose right is taken while it waits for its turn holds nothing."""
    assert patient.acquire(KEY, "token", 60)
    names = patient._schema
    with ThreadPoolExecutor(1) as pool:
        with raw.transaction():
            raw.execute(f"DELETE FROM {names}.fence WHERE key = %s", [KEY.encode()])
            put = pool.submit(patient.put, KEY, b"old", 60, "token")
            time.sleep(0.2)
            assert not put.done()
        assert put.result(PATIENT_S) is False
    assert patient.get(KEY) is None


def test_many_begin_a_schema_at_once(server):
    """One makes it, the others wait for that and use it."""
    namespace = f"t{secrets.token_hex(4)}"
    tiers = [PostgresTier(server, namespace=namespace, timeout_s=PATIENT_S) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda tier: tier.put(KEY, b"v", 60), tiers))
    assert {tier.get(KEY).blob for tier in tiers} == {b"v"}
    assert len({tier.changes("").cursor for tier in tiers}) == 1
    for tier in tiers:
        tier.close()


def test_more_threads_than_connections(open_tier, raw):
    """They take turns, and the server never sees more of them than was said."""
    tier = open_tier(timeout_s=PATIENT_S, max_connections=2)
    before = len(backends(raw))
    with ThreadPoolExecutor(8) as pool:
        puts = [pool.submit(tier.put, f"{number:064d}", b"v", 60) for number in range(200)]
        assert all(put.result() for put in puts)
    assert len(backends(raw)) <= before + 2
    assert tier.usage().entries == 200


def test_who_may_not_make_a_schema(server, raw):
    """Told what to allow."""
    user = f"u{secrets.token_hex(4)}"
    raw.execute(f"CREATE ROLE {user} LOGIN")
    tier = PostgresTier(
        server.replace("postgres@", f"{user}@"), namespace=f"{user}s", timeout_s=PATIENT_S
    )
    fails(CALLS["ping"], tier, "let this user CREATE in the database")
    tier.close()
    raw.execute(f"DROP ROLE {user}")


def test_a_database_that_is_not_there(server):
    """Told what to do."""
    tier = PostgresTier(server.replace("/postgres?", "/nowhere?"), timeout_s=PATIENT_S)
    fails(CALLS["ping"], tier, "nowhere")
    tier.close()


def test_a_schema_of_another_version(server, patient, raw):
    """Nothing of it is touched."""
    raw.execute(f"UPDATE {patient._schema}.about SET version = 99")
    newer = PostgresTier(server, namespace=patient._schema, timeout_s=PATIENT_S)
    fails(CALLS["get"], newer, "has version 99, this release knows version 1")
    newer.close()


def test_a_schema_of_somebody_else(server, raw):
    """It stays as it is."""
    name = f"t{secrets.token_hex(4)}"
    raw.execute(f"CREATE SCHEMA {name}")
    raw.execute(f"CREATE TABLE {name}.people (name text)")
    tier = PostgresTier(server, namespace=name, timeout_s=PATIENT_S)
    fails(CALLS["ping"], tier, "belongs to something else")
    tier.close()


@pytest.mark.parametrize("namespace", ["public", "pg_mine", 'a"; DROP', "A", "", "x" * 64])
def test_no_namespace(namespace):
    """Only what can name a schema of its own, so that nothing else can stand in a statement."""
    with pytest.raises(UsageError, match="cannot name a schema of its own"):
        PostgresTier("postgresql://here/x", namespace=namespace)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://here/x",
        "postgresql://me:half@password@here/x",
        "postgresql://me:a/b@here/x",
        "postgresql://here/x?nonsense=1",
        "postgresql://here:port/x",
    ],
)
def test_a_url_that_cannot_be(url):
    """Nothing of it is repeated: half of it may be a password."""
    with pytest.raises(UsageError, match="the URL of a PostgreSQL cache tier") as caught:
        PostgresTier(url)
    assert "password@here" not in str(caught.value)


def test_the_cache_goes_on_without_it_and_heals(server, raw):
    """While the server is frozen loads go on; what was invalidated meanwhile it hears when it is back."""
    policy, namespace = Policy(name="article", ttl_s=60), f"t{secrets.token_hex(4)}"
    cache = open_cache("memory://1MiB", server, secret="0123456789abcdef", namespace=namespace)
    link = cache._links[0]
    assert cache.get_or_load("k", lambda: "old", policy=policy) == "old"
    with frozen(server):
        cache.invalidate("k", policy=policy)
        assert cache.get_or_load("other", lambda: "loaded", policy=policy) == "loaded"
        assert not link.up
    until = time.monotonic() + 30
    while not link.up and time.monotonic() < until:
        time.sleep(0.05)
    assert link.up
    cache.close()
    fresh = open_cache(server, secret="0123456789abcdef", namespace=namespace)
    assert fresh.get_or_load("k", lambda: "new", policy=policy) == "new"
    fresh.close()
