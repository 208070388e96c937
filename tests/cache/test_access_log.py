"""What is asked for is recorded, by several processes, within bounds, and warms the next cache."""

import os
import subprocess
import sys
from decimal import Decimal

import pytest

from budgetguard.cache import AccessLog, Operation, Policy, open_cache
from budgetguard.errors import UsageError

ASK = Operation(
    policy=Policy(name="ask", ttl_s=600),
    key=lambda request: request["q"],
    cost=lambda *_: Decimal("0.25"),
)
SECRET = Operation(policy=Policy(name="secret", ttl_s=600), key=ASK.key, cost=ASK.cost)

CHILD = """
import sys
from decimal import Decimal
from budgetguard.cache import AccessLog, Operation, Policy, open_cache

ask = Operation(
    policy=Policy(name="ask", ttl_s=600), key=lambda request: request["q"], cost=lambda *_: Decimal(1)
)
cache = open_cache("memory://1MiB", access_log=AccessLog(sys.argv[1], ["ask"]))
for number in range(50):
    cache.call(ask, {"q": "often"}, lambda: [1])
    if number % 10 == 0:
        cache.book()
cache.call(ask, {"q": "once"}, lambda: [1])
cache.close()
"""


def use(path, number=3):
    cache = open_cache("memory://1MiB", access_log=AccessLog(path, ["ask"]))
    for _ in range(number):
        cache.call(ASK, {"q": "often", "user": "x"}, lambda: [1], tags=["news"])
    cache.call(ASK, {"q": "once"}, lambda: [1])
    cache.call(SECRET, {"q": "password"}, lambda: [1])
    cache.close()


def test_what_is_recorded(tmp_path):
    """Misses and hits of the operations that were named, with tags and cost; nothing of others."""
    file = tmp_path / "access.jsonl"
    use(file)
    often, once = AccessLog(file, ["ask"]).read().wanted

    assert (often.request, often.times, often.tags) == ({"q": "often", "user": "x"}, 3, ("news",))
    assert (once.times, once.usd) == (1, Decimal("0.25"))
    assert "password" not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_several_processes(tmp_path):
    """None of their lines is lost or mixed."""
    file = tmp_path / "access.jsonl"
    command = [sys.executable, "-c", CHILD, str(file)]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    plan = AccessLog(file, ["ask"]).read()

    assert plan.damaged == 0
    assert [one.times for one in plan.wanted] == [150, 3]


def test_it_does_not_grow_without_end(tmp_path):
    """At its bound it is put aside, once; both are read."""
    file = tmp_path / "access.jsonl"
    log = AccessLog(file, ["ask"], max_bytes=2000)
    for number in range(200):
        log.asked("ask", str(number), {"q": f"{number:0100d}"}, ())
        log.flush()

    assert sorted(each.name for each in tmp_path.iterdir()) == ["access.jsonl", "access.jsonl.1"]
    assert sum(each.stat().st_size for each in tmp_path.iterdir()) < 2 * 2500
    assert 15 < len(log.read().wanted) < 40


def test_many_different_requests_between_two_flushes(tmp_path):
    """Memory is bounded; what is too much is not recorded."""
    log = AccessLog(tmp_path / "access.jsonl", ["ask"])
    for number in range(12_000):
        log.asked("ask", str(number), {"q": number}, ())
    log.flush()
    assert len(log.read().wanted) == 10_000


def test_a_disk_that_is_full_harms_no_answer(tmp_path):
    """What cannot be written is given up."""
    file = tmp_path / "access.jsonl"
    log = AccessLog(file, ["ask"])
    file.mkdir()
    cache = open_cache("memory://1MiB", access_log=log)
    assert cache.call(ASK, {"q": "a"}, lambda: [1]) == [1]
    cache.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_writes_nothing_twice(tmp_path):
    """What was asked for before it is the parent's to write."""
    file = tmp_path / "access.jsonl"
    cache = open_cache("memory://1MiB", access_log=AccessLog(file, ["ask"]))
    cache.call(ASK, {"q": "a"}, lambda: [1])
    child = os.fork()
    if not child:
        cache.call(ASK, {"q": "a"}, lambda: [1])
        cache.close()
        os._exit(0)
    os.waitpid(child, 0)
    cache.close()
    assert [one.times for one in AccessLog(file, ["ask"]).read().wanted] == [2]


def test_wrong_use(tmp_path):
    """Told when it is made."""
    with pytest.raises(UsageError, match="operations"):
        AccessLog(tmp_path / "a.jsonl", [])
    with pytest.raises(UsageError, match="folder"):
        AccessLog(tmp_path / "no" / "a.jsonl", ["ask"])


def test_what_no_line_can_hold(tmp_path):
    """It is answered and not recorded; a request that its caller changes later is recorded as it was sent."""
    log = AccessLog(tmp_path / "access.jsonl", ["ask"])
    cache = open_cache("memory://1MiB", access_log=log)
    odd, mine = {"q": "odd", "image": b"\x00"}, {"q": "mine"}
    assert cache.call(ASK, odd, lambda: [1]) == [1]
    cache.call(ASK, mine, lambda: [1])
    mine["q"] = object()
    cache.close()
    assert [one.request for one in log.read().wanted] == [{"q": "mine"}]
