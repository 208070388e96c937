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

TIMEOUT_S = 240
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


TIMED_CONFIG = """\
version: 1
budgets:
  perf:
    test: tests
    limits: [time <= baseline + 20%]
"""

# plugins that no worker needs: without them it starts in half the time
TIMED_INI = """\
[pytest]
pythonpath = src
addopts = -p no:anyio -p no:asyncio -p no:benchmark -p no:cacheprovider -p no:codspeed
    -p no:django -p no:hypothesispytest -p no:memray -p no:platformdirs -p no:pytest_cov
    -p no:randomly -p no:timeout -p no:xdist -p no:xdist.looponfail
"""

TOTAL = """\
def total(rounds={rounds}):
    value = 0
    for number in range(rounds):
        value += number * number
    return value
"""

TEST_TOTAL = """\
from shop import total


def test_total():
    assert total() > 0
"""


@dataclass(frozen=True)
class Timed(Project):
    """A git repository with the benchmark `tests/test_cart.py::test_total`, of 1 ms or so."""

    test = "tests/test_cart.py::test_total"

    def git(self, *arguments):
        """What a git command prints."""
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        done = subprocess.run(
            ["git", *who, *arguments], cwd=self.folder, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, subject, files: Mapping[str, str] = {}):
        """Write files and commit all there is; returns the commit's name as reports shorten it."""
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        return self.git("rev-parse", "HEAD")[:10]

    def takes(self, rounds):
        """Write the code that is measured: 16 000 rounds take about 1 ms."""
        return self.write({"src/shop/__init__.py": TOTAL.format(rounds=rounds)})

    def based(self, *names):
        """Commit a baseline that knows these benchmarks; it is the base of time from now on."""
        known = {
            Point(name, "", "time"): {"": Stored(unit=Unit.SECONDS, target="test")}
            for name in names or (self.test,)
        }
        write_baseline(self.baseline, Baseline(known, "2026-01-01T00:00:00Z"))
        return self.commit("record the baseline")

    def settled(self, *arguments, **options):
        """Check until the machine's noise leaves no verdict open, three times at most; an open one is red."""
        for _ in range(3):
            told = self.check("--strict", "--seconds", "60", *arguments, **options)
            if told.code != 3:
                break
        return told


@pytest.fixture
def timed(project, tmp_path):
    """A repository without a commit so far, whose benchmark may become 20 % slower than its base."""
    cache = {"BUDGETGUARD_CACHE": str(tmp_path / "cache")}
    found = Timed(project.folder, project.scratch, cache)
    found.git("init", "-q", "-b", "main")
    found.write(
        {
            "budgetguard.yml": TIMED_CONFIG,
            "pytest.ini": TIMED_INI,
            "tests/test_cart.py": TEST_TOTAL,
            ".gitignore": "__pycache__/\n",
        }
    )
    return found.takes(16_000)
