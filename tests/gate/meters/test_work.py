"""Counts of work: what is counted, what is left out, and how exactly it repeats."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from budgetguard.errors import MeasureError, MissingExtra
from budgetguard.gate.meters import ALONE, COUNTERS, METERS
from budgetguard.gate.meters.callgrind import for_block, for_bytecodes, of_command
from budgetguard.gate.record import SEEDS
from budgetguard_worker import counting
from budgetguard_worker.counting import CannotCount, count, read_counted

COUNTING = counting.__file__
callgrind = pytest.mark.skipif(
    shutil.which("valgrind") is None or importlib.util.find_spec("pytest_codspeed") is None,
    reason="valgrind or the extra `instructions` is not installed",
)
monitoring = pytest.mark.skipif(
    not hasattr(sys, "monitoring"), reason="sys.monitoring came with Python 3.12"
)

HEAD = """\
# callgrind format
version: 1
creator: callgrind-3.19.0
pid: 9300
part: 1
desc: Trigger: Client Request: budgetguard
positions: line
events: Ir
summary: 1000
"""
PROFILE = """\
ob=(1) /usr/lib/libpython3.12.so.1.0
fl=(1) Python/ceval.c
fn=(1) _PyEval_EvalFrameDefault
10 100
+5 50
cob=(2) /usr/lib/x86_64-linux-gnu/libc.so.6
cfi=(2) malloc/malloc.c
cfn=(2) malloc
calls=3 100
-2 400
* 25
fn=(3) dict_lookup'2
20 75
cfn=(1)
calls=1 10
21 9000

ob=(2)
fl=(2)
fn=(2)
100 200
fe=(3) malloc/arena.c
5 40
fn=(4) _int_free.part.0
7 10
fn=(5) __memcpy_avx_unaligned_erms
7 30
fn=(6) 0x0000000000152a80
7 20
fn=(7) __memcmp_avx2_movbe
7 15
ob=(3) /usr/lib/libz.so.1
fn=(8) 0x0000000000005a30
7 35

totals: 600
"""
LEFT_IN = 100 + 50 + 25 + 75 + 15 + 35


def written(folder: Path, text: str, name: str = "callgrind.1") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_a_profile_is_read_by_its_functions(tmp_path):
    """Costs are those of functions themselves; allocators and copying are left out, names told once are known."""
    counted = read_counted(written(tmp_path, HEAD + PROFILE))
    assert counted.value == LEFT_IN
    assert counted.largest[0] == ("_PyEval_EvalFrameDefault", 175)
    assert ("dict_lookup", 75) in counted.largest
    assert "callgrind 3.19.0" in counted.made_with
    assert "without symbols" in counted.made_with, (
        "a nameless function of the C library was left out"
    )


def test_names_may_be_spelled_out(tmp_path):
    """A file without the compression of names means the same."""
    spelled = PROFILE
    for number, name in (("(1)", "_PyEval_EvalFrameDefault"), ("(2)", "malloc"), ("(3)", "x")):
        spelled = spelled.replace(f"fn={number} {name}", f"fn={name}").replace(
            f"fn={number}\n", f"fn={name}\n"
        )
    assert read_counted(written(tmp_path, HEAD + spelled)).value == LEFT_IN


def test_several_processes_are_one_sum(tmp_path):
    """The files of a command's processes are added up."""
    written(tmp_path, HEAD + PROFILE, "callgrind.1")
    written(tmp_path, HEAD + PROFILE, "callgrind.2")
    assert of_command(tmp_path).value == 2 * LEFT_IN


@pytest.mark.parametrize(
    "text",
    [
        HEAD + PROFILE.replace("totals: 600\n", ""),
        HEAD + PROFILE.replace("7 35", "7 34"),
        HEAD + "fn=(9)\n1 5\ntotals: 5\n",
        HEAD + "fn=(1) a\n1 x\ntotals: 5\n",
        "",
    ],
    ids=["no end", "parts that are not the total", "unknown name", "no number", "empty"],
)
def test_a_damaged_profile_is_no_count(tmp_path, text):
    """What was cut short or garbled is an error, never a small number."""
    with pytest.raises(CannotCount, match="callgrind's file"):
        read_counted(written(tmp_path, text))


def test_a_command_without_a_profile_is_an_error(tmp_path):
    """Nothing written is told, not counted as nothing."""
    with pytest.raises(MeasureError, match="wrote nothing"):
        of_command(tmp_path)


@pytest.mark.parametrize("name", ALONE)
def test_counts_are_exact_and_keyed(name):
    """Both are stored per interpreter, and are read alone."""
    metric = METERS[name].METRICS[name]
    assert metric.exact
    assert metric.keyed
    assert name not in COUNTERS


def test_the_seed_of_a_check_is_one_that_was_recorded():
    """A check counts under a hash seed of `baseline update`, so that unchanged code lies within the spread."""
    environment = for_bytecodes({}, SEEDS[0]).environment
    from budgetguard.gate.meters.work import SEED

    assert SEEDS[0] == SEED
    assert environment["PYTHONHASHSEED"] == str(SEED)


