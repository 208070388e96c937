"""Where two sides take turns, users live in their own slices only."""

import time
from pathlib import Path

import pytest

from budgetguard.gate.targets.load.traffic import Turns

from .app import App, running
from .loading import everything, run, visitor

SLICE_S = 0.5
LEAD_S = 5.0


@pytest.fixture
def app():
    """A well-behaved app."""
    with running() as one:
        yield one


def turns(*own: int) -> Turns:
    """Slices of half a second, the first some seconds from now."""
    return Turns(start=time.time() + LEAD_S, slice_s=SLICE_S, own=own)


MODELS = pytest.mark.parametrize(
    ("model", "rate"), [("closed", 0.0), ("open", 80.0)], ids=["closed", "open"]
)


@MODELS
def test_tasks_begin_in_own_slices(app: App, tmp_path: Path, model: str, rate: float) -> None:
    """No request of the other side's time, about as many in each own slice, and one interval each."""
    mine = turns(0, 3, 4, 6)
    done = run(tmp_path, visitor(), app.host, seconds=60, turns=mine, model=model, rate=rate)
    assert [one.number for one in done.intervals] == [0, 3, 4, 6]
    assert {one.seconds for one in done.intervals} == {SLICE_S}
    assert {one.users for one in done.intervals[:-1]} == {4}
    counts = [sum(tally.count for tally in one.tallies.values()) for one in done.intervals]
    assert all(25 <= count <= 45 for count in counts)
    assert sum(counts) == len(app.paths())
    slack_s = 0.2  # what was begun at the end of a slice, on a busy machine
    places = [(moment - mine.start) / SLICE_S for _, _, moment in app.seen]
    assert all(
        int(place) in mine.own or int(place - slack_s / SLICE_S) in mine.own for place in places
    )


def test_a_request_belongs_to_where_it_began(app: App, tmp_path: Path) -> None:
    """One that outlives its slice is told with it, not with the next."""
    source = visitor("/slow/0.3").replace("constant(0.05)", "constant(0.01)")
    done = run(tmp_path, source, app.host, seconds=60, turns=turns(0, 2, 4))
    assert [one.number for one in done.intervals] == [0, 2, 4]
    counts = [sum(tally.count for tally in one.tallies.values()) for one in done.intervals]
    assert counts == [8, 8, 8]  # four users, two requests each: the second ends in foreign time


def test_waiting_for_a_slice_is_no_delay(app: App, tmp_path: Path) -> None:
    """A due task that finds no own time left has lost nothing."""
    done = run(
        tmp_path,
        visitor("/slow/0.1"),
        app.host,
        users=20,
        seconds=60,
        turns=turns(0, 4, 8),
        model="open",
        rate=40.0,
    )
    assert everything(done).max_s < 1.0  # the foreign time between slices is 1.5 s
    assert everything(done).count == 60


PACED = """
from locust import FastHttpUser, constant_throughput, task

class Visitor(FastHttpUser):
    wait_time = constant_throughput(10)

    @task
    def visit(self):
        self.client.get("/")
"""


def test_a_pace_is_kept_in_own_time(app: App, tmp_path: Path) -> None:
    """constant_throughput does not catch up for the time of the other side."""
    done = run(tmp_path, PACED, app.host, users=2, seconds=60, turns=turns(0, 3, 6))
    counts = [sum(tally.count for tally in one.tallies.values()) for one in done.intervals]
    assert all(8 <= count <= 12 for count in counts)
