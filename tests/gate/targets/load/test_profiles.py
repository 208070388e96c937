"""What users come, by the name of a profile or by stages."""

import pytest

from budgetguard.gate.targets.load.exercise import capped
from budgetguard.gate.targets.load.profiles import PROFILES, Plan, planned, staged
from budgetguard.gate.targets.load.traffic import Stage


@pytest.mark.parametrize(
    ("profile", "most", "seconds"),
    [
        ("baseline", 10, 13.0),
        ("load", 500, 23.0),
        ("stress", 2000, 43.0),
        ("spike", 1200, 31.0),
        ("endurance", 50, 63.0),
    ],
)
def test_the_users_and_lengths_of_profiles(profile, most, seconds):
    """Of 50 expected users, and 3 s of warm-up before what counts."""
    plan = planned(profile)
    assert (plan.most_users, plan.seconds, plan.warmup_s) == (most, pytest.approx(seconds), 3.0)
    assert plan.stages[0] == Stage(users=plan.stages[1].users, seconds=3.0, ramp_s=3.0)


def test_few_expected_users():
    """`baseline` has at most the expected ones; the others multiply them."""
    assert [planned(one, 3).most_users for one in PROFILES] == [3, 30, 120, 72, 3]


def test_full_lengths():
    """Only endurance has a longer one: half an hour; a length of one's own goes before both."""
    assert planned("endurance", full=True).seconds == 1803
    assert planned("load", full=True) == planned("load")
    assert planned("endurance", seconds=5, full=True).seconds == 8


def test_no_warm_up():
    """All counts."""
    assert staged([Stage(users=3, seconds=4)], 0.0) == Plan(
        stages=(Stage(users=3, seconds=4),), warmup_s=0.0
    )


def test_the_steps_of_stress():
    """Ten steps of ever more users, each counted from the end of its ramp; the warm-up is none of them."""
    steps = planned("stress", 50).steps
    assert [users for users, _, _ in steps] == list(range(200, 2001, 200))
    assert steps[0] == (200, 4.0, 7.0)
    assert steps[-1] == (2000, 40.0, 43.0)


def test_fewer_users_are_no_step():
    """Only a stage with more users than all before it."""
    plan = staged([Stage(users=n, seconds=2) for n in (5, 3, 5, 8)], 0.0)
    assert plan.steps == ((5, 0, 2), (8, 6, 8))


def test_the_peak_of_a_spike():
    """A quarter calm, a quarter at the peak; profiles that only rise or stay have none."""
    assert planned("spike", seconds=20).peak == (8.0, 13.0)
    assert all(planned(one).peak is None for one in PROFILES if one != "spike")
    assert Plan(stages=(), warmup_s=0).peak is None


def test_users_times_seconds_to_come():
    """Of the stage that runs only what is left of it."""
    plan = staged([Stage(users=5, seconds=2), Stage(users=100, seconds=3)], 1.0)
    assert [plan.user_seconds(s) for s in (0, 1, 2, 3, 5, 6, 9)] == [315, 310, 305, 300, 100, 0, 0]


def test_a_cap():
    """No stage has more users than the cap; without one the plan stays."""
    plan = planned("spike", 10)
    assert {stage.users for stage in capped(plan, 60).stages} == {10, 60}
    assert capped(plan, None) is plan
    assert capped(None, 5) is None
