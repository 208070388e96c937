"""How long a commit waits for the hooks in a repository of 2 000 files, beside a hook that does nothing.

    python benchmarks/hook_times.py [--rounds 15] [--files 2000]

The hooks are installed once, by pre-commit, from a copy of this checkout; what that takes is told.
Each is then timed alone, by `pre-commit run HOOK`, over two commits: one that touches no budget and
one that changes a limit and its baseline. "Cold" is one run after the bytecode of the environment
and what the system held of the project's files were dropped; "warm" is the median of the rounds, in each of which every
hook runs once, in a new random order. "Own" is what it takes without pre-commit: the hook's command
alone, on the same commit; its CPU time is about what a machine without other work shows on the
clock. Needs git, and an index of packages.
"""

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from start_up import FailedError, Spent, machine_line, spend

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("budgetguard", "pytest_plugin", "pyproject.toml", "README.md", "LICENSE")
HOOKS_FILE = ".pre-commit-hooks.yaml"
TIMEOUT_S = 600.0
NOTHING = "nothing"
HOOKS = {
    NOTHING: "pre-commit",
    "budgetguard-config": "pre-commit",
    "budgetguard-baseline": "pre-commit",
    "budgetguard-bundle": "pre-push",
}
COMMANDS = {
    "budgetguard-config": ["hook", "config", "budgetguard.yml"],
    "budgetguard-baseline": ["hook", "baseline"],
    "budgetguard-bundle": ["hook", "bundle"],
}
UNTOUCHED, TOUCHED = "no budget touched", "a limit and a value changed"

CONFIG = """\
version: 1
budgets:
  assets:
    bundle: dist
    limits: [raw <= {most} kB, gzip <= baseline + 2%]
"""
BASELINE = """\
{{
  "schema": 1,

  "time": "2026-01-01T00:00:00Z",

  "entries": [

    {{"budget": "assets", "target": "bundle", "metric": "gzip", "value": {value}, "unit": "bytes"}},

    null

  ]
}}
"""
USED = """\
repos:
- repo: {hooks}
  rev: v0.0.1
  hooks:
  - id: budgetguard-config
  - id: budgetguard-baseline
  - id: budgetguard-bundle
    additional_dependencies: []
- repo: local
  hooks:
  - id: nothing
    name: nothing
    language: system
    entry: "true"
    always_run: true
    pass_filenames: false
"""


