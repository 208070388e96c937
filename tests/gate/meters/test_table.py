"""The table of meters, and what every row of it promises."""

import subprocess
import sys

import pytest

from budgetguard.gate import meters
from budgetguard.gate.model import Rule
from budgetguard.units import Unit

ROWS = sorted(meters.METERS)
HEAVY = (
    "memray sqlalchemy django psycopg httpx httpcore aiohttp requests urllib3 http.client psutil"
)


def test_no_two_meters_share_a_metric():
    """Each metric of a test is read by one meter, and `leaked` by none."""
    names = [name for meter in meters.METERS.values() for name in meter.METRICS]
    assert len(names) == len(set(names))
    assert set(meters.METRICS) == {*names, "leaked"}
    assert set(meters.COUNTERS) <= set(meters.METERS)


def test_every_metric_is_stored_under_its_own_name():
    """A limit finds its metric by the name that the baseline will hold."""
    assert all(name == metric.name for name, metric in meters.METRICS.items())


def test_exact_metrics_are_counts_or_bytes():
    """What is exact is counted and judged exactly; every sampled metric has a rule of its own."""
    for metric in meters.METRICS.values():
        assert metric.exact == (metric.rule is Rule.EXACT)
        assert not metric.exact or metric.unit in (Unit.COUNT, Unit.BYTES)
        assert (metric.quantile is not None) == (metric.rule is Rule.QUANTILE)
    assert meters.METRICS["leaked"].rule is Rule.INTERVAL


@pytest.mark.parametrize("name", ROWS)
def test_one_reading_for_each_wanted_metric(name):
    """A meter reads all it is asked for, and nothing beside."""
    meter = meters.METERS[name]
    for wanted in (frozenset(meter.METRICS), frozenset(list(meter.METRICS)[:1])):
        with meter.watch(wanted) as read:
            sum(range(10))
        assert set(read()) == wanted


@pytest.mark.parametrize("name", ROWS)
def test_the_blocks_exception_passes(name):
    """An exception of the block comes out unchanged, and the next block is read."""
    meter = meters.METERS[name]
    wanted = frozenset(meter.METRICS)
    error = KeyError("mine")
    with pytest.raises(KeyError) as caught, meter.watch(wanted):
        raise error
    assert caught.value is error
    with meter.watch(wanted) as read:
        pass
    assert set(read()) == wanted


def test_counters_are_read_together():
    """The three counters of an item's own run do not count each other."""
    queries, http, resources = (meters.METERS[name] for name in meters.COUNTERS)
    with (
        queries.watch(frozenset(queries.METRICS)) as first,
        http.watch(frozenset(http.METRICS)) as second,
        resources.watch(frozenset(resources.METRICS)) as third,
    ):
        pass
    readings = {**first(), **second(), **third()}
    assert not any(reading.error for reading in readings.values())
    exact = {name: r.value for name, r in readings.items() if meters.METRICS[name].exact}
    assert exact == dict.fromkeys(exact, 0)


def test_the_table_is_light():
    """Importing the table brings none of the libraries that meters watch or stand on."""
    code = f"import sys, budgetguard.gate.meters\nprint(set({HEAVY.split()!r}) & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.stdout == "set()\n", run.stderr
