"""Time and memory of a large project's gate: 2 000 bundle files, 1 000 budgeted tests, 10 000 budgets.

    python benchmarks/large_project.py [--minutes 10] [--rounds 7] [--files 2000] [--tests 1000]

The project is made in a temporary folder and measured in a fresh environment with pytest and
budgetguard alone. In every round each command runs once, in a new random order; the ratios are to
the same tests without budgetguard in the same round. CPU is that of the whole process tree; memory
is the highest sum of resident memory over the tree, looked at every 20 ms.
"""

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from start_up import FailedError, build_wheel, environment, install, machine_line

TESTS_PER_FILE = 20
FILES_PER_FOLDER = 100
CONFIG_SIZES = (1, 1_000, 10_000)
FEWEST_ROUNDS = 3
TIMEOUT_S = 900.0
LOOK_EVERY_S = 0.02

WITHOUT = "pytest, `-p no:budgetguard`"
COMMANDS = {
    WITHOUT: ["-m", "pytest", "-q", "-p", "no:budgetguard"],
    "pytest, judging": ["-m", "pytest", "-q"],
    "budgetguard check": ["-m", "budgetguard", "check"],
    "budgetguard check --only test": ["-m", "budgetguard", "check", "--only", "test"],
    "budgetguard check --only bundle": ["-m", "budgetguard", "check", "--only", "bundle"],
}

CONFTEST = """\
import sqlite3

import pytest


@pytest.fixture(scope="session")
def connection():
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT)")
    connection.executemany("INSERT INTO item (name) VALUES (?)", [(str(i),) for i in range(100)])
    yield connection
    connection.close()
"""

TEST = """

def test_{number}(connection):
    for key in (1, 2, 3):
        connection.execute("SELECT name FROM item WHERE id = ?", (key,)).fetchone()
"""

CONFIG = """\
version: 1
budgets:
  assets:
    bundle: assets
    limits: [raw <= 1 GB, gzip <= 1 GB]
  tests:
    test: tests
    limits: [queries <= 5]
"""

BUDGET = """\
  part-{number}:
    bundle: assets/folder{folder}/*.js
    limits: [raw <= 1 GB, gzip <= baseline + 2% or 500 B]
"""

LOAD = """\
import sys, time
from pathlib import Path
from budgetguard.gate.config import load_config
began_s = time.process_time()
config = load_config(Path(sys.argv[1]))
print(len(config.budgets), time.process_time() - began_s)
"""


@dataclass(frozen=True)
class Spent:
    """What a process tree took, and what it printed."""

    cpu_s: float
    wall_s: float
    peak_rss_bytes: int
    said: str


def spend(argv: Sequence[str], cwd: Path) -> Spent:
    """Run a command to its end, looking at the memory of its tree. Raises `FailedError`."""
    began_s, peak = time.monotonic(), 0
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
        ended = 0
        while not ended:
            if time.monotonic() - began_s > TIMEOUT_S:
                os.killpg(child.pid, signal.SIGKILL)
            peak = max(peak, tree_rss_bytes(child.pid))
            time.sleep(LOOK_EVERY_S)
            ended, status, usage = os.wait4(child.pid, os.WNOHANG)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall_s = time.monotonic() - began_s
        output.seek(0)
        text = output.read().decode(errors="replace")
    if child.returncode:
        raise FailedError(f"{' '.join(argv)}: exit code {child.returncode}\n{text[-3000:]}")
    return Spent(usage.ru_utime + usage.ru_stime, wall_s, peak, text)


def tree_rss_bytes(pid: int) -> int:
    """Resident memory of a process and all below it, now; shared pages count in each."""
    total = 0
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    for process in tree:
        try:
            total += process.memory_info().rss
        except psutil.Error:
            continue
    return total


def write_project(folder: Path, files: int, tests: int) -> None:
    """The bundle, the tests and the configuration; the same text every time."""
    words = random.Random(1)
    for number in range(files):
        into = folder / "assets" / f"folder{number // FILES_PER_FOLDER}"
        into.mkdir(parents=True, exist_ok=True)
        lines = (f"export const v{i} = {words.randrange(10**6)};\n" for i in range(150))
        (into / f"chunk{number}.js").write_text("".join(lines))
    (folder / "tests").mkdir()
    (folder / "tests" / "conftest.py").write_text(CONFTEST)
    for first in range(0, tests, TESTS_PER_FILE):
        last = min(first + TESTS_PER_FILE, tests)
        body = "".join(TEST.format(number=number) for number in range(first, last))
        (folder / "tests" / f"test_part{first}.py").write_text(body)
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")
    (folder / "budgetguard.yml").write_text(CONFIG)


