"""Real small projects in a folder of their own, driven by the real commands in processes of their own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from budgetguard.gate.baseline import write_baseline
from budgetguard.gate.model import Baseline, Point, Stored
from budgetguard.units import Unit

TIMEOUT_S = 120
_OURS = ("PYTEST_", "COV_", "BUDGETGUARD")
_LOOKS = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "GITHUB_ACTIONS", "CI")


@dataclass(frozen=True)
class Ended:
    """How a command ended; its words have single spaces, so that no line break of a report matters."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """Both streams as one line."""
        return " ".join(f"{self.out} {self.err}".split())

    def ends(self, code, *causes):
        """Assert the exit code and the words that name the cause, and that no traceback of ours is shown."""
        told = f"\nexit {self.code}\n{self.out}\n{self.err}"
        assert self.code == code, told
        for cause in causes:
            assert cause in self.words, f"missing: {cause}{told}"
        assert "Traceback (most recent call last)" not in self.err, told
        return self


@dataclass(frozen=True)
class Project:
    """A folder with a repository's root, a place for temporary files, and commands run in it."""

    folder: Path
    scratch: Path
    plugins: Mapping[str, str]

    @property
    def baseline(self):
        """The committed file."""
        return self.folder / "budgetguard.baseline.json"

    def write(self, files: Mapping[str, str]):
        """Write files by their name; what was there is replaced."""
        for name, text in files.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return self

    def recorded(self, *entries):
        """Write a baseline with entries (budget, metric, value) or (budget, metric, value, key)."""
        stored = {}
        for budget, metric, value, *key in entries:
            target = "test" if "::" in budget else "bundle"
            unit = Unit.COUNT if target == "test" else Unit.BYTES
            one = Stored(unit=unit, target=target, value=value)
            stored[Point(budget, "", metric)] = {key[0] if key else "": one}
        write_baseline(self.baseline, Baseline(stored, "2026-01-01T00:00:00Z"))
        return self

    def environment(self, extra: Mapping[str, str] = {}):
        """Ours without what the pytest around this test has set."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(_OURS) and name not in _LOOKS
        }
        return {**kept, "TMPDIR": str(self.scratch), **self.plugins, **extra}

    def start(self, *arguments, env: Mapping[str, str] = {}, cwd="", **options):
        """Start `python -m ARGUMENTS`; the caller ends it."""
        return subprocess.Popen(
            [sys.executable, "-m", *arguments],
            cwd=self.folder / cwd,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options},
        )

    def run(self, *arguments, **options):
        """Run `python -m ARGUMENTS` to its end."""
        with self.start(*arguments, **options) as process:
            try:
                out, err = process.communicate(timeout=TIMEOUT_S)
            except BaseException:
                process.kill()
                raise
        return Ended(process.returncode, *((told or b"").decode() for told in (out, err)))

    def check(self, *arguments, **options):
        """Run `budgetguard check`."""
        return self.run("budgetguard", "check", *arguments, **options)

    def update(self, *arguments, **options):
        """Run `budgetguard baseline update`."""
        return self.run("budgetguard", "baseline", "update", *arguments, **options)

    def pytest(self, *arguments, **options):
        """Run plain pytest."""
        return self.run("pytest", "-p", "no:randomly", *arguments, **options)

    def leftovers(self):
        """What stays in the folder for temporary files, pytest's own aside."""
        return sorted(
            file.name for file in self.scratch.iterdir() if not file.name.startswith("pytest-of-")
        )


@pytest.fixture
def plugins():
    """What a pytest in a project loads: ours alone, which halves its start; a module may want all."""
    return {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "pytest_budgetguard.plugin",
    }


@pytest.fixture
def project(tmp_path, plugins):
    """An empty project; a repository's root ends the search for a configuration above it."""
    folder, scratch = tmp_path / "project", tmp_path / "scratch"
    scratch.mkdir()
    (folder / ".git").mkdir(parents=True)
    (folder / "pytest.ini").write_text("[pytest]\n")
    return Project(folder, scratch, plugins)


CONFIG = """\
version: 1
budgets:
  perf:
    test: tests
    limits: [queries <= 3]
"""

CONFTEST = """\
import sqlite3

import pytest


@pytest.fixture
def db():
    connection = sqlite3.connect(":memory:")
    yield connection
    connection.close()
"""

INBOX = """\
def test_inbox(db):
    db.execute("SELECT 1")
    db.execute("SELECT 2")
"""

OUTBOX = """\
import pytest


@pytest.mark.perf
def test_outbox(db):
    for number in range(5):
        db.execute("SELECT ?", (number,))
"""


@pytest.fixture
def shop(project):
    """A project whose one test keeps its budget: 2 queries of 3."""
    return project.write(
        {
            "budgetguard.yml": CONFIG,
            "tests/conftest.py": CONFTEST,
            "tests/test_inbox.py": INBOX,
        }
    )


@pytest.fixture
def over_budget(shop):
    """A shop with a second test, marked `perf`, that breaks its budget: 5 queries of 3."""
    return shop.write(
        {
            "tests/test_outbox.py": OUTBOX,
            "pytest.ini": "[pytest]\nmarkers = perf\n",
        }
    )
