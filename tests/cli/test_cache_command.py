"""`budgetguard cache`: what tiers hold is told, opened, given up and cleaned, on real Redis, SQLite and PostgreSQL."""

import datetime as dt
import json
import os
import pty
import secrets
import sqlite3
import subprocess
import sys
import time
from decimal import Decimal
from types import SimpleNamespace

import pytest

from budgetguard.cache import Policy, open_cache
from budgetguard.cache.ledger import Kind, Ledger, Movement
from budgetguard.cache.opening import open_links
from budgetguard.cli import run

ARTICLE = Policy(name="article", ttl_s=600, stale_s=60, jitter=0)
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def shell(capsys, monkeypatch, tmp_path):
    """The command line, in a folder of its own, with nothing set."""
    for name in ("TIERS", "LEDGER", "SECRET"):
        monkeypatch.delenv(f"BUDGETGUARD_CACHE_{name}", raising=False)
    monkeypatch.chdir(tmp_path)

    def command(*arguments):
        capsys.readouterr()
        code = run(["cache", *arguments])
        captured = capsys.readouterr()
        return SimpleNamespace(code=code, out=captured.out, err=captured.err)

    return command


@pytest.fixture(params=["redis", "sqlite", "postgresql"])
def held(request, monkeypatch, tmp_path):
    """A cache with three values in a tier of its own, which the command finds by its environment."""
    space = f"cli_{secrets.token_hex(4)}"
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/cache.db"
    else:
        url = request.getfixturevalue("redis_url" if request.param == "redis" else "postgres_url")
    monkeypatch.setenv("BUDGETGUARD_CACHE_SECRET", SECRET)
    monkeypatch.setenv("BUDGETGUARD_CACHE_TIERS", f"memory://1MiB {url}")
    cache = open_cache(url, secret=SECRET, namespace=space)
    cost = Decimal("0.007")
    cache.put("42", {"title": "Löwe"}, policy=ARTICLE, tags=["news"], cost=lambda _: cost)
    cache.put("text", "x" * 5000, policy=ARTICLE)
    cache.put(["list", 1], [1, 2], policy=ARTICLE, tags=["news"])
    yield SimpleNamespace(cache=cache, space=("--namespace", space), url=url, name=request.param)
    cache.clear()
    cache.close()


def tier_of(held):
    return open_links([held.url], held.space[1])[0].tier


def test_stats_of_tiers(shell, held):
    """Entries and bytes of each shared tier; memory is another process's."""
    shell("stats", *held.space)
    told = shell("stats", *held.space, "--json")

    [tier] = json.loads(told.out)["tiers"]
    assert (tier["tier"], tier["up"], tier["entries"]) == (held.name, True, 3)
    assert tier["bytes"] > 200


def test_get(shell, held):
    """The value of a key as the application knows it, and what is known of it."""
    told = shell("get", "article", "42", *held.space)
    assert told.code == 0
    assert '"title": "Löwe"' in told.out
    assert "0.007 USD" in told.out
    assert f"in {held.name}" in told.out
    assert "tag news" in told.out

    known = json.loads(shell("get", "article", "42", *held.space, "--json").out)
    assert known["value"] == {"title": "Löwe"}
    assert 500 < known["left_s"] <= 600
    assert shell("get", "article", "text", "--raw", *held.space).out == "x" * 5000 + "\n"
    listed = shell("get", "article", "--json-key", '["list", 1]', "--raw", *held.space)
    assert json.loads(listed.out) == [1, 2]


def test_get_of_what_is_not_there(shell, held):
    """1, and the digest under which it was looked for."""
    told = shell("get", "article", "43", *held.space)

    assert (told.code, told.out) == (1, "")
    assert "no tier holds it" in told.err


def test_keys_are_listed_by_size(shell, held):
    """By digests, which `get` takes."""
    first, *others = json.loads(shell("keys", *held.space, "--json").out)
    assert len(others) == 2
    assert first["stored_bytes"] >= max(each["stored_bytes"] for each in others)
    costs = {each["cost_usd"] for each in (first, *others)}
    assert costs == {"0", "0.007"}
    for each in (first, *others):
        assert shell("get", "--digest", each["digest"], *held.space).code == 0
    assert len(shell("keys", "--limit", "1", *held.space).out.splitlines()) == 2
    assert shell("keys", "--larger-than", "1GB", *held.space).out == ""


def test_invalidate_a_key(shell, held):
    """It is gone for the command and for a process that runs; the others stay."""
    told = shell("invalidate", "--key", "article", "42", "--yes", *held.space)

    assert (told.code, told.out) == (0, f"{held.name}: 1 entry gone\n")
    assert shell("get", "article", "42", *held.space).code == 1
    assert shell("get", "article", "text", *held.space).code == 0


