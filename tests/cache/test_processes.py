"""Several processes behind one shared tier: one load, no value of the dead, and news within a second."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

SECRET = "0123456789abcdef0123456789abcdef"
PROGRAM = """
import json, os, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from budgetguard.cache import Policy, open_cache

policy = Policy(name="article", ttl_s=60, jitter=0, early=0)
cache = open_cache("memory://8MiB", {url!r})
calls = 0


def load():
    global calls
    calls += 1
    time.sleep({load_s})
    return {{"by": os.getpid()}}


def told(**what):
    print(json.dumps(what), flush=True)


{body}
"""
HERD = """
sys.stdin.readline()
with ThreadPoolExecutor(25) as pool:
    began = time.monotonic()
    found = [pool.submit(cache.get_or_load, "k", load, policy=policy) for _ in range(25)]
    values = [one.result(60)["by"] for one in found]
left_out = sum(link.incidents for link in cache._links)
told(calls=calls, values=sorted(set(values)), left_out=left_out)
"""
ONE = """
told(ready=True)
sys.stdin.readline()
began = time.monotonic()
value = cache.get_or_load("k", load, policy=policy)
told(calls=calls, by=value["by"], seconds=time.monotonic() - began)
sys.stdin.readline()
told(now=cache.get_or_load("k", load, policy=policy)["by"])
"""
READER = """
cache.get_or_load("k", lambda: 1, policy=policy, tags=["t"])
told(ready=True)
sys.stdin.readline()
deadline = time.monotonic() + 10
while time.monotonic() < deadline and cache.get_or_load("k", lambda: 2, policy=policy, tags=["t"]) == 1:
    time.sleep(0.01)
told(value=cache.get_or_load("k", lambda: 3, policy=policy, tags=["t"]))
"""


@pytest.fixture(params=["redis", "sqlite"])
def url(request, tmp_path):
    """A tier that processes share."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/cache.db"
    return request.getfixturevalue("redis_url")


@pytest.fixture
def start(url):
    """Starts processes; all have ended afterwards."""
    running = []

    def begin(body, load_s=0.3):
        env = {**os.environ, "BUDGETGUARD_CACHE_SECRET": SECRET}
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(url=url, load_s=load_s, body=body)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env,
        )  # fmt: skip
        running.append(process)
        return process

    yield begin
    for process in running:
        process.kill()
        process.communicate(timeout=30)


def go(process):
    process.stdin.write("go\n")
    process.stdin.flush()


def told(process):
    return json.loads(process.stdout.readline())


def test_four_processes_of_25_callers_load_once(start):
    """All of them have the one value, unless the tier answered a process too late on a busy machine."""
    herd = [start(HERD) for _ in range(4)]
    time.sleep(1)
    for process in herd:
        go(process)
    found = [told(process) for process in herd]
    alone = sum(one["left_out"] for one in found)
    assert 1 <= sum(one["calls"] for one in found) <= 1 + alone
    assert len({by for one in found for by in one["values"]}) <= 1 + alone


def test_a_leader_that_is_killed(start):
    """Another takes over soon, and has its value."""
    leader, follower = start(ONE, 60), start(ONE, 0.01)
    assert told(leader) == told(follower) == {"ready": True}
    go(leader)
    time.sleep(0.4)
    go(follower)
    time.sleep(0.3)
    leader.kill()
    found = told(follower)
    assert (found["calls"], found["by"]) == (1, follower.pid)
    assert found["seconds"] < 10


def test_a_frozen_leader_that_wakes_overwrites_nothing(start):
    """What was loaded in its place stays, in the tier and in its own memory."""
    leader, follower = start(ONE, 0.5), start(ONE, 0.01)
    assert told(leader) == told(follower) == {"ready": True}
    go(leader)
    time.sleep(0.2)
    leader.send_signal(signal.SIGSTOP)
    go(follower)
    assert told(follower)["by"] == follower.pid
    leader.send_signal(signal.SIGCONT)
    assert told(leader)["by"] == leader.pid  # who asked it gets what it has loaded
    for process in (leader, follower):
        go(process)
        assert told(process)["now"] == follower.pid


@pytest.mark.parametrize(
    "how", ["cache.invalidate('k', policy=policy)", "cache.invalidate_tags('t')", "cache.clear()"]
)
def test_an_invalidation_reaches_other_processes(start, how):
    """Within a second or so, though they have the value in memory."""
    reader = start(READER)
    assert told(reader) == {"ready": True}
    other = start(f"{how}\ntold(done=True)")
    go(reader)
    assert told(other) == {"done": True}
    assert told(reader) == {"value": 2}


def test_a_fork_after_start_up(start):
    """Parent and child go on with connections and threads of their own."""
    body = """
cache.get_or_load("k", lambda: 1, policy=policy)
child = os.fork()
if child == 0:
    value = cache.get_or_load("other", lambda: 2, policy=policy)
    os._exit(0 if value == 2 and cache.get_or_load("k", list, policy=policy) == 1 else 1)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
told(code=code, other=cache.get_or_load("other", list, policy=policy))
"""
    assert told(start(body)) == {"code": 0, "other": 2}
