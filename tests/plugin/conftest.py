"""A project under test, run in this process for behaviour and in one of its own for start-up."""

import json
import sqlite3  # noqa: F401  # here, since a run in this process forgets what it imports, and the hooks on it
import textwrap
from pathlib import Path

import memray  # noqa: F401  # likewise: it cannot be loaded twice
import pytest
import pytest_benchmark.fixture  # noqa: F401  # likewise: our patches are on its class

import budgetguard.database
import budgetguard.monitoring.leaks
import budgetguard.monitoring.resources  # noqa: F401
import pytest_budgetguard.conclude
import pytest_budgetguard.gathered
import pytest_budgetguard.rounds
import pytest_budgetguard.session  # noqa: F401  # the recorder's hooks are one set for a process

QUIET = ("-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:django")

DATABASE = """
import sqlite3
import pytest

@pytest.fixture
def db():
    connection = sqlite3.connect(":memory:")
    yield connection
    connection.close()

def ask(db, times):
    for _ in range(times):
        db.execute("select 1")
"""


class Project:
    """Files in a folder, and pytest on them."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.folder = pytester.path

    def write(self, **files: str) -> "Project":
        """Write `name="content"` as name.py, with `__` for a folder."""
        for name, content in files.items():
            self.put(f"{name.replace('__', '/')}.py", content)
        return self

    def put(self, name: str, content: str) -> Path:
        """Write one file; what stood there, and its compiled form, is replaced."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(content))
        return file

    def config(self, *groups: str, folder: str = ".") -> Path:
        """A budgetguard.yml with these YAML lines under `budgets:`."""
        body = "".join(f"  {line}\n" for line in groups)
        return self.put(
            f"{folder}/budgetguard.yml", "version: 1\nbudgets:" + (f"\n{body}" if body else " {}\n")
        )

    def baseline(self, *rows: dict, folder: str = ".", time: str = "2026-01-01T00:00:00Z") -> Path:
        """A baseline with these entries; those of tests, counted, where nothing else is said."""
        entries = [{"target": "test", "unit": "count", **row} for row in rows]
        document = {"schema": 1, "time": time, "entries": [*entries, None]}
        return self.put(f"{folder}/budgetguard.baseline.json", json.dumps(document))

    def stored(self, folder: str = ".") -> dict:
        """(budget, selector, metric) -> row of the baseline."""
        document = json.loads((self.folder / folder / "budgetguard.baseline.json").read_text())
        return {
            (row["budget"], row.get("selector", ""), row["metric"]): row
            for row in document["entries"]
            if row
        }

    def run(self, *arguments: str) -> pytest.RunResult:
        """Pytest in this process."""
        return self.pytester.runpytest_inprocess(*QUIET, *arguments)

    def start(self, *arguments: str) -> pytest.RunResult:
        """Pytest in a process of its own."""
        # at its end it imports all of hypothesis, in half a second
        slow = ("-p", "no:hypothesispytest")
        return self.pytester.runpytest_subprocess(*QUIET, *slow, *arguments, timeout=120)


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """An empty project."""
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID"):
        monkeypatch.delenv(name, raising=False)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    found = Project(pytester)
    found.put("database.py", DATABASE)
    found.put("conftest.py", "from database import db\n")
    pytester.syspathinsert()
    return found