def test_the_environment_keeps_what_tests_need():
    """Variables of the run and the shell go, those of the project stay."""
    given = {"DATABASE_URL": "x", "GITHUB_ACTIONS": "true", "CI": "1", "PATH": os.environ["PATH"]}
    noise = {"GITHUB_RUN_ID": "7", "SHLVL": "2", "_": "/bin/x", "SSH_TTY": "/dev/pts/0"}
    noise |= {"CODSPEED_ENV": "1", "COV_CORE_SOURCE": "x", "PYTEST_XDIST_WORKER": "gw0"}
    kept = dict(for_bytecodes({**given, **noise}, 1).environment)
    assert kept.pop("PYTHONHASHSEED") == "1"
    assert kept == given


def test_missing_valgrind_is_told(monkeypatch, tmp_path):
    """Without valgrind the error says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MeasureError, match=r"apt-get install valgrind|on Linux only"):
        for_block(os.environ, 1, tmp_path)


@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_the_missing_extra_is_told(monkeypatch, tmp_path):
    """Without pytest-codspeed the error names the pip command."""
    for name in [name for name in sys.modules if name.split(".")[0] == "pytest_codspeed"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(MissingExtra, match=r"pytest-budgetguard\[instructions\]"):
        for_block(os.environ, 1, tmp_path)


def test_outside_of_callgrind_there_are_no_instructions():
    """In a process that was not started for it the reading is an error, and the block runs."""
    with METERS["instructions"].watch(frozenset({"instructions"})) as read:
        done = True
    assert done
    assert "instructions were not counted" in read()["instructions"].error


@monitoring
def test_bytecodes_repeat_and_grow_with_the_work():
    """The same call counts the same; the count is that of the loop, and no tool stays registered."""
    tools = [sys.monitoring.get_tool(number) for number in range(6)]

    def work(times):
        for _ in range(times):
            pass

    few = [count(lambda: work(1000))["bytecodes"] for _ in range(3)]
    assert len(set(few)) == 1
    more = count(lambda: work(2000))["bytecodes"] - few[0]
    assert more in (2000, 3000, 4000), "so many bytecodes a turn, whatever Python"
    assert [sys.monitoring.get_tool(number) for number in range(6)] == tools


@monitoring
def test_a_failing_call_leaves_nothing_on():
    """What the call raises comes through, and the next count works."""
    tools = [sys.monitoring.get_tool(number) for number in range(6)]
    with pytest.raises(ZeroDivisionError):
        count(lambda: 1 // 0)
    assert [sys.monitoring.get_tool(number) for number in range(6)] == tools
    assert count(lambda: None)["bytecodes"] > 0


@monitoring
def test_taken_places_are_told():
    """Where other tools hold all places the error names them."""
    free = [number for number in range(6) if sys.monitoring.get_tool(number) is None]
    for number in free:
        sys.monitoring.use_tool_id(number, f"tool{number}")
    try:
        assert f"tool{free[0]}" in count(lambda: None)["error"]
    finally:
        for number in free:
            sys.monitoring.free_tool_id(number)


@pytest.mark.skipif(hasattr(sys, "monitoring"), reason="this Python has sys.monitoring")
def test_an_old_python_says_so():
    """Before 3.12 the error names what is missing and what to do."""
    assert "came with Python 3.12" in count(lambda: None)["error"]
    with METERS["bytecodes"].watch(frozenset({"bytecodes"})) as read:
        pass
    assert "limit instructions" in read()["bytecodes"].error


PROGRAM = """
import importlib.util, json, sys
junk = [bytes(600 + number % 7 * 16) for number in range(int(sys.argv[2]))][::2]
spec = importlib.util.spec_from_file_location("counting", sys.argv[1])
counting = importlib.util.module_from_spec(spec)
sys.modules["counting"] = counting
spec.loader.exec_module(counting)

def work(times):
    return [{"number": number, "text": bytes(520)} for number in range(times)]

def fail():
    raise KeyError("mine")

def main():
    for times in (100, 200):
        work(times)
    told = [counting.count(lambda: work(times)) for times in (100, 200)]
    try:
        counting.count(fail)
    except KeyError:
        told.append(counting.count(lambda: work(100)))
    print(json.dumps(told))

main()
"""


def told_by(folder, junk=0, **environment):
    """What a process under callgrind counts in three blocks."""
    folder.mkdir()
    start = for_block({**os.environ, **environment}, 1, folder)
    run = subprocess.run(
        [*start.prefix, sys.executable, "-c", textwrap.dedent(PROGRAM), COUNTING, str(junk)],
        env=start.environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


@callgrind
def test_instructions_repeat_whatever_was_allocated_before(tmp_path):
    """Fresh processes agree, nearly so over a torn heap; twice the work is twice the count."""
    one, same, torn = (
        told_by(tmp_path / "one"),
        told_by(tmp_path / "same"),
        told_by(tmp_path / "torn", junk=3000, ANOTHER_VARIABLE="x" * 300),
    )
    assert [told["instructions"] for told in one] == [told["instructions"] for told in same]
    small, large, after_a_failure = (told["instructions"] for told in one)
    assert large / small == pytest.approx(2, rel=0.05)
    assert after_a_failure == pytest.approx(small, rel=0.02), "a failed count leaves nothing behind"
    assert torn[1]["instructions"] == pytest.approx(large, rel=0.005)
    assert "callgrind" in one[0]["made_with"]
    assert not any("malloc" in name for name, _ in one[0]["largest"])
