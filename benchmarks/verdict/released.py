"""Real releases: two versions of a package from PyPI as base and head, with a change known beforehand."""

import shutil
import tarfile
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.start_up import uv
from benchmarks.verdict import ours
from benchmarks.verdict.environments import PYTEST, create, run
from benchmarks.verdict.projects import (
    CONFIG,
    PACKAGE,
    PYTEST_INI,
    TEST,
    TESTS,
    Project,
    git,
    two_commits,
)
from benchmarks.verdict.results import Judged

FOLDER = Path(__file__).with_name("releases")
TABLE = FOLDER / "pairs.toml"
DOWNLOAD_TIMEOUT_S = 300.0
LEFT_OUT = {"tests", "test", "testing", "docs", "doc", "examples", "benchmarks", "conftest.py"}
"""What a package's repository has beside it: no part of its build, and its conftest would join ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two releases, what the verdict should be, and what one call of the benchmark costs in each."""

    package: str
    base: str
    head: str
    expected: str
    instructions: tuple[int, int]
    bytecodes: tuple[int, int]

    @property
    def name(self) -> str:
        """How it is called in cells and tables."""
        return f"{self.package} {self.base} to {self.head}"

    @property
    def changes(self) -> tuple[float, float]:
        """How many more instructions and bytecodes head takes, as ratios."""
        (before, after), (fewer, more) = self.instructions, self.bytecodes
        return after / before - 1, more / fewer - 1

    @property
    def module(self) -> str:
        """The benchmark's file in `releases/`."""
        return self.package.replace("-", "_")


def pairs() -> list[Pair]:
    """The table, in its order; raises `TypeError` for a row with other keys."""
    rows: list[dict[str, Any]] = tomllib.loads(TABLE.read_text())["pair"]
    for row in rows:
        row |= {key: tuple(row[key]) for key in ("instructions", "bytecodes")}
    return [Pair(**row) for row in rows]


def judge(pair: Pair, tool: list[str], python: Path, work: Path, folder: Path) -> list[Judged]:
    """The verdict about one pair, in an environment made for its head; base's is budgetguard's to make."""
    project = repository(pair, python, work / "sdists", folder / "project")
    wanted = [*tool, *PYTEST, "--editable", str(project.folder)]
    own = create(folder / "environment", wanted)
    found = ours.check(
        own, project.folder, against=project.base, expected=pair.expected, beside=uv_only(folder)
    )
    return [replace(one, subject=pair.name) for one in found]


def uv_only(folder: Path) -> Path:
    """A folder of programs that holds uv and nothing else: the environment of base is made with it."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "uv").symlink_to(uv())
    return programs


def repository(pair: Pair, python: Path, store: Path, folder: Path) -> Project:
    """Both releases as commits with tags, with the same benchmark and configuration in each."""
    text = (FOLDER / f"{pair.module}.py").read_text()
    own: dict[str, str | bytes] = {
        "budgetguard.yml": CONFIG,
        "pytest.ini": PYTEST_INI,
        f"{PACKAGE}/__init__.py": "",
        f"{PACKAGE}/{pair.module}.py": text,
        f"{TESTS}/test_{pair.module}.py": TEST.format(package=PACKAGE, name=pair.module),
    }
    trees = [
        {**unpacked(sdist(pair.package, v, python, store)), **own} for v in (pair.base, pair.head)
    ]
    project = two_commits(folder, *trees)
    for version, commit in ((pair.base, project.base), (pair.head, project.head)):
        git(
            folder, "tag", version, commit
        )  # builds that take the version from git find the right one
    return project


def sdist(package: str, version: str, python: Path, store: Path) -> Path:
    """The source archive of a release, by pip; one that is there is not fetched again."""
    folder = store / f"{package}-{version}"
    if not any(folder.glob("*.tar.gz")):
        shutil.rmtree(folder, ignore_errors=True)
        options: list[str | Path] = ["--quiet", "--no-deps", "--no-binary=:all:", "--dest", folder]
        run(
            [python, "-m", "pip", "download", *options, f"{package}=={version}"],
            store.parent,
            DOWNLOAD_TIMEOUT_S,
        )
    return next(folder.glob("*.tar.gz"))


def unpacked(archive: Path) -> dict[str, bytes]:
    """The regular files of a source archive by path below its one top folder."""
    files = {}
    with tarfile.open(archive) as opened:
        for member in opened:
            parts = Path(member.name).parts[1:]
            content = opened.extractfile(member) if member.isfile() else None
            if content and parts and ".." not in parts and parts[0] not in LEFT_OUT:
                files["/".join(parts)] = content.read()
    return files
