"""One line holds all that a generator process did in a second."""

import pytest

from budgetguard.gate.targets.load.interval import Interval
from budgetguard.gate.targets.load.tally import Counting


def counted(*seconds: float) -> Counting:
    """Requests that took so long, the last of them failed."""
    counting = Counting()
    for one in seconds:
        counting.add(one, "x\ny" if one == seconds[-1] else "")
    return counting


WHOLE = Interval(
    worker="worker-1", number=3, start=1000.5, seconds=1.0, users=7,
    tallies={"GET /ä": counted(0.1, 0.25).tally(), "(abandoned)": counted(2.0).tally()},
    lag=counted(0.001).tally(), cpu=0.25, rss_bytes=1 << 26, due=9, waiting=2,
)  # fmt: skip


def test_a_line_and_back() -> None:
    """Nothing is lost, and it is one line."""
    line = WHOLE.to_json()
    assert "\n" not in line
    assert Interval.from_json(line) == WHOLE


@pytest.mark.parametrize(
    "line",
    ["", "{", "[]", "{}", "null", WHOLE.to_json()[:-9], WHOLE.to_json().replace("due", "due2")],
)
def test_what_is_no_interval(line: str) -> None:
    """A cut line, or one of somebody else, is refused."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        Interval.from_json(line)
