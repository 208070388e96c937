"""Every kind of body is measured on both sides by the real pytest item, or told why it cannot be."""

import sys
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from budgetguard.gate.side import Side
from budgetguard.gate.sides.reaper import Reaper
from budgetguard.gate.sides.sweep import CANARY_SUBJECT, Served, Subject, SweepOptions, sweep

INI = """
[pytest]
addopts = -n 2 --strict-markers -m "not perf" -k nothing --cov=. --timeout=60 --benchmark-disable -x --budget-strict
filterwarnings = error
markers =
    perf: not in a plain run
asyncio_mode = strict
asyncio_default_fixture_loop_scope = function
"""

BODIES = """
import asyncio
import os
import subprocess
import sys
import threading
import time
import unittest
import warnings

import pytest
from hypothesis import given, strategies

LEAKED = []
CALLED = []
ONCE = []
STEPS = []

def work(n=200):
    return sum(number * number for number in range(n))

def test_plain():
    work()

def test_tiny():
    pass

@pytest.mark.perf
@pytest.mark.budget("time <= baseline + 5%")
@pytest.mark.limit_memory("100 MB")
@pytest.mark.timeout(1)
def test_marked():
    work()

@pytest.mark.parametrize("n", [100, 200], ids=["few", "a::b"])
def test_sizes(n):
    work(n)

class TestMethods:
    @pytest.fixture(autouse=True)
    def count(self):
        self.count = 1

    def test_method(self):
        assert self.count == 1
        work()

class TestCase(unittest.TestCase):
    def setUp(self):
        self.n = 200

    def test_case(self):
        work(self.n)

class TestLater(unittest.IsolatedAsyncioTestCase):
    async def test_case(self):
        await asyncio.sleep(0)
        work()

@pytest.mark.asyncio
async def test_asyncio():
    await asyncio.sleep(0)
    work()

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test_anyio(anyio_backend):
    await asyncio.sleep(0)
    work()

def test_benchmark(benchmark):
    assert benchmark(work, 300) == work(300)
    assert 0 < benchmark.stats["mean"] < 60
    assert benchmark.stats.stats.rounds >= 1

@pytest.mark.benchmark(group="g")
def test_marked_benchmark(benchmark):
    @benchmark
    def result():
        return work()
    assert result == work()

def test_pedantic(benchmark):
    def setup():
        STEPS.append("setup")
        time.sleep(0.002)
        return (300,), {}
    def teardown(n):
        STEPS.append("teardown")
    assert benchmark.pedantic(work, setup=setup, teardown=teardown, rounds=2) == work(300)
    assert STEPS[::2] == ["setup"] * (len(STEPS) // 2)
    assert STEPS[1::2] == ["teardown"] * (len(STEPS) // 2)

def test_pedantic_plain(benchmark):
    benchmark.pedantic(work, args=(300,), rounds=5, iterations=10)

def test_second_benchmark(benchmark):
    benchmark(work)
    benchmark(work)

def test_unused_benchmark(benchmark):
    work()

def test_wrong_result(benchmark):
    assert benchmark(work) == 0

def test_named_block(budget):
    time.sleep(0.001)
    with budget("time <= baseline + 5%", name="inner part"):
        work(2000)
    budget.record("size", 1, "count")

def test_block(budget):
    with budget("time <= baseline + 5%"):
        work()

def test_block_twice(budget):
    for _ in range(2):
        with budget("time <= baseline + 5%"):
            work()

def test_leaks():
    LEAKED.append(bytearray(10_000))

def test_sleeps():
    time.sleep(0.003)

def test_threads():
    threads = [threading.Thread(target=work, args=(50_000,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

def test_forks():
    child = os.fork()
    if child == 0:
        work(50_000)
        os._exit(0)
    os.waitpid(child, 0)

def test_starts_a_process():
    subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)

def test_chdir():
    os.chdir("elsewhere")

def test_prints():
    print("x" * 1_000_000)
    sys.stderr.write("y" * 1_000_000)
    os.write(1, b"z" * 1000)

def test_capsys(capsys):
    print("seen")
    assert capsys.readouterr().out == "seen\\n"

def test_capfd(capfd):
    os.write(1, b"seen")
    assert capfd.readouterr().out == "seen"

def test_frozen(monkeypatch):
    monkeypatch.setattr(time, "perf_counter_ns", lambda: 0)
    monkeypatch.setattr(time, "process_time_ns", lambda: 0)
    monkeypatch.setattr(os, "write", None)
    work()

@pytest.fixture
def stream():
    return iter(range(200_000))

def test_uses_up_its_fixture(stream):
    sum(stream)

WARM = set()

def warm_up(name):
    work(50 if name in WARM else 500_000)
    WARM.add(name)

def test_warms_up(stream):
    warm_up("test")

@pytest.mark.asyncio
async def test_warms_up_later():
    warm_up("later")

class TestWarmsUp(unittest.TestCase):
    def test_case(self):
        warm_up("case")

def test_needs_a_fresh_folder(tmp_path):
    (tmp_path / "d").mkdir()
    work()

@pytest.mark.asyncio
async def test_later_needs_a_fresh_folder(tmp_path):
    (tmp_path / "d").mkdir()
    await asyncio.sleep(0)

class TestFreshCase(unittest.TestCase):
    def setUp(self):
        self.left = [1]

    def test_case(self):
        self.left.pop()

class TestFreshMethod:
    @pytest.fixture(autouse=True)
    def fill(self):
        self.left = [1]

    def test_method(self):
        self.left.pop()

def test_benchmark_needs_a_fresh_folder(benchmark, tmp_path):
    benchmark((tmp_path / "d").mkdir)
    assert (tmp_path / "d").is_dir()

def test_block_needs_a_fresh_folder(budget, tmp_path):
    with budget("time <= baseline + 5%"):
        (tmp_path / "d").mkdir()

@pytest.mark.asyncio
async def test_later_block(budget):
    with budget("time <= baseline + 5%"):
        await asyncio.sleep(0)

def test_block_around_benchmark(budget, benchmark):
    with budget("time <= baseline + 5%"):
        benchmark(work)

@pytest.mark.asyncio
async def test_later_once():
    assert not ONCE_LATER
    ONCE_LATER.append(1)

ONCE_LATER = []

def test_wrong_in_the_end(benchmark, tmp_path):
    benchmark(work)
    assert not list(tmp_path.iterdir()), "so be it"
    raise OSError("in the end")

def test_once_in_a_process():
    assert not ONCE
    ONCE.append(1)
    work()

def test_only_three_times():
    CALLED.append(1)
    assert len(CALLED) <= 3
    time.sleep(0.02)

def test_slow():
    time.sleep(1.5)

def test_fails():
    assert work() == 0, "wrong by itself"

def test_skipped():
    pytest.skip("not today")

@pytest.mark.xfail(reason="known")
def test_expected_to_fail():
    assert work() == 0

@given(strategies.integers())
def test_property(n):
    work()

def test_fork_that_comes_back():
    child = os.fork()
    if child:
        os.waitpid(child, 0)
"""

