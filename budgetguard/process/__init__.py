"""Run a command as a process tree: CPU, peak RSS, time limit, output, and always ended."""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from subprocess import DEVNULL

from budgetguard.process.command import Command, Finished, find_program
from budgetguard.process.supervised import run_supervised, supervision_works

__all__ = ["Finished", "run"]


def run(  # noqa: PLR0913 -- what a process is started with is this long everywhere
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout_s: float,
    keep_bytes: int = 1 << 20,
    pass_fds: Sequence[int] = (),
    stdin: int = DEVNULL,
    on_line: Callable[[bytes], None] | None = None,
    stop: threading.Event | None = None,
    on_start: Callable[[int], None] | None = None,
) -> Finished:
    """Run `argv` to its end and return what it cost; no process of its tree outlives the call.

    `stdin` is a file descriptor. `on_line` gets each line of standard output, without its newline,
    in the calling thread; a line longer than `keep_bytes` comes in pieces. `on_start` gets the pid
    of the root, once it runs, in the calling thread, too. What either raises ends the tree and goes
    on to the caller. Once `stop` is set, the tree is ended as after a timeout, and what it cost until
    then is returned with `timed_out` False and nothing left behind. The tree is sampled every 10 ms
    at first and every 50 ms from 5 s on, less often where the tree is so large that sampling took
    over 2 % of a core.
    On Linux the tree also ends when this process is killed. Other systems have a weaker path: see
    `portable.py`. Raises `MeasureError` if the command cannot be started or ended.
    """
    command = Command(
        argv=tuple(argv),
        cwd=Path.cwd() if cwd is None else cwd,
        env=env,
        timeout_s=timeout_s,
        keep_bytes=keep_bytes,
        pass_fds=tuple(pass_fds),
        stdin=stdin,
        on_line=on_line,
        stop=stop,
        on_start=on_start,
    )
    program = find_program(command)
    if supervision_works():
        return run_supervised(command, program)
    from budgetguard.process.portable import run_portable  # psutil, which Linux does not need

    return run_portable(command, program)
