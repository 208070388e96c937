"""Times are kept at three significant digits, and tallies add up to one."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetguard.gate.targets.load.tally import OTHER_ERRORS, Counting, Tally, rounded

times = st.floats(min_value=1e-7, max_value=1e4)


def tally(*seconds: float, error: str = "") -> Tally:
    """Requests that took so long."""
    counting = Counting()
    for one in seconds:
        counting.add(one, error)
    return counting.tally()


@given(times)
def test_rounding_is_within_half_a_percent(seconds: float) -> None:
    """Three digits of any time."""
    assert rounded(seconds) == pytest.approx(seconds, rel=0.005001)


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_no_time_at_all(seconds: float) -> None:
    """A clock that went back is no error."""
    assert rounded(seconds) == 0.0
    assert tally(seconds).count == 1


@given(st.lists(times, min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.95, 0.99, 1.0]))
def test_quantiles_are_those_of_the_raw_times(seconds: list[float], q: float) -> None:
    """The rank is exact, the time within half a percent."""
    exact = sorted(seconds)[math.ceil(q * len(seconds)) - 1]
    assert tally(*seconds).quantile_s(q) == pytest.approx(exact, rel=0.0051)


def test_quantiles_never_exceed_the_maximum() -> None:
    """Rounding up the largest would show a time that no request took."""
    assert tally(1.2372).quantile_s(0.99) == tally(1.2372).max_s


def test_an_empty_tally() -> None:
    """No request, no time."""
    empty = Tally()
    assert (empty.mean_s, empty.quantile_s(0.99), empty.at_rank(1), empty.beyond(0)) == (0, 0, 0, 0)


@given(st.lists(st.lists(times, max_size=20), max_size=6))
def test_parts_add_up(parts: list[list[float]]) -> None:
    """Counting in parts is counting at once."""
    whole = tally(*(one for part in parts for one in part))
    joined = Tally.of(tally(*part) for part in parts)
    assert joined.buckets == whole.buckets
    assert (joined.count, joined.max_s) == (whole.count, whole.max_s)
    assert joined.total_s == pytest.approx(whole.total_s)


def test_errors_are_told_apart_up_to_a_number() -> None:
    """A server that puts a number into each text does not fill the memory."""
    counting = Counting()
    for number in range(50):
        counting.add(0.1, f"error {number}")
    counting.add(0.1, "error 3")
    errors = counting.tally().errors
    assert errors["error 3"] == 2
    assert errors[OTHER_ERRORS] == 30
    assert sum(errors.values()) == counting.tally().failed == 51


def test_plain_and_back() -> None:
    """JSON loses nothing."""
    one = Tally.of([tally(0.1, 0.25), tally(3.0, error="x")])
    assert Tally.from_plain(one.to_plain()) == one


def test_beyond_and_mean() -> None:
    """How many took longer, and the mean of the exact times."""
    one = tally(0.1, 0.2, 0.3)
    assert one.beyond(0.2) == 1
    assert one.mean_s == pytest.approx(0.2)


def test_buckets_stay_few() -> None:
    """A long run of all kinds of times needs about a thousand buckets a decade at most."""
    draw = random.Random(3)
    assert len(tally(*(draw.lognormvariate(-3, 1) for _ in range(20_000))).buckets) < 3000
