"""How a process is started so that its work can be counted, and repeats to the digit.

Addresses decide the order of what is hashed by identity, so they are not drawn (`setarch -R`) where
the system allows it; the hash seed is given; variables that differ from run to run are left out.
The rest of the environment stays, because tests may need it.
"""

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

from budgetguard.errors import MeasureError
from budgetguard.extras import need
from budgetguard_worker.counting import HOOKS, OUT, CannotCount, Counted, read_counted

EXTRA = "instructions"
_PROBE_TIMEOUT_S = 10.0
_CHANGING = re.compile(
    r"_|OLDPWD|SHLVL|COLUMNS|LINES|WINDOWID|TERM_SESSION_ID|INVOCATION_ID|JOURNAL_STREAM"
    r"|(SSH|XDG_SESSION|COV_CORE|CODSPEED|BUDGETGUARD|PYTEST_XDIST)_\w+|COVERAGE_PROCESS_START"
    r"|PYTEST_(CURRENT_TEST|VERSION)|RUNNER_(NAME|TRACKING_ID)|CI_(JOB|PIPELINE|COMMIT|RUNNER)_\w+"
    r"|GITHUB_(SHA|REF|REF_NAME|HEAD_REF|ACTOR|JOB|ENV|PATH|OUTPUT|STATE|STEP_SUMMARY|EVENT_PATH)"
    r"|GITHUB_(RUN|ACTION|ACTOR|TRIGGERING|WORKFLOW)_\w+|BUILD_(ID|NUMBER|URL|TAG)"
)
"""Variables of the run, the shell and the session, and those by which others would measure, too."""


@dataclass(frozen=True, slots=True)
class Start:
    """What goes before a command, and the whole environment it is started with."""

    prefix: tuple[str, ...]
    environment: Mapping[str, str]


def for_bytecodes(environment: Mapping[str, str], seed: int | str) -> Start:
    """A process that counts its own bytecodes."""
    return Start(_still(), _steady(environment, seed))


def for_block(environment: Mapping[str, str], seed: int | str, folder: Path) -> Start:
    """A process that counts the instructions of blocks, by `counting.Instructions`; files go to `folder`.

    Raises `MissingExtra` and `MeasureError`.
    """
    out = folder / "callgrind"
    prefix = (*_still(), _valgrind(), *_options(out), "--instr-atstart=no")
    ours = {OUT: str(out), HOOKS: str(_hooks())}
    return Start(prefix, {**_steady(environment, seed), **ours})


def for_command(environment: Mapping[str, str], seed: int | str, folder: Path) -> Start:
    """A command whose instructions are counted from its begin to its end, with all it starts.

    Raises `MeasureError`.
    """
    prefix = (*_still(), _valgrind(), *_options(folder / "callgrind"), "--trace-children=yes")
    return Start(prefix, _steady(environment, seed))


def of_command(folder: Path) -> Counted:
    """What a command started by `for_command` has executed. Raises `MeasureError`."""
    files = sorted(folder.glob("callgrind.*"))
    if not files:
        raise MeasureError(
            "callgrind wrote nothing: the command ended by a signal, or replaced itself"
        )
    try:
        return read_counted(*files)
    except CannotCount as error:
        raise MeasureError(str(error)) from None


def _options(out: Path) -> tuple[str, ...]:
    return ("-q", "--tool=callgrind", f"--callgrind-out-file={out}.%p")


def _valgrind() -> str:
    if sys.platform != "linux":
        raise MeasureError(
            "instructions are counted by valgrind, on Linux only: limit bytecodes, or check on Linux"
        )
    found = shutil.which("valgrind")
    if found is None:
        raise MeasureError(
            "instructions are counted by valgrind, which is not installed: "
            "run apt-get install valgrind libc6-dbg, or limit bytecodes"
        )
    return found


def _hooks() -> Path:
    """Where pytest-codspeed's compiled module lies; it is not imported, which would bring its plugin."""
    spec = find_spec("pytest_codspeed")
    if spec is None or spec.origin is None:
        need("pytest_codspeed", extra=EXTRA)
        raise MeasureError("pytest-codspeed is damaged: install it again")
    folder = Path(spec.origin).parent / "instruments" / "hooks"
    for suffix in EXTENSION_SUFFIXES:
        file = folder / f"dist_instrument_hooks{suffix}"
        if file.is_file():
            return file
    raise MeasureError(
        "the installed pytest-codspeed has no compiled hooks for this Python: "
        f"run pip install --upgrade 'pytest-budgetguard[{EXTRA}]', or limit bytecodes"
    )


@cache
def _still() -> tuple[str, ...]:
    """`setarch -R` where there is one and it may: some containers forbid it."""
    program = shutil.which("setarch") if sys.platform == "linux" else None
    if program is None:
        return ()
    prefix = (program, platform.machine(), "-R")
    try:
        tried = subprocess.run(
            [*prefix, sys.executable, "-S", "-c", ""],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return () if tried.returncode else prefix


def _steady(environment: Mapping[str, str], seed: int | str) -> dict[str, str]:
    kept = {name: text for name, text in environment.items() if not _CHANGING.fullmatch(name)}
    return {**kept, "PYTHONHASHSEED": str(int(seed) % (1 << 32))}
