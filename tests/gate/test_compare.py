"""What is told of a comparison, and what it asks of the duel."""

from typing import cast

import pytest

from budgetguard.gate import compare
from budgetguard.gate.compare import Comparing
from budgetguard.gate.config import Config
from budgetguard.gate.judge import Yardstick
from budgetguard.gate.limits import parse_limit
from budgetguard.gate.meters import METRICS
from budgetguard.gate.model import Budget, Compared, Point, Reading, Request, Where
from budgetguard.gate.side import CANARY_POINT, Block, Side, Witness
from budgetguard.gate.sides.history import Commit
from budgetguard.gate.sides.reaper import Reaper

SLOWER = tuple(0.5 + number / 1000 for number in range(32))


def test_a_settled_benchmark_that_is_timed_red_is_told() -> None:
    """Same code stays the verdict; that the clock says otherwise is no secret."""
    red = Reading(compared=Compared(values=SLOWER, room=0.1, risk=0.001))
    told = compare._settled("same code (1a)", red)
    assert told.compared == Compared(same="same code (1a)")
    assert "timed at +6" in told.note
    quiet = Reading(compared=Compared(values=(0.0,) * 16, room=0.1, risk=0.001))
    for timed in (quiet, Reading(error="died"), None):
        assert compare._settled("same code (1a)", timed).note == ""


def test_the_bases_own_version_is_told() -> None:
    """A comparison of two texts of a benchmark says so, beside what else there is to say."""
    one = Reading(compared=Compared(values=SLOWER), note="CPU time only")
    assert compare._own_told(one).note.startswith("CPU time only; the base ran its own version")
    for untouched in (Reading(error="died"), Reading(compared=Compared(new="no such test"))):
        assert compare._own_told(untouched) == untouched


class Doubled:
    """A duel whose head takes twice as long, and whose work is counted where somebody asks."""

    def __init__(self) -> None:
        self.counted: list[str] = []

    def block(self, wanted, seed, *, canary=True):
        """Every reading of head is twice that of base."""
        del seed
        same = Block(base=(0.001,) * 4, head=(0.001,) * 4)
        twice = Block(base=(0.001,) * 4, head=(0.002,) * 4)
        return {
            CANARY_POINT: same,
            **{point: twice for budget in wanted for point in budget.points},
        }

    def prints(self, wanted, seed):
        """Nothing is recorded here."""
        raise AssertionError(f"asked for {wanted} with seed {seed}")

    def witness(self, budget):
        """Half as much more work."""
        self.counted.append(budget.name)
        return Witness(1.5, "instructions")


@pytest.mark.parametrize(("percent", "asked"), [(3, True), (10, False)])
def test_a_tight_limit_has_a_witness(percent: int, asked: bool) -> None:
    """A red below 5 % is told with the counted work; one above needs none."""
    limit = parse_limit(f"time <= baseline + {percent}%", METRICS)
    budget = Budget(name="t.py::t", target="test", limits=(limit,), where=Where("x"))
    duel = Doubled()
    with Reaper() as reaper:
        encounter = compare._Encounter(
            cast("Config", None),
            Request(),
            cast("Commit", None),
            Yardstick(),
            Comparing(same_code=False),
            reaper,
        )
        readings = encounter._duel(duel, [budget], cast("Side", None))
    compared = readings[Point.of(budget, limit)].compared
    assert compared is not None
    assert duel.counted == ([budget.name] if asked else [])
    assert compared.witness == (1.5 if asked else None)
