"""The duel of tests: blocks of every relative limit, with the canary, from real sweeps."""

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from budgetguard.gate.limits import parse_limit
from budgetguard.gate.meters import METRICS
from budgetguard.gate.model import Budget, Point, Request, Where
from budgetguard.gate.paired import block_value
from budgetguard.gate.side import CANARY, Block, Side
from budgetguard.gate.sides.reaper import Reaper
from budgetguard.gate.sides.subjects import Cost, Served, Subject, SweepOptions
from budgetguard.gate.targets.duel_of_tests import TestDuel as Duel

BODIES = """
    import threading, time, shop

    def test_time(): shop.work()
    def test_sleep(): time.sleep(0.003)
    def test_block(budget):
        with budget("time <= baseline + 5%", name="inner"):
            shop.work()
    def test_threads():
        thread = threading.Thread(target=shop.work, args=(40_000,))
        thread.start()
        thread.join()
    def test_secret(): assert shop.RIGHT, "the password is hunter2-hunter2"
"""
WORK = "RIGHT = {}\ndef work(n={}): return sum(i * i for i in range(n))\n"


def budget(name: str, *limits: str) -> Budget:
    parsed = tuple(parse_limit(limit, METRICS) for limit in limits)
    return Budget(
        name=f"tests/test_a.py::{name}",
        target="test",
        limits=parsed,
        where=Where("tests/test_a.py"),
    )


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Side, Side]:
    top = tmp_path_factory.mktemp("duel")
    for name, n in (("base", 500), ("head", 1500)):
        (top / name / "tests").mkdir(parents=True)
        (top / name / "tests" / "test_a.py").write_text(textwrap.dedent(BODIES))
        (top / name / "shop.py").write_text(WORK.format(name == "base", n))
    (top / "head" / "tests" / "test_new.py").write_text("def test_new(): pass\n")
    base, head = (
        Side(name, top / name, sys.executable, root=top / name) for name in ("base", "head")
    )
    return base, head


@pytest.fixture
def duel(sides: tuple[Side, Side]) -> Iterator[Duel]:
    with Reaper() as reaper:
        options = SweepOptions(reaper=reaper, pairs=4)
        yield Duel(*sides, Request(), reaper, options)


def test_a_block_holds_every_relative_limit(duel: Duel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each relative limit has its pairs per call, or its reason; absolute ones are left to others."""
    monkeypatch.setenv("PASSWORD", "hunter2-hunter2")
    found = duel.block(
        [
            budget("test_time", "time <= baseline + 5%", "cpu <= baseline + 5%", "wall <= 1 s"),
            budget("test_sleep", "blocked <= baseline + 5%"),
            budget("test_block", "inner time <= baseline + 5%"),
            budget("test_threads", "time <= baseline + 5%", "blocked <= baseline + 5%"),
            budget("test_secret", "time <= baseline + 5%"),
        ],
        seed=3,
    )
    name = "tests/test_a.py::{}".format
    assert set(found) == {
        Point(CANARY, "", "time"),
        Point(name("test_time"), "", "time"),
        Point(name("test_time"), "", "cpu"),
        Point(name("test_sleep"), "", "blocked"),
        Point(name("test_block"), "inner", "time"),
        Point(name("test_threads"), "", "time"),
        Point(name("test_threads"), "", "blocked"),
        Point(name("test_secret"), "", "time"),
    }
    for point in (name("test_time"), "", "time"), (name("test_block"), "inner", "time"):
        block = found[Point(*point)]
        assert (block.error, len(block.base), len(block.head)) == ("", 4, 4)
        assert block_value(block) > 0.2
    asleep = found[Point(name("test_sleep"), "", "blocked")]
    assert min(*asleep.base, *asleep.head) >= 0.003
    threads = found[Point(name("test_threads"), "", "time")]
    assert threads.note.startswith("CPU time only: other threads")
    assert "put the limit on cpu" in found[Point(name("test_threads"), "", "blocked")].error
    secret = found[Point(name("test_secret"), "", "time")]
    assert "head fails (call: AssertionError: the password is $PASSWORD" in secret.error


def test_new_is_what_the_base_has_not(duel: Duel) -> None:
    """A test that only the head has is NEW, and no error."""
    new = Budget(
        name="tests/test_new.py::test_new",
        target="test",
        limits=(parse_limit("time <= baseline + 5%", METRICS),),
        where=Where(""),
    )
    block = duel.block([new], seed=1)[Point(new.name, "", "time")]
    assert block.new
    assert "there is no tests/test_new.py" in block.error


def test_prints_tell_what_both_sides_run(duel: Duel) -> None:
    """A recording has one payload per side, with the project's code in it and no clock."""
    wanted = [budget("test_time", "time <= baseline + 5%"), budget("test_secret")]
    found = duel.prints(wanted, seed=5)
    assert set(found) == {"tests/test_a.py::test_time"}
    base, head = found["tests/test_a.py::test_time"]
    assert base["item"] == head["item"] == "tests/test_a.py::test_time"
    assert any("work" in place for code in base["code"].values() for place in code)
    assert base["digest"] != head["digest"]


def test_a_subject_keeps_its_clock(sides: tuple[Side, Side]) -> None:
    """Whether waiting counts is decided in the first block: blocks of two kinds are not mixed."""
    with Reaper() as reaper:
        duel = Duel(*sides, Request(), reaper)
    known, unknown = Cost(1.0, 2.0, 3.0), Cost(1.0, None, 3.0)
    subject = Subject("tests/test_a.py::test_time")

    def block(*costs: Cost) -> Block:
        served = Served(rounds=tuple((cost, cost) for cost in costs), units=2)
        return duel._block(subject, served, "time")

    assert block(known, known, unknown).base == (1.5, 1.5)
    assert block(known, unknown, unknown).head == (1.5,)
    assert "put the limit on cpu" in block(unknown).error
    other = Duel(*sides, Request(), reaper)
    served = Served(rounds=((unknown, known), (known, known)), units=2)
    first = other._block(subject, served, "time")
    assert (first.base, first.note[:13]) == ((0.5, 0.5), "CPU time only")
    served = Served(rounds=((known, known),), units=2)
    assert other._block(subject, served, "time").base == (0.5,)


def test_a_number_of_a_test_is_not_compared(sides: tuple[Side, Side], tmp_path: Path) -> None:
    """What rounds do not give is an error that says what they do give."""
    with Reaper() as reaper:
        duel = Duel(*sides, Request(), reaper)
    block = duel._block(Subject("a"), Served(units=1), "latency")
    assert "latency is not measured on both sides; limit time, cpu or blocked" in block.error


def test_waiting_that_one_side_hides_is_no_verdict(duel):
    """A head that moves its work to a thread would pass by its CPU time alone."""
    seen, hidden = Cost(0.01, 0.0, 0.01), Cost(0.01, None, 0.03)
    served = Served(rounds=((seen, hidden),) * 8, units=1)
    for metric in ("time", "blocked"):
        assert "one side works in threads" in duel._block(Subject("t"), served, metric).error
    assert not duel._block(Subject("t"), served, "cpu").error