def write_config(file: Path, budgets: int) -> None:
    """A configuration with as many budgets of two limits each."""
    file.parent.mkdir()
    each = (BUDGET.format(number=n, folder=n // FILES_PER_FOLDER) for n in range(budgets))
    file.write_text("version: 1\nbudgets:\n" + "".join(each))


def measure(
    commands: Mapping[str, Sequence[str]], folder: Path, until_s: float, rounds: int
) -> dict[str, list[Spent]]:
    """Run all in turn, each round in another order, until rounds or time are used up."""
    order, names = random.Random(1), list(commands)
    seen: dict[str, list[Spent]] = {name: [] for name in names}
    for number in range(rounds + 1):
        if number > FEWEST_ROUNDS and time.monotonic() > until_s:
            break
        order.shuffle(names)
        for name in names:
            spent = spend(commands[name], folder)
            if number:  # the first round writes bytecode and fills caches
                seen[name].append(spent)
    return seen


def check_guarded(seen: Mapping[str, Sequence[Spent]], tests: int) -> None:
    """A figure of a run that judged less than all is none. Raises `FailedError`."""
    limits = {"pytest, judging": tests, "budgetguard check": tests + 2}
    for name, count in limits.items():
        for spent in seen[name]:
            if f"guarded {count} of {count} limits" not in spent.said:
                raise FailedError(f"{name} did not guard {count} limits:\n{spent.said[-3000:]}")


def run_table(seen: Mapping[str, Sequence[Spent]]) -> list[str]:
    """Every command, and its ratios to the tests without us."""
    lines = [
        "| run | CPU s | wall s | peak MB | CPU ratio | wall ratio | memory ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, all_spent in seen.items():
        figures = [[spent.cpu_s, spent.wall_s, spent.peak_rss_bytes / 1e6] for spent in all_spent]
        bare = [[spent.cpu_s, spent.wall_s, spent.peak_rss_bytes / 1e6] for spent in seen[WITHOUT]]
        cells = [statistics.median(column) for column in zip(*figures, strict=True)]
        ratios = [
            statistics.median(own[i] / base[i] for own, base in zip(figures, bare, strict=True))
            for i in range(3)
        ]
        shown = [f"{cells[0]:.2f}", f"{cells[1]:.2f}", f"{cells[2]:.0f}"]
        lines.append(f"| {name} | {' | '.join([*shown, *(f'{r:.2f}' for r in ratios)])} |")
    return lines


def config_table(python: str, work: Path, until_s: float, rounds: int) -> list[str]:
    """How long a configuration takes to load, by its number of budgets."""
    files = {size: work / f"config{size}" / "budgetguard.yml" for size in CONFIG_SIZES}
    for size, file in files.items():
        write_config(file, size)
    commands = {str(size): [python, "-c", LOAD, str(file)] for size, file in files.items()}
    seen = measure(commands, work, until_s, rounds)
    lines = ["| budgets in the file | load, CPU s | us per budget | peak MB |", "|---|---|---|---|"]
    for size in CONFIG_SIZES:
        all_spent = seen[str(size)]
        load_s = statistics.median(float(spent.said.split()[1]) for spent in all_spent)
        peak = statistics.median(spent.peak_rss_bytes for spent in all_spent) / 1e6
        lines.append(f"| {size} | {load_s:.3f} | {load_s / size * 1e6:.0f} | {peak:.0f} |")
    return lines


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--minutes", type=float, default=10.0, help="when to stop (default: 10)")
    reader.add_argument("--rounds", type=int, default=7, help="how many at most (default: 7)")
    reader.add_argument("--files", type=int, default=2000, help="of the bundle (default: 2000)")
    reader.add_argument("--tests", type=int, default=1000, help="with a budget (default: 1000)")
    asked = reader.parse_args()
    if not hasattr(os, "wait4"):
        sys.exit("this system has no wait4, by which a process tree is counted")
    rounds = max(asked.rounds, FEWEST_ROUNDS)
    with tempfile.TemporaryDirectory(prefix="large-project-") as made:
        work = Path(made).resolve()
        project = work / "project"
        project.mkdir()
        write_project(project, asked.files, asked.tests)
        python = str(install(work / "env", str(build_wheel(work / "wheel"))) / "python")
        began_s, limit_s = time.monotonic(), asked.minutes * 60
        loads = config_table(python, work, began_s + limit_s / 5, rounds)
        commands = {name: [python, *arguments] for name, arguments in COMMANDS.items()}
        seen = measure(commands, project, began_s + limit_s, rounds)
    check_guarded(seen, asked.tests)
    size = f"{asked.files} bundle files, {asked.tests} budgeted tests"
    print(f"{machine_line()}; {size}; {len(seen[WITHOUT])} rounds\n")
    print("\n".join([*run_table(seen), "", *loads]))


if __name__ == "__main__":
    main()
