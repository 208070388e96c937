"""The meters of test bodies in one static table; a new one is a module, a row and its test."""

from collections.abc import Mapping

from budgetguard.gate.meters import clock, http, memory, queries, resources, work
from budgetguard.gate.meters.base import Meter
from budgetguard.gate.model import Metric, Rule
from budgetguard.units import Unit

__all__ = ["ALONE", "COUNTERS", "LEAKED", "METERS", "METRICS"]

METERS: dict[str, Meter] = {
    "clock": clock,
    "memory": memory,
    "queries": queries,
    "http": http,
    "resources": resources,
    "instructions": work.instructions,
    "bytecodes": work.bytecodes,
}
COUNTERS = ("queries", "http", "resources")
"""Read together in the item's own run; every other meter needs a pass of its own."""
ALONE = ("instructions", "bytecodes")
"""Each is read in a process started for it (`callgrind.py`), on the second call of the body."""

LEAKED = Metric(
    name="leaked",
    unit=Unit.BYTES,
    about="memory that a call keeps for good, per call",
    exact=False,
    rule=Rule.INTERVAL,
    relative=False,
)
"""No meter of one call: it takes many calls to tell a leak from a cache (`monitoring/leaks.py`)."""

METRICS: Mapping[str, Metric] = {
    name: metric for meter in METERS.values() for name, metric in meter.METRICS.items()
} | {LEAKED.name: LEAKED}
"""Every metric of a test, by name."""
