"""SIGKILL in mid-comparison: nothing of ours stays but the cache."""

import signal
import time

import psutil
import pytest

pytestmark = pytest.mark.timeout(300)

BOUND_S = 60.0
STEP_S = 0.05
MANY = 40
"""So many calls of the body are not its own run, nor the calibration of a round."""

TEST = """\
from pathlib import Path

from shop import total


def test_total():
    with Path("{ran}").open("a") as file:
        file.write(".")
    assert total() > 0
"""


def _below(folder):
    """Processes that keep their temporary files below a folder: those of one run."""
    found = []
    for process in psutil.process_iter():
        try:
            place = process.environ().get("TMPDIR", "")
        except psutil.Error:  # it has ended, or is not ours
            continue
        if place.startswith(str(folder)) and process.status() != psutil.STATUS_ZOMBIE:
            found.append((process.pid, place))
    return found


def _until(holds, what):
    end = time.monotonic() + BOUND_S
    while not holds():
        assert time.monotonic() < end, f"{what}: not within {BOUND_S:.0f} s"
        time.sleep(STEP_S)


def test_the_coordinator_is_killed(timed, tmp_path):
    """Workers end, and their temporary folders go, though nobody is left to end them."""
    ran = tmp_path / "ran"
    timed.write({"tests/test_cart.py": TEST.format(ran=str(ran))})
    timed.based()
    timed.takes(32_000).commit("slow")
    with timed.start("budgetguard", "check", "--no-same-code", "--seconds", "60") as process:
        try:
            _until(lambda: ran.exists() and len(ran.read_text()) > MANY, "rounds are run")
            assert any("/bg-" in place for _, place in _below(timed.scratch))
            process.send_signal(signal.SIGKILL)
            process.wait(BOUND_S)
            _until(lambda: not _below(timed.scratch), "all have ended")
        finally:
            process.kill()
    _until(lambda: not timed.leftovers(), "temporary folders are gone")
