"""What the idle plugin adds to a pytest run, beside its peers; and what `budgetguard` takes to start.

    python benchmarks/start_up.py [--minutes 5] [--rounds 200]

Each variant has a fresh environment, made by uv: bare pytest, and pytest with one plugin. In every
round each of them runs once, in a new random order, over the same project of five small tests. Told
is the CPU time of the whole process, and the median of the differences to bare pytest in the same
round with its 95 % interval. "Least" compares the cheapest runs of both, which other load on the
machine disturbs least. Bare pytest runs twice in a round: what the second differs from the first
by is what this run cannot see. A few milliseconds are less than most machines let whole processes
show, so a second table times the parts of the idle plugin inside one process. Needs uv, and an index of packages or uv's cache.
"""

import argparse
import datetime as dt
import gc
import importlib.metadata
import json
import math
import os
import platform
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PEERS = {name: name for name in ("pytest-benchmark", "pytest-memray", "pytest-codspeed")}
BARE, CONTROL = "nothing", "nothing, once more"
OURS, OFF = "budgetguard", "budgetguard, `-p no:budgetguard`"
INTERPRETER, HELP, CHECK = "python -c pass", "budgetguard --help", "budgetguard check"
PARTS = {
    "import": "import of `plugin.py`, all of ours that an idle run loads",
    "files": "pytest reading the list of our installed files, to rewrite their asserts",
    "hooks": "our hooks in a run",
}
PARTS_PROCESSES, PARTS_PAIRS = 8, 25
IDLE_GOAL_MS, HELP_GOAL_MS = 5.0, 150.0
FEWEST_ROUNDS = 6  # fewer have no 95 % interval
TIMEOUT_S = 300.0

RUN = ["-q", "-p", "no:cacheprovider", "test_small.py"]
TESTS = "".join(f"def test_{word}():\n    assert {word!r}\n\n\n" for word in "abcde")
CONFIG = "version: 1\nbudgets:\n  script:\n    bundle: app.js\n    limits: [raw <= 1 kB]\n"


@dataclass(frozen=True)
class Spent:
    """What one process with all it started took."""

    cpu_s: float
    wall_s: float


class FailedError(Exception):
    """A measured command did not end as it should; the text holds what it printed."""


