"""`budgetguard calibrate`: numbers that hold together on any machine, and what they are shown as."""

import json
from pathlib import Path

import pytest

from budgetguard.cli.calibrate import _table
from budgetguard.gate.calibrate import Calibrated, Calibration
from budgetguard.gate.limits import parse_limit
from budgetguard.gate.paired import floor_of
from budgetguard.gate.targets import TARGETS

CONFIG = """\
version: 1
budgets:
  fast:
    command: python -I -S -c "pass"
    limits: [time <= baseline + 20%, wall <= 100 s]
  broken:
    command: python -I -S -c "1/0"
    limits: [wall <= 100 s]
"""


@pytest.fixture
def commands(project):
    """A project with two commands: one has a limit on time, the other has none, and fails."""
    project.config.write_text(CONFIG)
    return project


def test_the_numbers_hold_together(commands):
    """Whatever machine this is: noise is not negative, unchanged code needs room, and a change has to
    be larger than the room to be found; what fails is told and measures nothing."""
    told = commands.run("calibrate", "--blocks", "4", "--json")

    assert told.code == 0, told.err
    document = json.loads(told.out, parse_constant=pytest.fail)
    rows = {row["budget"]: row for row in document["limits"]}
    assert document["canary"]["noise"] >= 0
    fast, broken = rows["fast"], rows["broken"]
    assert (fast["own"], fast["room"], fast["error"]) == (True, 0.2, "")
    assert fast["noise"] >= 0
    assert fast["passes"] > 0
    assert fast["finds"] > fast["room"]
    assert fast["too_tight"] is (fast["room"] <= fast["passes"])
    assert (broken["own"], broken["limit"]) == (False, "time <= baseline + 5%")
    assert "exit code 1" in broken["error"]
    assert broken["noise"] is broken["passes"] is broken["finds"] is None
    assert not (Path(commands.folder) / "budgetguard.baseline.json").exists()


def test_only_what_fails(commands):
    """Where nothing could be measured the exit code is 4, and the reason stands in the table."""
    told = commands.run("calibrate", "broken", "--blocks", "4")

    assert told.code == 4
    assert "ended with exit code 1" in told.out


def test_a_wrong_name(commands):
    """A name that no budget has is told with the nearest one."""
    told = commands.run("calibrate", "fats")

    assert told.code == 2
    assert "did you mean fast?" in told.err


def test_nothing_to_time(project):
    """A project of bundles has no noise."""
    told = project.run("calibrate")

    assert told.code == 4
    assert "no test or command to time was found" in told.err


def test_the_table():
    """A limit within the noise is too tight and counted, a proposed one is marked, the canary comes last."""
    metrics = TARGETS["test"].METRICS
    noisy, quiet = floor_of([0.3, -0.3, 0.2, -0.2]), floor_of([0.001, -0.001, 0.002, -0.002])
    tight, easy = (parse_limit(f"time <= baseline + {room}%", metrics) for room in (5, 20))
    rows = (
        Calibrated("tight", tight, own=True, room=0.05, floor=noisy),
        Calibrated("easy", easy, own=True, room=0.2, floor=quiet),
        Calibrated("proposed", tight, own=False, room=0.05, floor=noisy),
        Calibrated("broken", easy, own=True, error="it fails"),
    )
    lines = _table(Calibration(rows, quiet))

    assert lines[0].split() == ["noise", "passes", "finds"]
    assert lines[1].endswith("too tight")
    assert lines[2].startswith("easy")
    assert "tight" not in lines[2].partition("20%")[2]
    assert "too tight" in lines[3]
    assert lines[4].endswith("it fails")
    assert lines[5].startswith("(a loop of our own)")
    assert lines[-1].startswith("1 limit is too tight")
    assert len({line.rindex("%") for line in (lines[2], lines[1].removesuffix("  too tight"))}) == 1
