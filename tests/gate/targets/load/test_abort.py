"""A run is ended early only where nothing that is to come can save a limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from budgetguard.gate.judge import holds
from budgetguard.gate.limits import parse_limit
from budgetguard.gate.targets.load import figures
from budgetguard.gate.targets.load.abort import hopeless, left_s
from budgetguard.gate.targets.load.metrics import METRICS
from budgetguard.gate.targets.load.profiles import staged
from budgetguard.gate.targets.load.seconds import Window
from budgetguard.gate.targets.load.traffic import Stage

from .made import second


def _limit(text):
    return parse_limit(text, METRICS)


def _plan(*users, seconds=10.0):
    return staged([Stage(users=one, seconds=seconds) for one in users], 0.0)


def _bad(seconds):
    """So many seconds in which every request was slow and failed."""
    return Window(tuple(second(n, [3.0] * 10, failed=10) for n in range(seconds)))


FEW = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=5, max_size=15)


@given(
    FEW,
    st.integers(0, 30),
    st.sampled_from(["p50 <= 1 s", "p95 <= 1 s", "failures <= 1%", "failures <= 30%", "rps >= 9 /s"]),
)  # fmt: skip
def test_never_while_it_could_still_hold(told, further_s, text):
    """If the rest, at twice the pace so far, were perfect, the limit would be broken all the same."""
    limit = _limit(text)
    so_far = Window(
        tuple(
            second(at, [0.1] * good + [3.0] * bad, failed=min(bad, good + bad))
            for at, (good, bad) in enumerate(told)
        )
    )
    plan = _plan(10, seconds=float(len(told) + further_s))
    if not hopeless([limit], so_far, plan):
        return
    pace = 2 * sum(good + bad for good, bad in told) / len(told)
    rest = [second(len(told) + n, [0.1] * int(pace)) for n in range(further_s)]
    window = Window((*so_far.seconds, *rest))
    told_in_full = figures.of_requests(limit.metric, window)
    assert told_in_full.error or not holds(limit, told_in_full.value, limit.bound.value)


@pytest.mark.parametrize(
    ("text", "ended"),
    [
        ("p95 <= 1 s", True),
        ("failures <= 1%", True),
        ("GET / p50 <= 1 s", True),
        ("GET /other p50 <= 1 s", False),
        ("p95 <= 5 s", False),
        ("mean <= 1 s", False),
        ("rps >= 1000 /s", False),
        ("p95 <= baseline + 10%", False),
    ],
)
def test_which_limits_end_a_run(text, ended):
    """Quantiles and failures with an absolute bound, of what was asked; told with the limit."""
    told = hopeless([_limit(text)], _bad(8), _plan(10))
    assert bool(told) is ended
    if ended:
        assert told == f"ended after 8 s: `{text}` could not hold any more, whatever came"


def test_nothing_is_hopeless_at_first():
    """Five seconds have to be there."""
    limits, plan = [_limit("p50 <= 1 s")], _plan(10, seconds=5.0)
    assert not hopeless(limits, _bad(4), plan)
    assert hopeless(limits, _bad(5), plan)


def test_a_peak_to_come_may_save_a_limit():
    """Where many more users are to come, what was so far is little."""
    limits = [_limit("failures <= 10%")]
    assert hopeless(limits, _bad(9), _plan(10, 10))
    assert not hopeless(limits, _bad(9), _plan(10, 240))


def test_what_is_left():
    """By the clock, and by users where these are to rise."""
    told = Window(tuple(second(n) for n in range(5)))
    assert left_s(_plan(10, 10), told) == 15
    assert left_s(_plan(10, 30), told) == 35
    assert left_s(_plan(10, 1), told) == 15
    assert left_s(_plan(10), Window(())) == float("inf")
    assert left_s(_plan(10), Window((second(0, users=0),))) == float("inf")
