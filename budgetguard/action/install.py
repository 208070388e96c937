"""The first step of the Action: budgetguard in the environment of the project (standard library only).

It runs as a file, before anything of ours is installed. `auto` takes what the project has installed,
else the very version that the workflow names, out of the Action's own checkout.
"""

import os
import shlex
import shutil
import subprocess
import sys
from importlib import invalidate_caches
from importlib.util import find_spec
from pathlib import Path

TIMEOUT_S = 900
HTTP = "requests>=2.32"
"""What comments are written with."""
HERE = Path(__file__).resolve().parents[2]
"""The checkout of the Action."""


def main() -> int:
    """Install what is missing, and check that it is there."""
    wanted = os.environ.get("INPUT_INSTALL", "").strip() or "auto"
    missing = _missing(wanted)
    if missing and (code := _install(missing)):
        return _fail(
            f"`{shlex.join(missing)}` could not be installed: exit code {code}; see the log"
        )
    if not _works():
        return _fail(
            f"budgetguard with its Action is not installed for {sys.executable}; expected: "
            f"`install: auto`, a requirement such as `install: pytest-budgetguard[all]`, or the input "
            f"`python` that names the python of the environment that has it"
        )
    if wanted == "auto" and _comments() and not find_spec("requests") and _install([HTTP]):
        _say("warning", f"{HTTP} could not be installed, so there will be no comment; see the log")
    return 0


def _comments() -> bool:
    """Whether this job may have to write a comment."""
    event, told = os.environ.get("GITHUB_EVENT_NAME", ""), os.environ.get
    wanted = told("INPUT_COMMENT", "").strip() != "never" and not told("INPUT_SHARD", "").strip()
    return wanted and event in ("pull_request", "workflow_run")


def _missing(wanted: str) -> list[str]:
    """What pip has to bring: the Action's own version where the project has none, or what is asked for."""
    if wanted == "auto":
        return [] if find_spec("budgetguard") else [f"pytest-budgetguard @ {HERE.as_uri()}"]
    return [] if wanted == "none" else shlex.split(wanted)


def _works() -> bool:
    """Whether ours is here and has an Action; asked in a new process, which sees what was installed."""
    code = "from importlib.util import find_spec; import sys; sys.exit(not find_spec(sys.argv[1]))"
    words = [sys.executable, "-P", "-c", code, "budgetguard.cli.action"]
    done = subprocess.run(words, stderr=subprocess.DEVNULL, timeout=TIMEOUT_S, check=False)
    return done.returncode == 0


def _install(requirements: list[str]) -> int:
    """By pip, or by uv in an environment without pip."""
    print(f"::group::install {shlex.join(requirements)}", flush=True)
    pip = [sys.executable, "-P", "-m", "pip", "install", "--disable-pip-version-check"]
    uv = shutil.which("uv")
    if find_spec("pip") is None and uv:
        pip = [uv, "pip", "install", "--python", sys.executable]
    try:
        return subprocess.run([*pip, *requirements], timeout=TIMEOUT_S, check=False).returncode
    except subprocess.TimeoutExpired:
        return 124
    finally:
        invalidate_caches()
        print("::endgroup::", flush=True)


def _fail(text: str) -> int:
    _say("error", text)
    return 2


def _say(level: str, text: str) -> None:
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    print(f"::{level} title=budgetguard::{escaped}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
