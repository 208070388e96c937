"""The first step, run as the file that it is, in environments of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTALL = ROOT / "budgetguard" / "action" / "install.py"


@pytest.fixture
def step(tmp_path):
    """An empty environment, and the step in it: exit code and output."""
    uv = shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    env = tmp_path / "env"
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(env)], check=True, timeout=60)

    def run(**variables):
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("GITHUB", "INPUT_", "PIP", "PYTHON", "VIRTUAL_ENV"))
        }
        path = f"{Path(uv).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            [str(env / "bin" / "python"), "-P", str(INSTALL)],
            env={**kept, "PATH": path, **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_actions_own_version_then_nothing(step):
    """`auto` installs what the workflow names, with what a comment needs; a second run has nothing to do."""
    code, said = step(GITHUB_EVENT_NAME="pull_request")
    assert code == 0, said
    assert "::group::install 'pytest-budgetguard @ file://" in said
    assert "::group::install 'requests" in said
    assert step(GITHUB_EVENT_NAME="pull_request") == (0, "")


def test_nothing_is_installed_that_nobody_wants(step):
    """`none` installs nothing and says what is missing, before anything is measured."""
    code, said = step(INPUT_INSTALL="none")
    assert code == 2
    assert "::error title=budgetguard::budgetguard with its Action is not installed" in said
    assert "group" not in said


def test_what_cannot_be_installed(step):
    """A requirement that does not exist ends the step with its name."""
    code, said = step(INPUT_INSTALL="no-such-distribution-of-anybody==1")
    assert code == 2
    assert "`no-such-distribution-of-anybody==1` could not be installed" in said


def test_a_comment_that_cannot_be_written_is_no_reason_to_stop(step):
    """Without what comments need, a pull request is judged all the same; a push does not even ask."""
    assert step(GITHUB_EVENT_NAME="push")[0] == 0
    offline = {"UV_OFFLINE": "1", "UV_NO_CACHE": "1", "GITHUB_EVENT_NAME": "pull_request"}
    code, said = step(**offline)
    assert code == 0, said
    assert "::warning title=budgetguard::requests>=2.32 could not be installed" in said
    assert step(**offline, INPUT_COMMENT="never") == (0, "")
    assert step(**offline, INPUT_SHARD="1/2") == (0, "")
