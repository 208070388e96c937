"""What both sides said, and the verdict on it."""

from dataclasses import replace

import pytest

from budgetguard.gate.judge import Yardstick, judge
from budgetguard.gate.judge_pairs import needs_witness
from budgetguard.gate.limits import parse_limit
from budgetguard.gate.meters import METRICS
from budgetguard.gate.model import Budget, Compared, Reading, Where
from budgetguard.gate.verdict import Outcome

SLOW = (0.2,) * 12
TIGHT = (0.08,) * 12


def verdict(compared, limit="time <= baseline + 5%"):
    """The verdict on a limit of a test."""
    parsed = parse_limit(limit, METRICS)
    budget = Budget(name="t", target="test", limits=(parsed,), where=Where("x.py", 3))
    reading = Reading(value=compared.head, compared=compared)
    return judge(budget, parsed, "", reading, Yardstick())


def compared(values, room=0.05, **fields):
    """Two sides of 1 ms and what the blocks make of it."""
    return Compared(base=0.001, head=0.0012, values=values, room=room, commit="abc1234", **fields)


def test_over_twice_is_red_with_both_numbers_and_the_commit():
    """The sentence holds both sides, the interval, the limit and what to do next."""
    found = verdict(compared(SLOW))
    assert found.outcome is Outcome.FAIL
    for part in ("1.2 ms", "1 ms", "abc1234", "+22.1%", "+ 5%", "twice"):
        assert part in found.reason
    assert found.hint == "find the commit: budgetguard bisect t abc1234 HEAD"
    assert found.change[0] > 0.05
    assert found.allowed == pytest.approx(0.00105)


def test_no_change_passes_with_its_interval():
    """It tells how far it could be off."""
    found = verdict(compared((0.0,) * 4))
    assert found.outcome is Outcome.PASS
    assert "+0.0%" in found.reason
    assert found.visible > 0.05


def test_the_same_code_passes_without_numbers():
    """Nothing was timed, so nothing is shown as measured."""
    found = verdict(Compared(same="same code (1a2b): 3 code objects"))
    assert (found.outcome, found.measured, found.baseline) == (Outcome.PASS, None, None)
    assert found.change == (0.0, 0.0, 0.0)


def test_new_is_new():
    """A benchmark that the base lacks is not judged."""
    assert verdict(Compared(new="no base yet")).outcome is Outcome.NEW


@pytest.mark.parametrize("values", [SLOW, (0.0,) * 4])
def test_a_broken_canary_leaves_red_and_green_unsettled(values):
    """No number beside it counts, in neither direction."""
    found = verdict(compared(values, unsettled="the canary moved"))
    assert (found.outcome, found.reason) == (Outcome.UNSETTLED, "the canary moved")


def test_undecided_names_the_smallest_visible_change():
    """Who reads it knows what this run could have found."""
    found = verdict(compared((0.055, 0.04) * 8))
    assert found.outcome is Outcome.UNSETTLED
    assert "the smallest change it could have seen: +" in found.reason


@pytest.mark.parametrize(
    ("witness", "outcome"),
    [(1.08, Outcome.FAIL), (1.0004, Outcome.UNSETTLED), (None, Outcome.UNSETTLED)],
)
def test_a_tight_limit_needs_a_second_witness(witness, outcome):
    """Between 3 and 5 % counted work decides whether a red is the code or its layout."""
    told = compared(TIGHT, room=0.04, witness=witness, witnessed="instructions")
    found = verdict(told, "time <= baseline + 4%")
    assert found.outcome is outcome
    assert "instructions" in found.reason


def test_only_a_tight_red_asks_for_the_witness():
    """Counting takes seconds: nobody counts what is green or far over."""
    assert needs_witness(compared(TIGHT, room=0.04), "lower")
    assert not needs_witness(compared(TIGHT, room=0.05), "lower")
    assert not needs_witness(compared((0.0,) * 4, room=0.04), "lower")
    assert not needs_witness(replace(compared(()), room=0.04), "lower")
