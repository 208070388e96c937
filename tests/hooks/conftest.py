"""Real git repositories, and the hooks installed from a copy of this one."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest

from budgetguard import cli
from budgetguard.gate.baseline import write_baseline
from budgetguard.gate.model import Baseline, Point, Stored
from budgetguard.units import Unit

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("budgetguard", "pytest_plugin", "pyproject.toml", "README.md", "LICENSE")
HOOKS_FILE = ".pre-commit-hooks.yaml"
REVISION = "v0.0.1"
TIMEOUT_S = 240
NO_INDEX = re.compile(
    "No matching distribution|Could not find a version|Failed to establish|Temporary failure|"
    "error sending request|dns error|Network is unreachable|timed out"
)
CONFIG = """\
version: 1
budgets:
  app:
    bundle: dist
    limits: [raw <= 200 B, raw <= baseline + 2%]
"""


def environment(**extra):
    """Ours without what the git or pre-commit around this test has set; our scripts come first in PATH."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIT", "PRE_COMMIT", "PYTEST_", "PYTHON", "COV_", "BUDGETGUARD"))
    }
    scripts = str(Path(sys.executable).parent)
    path = f"{scripts}{os.pathsep}{kept.get('PATH', '')}"
    return {**kept, "PATH": path, "GIT_CONFIG_GLOBAL": os.devnull, "NO_COLOR": "1", **extra}


@dataclass(frozen=True)
class Ended:
    """How a command ended, and all that it said."""

    code: int
    said: str

    def ends(self, code, *causes):
        """Assert the exit code and the words that name the cause, and that there is no traceback."""
        told = f"\nexit {self.code}\n{self.said}"
        assert self.code == code, told
        words = " ".join(self.said.split())
        for cause in causes:
            assert cause in words, f"missing: {cause}{told}"
        assert "Traceback (most recent call last)" not in self.said, told
        return self


@dataclass
class Repo:
    """A git repository with one small bundle, its budget and its baseline."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def run(self, *command, cwd="", **variables):
        """Run a command in it to its end."""
        done = subprocess.run(
            command,
            cwd=self.folder / cwd,
            env=environment(**self.variables, **variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
        )
        return Ended(done.returncode, done.stdout)

    def git(self, *arguments, **options):
        """Run git; it has to succeed."""
        return self.run("git", *arguments, **options).ends(0)

    def hook(self, *arguments, cwd="", **variables):
        """Run `budgetguard hook`, in this process: most of the time of a fresh one is its start."""
        said = io.StringIO()
        wanted = environment(**self.variables, **variables)
        with (
            contextlib.chdir(self.folder / cwd),
            mock.patch.dict(os.environ, wanted, clear=True),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            code = cli.run(["hook", *arguments])
        return Ended(code, said.getvalue())

    def write(self, files):
        """Write files by their name."""
        for name, text in files.items():
            file = self.folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return self

    def config(self, text=CONFIG, *, accepted=(), folder=""):
        """Write the configuration, with the lines of its accepted entries."""
        lines = "".join(f"{line}\n" for line in accepted)
        text += f"accepted:\n{lines}" if lines else ""
        (self.folder / folder / "budgetguard.yml").write_text(text)
        return self

    def record(self, *values, folder="", time="2026-01-01T00:00:00Z"):
        """Write a baseline of (budget, metric, value), (…, selector) or (…, selector, key)."""
        stored = {}
        for budget, metric, value, *rest in values or [("app", "raw", 100)]:
            selector, key = (*rest, "", "")[:2]
            count = metric in ("queries", "files")
            unit = Unit.COUNT if count else Unit.BYTES
            target = "test" if "::" in budget else "bundle"
            one = Stored(unit=unit, target=target, value=value)
            stored.setdefault(Point(budget, selector, metric), {})[key] = one
        write_baseline(self.folder / folder / "budgetguard.baseline.json", Baseline(stored, time))
        return self

    def stage(self):
        """Stage all there is."""
        self.git("add", "-A")
        return self

    def commit(self, subject="more"):
        """Commit all there is, past any hook."""
        self.stage().git("commit", "-q", "--no-verify", "--allow-empty", "-m", subject)
        return self

    def installed(self, *stages):
        """Let git itself run `hook baseline` at these stages."""
        for stage in stages:
            script = self.folder / ".git" / "hooks" / stage
            script.parent.mkdir(exist_ok=True)
            script.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m budgetguard hook baseline\n")
            script.chmod(0o755)
        return self


@pytest.fixture
def empty(tmp_path):
    """A repository without a commit."""
    folder = tmp_path / "project"
    folder.mkdir()
    return begun(folder)


def begun(folder):
    """A new repository in a folder."""
    repo = Repo(folder)
    repo.git("init", "-q", "-b", "main")
    repo.git("config", "user.name", "x")
    repo.git("config", "user.email", "x@example.org")
    return repo


@pytest.fixture
def repo(empty):
    """A repository whose one commit has a bundle, its budget and its baseline of 100 bytes."""
    return empty.write({"dist/app.js": "a" * 100}).config().record().commit("first")


def shared_folder(tmp_path_factory):
    """One folder for all processes of this test run."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "hooks-shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def hooks(tmp_path_factory):
    """A repository that ships our hooks as this work tree has them; one for all processes."""
    shared = shared_folder(tmp_path_factory) / "hooks"
    if not shared.exists():
        made = tmp_path_factory.mktemp("made") / "hooks"
        made.mkdir()
        for name in (*SHIPPED, HOOKS_FILE):
            if (ROOT / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
                shutil.copytree(ROOT / name, made / name, ignore=ignored)
            else:
                shutil.copy(ROOT / name, made / name)
        begun(made).commit("hooks").git("tag", REVISION)
        try:
            made.rename(shared)
        except OSError:
            assert shared.exists()  # another process was faster
    return shared


@pytest.fixture(scope="session")
def homes(tmp_path_factory):
    """Where pre-commit and prek keep their environments: built once in a test run, under their own locks."""
    shared = shared_folder(tmp_path_factory)
    folders = {"PRE_COMMIT_HOME": "pre-commit", "PREK_HOME": "prek"}
    return {name: str(shared / folder) for name, folder in folders.items()}


def or_skip(ended):
    """What built an environment; without an index of packages that is no fault of the hooks."""
    if ended.code and NO_INDEX.search(ended.said):
        reason = f"no index of packages is reachable: {ended.said[-300:]}"
        if os.environ.get("BUDGETGUARD_TEST_STRICT"):  # CI: nothing is skipped for want of a part
            pytest.fail(reason)
        pytest.skip(reason)
    return ended
