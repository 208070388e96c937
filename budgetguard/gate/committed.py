"""What git holds of a file: at a commit, and on the sides of a conflict. git is only ever read."""

import os
from pathlib import Path

from budgetguard.errors import UsageError
from budgetguard.gate.sides.git import NoAnswer, run

TIMEOUT_S = 30.0
OURS, THEIRS = 2, 3
"""The stages of a conflict in git's index."""


def text_at(file: Path, ref: str) -> str | None:
    """The text of `file` at a commit, None when it is not there; raises `UsageError`."""
    if (
        ref.startswith("-")
        or _git(file, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}") is None
    ):
        raise UsageError(
            f"{ref!r} is no commit of the repository of {file.parent}; "
            f"expected a branch, tag or commit; in a shallow clone: git fetch --unshallow"
        )
    return _git(file, "show", f"{ref}:./{file.name}")


def side_of_conflict(file: Path, stage: int) -> str | None:
    """The text of `file` on one side of a merge that git could not finish; None without one."""
    return _git(file, "show", f":{stage}:./{file.name}")


def _git(file: Path, *arguments: str) -> str | None:
    """What a git command prints in the folder of `file`, None when it fails."""
    try:
        answer = run(file.parent, *arguments, timeout_s=TIMEOUT_S, environ=_environment())
        return answer.output.decode() if answer.code == 0 else None
    except NoAnswer as error:
        needed = ", and the committed baseline is read with it" if error.missing else ""
        raise UsageError(f"{error}{needed}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file.name} as git holds it is not UTF-8 text") from None


def _environment() -> dict[str, str]:
    """That of a person: a repository or an index that it names is meant."""
    return {**os.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
