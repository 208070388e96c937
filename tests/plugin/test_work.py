"""`instructions` and `bytecodes` of a test: counted in a process of its own, the second call of the body."""

import importlib.util
import os
import re
import shutil
import sys

import pytest

CALLGRIND = shutil.which("valgrind") and importlib.util.find_spec("pytest_codspeed")
MONITORING = hasattr(sys, "monitoring")
needs_callgrind = pytest.mark.skipif(
    not CALLGRIND, reason="valgrind or the extra `instructions` is not installed"
)
needs_monitoring = pytest.mark.skipif(not MONITORING, reason="sys.monitoring came with Python 3.12")
OTHERS = ("asyncio", "benchmark", "codspeed", "hypothesispytest", "pytest_cov", "timeout", "xdist")
"""Plugins that only make a process slower, which under callgrind takes seconds."""

WORK = """
import pytest

CALLS = []

@pytest.fixture
def numbers():
    return list(range(500))

@pytest.mark.budget("{metric} <= {bound}")
def test_one(numbers):
    total = 0
    for number in numbers:
        total += number

def test_other():
    pass
"""


def counted(result, metric):
    """The value that a failed limit tells."""
    found = re.search(r"(\d+) is over \d+", result.stdout.str())
    assert found, f"{metric} was not counted:\n{result.stdout.str()}"
    return int(found[1])


@needs_callgrind
def test_instructions_of_a_test(project):
    """Over the limit it fails with the count and the functions that executed most of it."""
    project.write(test_work=WORK.format(metric="instructions", bound=100))
    result = project.start(*(part for name in OTHERS for part in ("-p", f"no:{name}")))
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["over budget: instructions <= 100", "* in *"])
    assert 5_000 < counted(result, "instructions") < 500_000


@needs_monitoring
def test_bytecodes_of_a_test(project):
    """The count is that of the body: neither fixtures nor our own part are in it."""
    project.write(test_work=WORK.format(metric="bytecodes", bound=100))
    result = project.start()
    result.assert_outcomes(failed=1, passed=1)
    # some seven bytecodes a turn, and a few around the loop
    assert 2_000 < counted(result, "bytecodes") < 5_000


@needs_monitoring
def test_bytecodes_do_not_depend_on_what_else_runs(project):
    """Alone, beside others and under another hash seed of the session it is the same number."""
    project.write(test_work=WORK.format(metric="bytecodes", bound=100))
    values = {counted(project.start(), "bytecodes")}
    values.add(counted(project.start("test_work.py::test_one"), "bytecodes"))
    assert len(values) == 1


@needs_monitoring
def test_a_body_of_nothing_costs_nothing(project):
    """What the passes add themselves is taken off."""
    project.write(
        test_nothing="""
        import pytest

        @pytest.mark.budget("bytecodes <= 2")
        def test_nothing():
            pass

        @pytest.mark.budget("bytecodes <= 2")
        async def test_later():
            pass
        """
    )
    project.start("-o", "asyncio_mode=auto").assert_outcomes(passed=2)


@needs_monitoring
def test_a_block_and_a_benchmark_are_counted(project):
    """A block of the budget fixture counts alone, and `benchmark` as one call without its rounds."""
    project.write(
        test_parts="""
        import pytest

        def work(times):
            for _ in range(times):
                pass

        def test_block(budget):
            work(10_000)
            with budget("bytecodes <= 900"):
                work(100)
            work(10_000)

        @pytest.mark.budget("bytecodes <= 900")
        def test_benchmark(benchmark):
            benchmark(work, 100)
        """
    )
    project.start().assert_outcomes(passed=2)


ONCE = """
import pytest

CALLS = []

@pytest.mark.budget("bytecodes <= 5000000")
def test_once():
    CALLS.append(1)
    assert len(CALLS) == 1, "only once"
    sum(range(100))
"""


@needs_monitoring
def test_a_body_that_runs_once_is_counted_in_its_first_call(project):
    """Where no second call is possible, the first one of another process is counted."""
    project.write(test_once=ONCE)
    result = project.start()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["guarded 1 of 1*"])


@pytest.mark.skipif(MONITORING, reason="this Python has sys.monitoring")
def test_an_old_python_cannot_count_bytecodes(project):
    """It is an error with the next step, and the session is red."""
    project.write(test_work=WORK.format(metric="bytecodes", bound=100))
    result = project.start()
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*came with Python 3.12*"])


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere valgrind is not asked for")
def test_missing_valgrind_is_an_error(project, monkeypatch):
    """Without valgrind the session is red and says what to install."""
    monkeypatch.setenv("PATH", os.fspath(project.folder))
    project.write(test_work=WORK.format(metric="instructions", bound=100))
    result = project.start()
    assert result.ret != 0
    result.stdout.fnmatch_lines(["*apt-get install valgrind*"])
