"""A tracer's cost is never read as the body's."""

import pytest

TEST = """
import pytest

@pytest.mark.budget("wall <= 1 ns", "peak <= 1 B", "leaked <= 1 B", "queries <= 0", "threads <= 0")
def test_traced():
    sum(range(100))
"""


def test_coverage_leaves_time_and_memory_to_check(pytester: pytest.Pytester) -> None:
    """Under --cov counts are judged, and what coverage would alter is left, not red."""
    pytester.makepyfile(TEST)
    done = pytester.runpytest_subprocess("--cov=.", "-p", "no:cacheprovider")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["*left to check*3*", "*guarded 2 of 5 limits*"])


def test_without_a_tracer_they_are_judged(pytester: pytest.Pytester) -> None:
    """The same test without coverage breaks its budget."""
    pytester.makepyfile(TEST)
    done = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:cov")
    assert done.ret == 1
    done.stdout.fnmatch_lines(["*over budget: wall <= 1 ns*"])
