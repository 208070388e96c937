"""Interrupted in mid-run: no process of ours stays, the old files are whole, and little litter is left."""

import os
import signal
import subprocess
import time

import pytest

BOUND_S = 30.0
STEP_S = 0.05
NAP = "1009.{}"  # nobody else sleeps exactly that long

CONFIG = """\
version: 1
budgets:
  nap:
    command: [sh, -c, "setsid sleep {nap} & echo started > started; sleep {nap}"]
    timeout: 10 min
    limits: [wall <= 1 min]
"""

TESTS = """\
import subprocess
from pathlib import Path


def test_nap():
    process = subprocess.Popen(["sleep", "{nap}"], start_new_session=True)
    Path("started").write_text("")
    process.wait()
"""


def _until(holds, what):
    """Wait until something holds, at most `BOUND_S`."""
    end = time.monotonic() + BOUND_S
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {BOUND_S:.0f} s"
        time.sleep(STEP_S)


def _asleep(nap):
    found = subprocess.run(
        ["pgrep", "-f", f"^sleep {nap}$"], capture_output=True, text=True, timeout=30
    )
    return found.stdout.split()


@pytest.fixture
def nap(tmp_path):
    """How long the sleepers of this test sleep: a number of their own, by which they are found."""
    number = NAP.format(f"{os.getpid()}{time.monotonic_ns() % 10**6:06d}")
    yield number
    for pid in _asleep(number):
        os.kill(int(pid), signal.SIGKILL)


@pytest.fixture(params=["command", "test"])
def sleeping(request, project, nap):
    """Starts check on a command, or a test, that sleeps on with children in sessions of their own."""
    if request.param == "command":
        files = {"budgetguard.yml": CONFIG.format(nap=nap)}
    else:
        files = {
            "budgetguard.yml": "version: 1\nbudgets:\n  p: {test: tests, limits: [queries <= 3]}\n",
            "tests/test_nap.py": TESTS.format(nap=nap),
        }
    project.write({**files, "budgetguard.baseline.json": ""})
    project.recorded(("nap", "raw", 1))

    def start(*arguments):
        process = project.start("budgetguard", *(arguments or ["check"]), start_new_session=True)
        _until((project.folder / "started").exists, "the sleep")
        assert _asleep(nap)
        return process

    return start


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interrupt(sleeping, project, nap, number):
    """Ctrl-C ends in 130 and a terminated run in a red code; no process and no temporary file stays."""
    before = project.baseline.read_bytes()
    process = sleeping()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)

    _until(lambda: not _asleep(nap), "the end of the sleep")
    assert process.returncode in ({130} if number == signal.SIGINT else {143, -15}), err
    assert b"Traceback" not in out + err
    if number == signal.SIGINT:
        assert b"interrupted" in err
        assert project.leftovers() == []
    assert project.baseline.read_bytes() == before


def test_a_second_interrupt(sleeping, project, nap):
    """An impatient second Ctrl-C leaves nothing behind either."""
    process = sleeping()
    process.send_signal(signal.SIGINT)
    time.sleep(STEP_S)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    _until(lambda: not _asleep(nap), "the end of the sleep")
    assert process.returncode in {130, -2}


def test_a_kill(sleeping, project, nap):
    """After kill -9 no process stays; what stays is at most the one folder of the wire."""
    before = project.baseline.read_bytes()
    process = sleeping()
    process.kill()
    process.communicate(timeout=60)

    _until(lambda: not _asleep(nap), "the end of the sleep")
    assert all(name.startswith("budgetguard-") for name in project.leftovers())
    assert len(project.leftovers()) <= 1
    assert project.baseline.read_bytes() == before


def test_an_interrupted_update(sleeping, project, nap):
    """An interrupted `baseline update` leaves the old file as it was, and nothing beside it."""
    before = project.baseline.read_bytes()
    process = sleeping("baseline", "update")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)

    _until(lambda: not _asleep(nap), "the end of the sleep")
    assert process.returncode == 130
    assert project.baseline.read_bytes() == before
    assert project.leftovers() == []
    assert not list(project.folder.glob(".budgetguard*"))
