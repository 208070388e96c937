"""The memory meter against real bodies under memray."""

import gc
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from itertools import repeat

import pytest

from budgetguard.gate.meters import memory

memray = pytest.importorskip("memray")

ALL = frozenset(memory.METRICS)
MB = 1_000_000


def read(body, wanted=ALL):
    with memory.watch(frozenset(wanted)) as readings:
        body()
    return readings()


def least(body):
    """The least of four: with workers, a thread of the test run may allocate beside a call."""
    readings = [{name: r.value for name, r in read(body).items()} for _ in range(4)]
    return min(readings, key=lambda one: one["allocations"])


def hold_ten():
    kept = [bytearray(MB) for _ in range(10)]
    del kept


def one_after_another():
    for _ in range(10):
        bytearray(MB)


class Knot:
    def __init__(self):
        self.me = self


def make_knots():
    kept = []
    for i in range(20_000):
        knot = Knot()
        if i % 2 == 0:
            kept.append(knot)
        if len(kept) == 2_000:
            kept = []


def test_peak_is_what_was_held_at_once():
    """The peak counts what lives together, `allocated` all that was asked for."""
    held, passed = read(hold_ten), read(one_after_another)
    assert 10 * MB <= held["peak"].value < 10.1 * MB
    assert MB <= passed["peak"].value < 1.1 * MB
    assert 10 * MB <= passed["allocated"].value < 10.1 * MB


def test_allocations_are_counted_one_by_one():
    """A body that makes 1000 more objects counts 1000 more objects and their buffers."""
    few = read(lambda: [bytearray(100) for _ in repeat(None, 1000)])["allocations"].value
    many = read(lambda: [bytearray(100) for _ in repeat(None, 2000)])["allocations"].value
    assert 2000 <= many - few <= 2020  # the list itself grows a few times


def test_peak_names_the_line_of_the_user():
    """The evidence of a peak is the file, line and function that holds it, the largest first."""
    first = read(hold_ten, {"peak"})["peak"].evidence[0]
    line = hold_ten.__code__.co_firstlineno + 1
    assert f"test_memory.py:{line} " in first
    assert first.endswith("10 MB")
    assert len(first) <= 100


def test_evidence_skips_libraries_for_the_callers_line():
    """What a library allocates is told at the line of the user that called it."""
    import json

    kept = []

    def decode():
        kept.append(json.loads("[" + ",".join(["[1, 2]"] * 5000) + "]"))

    assert " decode  " in read(decode, {"peak"})["peak"].evidence[0]
    assert not any("pytest" in line for line in read(decode)["allocations"].evidence)


def test_nearest_frame_prefers_the_users_own_file():
    """Of a stack the innermost own frame counts, else the innermost of a library, else none."""
    own = ("body", "/home/me/app/views.py", 3)
    library = ("dumps", json_file(), 9)
    machinery = ("call", "/x/site-packages/_pytest/python.py", 1)
    ours = ("__enter__", memory.__file__, 1)
    assert memory.nearest_frame([ours, library, own, machinery]) == own
    assert memory.nearest_frame([library, machinery]) == library
    assert memory.nearest_frame([ours, machinery]) is None


def json_file():
    import json

    return json.__file__


def test_made_with_names_memray_and_the_interpreter():
    """Another memray or patch version may count otherwise, so both are told."""
    made_with = read(hold_ten, {"peak"})["peak"].made_with
    assert made_with.startswith(f"memray {memray.__version__}, ")
    assert made_with.endswith(".".join(map(str, sys.version_info[:3])))


@pytest.mark.parametrize("body", [hold_ten, make_knots, lambda: {f"k{i}": i for i in range(3000)}])
def test_later_calls_repeat_to_the_digit(body):
    """From the second call on a body reads the same."""
    read(body)
    readings = [{name: r.value for name, r in read(body).items()} for _ in range(4)]
    least = min(readings, key=lambda one: one["allocations"])
    # in a test run with workers a thread of theirs may allocate beside one of the calls
    assert readings.count(least) >= 3


def test_the_size_of_the_heap_does_not_matter():
    """What lives already does not decide when the collector runs inside the body."""
    read(make_knots)
    before = least(make_knots)
    kept = [[i] for i in range(300_000)]
    assert least(make_knots) == before
    assert len(kept) == 300_000