PLAIN = {
    "test_plain": "called again in place",
    "test_tiny": "called again in place",
    "test_marked": "called again in place",
    "test_sizes[few]": "called again in place",
    "test_sizes[a::b]": "called again in place",
    "TestMethods::test_method": "called again in place",
    "TestCase::test_case": "called again in place",
    "TestLater::test_case": "called again in place",
    "test_asyncio": "called again in place",
    "test_anyio": "called again in place",
    "test_benchmark": "called again in place",
    "test_marked_benchmark": "called again in place",
    "test_pedantic": "called again in place",
    "test_pedantic_plain": "called again in place",
    "test_leaks": "called again in place",
    "test_sleeps": "called again in place",
    "test_threads": "called again in place",
    "test_forks": "called again in place",
    "test_starts_a_process": "called again in place",
    "test_chdir": "called again with fresh fixtures",
    "test_uses_up_its_fixture": "called again with fresh fixtures",
    "test_warms_up": "called again in place",
    "test_warms_up_later": "called again in place",
    "TestWarmsUp::test_case": "called again in place",
    "test_prints": "called again in place",
    "test_capsys": "called again in place",
    "test_capfd": "called again in place",
    "test_frozen": "called again in place",
    "test_fork_that_comes_back": "called again in place",
    "test_needs_a_fresh_folder": "called again with fresh fixtures",
    "test_later_needs_a_fresh_folder": "called again with fresh fixtures",
    "TestFreshCase::test_case": "called again with fresh fixtures",
    "TestFreshMethod::test_method": "called again with fresh fixtures",
    "test_benchmark_needs_a_fresh_folder": "called again with fresh fixtures",
    "test_once_in_a_process": "one process per call",
    "test_only_three_times": "one process per call",
    "test_slow": "called again in place",
}

ERRORS = {
    "test_wrong_in_the_end": "OSError: in the end",
    "test_later_once": "an asynchronous body cannot be called again",
    "test_second_benchmark": "benchmark can be used once in a test",
    "test_unused_benchmark": "benchmark(...) was not reached",
    "test_wrong_result": "the test fails by itself on both sides",
    "test_fails": "wrong by itself",
    "test_skipped": "not today",
    "test_expected_to_fail": "on both sides",
    "test_property": "hypothesis",
    "test_nowhere": "head: there is no such test in tests/test_bodies.py",
}
BLOCKS = {
    "test_named_block": "inner part",
    "test_block": "block",
    "test_later_block": "block",
    "test_block_needs_a_fresh_folder": "block",
    "test_block_around_benchmark": "block",
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[Subject, Served]]:
    """One sweep over all of them."""
    top = tmp_path_factory.mktemp("bodies")
    sides = []
    for name in ("base", "head"):
        folder = top / name
        (folder / "tests").mkdir(parents=True)
        (folder / "elsewhere").mkdir()
        (folder / "pytest.ini").write_text(INI)
        (folder / "tests" / "test_bodies.py").write_text(textwrap.dedent(BODIES))
        sides.append(Side(name, folder, sys.executable, root=folder))
    subjects = [Subject(node(name)) for name in (*PLAIN, *ERRORS)]
    subjects += [Subject(node(name), block) for name, block in BLOCKS.items()]
    subjects += [Subject(node("test_block_twice"), "block"), Subject(node("test_plain"), "block")]
    subjects += [Subject(node("test_named_block"))]
    with Reaper() as reaper:
        options = SweepOptions(reaper=reaper, pairs=2, subject_s=2.0)
        yield sweep(*sides, subjects, seed=11, options=options)