def test_a_running_process_hears(shell, held):
    """What it has in memory goes, too."""
    assert held.cache.get_or_load("42", dict, policy=ARTICLE) == {"title": "Löwe"}
    shell("invalidate", "--tag", "news", "--yes", *held.space)
    until = time.monotonic() + 10
    while held.cache.get_or_load("42", dict, policy=ARTICLE, tags=["news"]):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_invalidate_by_tag_and_all(shell, held):
    """A dry run tells how much it is; then a tag makes values outdated, and all removes them."""
    would = json.loads(shell("invalidate", "--tag", "news", "--dry-run", "--json", *held.space).out)
    assert would == [{"tier": held.name, "entries": 2}]
    assert shell("get", "article", "42", *held.space).code == 0

    assert shell("invalidate", "--tag", "news", "--yes", *held.space).code == 0
    told = shell("get", "article", "42", *held.space)
    assert told.code == 1
    assert "outdated" in told.err
    assert shell("get", "article", "text", *held.space).code == 0

    assert "3 entries would go" in shell("invalidate", "--all", "--dry-run", *held.space).out
    assert shell("invalidate", "--all", "--yes", *held.space).code == 0
    assert shell("get", "article", "text", *held.space).code == 1


def test_nobody_to_ask(shell, held, monkeypatch):
    """What destroys is not done where nobody can confirm it."""
    with open(os.devnull) as nobody:  # noqa: PTH123 -- no file
        monkeypatch.setattr("sys.stdin", nobody)
        told = shell("invalidate", "--all", *held.space)

    assert told.code == 2
    assert "--yes" in told.err
    assert shell("get", "article", "text", *held.space).code == 0


def test_verify(shell, held):
    """All sound; then what was changed, is another's or is cut is found, removed, and nothing else is."""
    assert shell("verify", *held.space).code == 0
    tier = tier_of(held)
    names = sorted(tier.keys())
    whole = tier.get(names[0]).blob
    tier.put("flipped", whole[:-1] + bytes([whole[-1] ^ 1]), 600)
    tier.put("foreign", b"hello", 600)
    told = shell("verify", *held.space)
    assert told.code == 1
    assert "3 sound" in told.out
    assert "1 not signed with our secret" in told.out
    assert "1 not of this format" in told.out

    assert shell("verify", "--remove", "--yes", *held.space).code == 0
    assert sorted(tier.keys()) == names
    assert shell("verify", *held.space, "--json").code == 0
    tier.close()


def test_verify_with_another_secret(shell, held, monkeypatch):
    """Where not one entry is ours it is the secret that is wrong, and nothing is removed."""
    monkeypatch.setenv("BUDGETGUARD_CACHE_SECRET", "another secret of some length")
    told = shell("verify", "--remove", "--yes", *held.space)

    assert told.code == 2
    assert "BUDGETGUARD_CACHE_SECRET" in told.err
    monkeypatch.setenv("BUDGETGUARD_CACHE_SECRET", SECRET)
    assert shell("verify", *held.space).code == 0


@pytest.mark.parametrize("held", ["sqlite", "postgresql"], indirect=True)
def test_gc(shell, held):
    """What has expired goes, and only that, where no server does it; the second time there is nothing to say."""
    tier = tier_of(held)
    for number in range(2500):
        tier.put(f"old-{number}", b"x", 0.001)
    tier.close()
    time.sleep(0.05)

    told = shell("gc", *held.space)
    assert (told.code, told.out) == (0, f"{held.name}: 2,500 expired entries removed\n")
    assert shell("gc", *held.space).out == ""
    assert shell("get", "article", "text", *held.space).code == 0


@pytest.fixture
def file_cache(monkeypatch, tmp_path, shell):
    """A SQLite cache with its secret beside it, and a value."""
    del shell
    url = f"sqlite:///{tmp_path}/cache.db"
    cache = open_cache(url)
    cache.put("42", [1], policy=ARTICLE)
    cache.close()
    monkeypatch.setenv("BUDGETGUARD_CACHE_TIERS", url)
    return tmp_path / "cache.db"


def test_the_secret_beside_a_file(shell, file_cache):
    """A cache of files alone needs no variable; without its secret the command makes none."""
    assert shell("get", "article", "42", "--raw").out == "[1]\n"
    file_cache.with_name("cache.db.secret").unlink()
    told = shell("get", "article", "42")
    assert told.code == 2
    assert "BUDGETGUARD_CACHE_SECRET" in told.err
    assert not file_cache.with_name("cache.db.secret").exists()
    assert shell("stats").code == 0


