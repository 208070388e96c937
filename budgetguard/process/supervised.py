"""Our side of a supervised run (Linux): start the supervisor, read the output, read its account."""

import contextlib
import fcntl
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from budgetguard.errors import MeasureError
from budgetguard.process.command import (
    GRACE_S,
    HARD_END_S,
    SETTLE_S,
    Command,
    Finished,
    Tail,
    cannot_end,
    cannot_start,
)

BACKSTOP_S = GRACE_S + HARD_END_S + 5.0  # beyond the time limit the supervisor itself is stuck
STOP_POLL_S = 0.05  # between two looks at an event that no selector can wait for
DRAIN_S = 1.0  # for output that is still in the pipe when the tree has ended
READ_BYTES = 1 << 16
# imported, not run as a script, so that its bytecode is cached; appended, so that it hides nothing
LAUNCH = "import sys; sys.path.append(sys.argv[1]); import supervisor; supervisor.main()"


@cache
def supervision_works() -> bool:
    """Return whether this system has what the supervisor stands on (Linux 5.3, /proc, ctypes)."""
    if sys.platform != "linux" or not sys.executable or not Path("/proc/self/stat").exists():
        return False
    try:
        import ctypes  # noqa: F401 -- a Python can be built without it

        os.close(os.pidfd_open(os.getpid()))
    except (ImportError, AttributeError, OSError):
        return False
    return True


@dataclass(slots=True)
class _Run:
    """A supervisor at work and what has come from it."""

    supervisor: subprocess.Popen[bytes]
    streams: dict[int, Tail]  # by the descriptor we read
    account: bytearray


def run_supervised(command: Command, program: str) -> Finished:
    """Run the command under a supervisor of its own; see `supervisor.py` for why there is one."""
    out, err = Tail(command.keep_bytes, command.on_line), Tail(command.keep_bytes)
    with contextlib.ExitStack() as stack:
        run = _start(command, program, out, err, stack)
        _listen(run, command)
        _drain(run)
        out.end()
    return _finished(command, program, run, out, err)


def _start(
    command: Command, program: str, out: Tail, err: Tail, stack: contextlib.ExitStack
) -> _Run:
    read_out, write_out = _pipe(stack)
    read_err, write_err = _pipe(stack)
    stdin = [] if command.stdin == subprocess.DEVNULL else [command.stdin]
    request = _request(command, program, write_out, write_err)
    supervisor = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", LAUNCH, str(Path(__file__).parent)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        pass_fds=(write_out, write_err, *stdin, *command.pass_fds),
        start_new_session=True,  # the terminal's Ctrl-C comes to us, and we end the tree
    )
    stack.callback(_stop, supervisor)
    os.close(write_out)
    os.close(write_err)
    assert supervisor.stdin is not None  # noqa: S101 -- we asked for a pipe; this is for mypy
    with contextlib.suppress(BrokenPipeError):  # it died: its account says why
        _write(supervisor.stdin.fileno(), len(request).to_bytes(8, "big") + request)
    return _Run(supervisor, {read_out: out, read_err: err}, bytearray())


def _pipe(stack: contextlib.ExitStack) -> tuple[int, int]:
    """Return a pipe whose ends are above 2, also where we were started with 0 to 2 closed."""
    ends = os.pipe()
    read, write = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3) for end in ends)
    for end in ends:
        os.close(end)
    os.set_blocking(read, False)
    stack.callback(os.close, read)
    return read, write


