"""The second witness: work of one test, counted on both sides in fresh workers."""

import importlib.util
import shutil
import sys

import pytest

from budgetguard.gate.side import Side
from budgetguard.gate.sides.subjects import Subject
from budgetguard.gate.targets.witness import witness

KINDS = tuple(
    kind
    for kind, there in (
        ("bytecodes", hasattr(sys, "monitoring")),
        (
            "instructions",
            shutil.which("valgrind") and importlib.util.find_spec("pytest_codspeed"),
        ),
    )
    if there
)[:1]
needs_a_count = pytest.mark.skipif(not KINDS, reason="nothing here can count")

TEST = """
import pytest
from work import work

@pytest.fixture
def size():
    return {size}

def test_body(size):
    assert work(size)

def test_benchmark(benchmark, size):
    benchmark(work, size)

def test_fails(size):
    assert size == 20_000
"""
WORK = """
def work(size):
    total = 0
    for number in range(size):
        total += number * number
    return total
"""


@pytest.fixture
def sides(tmp_path):
    """Base and head of one project; the head has 5 % more to do."""
    made = {}
    for name, size in (("base", 20_000), ("head", 21_000)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "work.py").write_text(WORK)
        (folder / "test_work.py").write_text(TEST.format(size=size))
        (folder / "pytest.ini").write_text("[pytest]\n")
        made[name] = Side(name, folder, sys.executable, root=folder)
    return made["base"], made["head"]


@pytest.fixture
def lean(monkeypatch):
    """Workers without other plugins, which cost seconds under callgrind."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


@needs_a_count
def test_more_work_is_seen_and_measured(sides, lean):
    """5 % more turns of the loop are close to 5 % more work, and what was counted is named."""
    found = witness(*sides, Subject("test_work.py::test_body"), kinds=KINDS)
    assert found.ratio == pytest.approx(1.05, abs=0.01)
    assert found.what == KINDS[0]


@needs_a_count
def test_the_same_work_is_the_same(sides, lean):
    """One code on both sides counts nearly the same."""
    head = sides[1]
    twin = Side("base", head.folder, head.python, root=head.root)
    found = witness(twin, head, Subject("test_work.py::test_body"), kinds=KINDS)
    assert found.ratio == pytest.approx(1.0, abs=0.002)


@needs_a_count
def test_why_nothing_was_counted(sides, lean):
    """A test that is missing or fails on a side is told as a sentence."""
    missing = witness(*sides, Subject("test_work.py::test_none"), kinds=KINDS)
    assert missing.ratio is None
    assert "no such test" in missing.what
    if KINDS == ("bytecodes",):
        failing = witness(*sides, Subject("test_work.py::test_fails"), kinds=KINDS)
        assert failing.ratio is None
        assert "head: the test failed" in failing.what


@pytest.mark.skipif(not hasattr(sys, "monitoring"), reason="sys.monitoring came with Python 3.12")
def test_a_benchmark_is_a_subject(sides):
    """What is handed to `benchmark` is counted without its rounds."""
    pytest.importorskip("pytest_benchmark")
    found = witness(*sides, Subject("test_work.py::test_benchmark"), kinds=("bytecodes",))
    assert found.ratio == pytest.approx(1.05, abs=0.01)


@pytest.mark.skipif(hasattr(sys, "monitoring"), reason="this Python has sys.monitoring")
def test_an_old_python_without_callgrind_says_so(sides, lean):
    """Where neither can be counted the sentence has both reasons."""
    found = witness(*sides, Subject("test_work.py::test_body"), kinds=("bytecodes",))
    assert found.ratio is None
    assert "Python 3.12" in found.what
