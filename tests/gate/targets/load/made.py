"""Seconds of a run that never was, for pure parts."""

from collections.abc import Iterable

from budgetguard.gate.targets.load.seconds import Second
from budgetguard.gate.targets.load.tally import Counting, Tally


def tally(times: Iterable[float], failed: int = 0, error: str = "oh") -> Tally:
    """Requests that took these seconds, of which the first ones failed."""
    counting = Counting()
    for number, one in enumerate(times):
        counting.add(one, error if number < failed else "")
    return counting.tally()


def second(at: int, times: Iterable[float] = (0.1,) * 10, *, failed: int = 0, **changed) -> Second:
    """One second of ten users, in which requests to one endpoint took these seconds."""
    known = {
        "start": 1000.0 + at,
        "seconds": 1.0,
        "users": 10,
        "tallies": {"GET /": tally(times, failed)},
        "lag": tally([0.001] * 50),
        "cpu": 0.2,
        "rss_bytes": 1000,
        "due": 0,
        "waiting": 0,
    }
    return Second(at=at, **{**known, **changed})
