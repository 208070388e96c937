"""`pytest --budget-against=REF`: relative limits on time after the session, in processes of their own."""

import pytest

pytestmark = pytest.mark.timeout(900)

OUTSIDE = """\
import os
from pathlib import Path

from shop import total

ran = Path(os.environ["RAN"])


def test_total():
    with ran.open("a") as file:
        file.write("worker\\n" if "PYTEST_XDIST_WORKER" in os.environ else "alone\\n")
    assert total() > 0
"""


def _with_xdist(timed):
    ini = (timed.folder / "pytest.ini").read_text()
    return timed.write({"pytest.ini": ini.replace("-p no:xdist -p no:xdist.looponfail", "")})


def _settled(timed, *arguments, **options):
    """Run pytest until the machine's noise leaves no verdict open, three times at most."""
    for _ in range(3):
        told = timed.pytest("-q", *arguments, **options)
        if "UNSETTLED" not in told.out:
            break
    return told


def test_beside_xdist(timed, tmp_path):
    """A slowdown is red after the workers have ended, which run each test once and compare nothing."""
    timed.write({"tests/test_cart.py": OUTSIDE})
    _with_xdist(timed).commit("base")
    timed.takes(32_000).commit("slow")
    ran = tmp_path / "ran"

    told = _settled(timed, "-n", "2", "--budget-against=HEAD~1", env={"RAN": str(ran)})
    told.ends(1, "1 passed", f"FAIL {timed.test}", "twice; allowed + 20%", "guarded 1 of 1 limits")
    calls = ran.read_text().split()
    assert 1 <= calls.count("worker") <= 3
    assert calls.count("alone") > 10


def test_plain(timed):
    """Without the option such a limit is only listed; with it, it is guarded."""
    commit = timed.commit("base")

    timed.pytest("-q").ends(0, "left to check: 1", "guarded 0 of 1")
    told = timed.pytest("-q", "--budget-against=HEAD")
    told.ends(0, "1 passed", f"time was compared with {commit}", "guarded 1 of 1")


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_a_wrong_commit(timed, workers):
    """A REF that is no commit is a usage error of pytest, not a traceback."""
    _with_xdist(timed).commit("base")

    told = timed.pytest("-q", *workers, "--budget-against=nothing-of-this-name")
    told.ends(4, "ERROR: --budget-against: 'nothing-of-this-name' is no commit")
    assert workers or "passed" not in told.words  # it is told before anybody waits for the tests
