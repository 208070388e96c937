"""Small projects as git repositories of two commits: a base, and a head that is slower, edited or neither."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

WORKLOADS = Path(__file__).with_name("workloads")
PACKAGE, TESTS = "kernels", "perf"
UNITS = 200
"""Units of work in one call of a workload, so that one half percent is a whole unit."""
GIT_TIMEOUT_S = 60.0
Files = Mapping[str, str] | Mapping[str, str | bytes]

CONFIG = """\
version: 1
budgets:
  kernels:
    test: perf
    limits: [time <= baseline + 5%]
"""
PYTEST_INI = "[pytest]\npythonpath = .\ntestpaths = perf\n"
TEST = '''\
"""The budget of one workload."""

import pytest

from {package} import {name}


@pytest.fixture
def state():
    with {name}.prepared() as made:
        yield made


def test_{name}(benchmark, state):
    assert benchmark({name}.run, state)
'''


@dataclass(frozen=True, slots=True)
class Project:
    """A repository whose work tree is its head; the base is the commit before it."""

    folder: Path
    base: str
    head: str


def names() -> list[str]:
    """All workloads, sorted."""
    return sorted(file.stem for file in WORKLOADS.glob("*.py"))


def sources(wanted: Sequence[str] = ()) -> dict[str, str]:
    """The text of each workload by its name."""
    return {name: (WORKLOADS / f"{name}.py").read_text() for name in wanted or names()}


SLOPES = {"asyncio_tasks": 0.92, "attributes": 1.055}
"""Percent more instructions for each percent more units, where it is not one; the laboratory counts them."""


def slower_units(name: str, percent: float) -> int:
    """Units of work with which a call of a workload takes so many percent more instructions."""
    return round(UNITS * (1 + percent / 100 / SLOPES.get(name, 1.0)))


def slowed(name: str, source: str, percent: float) -> str:
    """The same workload, slower by so many percent."""
    units = slower_units(name, percent)
    before, found, after = source.partition(f"\nUNITS = {UNITS}\n")
    if not found:
        raise ValueError(f"no line `UNITS = {UNITS}` in the workload")
    return f"{before}\nUNITS = {units}\n{after}"


def subject_of(budget: str) -> str:
    """The workload that a node id such as `perf/test_json_codec.py::test_json_codec` is about."""
    return budget.rpartition("::")[2].removeprefix("test_")


def tree(texts: Mapping[str, str]) -> dict[str, str]:
    """All files of a project by path: the workloads, a benchmark file each, the configuration."""
    files = {"budgetguard.yml": CONFIG, "pytest.ini": PYTEST_INI, f"{PACKAGE}/__init__.py": ""}
    for name, text in texts.items():
        files[f"{PACKAGE}/{name}.py"] = text
        files[f"{TESTS}/test_{name}.py"] = TEST.format(package=PACKAGE, name=name)
    return files


def two_commits(folder: Path, base: Files, head: Files) -> Project:
    """A repository with `base` and then `head`, which stays checked out; equal trees are two commits too."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", "--initial-branch=main")
    first = commit(folder, base, 1)
    return Project(folder, first, commit(folder, head, 2))


def commit(folder: Path, files: Files, day: int) -> str:
    """Make the work tree hold exactly these files and commit it; returns the commit's name."""
    for name in git(folder, "ls-files", "-z").split("\0"):
        if name and name not in files:
            (folder / name).unlink()
    for name, content in files.items():
        write(folder / name, content)
    git(folder, "add", "--all", "--force")
    git(folder, "commit", "--quiet", "--allow-empty", f"--message=Day {day}", day=day)
    return git(folder, "rev-parse", "HEAD").strip()


def write(file: Path, content: str | bytes) -> None:
    """Write a file of either kind where it differs; unchanged files keep their time."""
    data = content.encode() if isinstance(content, str) else content
    if not file.exists() or file.read_bytes() != data:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)


def copy_of(project: Project, commit_name: str, folder: Path) -> Path:
    """One commit checked out in a folder of its own, for tools that compare two folders."""
    git(project.folder, "clone", "--quiet", "--no-checkout", str(project.folder), str(folder))
    git(folder, "checkout", "--quiet", "--detach", commit_name)
    return folder


def git(folder: Path, *arguments: str, day: int = 1) -> str:
    """Run git without the user's settings and hooks, at a fixed date, so that equal trees are equal commits."""
    who = {
        f"GIT_{role}_{part}": f"lab{at}"
        for role in ("AUTHOR", "COMMITTER")
        for part, at in (("NAME", ""), ("EMAIL", "@example.org"))
    }
    when = {f"GIT_{role}_DATE": f"2026-01-{day:02}T12:00:00Z" for role in ("AUTHOR", "COMMITTER")}
    quiet = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments],
        env={**os.environ, **who, **when, **quiet},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=GIT_TIMEOUT_S,
    )
    return done.stdout
