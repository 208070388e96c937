"""When a run says nothing: too little, or the generator's own times."""

import pytest

from budgetguard.gate.targets.load.seconds import Window
from budgetguard.gate.targets.load.trust import empty, saturated

from .made import second, tally


def _window(**changed):
    return Window(tuple(second(n, **changed) for n in range(8)))


def test_enough_and_in_time():
    """A run of its length, with a generator that kept up."""
    assert empty(_window(), "http://x", 10.0) == ""
    assert saturated(_window(), 10) == ""


def test_too_little():
    """No request, or under four fifths of what was planned."""
    assert "no request ended in 8 s" in empty(_window(tallies={}), "http://x", 8.0)
    assert "it lasted 8 s of 10.1 s" in empty(_window(), "http://x", 10.1)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"lag": tally([0.02] * 50)}, "20 ms late"),
        ({"cpu": 0.95}, "95% of a core"),
        ({"users": 9}, "9 of 10 users came"),
    ],
)
def test_a_generator_that_did_not_keep_up(changed, why):
    """Late beside what it measured, busy, or short of users: told with advice."""
    told = saturated(_window(**changed), 10)
    assert why in told
    assert "FastHttpUser" in told


def test_late_beside_long_requests():
    """A tenth of what is measured may be the generator's."""
    slow = [0.5] * 10
    assert saturated(_window(times=slow, lag=tally([0.049] * 50))) == ""
    assert saturated(_window(times=slow, lag=tally([0.051] * 50)))
