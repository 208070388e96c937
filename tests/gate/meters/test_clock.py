"""The clock meter. Times are bounded from below only: a busy machine makes any of them longer."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from budgetguard.gate.meters import clock
from budgetguard.gate.model import Rule
from budgetguard_worker.clock import Marks

ALL = frozenset(clock.METRICS)
linux_only = pytest.mark.skipif(
    not Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").exists(),
    reason="needs /proc/self/task/TID/schedstat",
)
MS = 1_000_000


def read(body, wanted=ALL):
    with clock.watch(frozenset(wanted)) as readings:
        body()
    return readings()


def burn(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def open_schedstats():
    return [int(link.name) for link in Path("/proc/self/fd").iterdir() if is_schedstat(link)]


def is_schedstat(link):
    try:
        return link.readlink().name == "schedstat"
    except OSError:  # the handle of the listing itself
        return False


def marks(wall, *, cpu=0, own=None, queued=0, children=0, schedstat=True):
    own = cpu if own is None else own
    line = b"1000 7 1\n" if schedstat else b"0 0 0\n"
    after = b"%d %d 9\n" % (1000 + own, 7 + queued) if schedstat else b"0 0 0\n"
    return (
        Marks(0, 0, 0, 0, 0, line),
        Marks(wall, wall, cpu, own, children, after),
    )


@linux_only
def test_sleep_is_blocked_time():
    """A sleep counts as blocked and not as CPU time, and `time` holds both."""
    readings = read(lambda: (time.sleep(0.02), burn(0.01)))
    assert readings["blocked"].value >= 0.019
    assert readings["cpu"].value >= 0.01
    both = readings["cpu"].value + readings["blocked"].value
    assert readings["time"].value == pytest.approx(both)
    assert not readings["time"].note


def test_every_wall_metric_reads_the_same_call():
    """Wall, quantiles, mean and max of one call are its wall time."""
    readings = read(lambda: burn(0.002))
    walls = {readings[name].value for name in ("wall", *clock.QUANTILES, "mean", "max")}
    assert len(walls) == 1
    assert walls.pop() >= 0.002


def test_only_wanted_metrics_are_read():
    """A reading per wanted metric and none beside."""
    assert set(read(lambda: None, {"p95", "cpu"})) == {"p95", "cpu"}


def test_an_empty_block_has_no_other_threads():
    """Reading the clocks one after the other is not taken for another thread's work."""
    assert not any(
        read(lambda: None)["time"].note.startswith("CPU time only: other") for _ in range(50)
    )


def test_waiting_for_a_processor_is_not_blocked():
    """Of 10 ms of wall, 6 of them queued and 4 on the processor, nothing was blocked."""
    readings = clock._readings(ALL, *marks(10 * MS, cpu=4 * MS, queued=6 * MS))
    assert readings["blocked"].value == 0
    assert readings["time"].value == 0.004
    assert readings["wall"].value == 0.010


def test_blocked_is_never_negative():
    """Counters that overlap by a few microseconds are clamped at 0."""
    readings = clock._readings(ALL, *marks(10 * MS, cpu=9 * MS, queued=2 * MS))
    assert readings["blocked"].value == 0


def test_other_threads_leave_cpu_time_only():
    """Where another thread ran, `blocked` is an error with a next step and `time` is CPU time."""

    def body():
        thread = threading.Thread(target=burn, args=(0.02,))
        thread.start()
        thread.join()

    readings = read(body)
    assert "put the limit on time or wall" in readings["blocked"].error
    assert readings["time"].value == readings["cpu"].value >= 0.02
    assert "CPU time only" in readings["time"].note


def test_a_little_work_of_others_is_let_pass():
    """A background thread with 3 % of the time does not take `blocked` away."""
    readings = clock._readings(ALL, *marks(100 * MS, cpu=43 * MS, own=40 * MS))
    assert readings["blocked"].value == pytest.approx(0.060)
    assert not readings["time"].note


def test_children_count_as_cpu_time():
    """The CPU time of a child that ended in the block is part of cpu and not counted twice."""
    code = "import time\nwhile time.process_time() < 0.1: pass"
    readings = read(lambda: subprocess.run([sys.executable, "-c", code], check=True, timeout=60))
    assert readings["cpu"].value >= 0.1
    assert readings["time"].value == readings["cpu"].value