def _write(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _request(command: Command, program: str, out: int, err: int) -> bytes:
    stdin = -1 if command.stdin == subprocess.DEVNULL else command.stdin
    env = os.environ if command.env is None else command.env
    fields = [
        str(os.getpid()),
        f"{command.timeout_s} {GRACE_S} {HARD_END_S} {SETTLE_S}",
        f"{stdin} {out} {err}",
        " ".join(str(fd) for fd in command.pass_fds),
        str(command.cwd),
        program,
        str(len(command.argv)),
        *command.argv,
        *(f"{name}={value}" for name, value in env.items()),
    ]
    return b"\0".join(os.fsencode(field) for field in fields)


def _listen(run: _Run, command: Command) -> None:
    """Read output and account until the supervisor has closed the account."""
    until_s = time.monotonic() + command.timeout_s + BACKSTOP_S
    pause_s = 60.0 if command.stop is None else STOP_POLL_S
    on_start, stop = command.on_start, command.stop
    assert run.supervisor.stdout is not None  # noqa: S101 -- we asked for a pipe; this is for mypy
    account = run.supervisor.stdout.fileno()
    with selectors.DefaultSelector() as selector:
        for fd in (account, *run.streams):
            selector.register(fd, selectors.EVENT_READ)
        while (left_s := until_s - time.monotonic()) > 0:
            for key, _ in selector.select(min(left_s, pause_s)):
                data = _read(key.fd)
                if data and key.fd == account:
                    run.account += data
                    on_start = _told(run, on_start)
                elif data:
                    run.streams[key.fd].feed(data)
                elif key.fd == account:
                    return
                elif data is not None:
                    selector.unregister(key.fd)
            if stop is not None and stop.is_set():
                stop, until_s = None, min(until_s, time.monotonic() + BACKSTOP_S)
                _cancel(run)


def _told(run: _Run, on_start: Callable[[int], None] | None) -> Callable[[int], None] | None:
    """Hand on the root's pid, the first line of the account; return None once that is done."""
    first, ended, _ = run.account.partition(b"\n")
    if on_start is None or not ended:
        return on_start
    name, _, pid = first.partition(b" ")
    if name == b"root":  # else the program was refused, or this is a traceback
        on_start(int(pid))
    return None


def _cancel(run: _Run) -> None:
    """Ask for the end of the tree: the supervisor ends it, and still closes its account."""
    assert run.supervisor.stdin is not None  # noqa: S101 -- we asked for a pipe; this is for mypy
    run.supervisor.stdin.close()


def _read(fd: int) -> bytes | None:
    try:
        return os.read(fd, READ_BYTES)
    except BlockingIOError:
        return None


def _drain(run: _Run) -> None:
    """Read what is still in the pipes; who holds them open now is outside the tree."""
    until_s = time.monotonic() + DRAIN_S
    for fd, tail in run.streams.items():
        while time.monotonic() < until_s and (data := _read(fd)):
            tail.feed(data)


def _stop(supervisor: subprocess.Popen[bytes]) -> None:
    """End the run, if it has not ended: the closed pipe makes the supervisor end its tree."""
    assert supervisor.stdin is not None  # noqa: S101 -- we asked for pipes; this is for mypy
    assert supervisor.stdout is not None  # noqa: S101
    supervisor.stdin.close()
    try:
        supervisor.wait(BACKSTOP_S)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()
    finally:
        supervisor.stdout.close()


def _finished(command: Command, program: str, run: _Run, out: Tail, err: Tail) -> Finished:
    lines = run.account.decode(errors="replace").splitlines()
    pairs = [line.partition(" ")[::2] for line in lines]
    facts = dict(pairs)
    if "refused" in facts:
        raise cannot_start(command, program, os.strerror(int(facts["refused"])))
    if "done" not in facts:
        _end_orphans(facts.get("root"))
        raise MeasureError(
            f"the supervisor of {program!r} ended without its account "
            f"(exit code {run.supervisor.returncode}); its last words: {lines[-1:]}; run it again"
        )
    if survivors := tuple(value for name, value in pairs if name == "survivor"):
        raise cannot_end(program, survivors)
    return Finished(
        exit_code=int(facts["exit_code"]),
        wall_s=float(facts["wall_s"]),
        cpu_s=float(facts["cpu_s"]),
        blocked_s=float(facts["blocked_s"]) if "blocked_s" in facts else None,
        peak_rss_bytes=int(facts["peak_rss_bytes"]),
        stdout=out.text(),
        stderr=err.text(),
        stdout_bytes=out.total_bytes,
        timed_out=facts["timed_out"] == "1",
        left_behind=tuple(value for name, value in pairs if name == "left"),
    )


def _end_orphans(root: str | None) -> None:
    """End the root's group where the supervisor was killed: all that can still be found."""
    if root is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(int(root), signal.SIGKILL)
