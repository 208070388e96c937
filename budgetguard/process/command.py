"""What is to be run, what came of it, and the output that is kept of it."""

import os
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from budgetguard.errors import MeasureError

GRACE_S = 1.0  # between SIGTERM and SIGKILL
HARD_END_S = 5.0  # how long a killed process may take to vanish
SETTLE_S = 0.05  # what ends this soon after the root was on its way out, not left behind


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command with everything it is started with."""

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] | None
    timeout_s: float
    keep_bytes: int
    pass_fds: tuple[int, ...]
    stdin: int
    on_line: Callable[[bytes], None] | None
    stop: threading.Event | None = None
    on_start: Callable[[int], None] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a process tree cost and printed.

    `exit_code` is negative for a process ended by that signal. `wall_s` runs from the exec to the
    end of the root. `cpu_s` is user and system time of the whole tree: what the kernel counted for
    every process that was waited for, or the sum seen by sampling where that is more. `blocked_s`
    is wall without CPU and without the wait for a processor; None after a timeout, and where over
    1 % of the CPU was spent outside the root's main thread, because such waits overlap; on a
    virtual machine it holds what the host took away, too. `peak_rss_bytes` is the highest sum of
    RSS over the tree (shared pages count in each process), and at least the kernel's maximum of one
    process; a tree smaller than the launcher reads as the launcher, 7 to 8 MB. `stdout` and
    `stderr` are the last `keep_bytes` of each. `left_behind` names what was alive 50 ms after the
    root had ended by itself ("pid 123 sleep 1000"); it was ended too.
    """

    exit_code: int
    wall_s: float
    cpu_s: float
    blocked_s: float | None
    peak_rss_bytes: int
    stdout: str
    stderr: str
    stdout_bytes: int
    timed_out: bool
    left_behind: tuple[str, ...]


class Tail:
    """The last `keep_bytes` of a stream, in bounded memory, handed on line by line."""

    def __init__(self, keep_bytes: int, on_line: Callable[[bytes], None] | None = None) -> None:
        self.total_bytes = 0
        self._keep_bytes = keep_bytes
        self._kept = bytearray()
        self._on_line = on_line
        self._line = b""

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        self.total_bytes += len(data)
        self._kept += data
        if len(self._kept) > 2 * self._keep_bytes:
            del self._kept[: len(self._kept) - self._keep_bytes]
        if self._on_line is not None:
            *lines, self._line = (self._line + data).split(b"\n")
            for line in lines:
                self._on_line(line)
            if len(self._line) > self._keep_bytes:
                self.end()

    def end(self) -> None:
        """Hand on a last line that has no newline."""
        if self._on_line is not None and self._line:
            line, self._line = self._line, b""
            self._on_line(line)

    def mute(self) -> None:
        """Hand on no more lines: their receiver has failed."""
        self._on_line = None

    def text(self) -> str:
        """What was kept; bytes that are not UTF-8 become U+FFFD."""
        start = max(0, len(self._kept) - self._keep_bytes)
        return self._kept[start:].decode(errors="replace")


def find_program(command: Command) -> str:
    """Return the absolute path of the program; raise `MeasureError` where it cannot be run."""
    if not command.argv or not command.argv[0]:
        raise MeasureError("the command is empty: expected a program and its arguments")
    texts = (*command.argv, *(word for pair in (command.env or {}).items() for word in pair))
    if any("\0" in text for text in texts):
        raise MeasureError(
            f"an argument or environment variable of {command.argv[0]!r} holds a NUL byte, "
            "which no program can be given: take it out"
        )
    if not command.cwd.is_dir():
        state = "is not a folder" if command.cwd.exists() else "does not exist"
        raise MeasureError(
            f"cannot run {command.argv[0]!r} in {str(command.cwd)!r}: it {state}; "
            "expected a folder: create it or correct cwd"
        )
    name = command.argv[0]
    if os.path.dirname(name):  # noqa: PTH120 -- Path("./tool") would lose the "./"
        return _runnable(command.cwd.absolute() / name)
    path = (os.environ if command.env is None else command.env).get("PATH", os.defpath)
    found = shutil.which(name, path=path)
    if found is None:
        raise MeasureError(
            f"the program {name!r} was not found in PATH ({path}); "
            "install it, or write its path with a folder, like ./tool"
        )
    return str(Path(found).absolute())


def _runnable(program: Path) -> str:
    if not program.exists():
        raise MeasureError(
            f"the program {str(program)!r} does not exist; build it first or correct the command"
        )
    if not program.is_file() or not os.access(program, os.X_OK):
        raise MeasureError(
            f"{str(program)!r} is not executable: expected a file with the x bit; "
            f"run chmod +x, or start it through its interpreter"
        )
    return str(program)


def cannot_start(command: Command, program: str, reason: str) -> MeasureError:
    """Return the error for a program that the system refused to start."""
    return MeasureError(
        f"cannot start {program!r} in {str(command.cwd)!r}: {reason}; "
        "a script needs a #! line with an interpreter that exists"
    )


def cannot_end(program: str, survivors: tuple[str, ...]) -> MeasureError:
    """Return the error for processes that outlived SIGKILL."""
    return MeasureError(
        f"{program!r} left processes that could not be ended, even by SIGKILL: "
        f"{'; '.join(survivors)}; end them by hand before measuring again"
    )