def spend(argv: Sequence[str], cwd: Path, timeout_s: float = TIMEOUT_S) -> Spent:
    """Run a command to its end and read what the kernel counted. Raises `FailedError`."""
    began_s = time.monotonic()
    with tempfile.TemporaryFile() as output:
        child = subprocess.Popen(
            argv,
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        end = threading.Timer(timeout_s, os.killpg, (child.pid, signal.SIGKILL))
        end.start()
        try:
            _, status, usage = os.wait4(child.pid, 0)
        finally:
            end.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            output.seek(0)
            text = output.read().decode(errors="replace")
            raise FailedError(f"{' '.join(argv)}: exit code {child.returncode}\n{text[-3000:]}")
    return Spent(usage.ru_utime + usage.ru_stime, time.monotonic() - began_s)


def environment() -> dict[str, str]:
    """Ours without what would change a run of Python or pytest; every run hashes alike."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PY", "COV"))}
    kept.pop("VIRTUAL_ENV", None)
    return {**kept, "PYTHONHASHSEED": "0"}


def stay_on_one_core() -> None:
    """Keep us and what we start from wandering: a move costs more than what is looked for here."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def machine_line() -> str:
    """What every table is headed by: when, where and on what it was measured."""
    today = dt.datetime.now(dt.UTC).date()
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    python = f"{platform.python_implementation()} {platform.python_version()}"
    system = f"{platform.system()} {platform.machine()}"
    return f"{today}, {os.cpu_count()} CPUs{load}, {python}, {system}"


def uv() -> str:
    """The uv beside our interpreter, or the one on the path."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        sys.exit("uv is missing; put it in with: python -m pip install uv")
    return found


def build_wheel(folder: Path) -> Path:
    """The wheel of this checkout, which is what a user installs."""
    command = [uv(), "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, timeout=TIMEOUT_S)
    return next(folder.glob("*.whl"))


def install(folder: Path, *wanted: str) -> Path:
    """A fresh environment with pytest and what is wanted; returns its folder of programs."""
    make = [uv(), "venv", "--quiet", "--python", sys.executable, str(folder)]
    subprocess.run(make, check=True, timeout=TIMEOUT_S)
    programs = folder / "bin"
    put = [uv(), "pip", "install", "--quiet", "--compile-bytecode", "--python"]
    put += [str(programs / "python"), "pytest", *wanted]
    subprocess.run(put, check=True, timeout=TIMEOUT_S)
    return programs


def variants(work: Path) -> dict[str, list[str]]:
    """Every command that is measured, by its name in the tables."""
    bare = install(work / "bare")
    ours = install(work / "ours", str(build_wheel(work / "wheel")))
    run = ["-m", "pytest", *RUN]
    commands = {
        BARE: [str(bare / "python"), *run],
        CONTROL: [str(bare / "python"), *run],
        OURS: [str(ours / "python"), *run],
        OFF: [str(ours / "python"), *run, "-p", "no:budgetguard"],
    }
    for name, package in PEERS.items():
        commands[name] = [str(install(work / name, package) / "python"), *run]
    commands[INTERPRETER] = [str(ours / "python"), "-c", "pass"]
    commands[HELP] = [str(ours / "budgetguard"), "--help"]
    commands[CHECK] = [str(ours / "budgetguard"), "check"]
    return commands


def write_project(folder: Path) -> Path:
    """Five small tests; no configuration of any tool, and none above it."""
    folder.mkdir()
    (folder / "test_small.py").write_text(TESTS)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return folder


def write_bundle(folder: Path) -> Path:
    """The smallest project with a budget: one file."""
    folder.mkdir()
    (folder / "app.js").write_text("export const answer = 42\n")
    (folder / "budgetguard.yml").write_text(CONFIG)
    return folder


def measure(
    commands: Mapping[str, Sequence[str]], folders: Mapping[str, Path], until_s: float, rounds: int
) -> dict[str, list[Spent]]:
    """Run all in turn, each round in another order, until rounds or time are used up."""
    order, names = random.Random(1), list(commands)
    for name in names:  # the first run writes bytecode and fills caches
        spend(commands[name], folders[name])
    seen: dict[str, list[Spent]] = {name: [] for name in names}
    for number in range(rounds):
        if number >= FEWEST_ROUNDS and time.monotonic() > until_s:
            break
        order.shuffle(names)
        for name in names:
            seen[name].append(spend(commands[name], folders[name]))
    return seen


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """The order statistics that hold the median with at least 95 % (binomial; David and Nagaraja)."""
    ordered, n = sorted(values), len(values)
    below, rank = 0.0, 0
    while rank < n // 2 and below + math.comb(n, rank) / 2**n <= 0.025:
        below += math.comb(n, rank) / 2**n
        rank += 1
    return ordered[max(rank - 1, 0)], ordered[n - max(rank, 1)]


def differences_ms(seen: Mapping[str, Sequence[Spent]], name: str) -> list[float]:
    """What a variant took more than bare pytest, round by round."""
    pairs = zip(seen[name], seen[BARE], strict=True)
    return [(own.cpu_s - bare.cpu_s) * 1e3 for own, bare in pairs]


def idle_table(seen: Mapping[str, Sequence[Spent]]) -> list[str]:
    """The runs of pytest against bare pytest, paired by round."""
    bare_ms = [spent.cpu_s * 1e3 for spent in seen[BARE]]
    blind_ms = max(map(abs, median_interval(differences_ms(seen, CONTROL))))
    lines = [
        f"| pytest with | CPU ms | more, ms | 95 % interval | least more, ms | ratio | < {IDLE_GOAL_MS:g} ms |",
        "|---|---|---|---|---|---|---|",
        f"| {BARE} | {statistics.median(bare_ms):.1f} | | | | 1 | |",
    ]
    for name in (CONTROL, OURS, OFF, *PEERS):
        own_ms, more_ms = [spent.cpu_s * 1e3 for spent in seen[name]], differences_ms(seen, name)
        low, high = median_interval(more_ms)
        ratio = statistics.median(o / b for o, b in zip(own_ms, bare_ms, strict=True))
        middle = f"{statistics.median(own_ms):.1f} | {statistics.median(more_ms):+.1f}"
        spread = f"[{low:+.1f}, {high:+.1f}] | {min(own_ms) - min(bare_ms):+.1f}"
        met = "" if name == CONTROL else is_under(low, high, blind_ms)
        lines.append(f"| {name} | {middle} | {spread} | {ratio:.3f} | {met} |")
    return lines


def is_under(low_ms: float, high_ms: float, blind_ms: float) -> str:
    """Whether the goal holds; open where this run cannot see a difference as small as the goal."""
    if low_ms > max(IDLE_GOAL_MS, blind_ms):
        return "no"
    return "yes" if high_ms <= IDLE_GOAL_MS and blind_ms <= IDLE_GOAL_MS else "open"


def parts() -> dict[str, list[float]]:
    """In an environment that has the plugin: its parts in CPU milliseconds, each read by itself."""
    import pytest

    began_ns = time.process_time_ns()
    __import__("pytest_budgetguard.plugin")
    took = {"import": [cpu_ms(began_ns)], "files": [], "hooks": []}
    for _ in range(PARTS_PAIRS):
        began_ns = time.process_time_ns()
        [str(file) for file in importlib.metadata.files("pytest-budgetguard") or ()]
        took["files"].append(cpu_ms(began_ns))

    def run(*more: str) -> float:
        gc.collect()
        began_ns = time.process_time_ns()
        if pytest.main([*RUN, *more]):
            raise FailedError("the five small tests fail")
        return cpu_ms(began_ns)

    gc.disable()
    arms, order = [(), ("-p", "no:budgetguard")], random.Random(os.getpid())
    for _ in range(PARTS_PAIRS):
        order.shuffle(arms)
        one = {len(arm): run(*arm) for arm in arms}
        took["hooks"].append(one[0] - one[2])
    return took


def cpu_ms(began_ns: int) -> float:
    """CPU milliseconds of this process since then."""
    return (time.process_time_ns() - began_ns) / 1e6


def read_parts(python: str, folder: Path, until_s: float) -> dict[str, list[float]]:
    """`parts` of several fresh processes together; the first only writes bytecode."""
    together: dict[str, list[float]] = {name: [] for name in PARTS}
    for number in range(PARTS_PROCESSES + 1):
        if number > FEWEST_ROUNDS and time.monotonic() > until_s:
            break
        told = folder / "parts.json"
        spend([python, __file__, "--parts", str(told)], folder)
        for name, values in json.loads(told.read_text()).items() if number else ():
            together[name] += values
    return together


def parts_table(together: Mapping[str, Sequence[float]]) -> list[str]:
    """The parts of the idle plugin and their sum."""
    lines = ["| part of idle | CPU ms | 95 % interval |", "|---|---|---|"]
    for name, about in PARTS.items():
        low, high = median_interval(together[name])
        lines.append(
            f"| {about} | {statistics.median(together[name]):.2f} | [{low:.2f}, {high:.2f}] |"
        )
    total = sum(statistics.median(together[name]) for name in PARTS)
    return [*lines, f"| **together** | {total:.2f} | |"]


def command_table(seen: Mapping[str, Sequence[Spent]]) -> list[str]:
    """The command line against an interpreter that does nothing."""
    lines = [
        "| command | CPU ms | 95 % interval | least | wall ms | goal |",
        "|---|---|---|---|---|---|",
    ]
    for name in (INTERPRETER, HELP, CHECK):
        cpu_ms = [spent.cpu_s * 1e3 for spent in seen[name]]
        low, high = median_interval(cpu_ms)
        wall = statistics.median(spent.wall_s for spent in seen[name]) * 1e3
        met = "met" if high <= HELP_GOAL_MS else "missed" if low > HELP_GOAL_MS else "open"
        goal = f"{HELP_GOAL_MS:g} ms: {met}" if name == HELP else ""
        figures = f"{statistics.median(cpu_ms):.1f} | [{low:.1f}, {high:.1f}] | {min(cpu_ms):.1f}"
        lines.append(f"| `{name}` | {figures} | {wall:.0f} | {goal} |")
    return lines


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--minutes", type=float, default=5.0, help="when to stop (default: 5)")
    reader.add_argument("--rounds", type=int, default=200, help="how many at most (default: 200)")
    reader.add_argument("--parts", type=Path, help=argparse.SUPPRESS)
    asked = reader.parse_args()
    if asked.parts:
        asked.parts.write_text(json.dumps(parts()))
        return
    stay_on_one_core()
    with tempfile.TemporaryDirectory(prefix="start-up-") as made:
        work = Path(made)
        tests, bundle = write_project(work / "tests"), write_bundle(work / "bundle")
        commands = variants(work)
        folders = {name: bundle if name == CHECK else tests for name in commands}
        began_s, limit_s = time.monotonic(), asked.minutes * 60
        together = read_parts(commands[OURS][0], tests, began_s + limit_s / 4)
        seen = measure(commands, folders, began_s + limit_s, max(asked.rounds, FEWEST_ROUNDS))
    print(f"{machine_line()}; {len(seen[BARE])} rounds\n")
    tables = (idle_table(seen), parts_table(together), command_table(seen))
    print("\n\n".join("\n".join(lines) for lines in tables))


if __name__ == "__main__":
    main()