def node(name: str) -> str:
    return f"tests/test_bodies.py::{name}"


@pytest.mark.parametrize(("name", "mode"), PLAIN.items())
def test_a_body_is_measured(served: Mapping[Subject, Served], name: str, mode: str) -> None:
    """Each kind of body serves equal numbers of calls on both sides, whatever addopts say."""
    one = served[Subject(node(name))]
    assert (one.error, one.mode) == ("", mode)
    assert 1 <= len(one.rounds) <= 2
    assert one.units >= 1
    for base, head in one.rounds:
        assert base.wall_s > 0 < head.wall_s
        assert base.cpu_s >= 0 <= head.cpu_s


@pytest.mark.parametrize(("name", "why"), ERRORS.items())
def test_what_cannot_be_measured_says_why(
    served: Mapping[Subject, Served], name: str, why: str
) -> None:
    """What is not measured has no rounds, but a reason; it is never a verdict."""
    one = served[Subject(node(name))]
    assert why in one.error
    assert (one.rounds, one.new) == ((), False)


@pytest.mark.parametrize(("name", "block"), BLOCKS.items())
def test_a_block_is_a_subject(served: Mapping[Subject, Served], name: str, block: str) -> None:
    """A block of the `budget` fixture is clocked alone, under the name it has in a limit."""
    one = served[Subject(node(name), block)]
    assert one.error == ""
    assert one.rounds


def test_a_block_and_its_whole_body_are_two_subjects(served: Mapping[Subject, Served]) -> None:
    """An item may carry both; what stands beside the block counts for the body only."""
    body = served[Subject(node("test_named_block"))]
    block = served[Subject(node("test_named_block"), "inner part")]
    waited = [cost.blocked_s / body.units for pair in body.rounds for cost in pair]
    inside = [cost.blocked_s / block.units for pair in block.rounds for cost in pair]
    assert min(waited) >= 0.001 > max(inside)


def test_a_block_that_is_not_there_is_an_error(served: Mapping[Subject, Served]) -> None:
    """A block that the body does not reach, or reaches twice, has no cost of its own."""
    assert "the block 'block' was not reached" in served[Subject(node("test_plain"), "block")].error
    twice = served[Subject(node("test_block_twice"), "block")].error
    assert "ran more than once in one call" in twice


def test_the_canary_comes_first(served: Mapping[Subject, Served]) -> None:
    """The same code on both sides is measured in every sweep."""
    canary = served[CANARY_SUBJECT]
    assert canary.error == ""
    assert canary.units > 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the wait for a processor")
@pytest.mark.parametrize(
    ("name", "known"),
    [("test_plain", True), ("test_sleeps", True), ("test_threads", False), ("test_forks", False)],
)
def test_waiting_is_read_where_nothing_else_runs(
    served: Mapping[Subject, Served], name: str, known: bool
) -> None:
    """Blocked time is told for one thread only; children's and threads' CPU time is counted."""
    for pair in served[Subject(node(name))].rounds:
        for cost in pair:
            assert (cost.blocked_s is not None) == known
            assert cost.cpu_s > 0


def test_sleep_is_waiting(served: Mapping[Subject, Served]) -> None:
    """A unit that sleeps is calibrated by what it waits: its rounds do not grow without bound."""
    one = served[Subject(node("test_sleeps"))]
    assert one.units <= 10
    assert all(cost.blocked_s >= 0.003 * one.units for pair in one.rounds for cost in pair)


def test_a_slow_body_has_fewer_pairs(served: Mapping[Subject, Served]) -> None:
    """A subject takes its time and not eight times that."""
    one = served[Subject(node("test_slow"))]
    assert (len(one.rounds), one.units) == (1, 1)


def test_nothing_is_written_into_the_project(
    served: Mapping[Subject, Served], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Neither caches nor reports of the measuring sessions land in a side's folder."""
    assert served
    top = Path(tmp_path_factory.getbasetemp())
    made = {path.name for path in top.glob("bodies*/*/*")}
    assert made <= {"tests", "elsewhere", "pytest.ini", ".hypothesis"}