def test_a_person_is_asked(file_cache):
    """On a terminal; no changes nothing, yes does it."""
    command = [sys.executable, "-m", "budgetguard", "cache", "invalidate", "--all"]
    for answer, left in ((b"n\n", 1), (b"y\n", 0)):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        os.write(ours, answer)
        _, asked = process.communicate(timeout=60)
        os.close(theirs)
        os.close(ours)
        assert b"Give up everything, in sqlite?" in asked
        with sqlite3.connect(file_cache) as connection:
            assert connection.execute("SELECT count(*) FROM entry").fetchone() == (left,)
        connection.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stats"], "--tier"),
        (["stats", "--tier", "sqlite:///nope.db"], "no such file"),
        (["stats", "--ledger", "nope.db"], "no such ledger"),
        (["stats", "--tier", "memory://1MiB"], "its own process"),
        (["stats", "--tier", "nope://x"], "nope"),
        (["keys", "--larger-than", "3 s"], "size"),
        (["roi"], "--ledger"),
        (["roi", "--ledger", "x.db", "--monthly-cost", "much"], "US dollars"),
        (["invalidate"], "--tag"),
        (["get", "article"], "POLICY KEY"),
        (["gett"], "did you mean get?"),
    ],
)
def test_wrong_usage(shell, file_cache, monkeypatch, arguments, words, tmp_path):
    """2, what was wrong, and no file that was not there."""
    if "get" not in arguments[0]:
        monkeypatch.delenv("BUDGETGUARD_CACHE_TIERS")
    before = sorted(tmp_path.iterdir())
    told = shell(*arguments)

    assert told.code == 2
    assert words in told.err
    assert "Traceback" not in told.err
    assert sorted(tmp_path.iterdir()) == before


def test_a_wrong_json_key(shell, file_cache):
    """It is told, not traced."""
    told = shell("get", "article", "--json-key", "{")
    assert told.code == 2
    assert "no JSON" in told.err


def test_a_tier_that_is_down(shell, file_cache, monkeypatch):
    """It is named; the others are told, asked and changed nevertheless, and no password is shown."""
    url = "redis://:geheim-8237@127.0.0.1:1/0"
    monkeypatch.setenv("BUDGETGUARD_CACHE_TIERS", f"{url} sqlite:///{file_cache}")
    secret = file_cache.with_name("cache.db.secret").read_text()
    monkeypatch.setenv("BUDGETGUARD_CACHE_SECRET", secret)
    stats, found = shell("stats"), shell("get", "article", "42")
    gone, missing = shell("invalidate", "--all", "--yes"), shell("get", "article", "42")
    alone = shell("stats", "--tier", url)

    assert stats.code == 0
    assert "down" in stats.out
    assert "sqlite" in stats.out
    assert found.code == 0
    assert gone.code == 4
    assert "sqlite: 1 entry gone" in gone.out
    assert "did not hear" in gone.out
    assert missing.code == 4
    assert alone.code == 4
    told = (stats, found, gone, missing, alone)
    assert not any("geheim" in one.out + one.err for one in told)


@pytest.fixture
def ledger(tmp_path, monkeypatch, shell):
    """Five weeks that look alike: each hour a load of 2 cents and nine hits."""
    del shell
    now = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)
    book = Ledger(tmp_path / "ledger.db", clock=now.timestamp)
    movements = []
    for hour in range(35 * 24):
        at = (now - dt.timedelta(hours=hour)).timestamp()
        movements += [
            Movement(operation="chat", at=at, kind=Kind.LOAD, usd=Decimal("0.02")),
            Movement(operation="chat", at=at, kind=Kind.HIT_MEMORY, count=9, usd=Decimal("0.18")),
        ]
    book.add(movements)
    monkeypatch.setenv("BUDGETGUARD_CACHE_LEDGER", str(book.path))
    return book


def test_stats_of_the_ledger(shell, ledger):
    """What was counted, by operation."""
    told = shell("stats")
    assert told.code == 0
    assert "chat" in told.out
    assert "90.0%" in told.out
    assert "16.80 USD" in told.out
    assert "151.20 USD" in told.out
    known = json.loads(shell("stats", "--json", "--since", "2026-11-19").out)
    assert known["operations"]["chat"]["loads"] == 25


def test_roi(shell, ledger):
    """What it was worth over what it cost, and a projection with what it stands on."""
    told = shell("roi", "--monthly-cost", "30")
    assert told.code == 0
    assert "saved      151.20 USD, 90.0% of the bill" in told.out
    assert "return" in told.out
    assert "projected  129.60 USD saved in 30 days" in told.out
    known = json.loads(shell("roi", "--json").out)
    assert known["roi"] is None
    assert known["saved_usd"] == "151.200000000000"
    assert known["projection"]["events"] == 4 * 7 * 24 * 9


def test_roi_of_too_little(shell, ledger):
    """No projection from a day, and the reason."""
    told = shell("roi", "--since", "2026-11-19")
    assert "no projection: it stands on" in told.out
    assert "nothing in this time" in shell("roi", "--since", "2030-01-01").out


def test_export(shell, ledger, tmp_path):
    """CSV and JSON lines; a file is written whole or not at all."""
    lines = shell(
        "export", "--since", "2026-11-19", "--until", "2026-11-19T02:00:00"
    ).out.splitlines()
    assert lines[0].startswith("start,hours,operation,loads")
    assert len(lines) == 3
    told = shell("export", "--format", "jsonl", "--output", str(tmp_path / "all.jsonl"))
    assert (told.code, told.out) == (0, "")
    rows = [json.loads(line) for line in (tmp_path / "all.jsonl").read_text().splitlines()]
    assert sum(row["loads"] for row in rows) == ledger.totals()["chat"].loads
    assert shell("export", "--output", str(tmp_path / "no" / "all.csv")).code == 2
