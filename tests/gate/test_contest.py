"""The loop that drives both sides, on simulated blocks."""

import math
import random

import pytest

from budgetguard.gate.contest import contest
from budgetguard.gate.judge import Yardstick
from budgetguard.gate.limits import parse_limit
from budgetguard.gate.meters import METRICS
from budgetguard.gate.model import Budget, Point, Where
from budgetguard.gate.paired import LOOKS
from budgetguard.gate.side import CANARY_POINT, Block

NAME = "tests/test_it.py::test_it"


class Simulated:
    """A duel whose changes are drawn: a normal block error of 1 % around a true change."""

    def __init__(self, canary=0.0, seconds=0.0, **changes):
        self.changes = changes
        self.canary = canary
        self.seconds = seconds
        self.clock = 0.0
        self.asked = []
        self.canaries = []
        self.draw = random.Random(7)

    def block(self, wanted, seed, *, canary=True):
        del seed
        self.asked.append([budget.name for budget in wanted])
        self.clock += self.seconds * len(wanted)
        self.canaries.append(canary)
        found = {CANARY_POINT: self._block(self.canary)} if canary else {}
        for budget in wanted:
            for limit in budget.limits:
                change = self.changes[budget.name]
                point = Point.of(budget, limit)
                found[point] = change if isinstance(change, Block) else self._block(change)
        return found

    def _block(self, change):
        head = 0.001 * (1 + change) * math.exp(self.draw.gauss(0, 0.01))
        return Block(base=(0.001,) * 3, head=(head,) * 3)


def budget(name, *limits):
    """A test with limits."""
    parsed = tuple(parse_limit(text, METRICS) for text in limits or ("time <= baseline + 5%",))
    return Budget(name=name, target="test", limits=parsed, where=Where("x"))


def run(duel, *budgets, **options):
    """The readings of a contest, by budget."""
    found = contest(
        duel, budgets, Yardstick(), now=lambda: duel.clock, draw=random.Random(1), **options
    )
    return {point.budget: reading for point, reading in found.items()}


def test_what_is_decided_is_asked_no_more():
    """Unchanged code leaves after the first look; what changed is measured until it is confirmed."""
    duel = Simulated(same=0.0, slow=0.2)
    found = run(duel, budget("same"), budget("slow"))
    assert len(found["same"].compared.values) == LOOKS[0]
    assert len(found["slow"].compared.values) == LOOKS[0] + 8
    assert duel.asked[LOOKS[0]] == ["slow"]
    assert found["slow"].value == pytest.approx(0.0012, rel=0.02)


def test_a_moved_canary_settles_nothing():
    """Where the same code moved, no reading counts, whatever it says."""
    found = run(Simulated(canary=0.3, same=0.0), budget("same"))
    assert "same code on both sides" in found["same"].compared.unsettled


def test_a_canary_in_doubt_is_measured_on():
    """Also when every benchmark is decided."""
    duel = Simulated(canary=0.045, same=0.0)
    run(duel, budget("same"))
    assert [] in duel.asked


def test_a_canary_that_is_decided_is_measured_no_more():
    """Further blocks of it would change nothing, and take a benchmark's time."""
    duel = Simulated(slow=0.2)
    found = run(duel, budget("slow"))
    assert not found["slow"].compared.unsettled
    assert duel.canaries == [True] * LOOKS[0] + [False] * 8


def test_an_error_takes_its_benchmark_alone():
    """The others are decided; the broken one is asked once."""
    duel = Simulated(same=0.0, broken=Block(error="it does not import"))
    found = run(duel, budget("same"), budget("broken"))
    assert found["broken"].error == "it does not import"
    assert found["same"].compared.values
    assert sum("broken" in asked for asked in duel.asked) == 1


def test_what_the_base_lacks_is_new():
    """It is no error, and nothing was compared."""
    found = run(Simulated(fresh=Block(error="no such test", new=True)), budget("fresh"))
    assert found["fresh"].compared.new == "no such test"


def test_seconds_bound_a_benchmark_near_its_limit():
    """It stays unsettled, and says how long it took."""
    found = run(Simulated(near=0.05, seconds=6.0), budget("near"), seconds=20)
    assert "not decided in 4 blocks and 24 s" in found["near"].compared.unsettled


def test_a_red_gets_the_time_to_be_confirmed():
    """A benchmark that was over once may take three times its seconds."""
    found = run(Simulated(slow=0.2, seconds=4.0), budget("slow"), seconds=20)
    assert not found["slow"].compared.unsettled


def test_a_benchmark_too_slow_for_one_look_ends_early():
    """Where four blocks would take minutes, one block tells so."""
    found = run(Simulated(slow=0.2, seconds=100.0), budget("slow"), seconds=20)
    assert len(found["slow"].compared.values) == 1
    assert "not decided" in found["slow"].compared.unsettled


def test_an_amount_counts_beside_a_percentage():
    """Of two steps the looser one holds: 1 ms on a base of 1 ms allows twice the time."""
    found = run(Simulated(slow=0.5), budget("slow", "time <= baseline + 5% or 1 ms"))
    assert found["slow"].compared.room == pytest.approx(1.0)


def test_a_wait_of_nothing_is_no_regression():
    """`blocked` of a microsecond more on nothing at all is within any limit."""
    nothing = Block(base=(0.0,) * 8, head=(1e-7,) * 8)
    found = run(Simulated(idle=nothing), budget("idle", "blocked <= baseline + 5%"))
    assert abs(found["idle"].compared.values[0]) < 0.01


def test_a_duel_that_tells_nothing_ends():
    """A block without a word is an error, not an endless loop."""

    class Mute(Simulated):
        def block(self, wanted, seed, *, canary=True):
            del wanted, seed
            return {}

    assert run(Mute(), budget("gone"))["gone"].error


def test_nothing_to_compare_starts_nothing() -> None:
    """Without a benchmark there is nothing that a canary would vouch for, and no process begins."""
    duel = Simulated()
    assert contest(duel, [], Yardstick()) == {}
    assert duel.asked == []


def test_a_block_that_does_not_count_settles_nothing():
    """Where a load generator was too slow, the benchmark is unsettled for that reason, and asked no more."""
    duel = Simulated(late=Block(unsettled="the generator was late"), same=0.0)
    found = run(duel, budget("late"), budget("same"))
    assert found["late"].unsettled == "the generator was late"
    assert not found["late"].error
    assert found["same"].compared.values
    assert sum("late" in names for names in duel.asked) == 1
