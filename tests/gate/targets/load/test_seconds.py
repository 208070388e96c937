"""What all generator processes told, second by second."""

from budgetguard.gate.targets.load.interval import ABANDONED, Interval
from budgetguard.gate.targets.load.seconds import Window, merged

from .made import second, tally


def _interval(worker, number, **changed):
    known = {"start": 1000.0 + number, "seconds": 1.0, "users": 3, "cpu": 0.2, "rss_bytes": 5}
    return Interval(worker=worker, number=number, **{**known, **changed})


def test_workers_are_joined():
    """Requests, users and memory add up; the busiest process and the longest time count."""
    told = [
        _interval("b", 1),
        _interval("a", 0, tallies={"GET /": tally([0.1])}, due=2),
        _interval("b", 0, tallies={"GET /": tally([0.3], failed=1)}, cpu=0.9, due=1, seconds=0.9),
    ]
    first, last = merged(told)
    assert (first.at, last.at) == (0, 1)
    assert (first.users, first.rss_bytes, first.cpu, first.due) == (6, 10, 0.9, 3)
    assert first.seconds == 1.0
    assert (first.whole.count, first.whole.failed, first.whole.max_s) == (2, 1, 0.3)
    assert merged([]) == ()


def test_a_line_is_read_as_it_was_written():
    """Nothing is lost between a generator and us."""
    one = _interval("a", 4, tallies={"GET /": tally([0.1, 0.25], failed=1)}, lag=tally([0.01]))
    assert Interval.from_json(one.to_json()) == one


def test_endpoints():
    """By method and name, and by the name alone; what was abandoned counts in the whole only."""
    window = Window(
        (
            second(0, tallies={"GET /a": tally([0.1]), "POST /a": tally([0.2])}),
            second(1, tallies={ABANDONED: tally([9.0], failed=1)}),
        )
    )
    assert window.endpoints() == ["/a", "GET /a", "POST /a"]
    asked = {name: one.count for name, one in window.by_request().items()}
    assert asked == {ABANDONED: 1, "GET /a": 1, "POST /a": 1}
    assert window.tally().count == 3
    assert window.tally("/a").count == 2


def test_parts_and_groups():
    """Stretches follow each other, groups take turns; together both have every second once."""
    window = Window.of((second(n) for n in range(12)), 2, 10)
    assert [one.at for one in window.seconds] == list(range(2, 10))
    assert window.length_s == 8
    assert [[one.at for one in part.seconds] for part in window.parts(2)] == [
        [2, 3, 4, 5],
        [6, 7, 8, 9],
    ]
    assert [one.count for one in window.groups("", 3)] == [30, 30, 20]