def test_without_schedstat_the_note_says_so(monkeypatch):
    """On a system without the kernel's counters `time` is CPU time and tells it."""
    monkeypatch.setattr(clock, "open_schedstat", lambda: None)
    readings = read(lambda: burn(0.001))
    assert "does not tell how long a thread waited" in readings["time"].note
    assert readings["blocked"].error


def test_a_kernel_that_does_not_count_is_noticed():
    """A schedstat of zeros is no counter, so nothing is called blocked."""
    readings = clock._readings(ALL, *marks(10 * MS, cpu=4 * MS, schedstat=False))
    assert readings["blocked"].error
    assert readings["time"].value == 0.004


@linux_only
def test_a_body_that_closes_descriptors_is_survived():
    """A body that closes what it did not open costs `blocked`, not the run."""
    readings = read(lambda: [os.close(descriptor) for descriptor in open_schedstats()])
    assert readings["blocked"].error
    assert readings["wall"].value > 0


def test_an_exception_passes_and_closes_the_descriptor():
    """The block's own exception comes out, and no descriptor stays open."""
    error = ValueError("mine")
    with pytest.raises(ValueError) as caught, clock.watch(ALL):
        raise error
    assert caught.value is error
    assert not Path("/proc/self/fd").is_dir() or open_schedstats() == []


@linux_only
def test_an_awaited_coroutine_is_timed():
    """Around an `await` on the same thread a sleep is blocked time."""

    async def main():
        with clock.watch(ALL) as readings:
            await asyncio.sleep(0.02)
        return readings()

    assert asyncio.run(main())["blocked"].value >= 0.015


def test_of_rounds_reads_pytest_benchmarks_rounds():
    """Rounds become samples of the wall metrics; wall is their median."""
    readings = clock.of_rounds([0.3, 0.1, 0.2, 0.4, 9.0])
    assert set(readings) == {"wall", *clock.QUANTILES, "mean", "max"}
    assert readings["wall"].value == readings["p50"].value == 0.3
    assert readings["mean"].value == pytest.approx(2.0)
    assert readings["max"].value == 9.0
    assert all(reading.samples == (0.3, 0.1, 0.2, 0.4, 9.0) for reading in readings.values())


def test_of_no_rounds_is_an_error():
    """A benchmark that timed nothing has no numbers, and says what to do."""
    assert all("call benchmark(...)" in r.error for r in clock.of_rounds([]).values())


def test_only_processor_free_times_take_a_baseline():
    """Wall and its quantiles hold the wait for a processor, so no baseline foresees them."""
    relative = {name for name, metric in clock.METRICS.items() if metric.relative}
    assert relative == {"time", "cpu", "blocked"}
    assert all(not metric.exact for metric in clock.METRICS.values())
    assert clock.METRICS["p99.9"].rule is Rule.QUANTILE
    assert clock.METRICS["p99.9"].quantile == 0.999


@pytest.mark.parametrize(
    ("wall", "cpu"), [(0, 0), (0, 5 * MS), (-1, 0), (3, clock.PROCESSORS * 30 * MS)]
)
def test_a_clock_that_stands_still_is_an_error(wall, cpu):
    """Time that cannot have passed as told proves no limit: every reading is an error."""
    readings = clock._readings(ALL, *marks(wall, cpu=cpu))
    assert all("the clock stands still" in reading.error for reading in readings.values())
    assert set(readings) == ALL


def test_rounds_without_any_time_are_an_error():
    """A benchmark under a frozen clock has timed nothing."""
    assert all("stands still" in r.error for r in clock.of_rounds([0.0, 0.0]).values())
    assert not clock.of_rounds([0.0, 0.1])["wall"].error


def test_a_replaced_clock_is_not_asked(monkeypatch):
    """What replaces the functions of time, there and where others hold them, leaves the meter's own."""
    for name in ("perf_counter_ns", "process_time_ns", "thread_time_ns"):
        original = getattr(time, name)
        for module in list(sys.modules.values()):
            for held, value in list(getattr(module, "__dict__", {}).items()):
                if value is original:
                    monkeypatch.setattr(module, held, lambda: 0)
    readings = read(lambda: time.sleep(0.02), {"wall", "max"})
    assert readings["wall"].value == readings["max"].value >= 0.019
