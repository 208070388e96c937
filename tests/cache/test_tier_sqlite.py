"""A SQLite file as a tier: the contract of all tiers, and what becomes of files and clocks."""

import contextlib
import gc
import importlib.util
import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from budgetguard.cache.tiers.base import TierError
from budgetguard.cache.tiers.clocks import Clocks
from budgetguard.cache.tiers.sqlite import SqliteTier

_spec = importlib.util.spec_from_file_location(
    "tier_contract", Path(__file__).with_name("tier_contract.py")
)
tier_contract = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tier_contract)
KEY, OTHER = tier_contract.KEY, tier_contract.OTHER


@pytest.fixture
def file(tmp_path):
    return tmp_path / "cache.db"


@pytest.fixture
def open_tier(file):
    """Opens tiers of this test alone."""
    opened = []

    def open_one(namespace="tests", timeout_s=10.0, **options):
        opened.append(SqliteTier(file, namespace=namespace, timeout_s=timeout_s, **options))
        return opened[-1]

    yield open_one
    for tier in opened:
        tier.close()


class TestSqlite(tier_contract.TierContract):
    """All of it."""


class Times:
    """Clocks that go when the test says so."""

    def __init__(self):
        self.boot, self.now, self.wall = "a", 100.0, 1e9

    def clocks(self):
        return Clocks(self.boot, lambda: self.now, lambda: self.wall)


@pytest.mark.parametrize("jump_s", [7200, -7200])
def test_a_change_of_the_wall_clock_moves_no_life(open_tier, jump_s):
    """Two hours forth or back: what lives a minute lives a minute."""
    times = Times()
    tier = open_tier(clocks=times.clocks())
    tier.put(KEY, b"x", 60)
    times.wall += jump_s
    times.now += 59
    assert tier.get(KEY).left_s == pytest.approx(1)
    times.now += 2
    assert tier.get(KEY) is None


def test_what_an_earlier_boot_has_left(open_tier):
    """Its lives go on by the wall clock, its leases have ended."""
    times = Times()
    tier = open_tier(clocks=times.clocks())
    tier.put(KEY, b"x", 60)
    assert tier.acquire(OTHER, "one", 60)
    times.boot, times.now, times.wall = "b", 1.0, times.wall + 30
    again = open_tier(clocks=times.clocks())
    assert again.get(KEY).left_s == pytest.approx(30)
    assert again.acquire(OTHER, "two", 60)
    assert not again.put(OTHER, b"old", 60, "one")


def test_only_its_owner_reads_it(open_tier, file):
    """What is cached may be private."""
    open_tier().ping()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_of_somebody_else(open_tier, file):
    """It is told, and left as it was."""
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = file.read_bytes()
    with pytest.raises(TierError, match="the database of something else"):
        open_tier().get(KEY)
    assert file.read_bytes() == before


@pytest.mark.parametrize("damage", ["no database", "cut", "flipped"])
def test_a_damaged_file(open_tier, file, damage):
    """A TierError or a miss, and never another's value."""
    tier = open_tier()
    for number in range(50):
        tier.put(f"{number:064x}", b"x" * 2000, 60)
    tier.close()
    text = file.read_bytes()
    if damage == "no database":
        file.write_bytes(b"something else" * 1000)
    elif damage == "cut":
        file.write_bytes(text[: len(text) // 2])
    else:
        file.write_bytes(
            text[:8192] + bytes(byte ^ 0xFF for byte in text[8192:12288]) + text[12288:]
        )
    for leftover in file.parent.glob("cache.db-*"):
        leftover.unlink()
    again = open_tier()
    for number in range(50):
        with contextlib.suppress(TierError):
            found = again.get(f"{number:064x}")
            assert found is None or found.blob == b"x" * 2000


def test_a_file_that_is_deleted(open_tier, file):
    """The next look at what has changed finds out, and another file begins."""
    tier = open_tier()
    tier.put(KEY, b"x", 60)
    cursor = tier.changes("").cursor
    for one in file.parent.glob("cache.db*"):
        one.unlink()
    assert tier.changes(cursor).lost
    assert tier.get(KEY) is None
    assert tier.put(KEY, b"y", 60)
    assert open_tier().get(KEY).blob == b"y"


def test_another_process_holds_it(open_tier, file):
    """Reads go on, a write is told soon."""
    tier = open_tier(timeout_s=0.1)
    tier.put(KEY, b"x", 60)
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert tier.get(KEY).blob == b"x"
    with pytest.raises(TierError, match="locked; another process holds it"):
        tier.put(KEY, b"y", 60)
    holder.execute("ROLLBACK")
    holder.close()
    assert tier.put(KEY, b"y", 60)


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_a_full_disk(file):
    """A write is a TierError, and what was there stays whole."""
    program = f"""
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from budgetguard.cache.tiers.sqlite import SqliteTier
from budgetguard.cache.tiers.base import TierError
tier = SqliteTier({str(file)!r})
tier.put("a" * 64, b"x", 60)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
try:
    for number in range(100):
        tier.put(f"{{number:064x}}", b"y" * 50_000, 60)
except TierError as error:
    print("told", tier.get("a" * 64).blob)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "told b'x'\n", done.stderr


def test_many_writers(file):
    """Four processes of many writes: none is lost, none is locked out."""
    program = """
import sys
from budgetguard.cache.tiers.sqlite import SqliteTier
tier = SqliteTier(sys.argv[1], timeout_s=20)
for number in range(50):
    assert tier.put(f"{sys.argv[2]}{number:060x}", b"x" * 500, 60)
"""
    argv = [sys.executable, "-c", program, str(file)]
    running = [
        subprocess.Popen([*argv, str(number)], stderr=subprocess.PIPE) for number in range(4)
    ]
    assert [process.communicate(timeout=60)[1] for process in running] == [b""] * 4
    tier = SqliteTier(file)
    assert len(list(tier.keys())) == 200
    tier.close()


def test_many_open_a_new_file_at_once(tmp_path):
    """None of them finds it locked, and all use the same one."""
    for number in range(20):
        tiers = [SqliteTier(tmp_path / f"{number}.db", timeout_s=20) for _ in range(8)]
        tier_contract.together(*(lambda one=one: one.put(KEY, b"x", 60) for one in tiers))
        assert all(one.get(KEY).blob == b"x" for one in tiers)
        for one in tiers:
            one.close()


def test_threads_have_connections_of_their_own(open_tier):
    """All threads at once."""
    tier = open_tier()
    errors = []

    def work(number):
        try:
            for turn in range(20):
                tier.put(f"{number}{turn:060x}", b"x", 60)
                assert tier.get(f"{number}{turn:060x}").blob == b"x"
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    del threads[:], thread
    gc.collect()
    assert len(tier._file._opened) <= 1, "connections of threads that have ended"
