"""Time of one call: wall, CPU, and the wait for anything but a processor.

The clocks are those of the worker. Where it cannot tell how long the call was blocked, `time` is CPU
time alone and says so.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import fmean, median

from budgetguard.gate.inference import quantile
from budgetguard.gate.meters.base import Read
from budgetguard.gate.model import Metric, Reading, Rule
from budgetguard.units import Unit
from budgetguard_worker.clock import Marks, begin, close, cost_and_doubt, end, open_schedstat

QUANTILES: Mapping[str, float] = {
    "p50": 0.5,
    "p75": 0.75,
    "p90": 0.9,
    "p95": 0.95,
    "p99": 0.99,
    "p99.9": 0.999,
}
PROCESSORS = os.cpu_count() or 1
_TICK_NS = 20_000_000
"""Windows counts CPU time in steps of nearly this."""

_STANDS_STILL = (
    "the clock stands still: something replaced time, such as freezegun; "
    "stop it before the measured part, or limit a count"
)


def _metrics() -> Iterator[Metric]:
    def seconds(name: str, about: str, rule: Rule, q: float | None = None) -> Metric:
        relative = name in ("time", "cpu", "blocked")
        return Metric(
            name=name,
            unit=Unit.SECONDS,
            about=about,
            exact=False,
            rule=rule,
            quantile=q,
            relative=relative,
        )

    yield seconds(
        "time", "CPU time and blocked time: wall without waiting for a processor", Rule.CEILING
    )
    yield seconds("cpu", "CPU time of all threads and ended children", Rule.CEILING)
    yield seconds("blocked", "waiting for I/O, locks or sleep", Rule.CEILING)
    yield seconds("wall", "time on the clock", Rule.CEILING)
    for name, q in QUANTILES.items():
        yield seconds(
            name, f"{name[1:]} of 100 calls take at most this on the clock", Rule.QUANTILE, q
        )
    yield seconds("mean", "mean time on the clock", Rule.MEAN)
    yield seconds("max", "longest time on the clock", Rule.MAXIMUM)


METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _metrics()}


@contextmanager
def watch(wanted: frozenset[str]) -> Iterator[Read]:
    """Time one call; quantiles, mean and max are given its wall time as one reading."""
    marks: list[Marks] = []
    descriptor = open_schedstat()
    try:
        begun = begin(descriptor)
        yield lambda: _readings(wanted, *marks)
        ended = end(descriptor)
    finally:
        close(descriptor)
    marks += (begun, ended)


def of_rounds(durations: Sequence[float]) -> Mapping[str, Reading]:
    """Readings of the wall metrics from rounds already timed, in seconds per call.

    The value of `wall` is the median; every reading holds the rounds as its samples.
    """
    samples = tuple(durations)
    if not any(sample > 0 for sample in samples):
        no_round = "the benchmark ran no round; call benchmark(...) in the test"
        why = _STANDS_STILL if samples else no_round
        return {name: Reading(error=why) for name in ("wall", *QUANTILES, "mean", "max")}
    values = {name: quantile(samples, q) for name, q in QUANTILES.items()}
    values |= {"wall": median(samples), "mean": fmean(samples), "max": max(samples)}
    return {name: Reading(value=value, samples=samples) for name, value in values.items()}


def _readings(wanted: frozenset[str], begun: Marks, ended: Marks) -> Mapping[str, Reading]:
    if _stands_still(begun, ended):
        return {name: Reading(error=_STANDS_STILL) for name in wanted}
    cost, why_not = cost_and_doubt(begun, ended)
    cpu_s = cost.cpu_ns / 1e9
    if cost.blocked_ns is None:
        why = f"blocked could not be read: {why_not}; put the limit on time or wall"
        time_spent = Reading(value=cpu_s, note=f"CPU time only: {why_not}")
        blocked = Reading(error=why)
    else:
        time_spent = Reading(value=cpu_s + cost.blocked_ns / 1e9)
        blocked = Reading(value=cost.blocked_ns / 1e9)
    readings = {"cpu": Reading(value=cpu_s), "blocked": blocked, "time": time_spent}
    return {name: readings.get(name, Reading(value=cost.wall_ns / 1e9)) for name in wanted}


def _stands_still(begun: Marks, ended: Marks) -> bool:
    """Whether less time passed than it took to read the clocks, or than all processors could use up."""
    wall_ns = ended.outer_wall - begun.outer_wall
    cpu_ns = ended.process - begun.process
    return wall_ns <= 0 or cpu_ns > PROCESSORS * (wall_ns + _TICK_NS)