def run(command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> float:
    """Run a command to its end; what it took on the clock. Raises `FailedError`."""
    began_s = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    took_s = time.perf_counter() - began_s
    if done.returncode:
        told = f"{done.stdout}\n{done.stderr}"[-3000:]
        raise FailedError(f"{' '.join(command)}: exit code {done.returncode}\n{told}")
    return took_s


def environment(work: Path) -> dict[str, str]:
    """Ours without what a hook around us has set; git and pre-commit touch nothing of the user's."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIT", "PRE_COMMIT", "PYTHON", "COV"))
    }
    scripts = str(Path(sys.executable).parent)
    return {
        **kept,
        "PATH": f"{scripts}{os.pathsep}{kept.get('PATH', '')}",
        "PRE_COMMIT_HOME": str(work / "home"),
        "GIT_CONFIG_GLOBAL": os.devnull,
    }


def begin(folder: Path, variables: Mapping[str, str]) -> None:
    """Make a folder a repository, and commit what is in it."""
    for arguments in (
        ("init", "-q", "-b", "main"),
        ("config", "user.name", "benchmark"),
        ("config", "user.email", "benchmark@example.org"),
        ("add", "-A"),
        ("commit", "-q", "-m", "first"),
    ):
        run(["git", *arguments], folder, variables)


def ship(folder: Path, variables: Mapping[str, str]) -> None:
    """A repository with the hooks of this checkout."""
    folder.mkdir()
    for name in (*SHIPPED, HOOKS_FILE):
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    begin(folder, variables)
    run(["git", "tag", "v0.0.1"], folder, variables)


def write_project(folder: Path, hooks: Path, files: int) -> None:
    """A repository's files, the same every time, with a built bundle."""
    for number in range(files):
        file = folder / "src" / f"part{number // 50}" / f"module{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"VALUE_{line} = {number + line}\n" for line in range(40)))
    (folder / "dist").mkdir()
    (folder / "dist" / "app.js").write_text("console.log('hello')\n" * 2000)
    (folder / "budgetguard.yml").write_text(CONFIG.format(most=300))
    (folder / "budgetguard.baseline.json").write_text(BASELINE.format(value=300))
    (folder / ".pre-commit-config.yaml").write_text(USED.format(hooks=hooks))


def change(folder: Path, case: str, variables: Mapping[str, str]) -> None:
    """Stage one commit; what is changed is no loosening, so every hook passes."""
    run(["git", "reset", "-q", "--hard"], folder, variables)
    (folder / "src" / "part0" / "module0.py").write_text("VALUE = 1\n")
    if case == TOUCHED:
        (folder / "budgetguard.yml").write_text(CONFIG.format(most=290))
        (folder / "budgetguard.baseline.json").write_text(BASELINE.format(value=295))
    run(["git", "add", "-A"], folder, variables)


def forget(work: Path, folder: Path) -> None:
    """Drop what an earlier run left warm: bytecode, and what the system holds of the project's files."""
    for cache in (work / "home").rglob("__pycache__"):
        shutil.rmtree(cache, ignore_errors=True)
    for file in folder.rglob("*"):
        if file.is_file() and hasattr(os, "posix_fadvise"):
            handle = os.open(file, os.O_RDONLY)
            try:
                os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(handle)


def whole(name: str, case: str) -> list[str]:
    """The hook as pre-commit runs it; on a commit that gives it no file it is asked for all."""
    asked = ["--all-files"] if (name, case) == ("budgetguard-config", UNTOUCHED) else []
    return ["pre-commit", "run", name, "--hook-stage", HOOKS[name], *asked]


def own(work: Path, name: str) -> list[str] | None:
    """The command of a hook, from the environment that pre-commit built."""
    if name == NOTHING:
        return None
    scripts = sorted((work / "home").glob("repo*/py_env-*/bin/budgetguard"))
    return [str(scripts[0]), *COMMANDS[name]]


def measure(
    work: Path, folder: Path, case: str, rounds: int, variables: Mapping[str, str]
) -> list[str]:
    """One row of the table for each hook on one commit."""
    change(folder, case, variables)
    cold: dict[str, float] = {}
    for name in HOOKS:
        forget(work, folder)
        cold[name] = run(whole(name, case), folder, variables)
    warm: dict[str, list[float]] = {name: [] for name in HOOKS}
    alone: dict[str, list[Spent]] = {name: [] for name in HOOKS}
    order, names = random.Random(1), list(HOOKS)
    for _ in range(rounds):
        order.shuffle(names)
        for name in names:
            warm[name].append(run(whole(name, case), folder, variables))
            if command := own(work, name):
                alone[name].append(spend(command, folder))
    idle_s = statistics.median(warm[NOTHING])
    rows = []
    for name in HOOKS:
        middle_s = statistics.median(warm[name])
        cells = [name, case, f"{cold[name]:.2f}", f"{middle_s:.2f}", f"{middle_s - idle_s:+.2f}"]
        for kind in ("wall_s", "cpu_s"):
            taken = [getattr(spent, kind) * 1000 for spent in alone[name]]
            cells.append(f"{statistics.median(taken):.0f}" if taken else "")
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--rounds", type=int, default=15, help="warm runs (default: 15)")
    reader.add_argument("--files", type=int, default=2000, help="of the project (default: 2000)")
    asked = reader.parse_args()
    with tempfile.TemporaryDirectory(prefix="hook-times-") as made:
        work = Path(made).resolve()
        variables = environment(work)
        ship(work / "hooks", variables)
        folder = work / "project"
        folder.mkdir()
        write_project(folder, work / "hooks", asked.files)
        begin(folder, variables)
        built_s = run(["pre-commit", "install-hooks"], folder, variables)
        rows = [
            row
            for case in (UNTOUCHED, TOUCHED)
            for row in measure(work, folder, case, max(1, asked.rounds), variables)
        ]
    print(f"{machine_line()}; {asked.files} files; {asked.rounds} rounds\n")
    print(f"Building the environment, once per machine and version: {built_s:.1f} s.\n")
    print(
        "| hook | commit | cold s | warm s | over nothing s | own wall ms | own CPU ms |\n"
        "|---|---|---|---|---|---|---|"
    )
    print("\n".join(rows))


if __name__ == "__main__":
    main()
