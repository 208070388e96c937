"""A small real project, and the command line run in it."""

import subprocess
from types import SimpleNamespace

import pytest

from budgetguard.cli import run

CONFIG = """\
version: 1
budgets:
  app:
    bundle: dist
    limits: [raw <= 200 B, raw <= baseline]
"""


@pytest.fixture
def project(tmp_path, monkeypatch, capsys):
    """A git repository with a bundle of 100 bytes and its budget; the command runs in its folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist/app.js").write_text("a" * 100)
    (tmp_path / "budgetguard.yml").write_text(CONFIG)

    def git(*arguments):
        command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)

    def command(*arguments):
        capsys.readouterr()
        code = run(arguments)
        captured = capsys.readouterr()
        return SimpleNamespace(code=code, out=captured.out, err=captured.err)

    git("init", "-q", "-b", "main")
    return SimpleNamespace(
        folder=tmp_path,
        run=command,
        git=git,
        baseline=tmp_path / "budgetguard.baseline.json",
        bundle=tmp_path / "dist/app.js",
        config=tmp_path / "budgetguard.yml",
    )
