"""The statistics of the laboratory: limits of shares, and the rules of peers."""

import random
import subprocess
import sys

import pytest

from benchmarks.verdict import intervals, neighbours, peers, rules
from benchmarks.verdict.sampling import Spent, block_value


@pytest.mark.parametrize(
    ("hits", "tries", "most"),
    [
        (0, 10, 0.2589),
        (0, 300, 0.00994),
        (1, 10, 0.3942),
        (5, 50, 0.1988),
        (10, 10, 1.0),
        (0, 0, 1.0),
    ],
)
def test_upper_bound_is_that_of_the_tables(hits, tries, most):
    """Values of Clopper and Pearson, one-sided 95 %."""
    assert intervals.upper_bound(hits, tries) == pytest.approx(most, abs=2e-4)


def test_nothing_of_many_is_the_rule_of_three():
    """0 of n is at most 1 - 0.05^(1/n), also for thousands."""
    for tries in (100, 4000, 40_000):
        assert intervals.upper_bound(0, tries) == pytest.approx(1 - 0.05 ** (1 / tries), rel=1e-6)


def test_lower_bound_mirrors_the_upper():
    """All of ten is at least 74 %."""
    assert intervals.lower_bound(10, 10) == pytest.approx(0.7411, abs=1e-3)
    assert intervals.lower_bound(0, 0) == 0.0


def test_a_job_of_fifty():
    """One in a thousand is one job in twenty."""
    assert intervals.of_job(0.001, 50) == pytest.approx(0.0488, abs=1e-4)


def samples(percent, noise, seed, count=100):
    draw = random.Random(seed)
    return [1e7 * (1 + percent / 100) * (1 + draw.gauss(0, noise)) for _ in range(count)]


@pytest.mark.parametrize("rule", [rules.tango, rules.criterion])
def test_a_rule_sees_what_is_there_and_not_what_is_faster(rule):
    """10 % slower is a regression, the same and faster are none, half a percent is noise."""
    base = samples(0, 0.01, 1)
    assert rule(base, samples(10, 0.01, 2))
    assert not rule(base, samples(0, 0.01, 3))
    assert not rule(base, samples(-10, 0.01, 4))
    assert not rule(base, samples(0.5, 0.0001, 5))


def test_a_block_s_value_is_on_the_clock_that_sees_the_work():
    """What computes is read by CPU time, what waits by the wall."""
    computing = [(Spent(100, 90), Spent(300, 99))] * 3
    waiting = [(Spent(100, 9), Spent(110, 90))] * 3
    assert block_value(computing) == pytest.approx(0.0953, abs=1e-3)
    assert block_value(waiting) == pytest.approx(0.0953, abs=1e-3)


def test_regressions_are_read_from_pytest_benchmark_s_words():
    """Name and field of each line of its error."""
    text = (
        "Performance has regressed:\n"
        "\ttest_json_codec (0001_base) - Field 'min' has failed PercentageRegressionCheck: 36.5 > 5.0\n"
        "\ttest_sleeping (0001_base) - Field 'mean' has failed PercentageRegressionCheck: 6.0 > 5.0\n"
    )
    assert peers.regressions(text) == {("json_codec", "min"), ("sleeping", "mean")}


def test_rows_of_asv_s_table_are_read():
    """`+` is red; what is not marked is green; what failed is an error."""
    text = (
        "| Change   | Before [a] <main~1>   | After [b] <main>   | Ratio   | Benchmark (Parameter) |\n"
        "|----------|------|------|---------|----|\n"
        "| +        | 1.98±2ms | 2.48±0.4ms |    1.25 | kernels_bench.attributes_.time_run |\n"
        "|          | 2.81±0.9ms | 7.22±2ms   | ~2.57   | kernels_bench.json_codec_.time_run |\n"
        "| -        | 2.81±0.9ms | 1.22±2ms   | 0.43   | kernels_bench.yaml_load_.time_run |\n"
        "| !        | 2.81±0.9ms | failed   | n/a   | kernels_bench.sleeping_.time_run |\n"
    )
    rows = {"attributes": "red", "json_codec": "green", "yaml_load": "green", "sleeping": "error"}
    assert peers.asv_rows(text) == rows


@pytest.mark.parametrize("kind", ["hog", "burst"])
def test_a_neighbour_ends_by_itself_when_its_starter_is_gone(kind):
    """One that is told of a parent that it does not have stops at once."""
    command = [sys.executable, "-I", neighbours.__file__, kind, "600", "1", "1"]
    assert subprocess.run(command, timeout=60).returncode == 0
