"""Whether a command on one side runs what belongs to the other: the wrong code, measured in silence.

Guarded: the program as it is found, each word that is an absolute path, PATH, PYTHONPATH, PWD and
VIRTUAL_ENV (`environment.py`), and the modules that Python processes of the warm-up run have loaded
when they end, children included (Linux). Not guarded: Python under -I, -E or -S and what ends by os._exit
or a signal; programs in other languages that find their code by a fixed path; a path inside a word
(--config=/…); a server or daemon that runs already; what a later run loads and the first did not.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from budgetguard.gate.side import Side
from budgetguard.gate.sides.surroundings import below, with_first

REPORT = "BUDGETGUARD_WITNESS"
_HOOK = Path(__file__).parent / "witness"
_LARGEST_BYTES = 1 << 24


def find(words: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Path | None:
    """The file that would be run; None where there is none."""
    if Path(words[0]).name != words[0]:
        program = cwd / words[0]
        return program if program.exists() else None
    found = shutil.which(words[0], path=env.get("PATH", os.defpath))
    return None if found is None else Path(found)


def of_other_environment(program: Path | None, side: Side, other: Side) -> bool:
    """Whether a program is a script of the other side's interpreter, which this one does not share.

    Without a virtual environment that interpreter's folder must stay in PATH for the programs beside
    it, so that a script this side lacks is found there.
    """
    theirs = Path(other.python).parent
    if program is None or theirs == Path(side.python).parent or program.parent != theirs:
        return False
    try:
        with program.open("rb") as file:
            first = file.readline(1024)
    except OSError:
        return False
    return first.startswith(b"#!") and os.fsencode(theirs) in first


def misplaced(words: Sequence[str], program: Path | None, side: Side, other: Side) -> str:
    """The first path that leads into the other side's checkout; "" where none does.

    An environment that both share may lie there.
    """
    ours = Path(side.python).parent.parent
    named = [program, *(Path(word) for word in words if Path(word).is_absolute())]
    for path in named:
        if path is None or below(path.parent, ours) or below(path, side.root):
            continue
        if below(path, other.root):
            return str(path)
    return ""


@contextmanager
def witnessed(env: Mapping[str, str]) -> Iterator[tuple[dict[str, str], IO[bytes]]]:
    """An environment in which every Python process tells what it loaded, and the file for that.

    The file has no name, so that nothing is left behind however we end.
    """
    with tempfile.TemporaryFile() as told:
        name = f"/proc/{os.getpid()}/fd/{told.fileno()}"
        yield {**with_first(env, _HOOK), REPORT: name}, told


def loaded_from(told: IO[bytes], side: Side, other: Side) -> str:
    """A file of the other side's checkout that was loaded as a module; "" where none was."""
    ours = Path(side.python).parent.parent
    told.seek(0)
    for name in told.read(_LARGEST_BYTES).split(b"\0"):
        path = Path(os.fsdecode(name))
        if not path.is_absolute() or below(path, ours) or below(path, side.root):
            continue
        if (
            below(path, other.root) and path.parent != _HOOK
        ):  # ours, where the head is our repository
            return str(path)
    return ""
