"""What one call makes the database do, read from the driver's hooks (`budgetguard.database`).

The hooks have to stand before connections are opened: `budgetguard.database.install()` does that
early. What could not be watched makes every reading an error, because a count of less than all
would pass for an improvement.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from budgetguard.database import Group, Recording, record
from budgetguard.gate.meters.base import Read
from budgetguard.gate.model import Metric, Reading, Rule
from budgetguard.paths import shown
from budgetguard.units import Unit, show

_COUNTS = {
    "queries": "statements that the database executed",
    "rows": "rows handed to Python",
    "roundtrips": "waits for the database server",
    "n_plus_one": "statements asked again and again from one line",
}
_TIMES = {
    "query_time": "time inside the driver",
    "slowest_query": "time of the slowest statement",
}
METRICS: Mapping[str, Metric] = {
    name: Metric(name=name, unit=Unit.COUNT, about=about) for name, about in _COUNTS.items()
} | {
    name: Metric(
        name=name,
        unit=Unit.SECONDS,
        about=about,
        exact=False,
        rule=Rule.CEILING,
        relative=False,
    )
    for name, about in _TIMES.items()
}

_TOLD = 5
_LONGEST = 100

_VALUES: Mapping[str, Callable[[Recording], float]] = {
    "queries": lambda recording: recording.queries,
    "rows": lambda recording: recording.rows,
    "roundtrips": lambda recording: recording.roundtrips,
    "n_plus_one": lambda recording: recording.n_plus_one,
    "query_time": lambda recording: recording.query_time_s,
    "slowest_query": lambda recording: recording.slowest_query_s,
}


@contextmanager
def watch(wanted: frozenset[str]) -> Iterator[Read]:
    """Record the SQL of the block, in all threads and tasks of this process."""
    with record() as recording:
        yield lambda: _readings(wanted, recording)


def _readings(wanted: frozenset[str], recording: Recording) -> Mapping[str, Reading]:
    if recording.unseen:
        return {name: Reading(error=_not_seen(name, recording.unseen)) for name in wanted}
    return {
        name: Reading(value=float(_VALUES[name](recording)), evidence=_evidence(name, recording))
        for name in wanted
    }


def _not_seen(name: str, unseen: tuple[str, ...]) -> str:
    return (
        f"{name} was not counted, because not all SQL could be watched: {'; '.join(unseen)}; "
        "open connections after the plugin has started, in a fixture and not while conftest is "
        "imported, and through a driver that is watched"
    )


def _evidence(name: str, recording: Recording) -> tuple[str, ...]:
    groups = recording.groups
    if name == "n_plus_one":
        groups = tuple(group for group in groups if group.n_plus_one)
    elif name == "rows":
        groups = tuple(sorted(groups, key=lambda group: -group.rows))
    elif name in _TIMES:
        groups = tuple(sorted(groups, key=lambda group: -group.time_s))
    return tuple(_told(name, group) for group in groups[:_TOLD])


def _told(name: str, group: Group) -> str:
    """As "17× SELECT … at app/views.py:12", the statement cut where the line gets too long."""
    amount = f"{group.count}×"
    if name == "rows":
        amount = f"{group.rows} rows of {amount}"
    elif name in _TIMES:
        amount = f"{show(group.time_s, Unit.SECONDS)} in {amount}"
    place = f" at {shown(group.where)}" if group.where else ""
    room = max(20, _LONGEST - len(amount) - 1 - len(place))
    statement = " ".join(group.statement.split())
    short = statement if len(statement) <= room else f"{statement[: room - 1]}…"
    return f"{amount} {short}{place}"
