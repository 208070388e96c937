"""The arithmetic of growth, on series whose answer is known."""

import math
import random

import pytest

from budgetguard.monitoring.growth import estimate, theil_sen

CALLS = [10 * n for n in range(65)]


def test_theil_sen_repeats_a_worked_example():
    """Sen's own kind of example, counted by hand: median of all pairwise slopes."""
    slope, low, high = theil_sen([(1, 9), (2, 15), (3, 19), (4, 20), (10, 45), (12, 55), (18, 78)])
    assert slope == 4.0  # as in Sen (1968), section 6
    assert low <= slope <= high


def test_the_interval_is_wider_than_the_noise():
    """With noise around a line the truth lies within the 99 % limits nearly always."""
    inside = 0
    for seed in range(100):
        rng = random.Random(seed)
        points = [(x, 5 * x + rng.gauss(0, 100)) for x in CALLS[:30]]
        _, low, high = theil_sen(points)
        inside += low <= 5 <= high
    assert inside >= 96


def test_too_few_points_leave_it_open():
    """One point says nothing: the limits are infinite."""
    assert theil_sen([(1, 1.0)]) == (0.0, -math.inf, math.inf)


def test_a_steady_rise_is_seen_to_the_byte():
    """Equal growth everywhere gives an interval without width, and does not fade."""
    growth = estimate(CALLS, [7.0 * calls for calls in CALLS])
    assert (growth.slope, growth.low, growth.high, growth.fading) == (7.0, 7.0, 7.0, False)


def test_steps_below_the_resolution_are_nothing():
    """What the interpreter keeps once is not growth per call."""
    assert estimate(CALLS, [32.0 * (calls > 400) for calls in CALLS]).high == 0.0


@pytest.mark.parametrize(
    "level",
    [
        pytest.param(lambda n: 100_000 * (1 - math.exp(-n / 300)), id="coupon collector"),
        pytest.param(lambda n: 100.0 * min(n, 450), id="bounded cache"),
        pytest.param(lambda n: 3000 * math.log1p(n), id="logarithm"),
    ],
)
def test_growth_that_fades_is_told_from_a_leak(level):
    """A filling cache either fades or its interval reaches down to nothing."""
    growth = estimate(CALLS, [float(level(calls)) for calls in CALLS])
    assert growth.fading or growth.low <= 0


def test_a_table_that_doubles_does_not_hide_steady_growth():
    """A jump in the quarter before is no sign of fading when the steps stay the same."""
    growth = estimate(CALLS, [50.0 * calls + 30_000 * (calls > 200) for calls in CALLS])
    assert not growth.fading
    assert growth.low == pytest.approx(50)


def test_random_walks_are_not_leaks():
    """A slope alone would call most random walks a leak; all four parts agree in few."""
    called = 0
    for seed in range(200):
        rng, levels = random.Random(seed), [0.0]
        for _ in CALLS[1:]:
            levels.append(levels[-1] + rng.gauss(0, 1000))
        growth = estimate(CALLS, levels)
        called += growth.low > 4 and not growth.fading
    assert called <= 20
