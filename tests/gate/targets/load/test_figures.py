"""Metrics of a run from its seconds: each number, its interval, and why it cannot be read."""

import math
import random

import pytest

from budgetguard.gate.targets.load import figures
from budgetguard.gate.targets.load.metrics import METRICS
from budgetguard.gate.targets.load.profiles import planned, staged
from budgetguard.gate.targets.load.seconds import Window
from budgetguard.gate.targets.load.traffic import Stage

from .made import second


def test_the_interval_of_a_quantile_holds_the_true_one():
    """Of 300 runs with known times, at least 85 in 100 hold the true p95 (90 are meant)."""
    draw, true_s = random.Random(4), -math.log(0.05)
    held = 0
    for _ in range(300):
        seconds = [second(n, [draw.expovariate(1) for _ in range(20)]) for n in range(16)]
        low, high = figures.of_requests(METRICS["p95"], Window(tuple(seconds))).interval
        held += low <= true_s <= high
    assert held >= 255


def test_numbers_of_requests():
    """Failures, the mean, the largest and the rate of known requests."""
    window = Window(tuple(second(n, [0.1, 0.3], failed=1) for n in range(10)))
    read = {name: figures.of_requests(METRICS[name], window) for name in METRICS if name in
            ("failures", "mean", "max", "rps", "p50")}  # fmt: skip
    assert {name: one.value for name, one in read.items()} == pytest.approx(
        {"failures": 0.5, "mean": 0.2, "max": 0.3, "rps": 2.0, "p50": 0.1}
    )
    assert read["failures"].evidence == ("10 x oh",)


def test_too_few_requests():
    """A quantile that so few requests cannot show is an error with the number it takes."""
    told = figures.of_requests(METRICS["p95"], Window((second(0, [0.1] * 58),)))
    assert "58 requests are too few for p95, which takes 59" in told.error


STRESS = planned("stress", 1, seconds=40, warmup_s=2)


def _stress(broken_from, **broken):
    return [second(n, **(broken if n >= broken_from else {})) for n in range(42)]


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"failed": 1}, "at 12 users 10% of requests failed"),
        ({"times": [0.41] * 10}, "at 12 users p95 was 4.1 times that of the first step"),
        ({"tallies": {}}, "at 12 users no request ended"),
    ],
)
def test_the_breaking_point(broken, why):
    """The last step that held, and the next as its upper end; the warm-up is no step."""
    told = figures.breaking_point(_stress(10, **broken), STRESS)
    assert (told.value, told.interval, told.note) == (8, (8, 12), why)


def test_nothing_breaks():
    """Then it is at least the last step that was run to its end."""
    assert figures.breaking_point(_stress(99), STRESS).interval == (40, math.inf)
    assert figures.breaking_point(_stress(99)[:21], STRESS).interval == (16, math.inf)
    assert figures.breaking_point([], STRESS).interval == (0, math.inf)


def test_no_steps():
    """Without steps, or with such short ones, there is no breaking point."""
    assert "profile: stress" in figures.breaking_point(_stress(99), planned("load")).error
    assert "profile: stress" in figures.breaking_point(_stress(99), None).error
    short = planned("stress", 1, seconds=10, warmup_s=1)
    assert "make the run longer" in figures.breaking_point(_stress(99), short).error


SPIKE = staged([Stage(users=n, seconds=5) for n in (5, 50, 5)], 0.0)


@pytest.mark.parametrize(("calm_from", "waited"), [(10, 0), (11, 1), (12, 2)])
def test_recovery(calm_from, waited):
    """Seconds from the end of the peak until three in a row are as before it."""
    slow = [second(n, [1.0] * 10 if 5 <= n < calm_from else [0.1] * 10) for n in range(15)]
    told = figures.recovery(slow, SPIKE)
    assert (told.value, told.interval) == (waited, (max(0, waited - 1), waited + 1))


def test_no_recovery():
    """Not within the run, no peak, nothing before it."""
    slow = [second(n, [1.0] * 10 if n >= 5 else [0.1] * 10) for n in range(15)]
    assert figures.recovery(slow, SPIKE).interval == (5, math.inf)
    assert "profile: spike" in figures.recovery(slow, planned("load")).error
    assert "no request was answered before" in figures.recovery(slow[5:], SPIKE).error


def test_growth():
    """A p95 that doubles over the run grows by 100 %; twelve parts are needed."""
    doubled = [second(n, [0.1 * 2 ** (n / 24)] * 20) for n in range(24)]
    assert figures.p95_growth(Window(tuple(doubled))).value == pytest.approx(1.0, abs=0.05)
    assert "12 parts" in figures.p95_growth(Window(tuple(doubled[:6]))).error
