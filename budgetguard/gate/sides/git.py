"""git as we call it: it asks nothing, runs no hook, takes no lock, and is bounded."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from budgetguard.errors import MeasureError

TIMEOUT_S = 120.0
SHOWN_LINES = 6
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "blame.ignoreRevsFile=",
    "submodule.recurse=false",
    "credential.interactive=false",
)
_QUIET = [word for setting in _SETTINGS for word in ("-c", setting)]
# those of `git rev-parse --local-env-vars` that a hook of git sets: they would name another repository
_INHERITED = {
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_CONFIG",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_EXTERNAL_DIFF",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_GLOB_PATHSPECS",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_ICASE_PATHSPECS",
}


class BaseError(MeasureError):
    """The base commit could not be found, checked out or built; nothing is known of its speed."""


class NoAnswer(MeasureError):
    """git could not run or did not end: `missing` where there is none, or no folder to run it in."""

    def __init__(self, reason: str, *, missing: bool = False) -> None:
        self.missing = missing
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one git command came to."""

    code: int
    output: bytes
    words: str
    """What it said on standard error, its last lines."""

    @property
    def text(self) -> str:
        """The output without the newline at its end; a name that is not UTF-8 survives."""
        return os.fsdecode(self.output).rstrip("\n")

    @property
    def names(self) -> list[str]:
        """The output of a command with `-z`, name by name."""
        return [os.fsdecode(name) for name in self.output.split(b"\0") if name]


def environment() -> dict[str, str]:
    """The environment of a git that must find its own repository and cannot ask."""
    kept = {name: value for name, value in os.environ.items() if name not in _INHERITED}
    return kept | {
        "LC_ALL": "C",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ASKPASS": "",
        "SSH_ASKPASS": "",
        "GCM_INTERACTIVE": "never",
        "GIT_LFS_SKIP_SMUDGE": "1",
    }


def run(
    folder: Path,
    *arguments: str,
    timeout_s: float = TIMEOUT_S,
    given: bytes = b"",
    index: str = "",
    environ: Mapping[str, str] | None = None,
) -> Answer:
    """Run git in `folder` and return how it ended; raises `NoAnswer`.

    `given` is its standard input, `index` the file that it takes for the index of the repository, and
    `environ` is used in place of `environment()`.
    """
    known = environment() if environ is None else environ
    extra = {"GIT_INDEX_FILE": index} if index else {}
    try:
        done = subprocess.run(
            ["git", *_QUIET, *arguments],
            cwd=folder,
            env={**known, **extra},
            input=given,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            start_new_session=True,  # no terminal: ssh cannot ask for a password there
        )
    except FileNotFoundError:
        reason = "git is not installed" if folder.is_dir() else f"{folder} does not exist"
        raise NoAnswer(reason, missing=True) from None
    except subprocess.TimeoutExpired:
        raise NoAnswer(f"git {arguments[0]} took over {timeout_s:.0f} s in {folder}") from None
    except (OSError, ValueError) as error:
        raise NoAnswer(f"git {arguments[0]} cannot run in {folder}: {error}") from None
    return Answer(done.returncode, done.stdout, last_lines(os.fsdecode(done.stderr)))


def ask(
    folder: Path, *arguments: str, timeout_s: float = TIMEOUT_S, given: bytes = b"", index: str = ""
) -> Answer:
    """The same where a side is looked for: raises `BaseError` where git cannot run or end."""
    try:
        return run(folder, *arguments, timeout_s=timeout_s, given=given, index=index)
    except NoAnswer as error:
        install = ": the base of time is a commit; install git and have it in PATH"
        raise BaseError(f"{error}{install if error.missing else ''}") from None


def need(folder: Path, *arguments: str, given: bytes = b"", index: str = "") -> Answer:
    """Run git where it has to succeed; raises `BaseError` with its own words."""
    answer = ask(folder, *arguments, given=given, index=index)
    if answer.code:
        why = answer.words or f"exit code {answer.code}"
        raise BaseError(f"git {arguments[0]} failed in {folder}: {why}")
    return answer


def last_lines(text: str) -> str:
    """The end of what a program said, on one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-SHOWN_LINES:])
