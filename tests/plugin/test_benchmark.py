"""pytest-benchmark's fixture under a budget: its rounds are the clock, a call outside them is counted."""

import pytest

FAST = ("--benchmark-min-rounds=2", "--benchmark-max-time=0.001", "--benchmark-disable-gc")

BODIES = """
import pytest
from database import ask

@pytest.mark.budget("queries <= 2", "wall <= 9 s", "p50 <= 9 s", "time <= 9 s", "peak <= 640 MiB")
def test_call(benchmark, db):
    ask(db, 9)
    assert benchmark(lambda n: ask(db, n) or 7, 2) == 7
    ask(db, 9)

@pytest.mark.budget("queries <= 2")
@pytest.mark.benchmark(group="g", min_rounds=1, warmup=False)
def test_over(benchmark, db):
    benchmark(ask, db, 3)

@pytest.mark.budget("queries <= 2", "time <= 9 s")
def test_pedantic(benchmark, db):
    made, ended = [], []
    def setup():
        ask(db, 9)
        made.append(1)
        return (db,), {"times": 2}
    def teardown(db, times):
        ask(db, 9)
        ended.append(times)
    benchmark.pedantic(ask, setup=setup, teardown=teardown, rounds=3)
    assert len(made) >= 1

@pytest.mark.budget("queries <= 2")
def test_pedantic_over(benchmark, db):
    benchmark.pedantic(ask, args=(db, 3), rounds=2, iterations=2, warmup_rounds=1)

@pytest.mark.budget("queries <= 2", "time <= 9 s")
def test_stats(benchmark, db):
    benchmark(ask, db, 2)
    if benchmark.enabled:
        assert benchmark.stats["mean"] > 0
"""


@pytest.mark.parametrize("arguments", [FAST, ("--benchmark-disable",)])
def test_a_call_outside_the_rounds_is_counted(project, arguments):
    """Counts are per call of what the benchmark calls, with rounds and without."""
    project.write(test_it=BODIES)
    result = project.run(*arguments)
    result.assert_outcomes(passed=3, failed=2)
    text = result.stdout.str()
    assert text.count("3 is over 2") == 2
    assert "guarded 11 of 11 limits" in text


def test_the_table_of_rounds_stays_as_it_was(project):
    """Further calls add no row to pytest-benchmark's table."""
    project.write(test_it=BODIES)
    text = project.run(*FAST, "--benchmark-columns=rounds", "-p", "no:randomly").stdout.str()
    assert sum(line.startswith("test_stats") for line in text.splitlines()) == 1


def test_a_failing_assertion_on_the_result_fails_the_test(project):
    """`assert benchmark(f) == x` is the test's own."""
    project.write(
        test_it="""
        import pytest
        @pytest.mark.budget("queries <= 2", "wall <= 9 s")
        def test_it(benchmark): assert benchmark(lambda: 1) == 2
        """
    )
    result = project.run(*FAST)
    result.assert_outcomes(failed=1)
    assert "assert 1 == 2" in result.stdout.str()


def test_a_benchmark_that_is_never_called_is_an_error(project):
    """Asking for the fixture without using it measures nothing, and is never green."""
    project.write(
        test_it="""
        import pytest
        @pytest.mark.budget("queries <= 2")
        def test_it(benchmark): pass
        """
    )
    result = project.run(*FAST, "-W", "ignore")
    assert result.ret == 1
    assert "the measured body was not reached" in result.stdout.str()


def test_benchmark_weave_is_ignored(project):
    """A test that weaves still runs."""
    project.write(
        test_it="""
        import pytest
        def work(): return 3

        @pytest.mark.budget("wall <= 9 s")
        def test_it(benchmark_weave): assert work() == 3

        def test_plain(): pass
        """
    )
    result = project.run(*FAST, "-W", "ignore")
    result.assert_outcomes(passed=2)
    assert "INTERNALERROR" not in result.stdout.str()


def test_rounds_are_told_as_far_as_a_decision_takes_them(project):
    """A benchmark of a hundred thousand rounds sends the checking process no more than it can use."""
    project.write(
        test_it="""
        import pytest
        @pytest.mark.budget("p50 <= 9 s", "p95 <= 9 s", "wall <= 9 s")
        def test_it(benchmark): benchmark.pedantic(int, rounds=20_000)
        """
    )
    wire = project.folder / "wire.jsonl"
    result = project.run(f"--budget-wire={wire}")
    assert result.ret == 0
    assert wire.stat().st_size < 30_000