def test_fresh_processes_agree_whatever_their_hash_seed():
    """The second call reads the same in processes with different hash seeds."""
    code = (
        "from budgetguard.gate.meters import memory\n"
        "def body():\n"
        "    words = {f'w{i % 70}' for i in range(500)}\n"
        "    return {w: [w] * 3 for w in words}\n"
        "for _ in range(2):\n"
        "    with memory.watch(frozenset(memory.METRICS)) as read: body()\n"
        "print(sorted((n, r.value) for n, r in read().items()))\n"
    )
    told = set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        run = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert run.returncode == 0, run.stderr
        told.add(run.stdout)
    assert len(told) == 1


def test_peak_is_the_same_read_alone_or_together():
    """Which other metrics are wanted does not change the peak; a thread of another test may, now and then."""
    read(make_knots)
    pairs = [
        (read(make_knots, {"peak"})["peak"].value, read(make_knots)["peak"].value) for _ in "123"
    ]
    assert any(alone == together for alone, together in pairs)


def test_only_wanted_metrics_are_read():
    """A reading per wanted metric and none beside."""
    assert set(read(hold_ten, {"allocations"})) == {"allocations"}


def test_no_file_is_left(tmp_path, monkeypatch):
    """Neither an ended nor a raising block leaves a file or the heap frozen."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    read(hold_ten)
    error = KeyError("mine")
    with pytest.raises(KeyError) as caught, memory.watch(ALL):
        raise error
    assert caught.value is error
    assert list(tmp_path.iterdir()) == []
    assert gc.get_freeze_count() < 1000  # CPython 3.12 starts with a few hundred
    assert not read(hold_ten)["peak"].error


def test_a_second_tracker_is_told():
    """Where memray runs already the reading says so, and the other tracker goes on."""
    with memory.watch(frozenset({"peak"})) as outer:
        inner = read(hold_ten, {"peak"})["peak"]
        kept = bytearray(20 * MB)
        del kept
    assert "another memray tracker runs already" in inner.error
    assert "run without --memray" in inner.error
    assert outer()["peak"].value >= 20 * MB


def test_missing_memray_names_the_pip_command(monkeypatch):
    """Without memray the body runs, and the reading tells what to install."""
    monkeypatch.setitem(sys.modules, "memray", None)
    ran = []
    reading = read(lambda: ran.append(1), {"peak"})["peak"]
    assert "pip install 'pytest-budgetguard[memory]'" in reading.error
    assert ran == [1]


def test_a_folder_that_cannot_be_made_is_told(monkeypatch, tmp_path):
    """Without a place for the capture the body runs, and the reading tells why there is no number."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    assert "memray could not start" in read(hold_ten, {"peak"})["peak"].error
    assert gc.get_freeze_count() < 1000  # CPython 3.12 starts with a few hundred


CUT_SHORT = """
import resource
from budgetguard.gate.meters import memory
with memory.watch(frozenset(memory.METRICS)):
    pass
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
with memory.watch(frozenset(memory.METRICS)) as read:
    kept = [object() for _ in range(300_000)]
print(*(f"{name}: {reading.error}" for name, reading in read().items()), sep="\\n")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
def test_a_capture_that_was_cut_short_is_no_number():
    """Where a disk is full memray stops silently; that is an error and never a small number."""
    run = subprocess.run(
        [sys.executable, "-c", CUT_SHORT], capture_output=True, text=True, timeout=60
    )
    lines = run.stdout.splitlines()
    assert len(lines) == 3, run.stderr
    assert all("cut short; free some space" in line for line in lines)


def test_sums_on_a_full_disk_are_no_number(monkeypatch):
    """A peak alone is written at the end: without space on the disk it is an error too."""
    monkeypatch.setattr("shutil.disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
    assert "cut short" in read(hold_ten, {"peak"})["peak"].error


def test_threads_of_the_body_count():
    """What a thread started in the block allocates is part of the peak."""

    def body():
        thread = threading.Thread(target=hold_ten)
        thread.start()
        thread.join()

    assert read(body, {"peak"})["peak"].value >= 10 * MB


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_body_that_forks_is_measured():
    """A child neither counts nor spoils the capture."""

    def body():
        pid = os.fork()
        if pid == 0:
            bytearray(50 * MB)
            os._exit(0)
        os.waitpid(pid, 0)
        bytearray(MB)

    reading = read(body, {"peak"})["peak"]
    assert MB <= reading.value < 2 * MB


def test_frozen_objects_of_the_program_stay_frozen():
    """A program that has frozen its heap finds it frozen afterwards."""
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        read(hold_ten)
        assert gc.get_freeze_count() >= frozen - 1000 > 0
    finally:
        gc.unfreeze()
