"""What is told of a comparison, and where bytecode goes meanwhile."""

import os
from pathlib import Path

import pytest

from budgetguard.gate import compare
from budgetguard.gate.model import Compared, Reading
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


@pytest.mark.parametrize("forbidden", ["", "1"])
def test_bytecode_is_written_for_both_sides(
    forbidden: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nobody may write bytecode, a base without any would look slow in every process."""
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", forbidden)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", "/theirs")
    before = dict(os.environ)
    with Reaper() as reaper:
        with compare._bytecode(reaper):
            folder = os.environ["PYTHONPYCACHEPREFIX"]
            assert not os.environ.get("PYTHONDONTWRITEBYTECODE")
            assert (folder == "/theirs") == (not forbidden)
        assert os.environ.get("PYTHONPYCACHEPREFIX") == "/theirs"
        assert os.environ.get("PYTHONDONTWRITEBYTECODE", "") == before["PYTHONDONTWRITEBYTECODE"]
    assert not forbidden or not Path(folder).exists()
