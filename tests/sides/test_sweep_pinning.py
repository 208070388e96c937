"""Both workers share one processor while they are measured, where there are several."""

import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from budgetguard.gate.sides.pinning import draw_core, metronome, pinned

pytestmark = pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity"), reason="this system cannot place a process"
)
VANISHED = 1023


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    code = (
        "import sys, threading\n"
        "threading.Thread(target=sys.stdin.read).start()\n"
        "print('started', flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as started:
        assert started.stdout.readline()
        yield started
        started.stdin.close()


def cores_of(pid: int) -> list[set[int]]:
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [os.sched_getaffinity(int(thread.name)) for thread in threads]


def test_all_threads_are_placed_and_freed_again(process: subprocess.Popen[bytes]) -> None:
    """Every thread of a worker runs on the one processor meanwhile, and afterwards where it may."""
    before = os.sched_getaffinity(0)
    core = max(before)
    with pinned([process.pid], core) as placed:
        assert placed
        assert cores_of(process.pid) == [{core}, {core}]
    assert cores_of(process.pid) == [before, before]


def test_a_processor_may_vanish(process: subprocess.Popen[bytes]) -> None:
    """A processor that is gone leaves the worker where it was."""
    before = os.sched_getaffinity(0)
    with pinned([process.pid], VANISHED) as placed:
        assert not placed
        assert cores_of(process.pid) == [before, before]


def test_a_process_may_vanish(process: subprocess.Popen[bytes]) -> None:
    """A worker that dies while it is placed is noticed elsewhere, not here."""
    with pinned([process.pid], min(os.sched_getaffinity(0))):
        process.kill()
        process.wait(10)


def test_the_processor_is_drawn_from_those_we_may_use() -> None:
    """A block draws its own processor; with only one, nothing is placed."""
    allowed = os.sched_getaffinity(0)
    drawn = {draw_core(random.Random(seed)) for seed in range(20)}
    assert drawn == (allowed if len(allowed) > 1 else {None})
    told: list[int | None] = []

    def on_one() -> None:
        os.sched_setaffinity(0, {min(allowed)})
        told.append(draw_core(random.Random(1)))

    thread = threading.Thread(target=on_one)
    thread.start()
    thread.join()
    assert told == [None]


def test_no_processor_places_nobody(process: subprocess.Popen[bytes]) -> None:
    """Where none was drawn, workers run where the system puts them."""
    before = os.sched_getaffinity(0)
    with pinned([process.pid], None) as placed:
        assert not placed
        assert cores_of(process.pid) == [before, before]


def test_the_metronome_stays_on_its_processor_and_ends() -> None:
    """It is a thread of ours on the one processor; the rest of us stays where it was."""
    before, mine = os.sched_getaffinity(0), threading.get_native_id()
    core = max(before)
    with metronome(core):
        own = Path("/proc/self/task")
        others = [int(task.name) for task in own.iterdir() if int(task.name) != mine]
        assert {core} in [os.sched_getaffinity(thread) for thread in others]
        assert os.sched_getaffinity(0) == before
        running = threading.active_count()
    assert threading.active_count() == running - 1


def test_a_metronome_without_its_processor_does_nothing() -> None:
    """A processor that is gone is no obstacle."""
    with metronome(VANISHED):
        pass
