"""The same run by psutil alone, for systems without a subreaper (macOS, Windows, old Linux).

Weaker than `supervisor.py`, and tested on Linux only: a process that leaves the tree before it was
sampled once (10 to 50 ms) is not found; nothing ends the tree if we are killed; CPU and RSS are
what sampling saw, so a process that lives between two samples counts nothing; `blocked_s` is None.
"""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from typing import IO, Literal

import psutil

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

READ_BYTES = 1 << 16
DRAIN_S = 1.0
STEP_S = 0.005


class _Tree:
    """Every process seen below the root, and what it cost when it was last seen."""

    def __init__(self, root: psutil.Process) -> None:
        self._root = root
        self._cpu_s: dict[psutil.Process, float] = {root: 0.0}
        self.peak_rss_bytes = 0

    def sample(self) -> None:
        """Read CPU and RSS of each process once."""
        with contextlib.suppress(psutil.Error):
            for process in self._root.children(recursive=True):
                self._cpu_s.setdefault(process, 0.0)
        rss_bytes = 0
        for process in self._cpu_s:
            with contextlib.suppress(psutil.Error):  # it has ended
                times = process.cpu_times()
                self._cpu_s[process] = times.user + times.system
                rss_bytes += process.memory_info().rss
        self.peak_rss_bytes = max(self.peak_rss_bytes, rss_bytes)

    def cpu_s(self) -> float:
        """Return CPU seconds of the tree, as last seen."""
        return sum(self._cpu_s.values())

    def alive(self) -> list[psutil.Process]:
        """Return what has not ended."""
        return [process for process in self._cpu_s if _is_alive(process)]

    def wait(self, seconds: float) -> None:
        """Wait until all have ended; psutil's own wait would take the exit code from Popen."""
        until_s = time.monotonic() + seconds
        while self.alive() and time.monotonic() < until_s:
            time.sleep(STEP_S)

    def end(self) -> tuple[str, ...]:
        """SIGTERM, after a grace SIGKILL; return what could not be ended."""
        self.sample()  # what was started since the last look
        for process in self.alive():
            with contextlib.suppress(psutil.Error):
                process.terminate()
        self.wait(GRACE_S)
        self.sample()
        for process in self.alive():
            with contextlib.suppress(psutil.Error):
                process.kill()
        if sys.platform != "win32":  # what was never sampled, but stayed in the root's group
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._root.pid, signal.SIGKILL)
        self.wait(HARD_END_S)
        return tuple(map(_describe, self.alive()))


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _describe(process: psutil.Process) -> str:
    try:
        return f"pid {process.pid} {' '.join(process.cmdline())[:200]}"
    except psutil.Error:
        return f"pid {process.pid} ?"


def run_portable(command: Command, program: str) -> Finished:
    """Run the command and watch its tree by psutil; see the module for what that misses."""
    out, err = Tail(command.keep_bytes, command.on_line), Tail(command.keep_bytes)
    started_s = time.monotonic()
    root = _spawn(command, program)
    tree = _Tree(psutil.Process(root.pid))
    left: tuple[str, ...] = ()
    readers = _Readers(root, out, err)
    try:
        if command.on_start is not None:
            command.on_start(root.pid)
        reason = _watch(root, tree, readers, started_s + command.timeout_s, command.stop)
        wall_s = time.monotonic() - started_s
        if reason == "ended":
            tree.wait(SETTLE_S)
            left = tuple(map(_describe, tree.alive()))
    except BaseException:
        out.mute()
        raise
    finally:
        survivors = tree.end()
        readers.feed(time.monotonic() + DRAIN_S)
        with contextlib.suppress(subprocess.TimeoutExpired):
            root.wait(DRAIN_S)
    out.end()
    if survivors:
        raise cannot_end(program, survivors)
    return Finished(
        exit_code=root.wait(),
        wall_s=wall_s,
        cpu_s=tree.cpu_s(),
        blocked_s=None,
        peak_rss_bytes=tree.peak_rss_bytes,
        stdout=out.text(),
        stderr=err.text(),
        stdout_bytes=out.total_bytes,
        timed_out=reason == "timeout",
        left_behind=left,
    )


def _spawn(command: Command, program: str) -> subprocess.Popen[bytes]:
    posix = sys.platform != "win32"
    try:
        return subprocess.Popen(
            command.argv,
            executable=program,
            cwd=command.cwd,
            env=None if command.env is None else dict(command.env),
            stdin=command.stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=command.pass_fds if posix else (),
            start_new_session=posix,
        )
    except OSError as error:
        raise cannot_start(command, program, error.strerror or str(error)) from None


class _Readers:
    """Threads that read both pipes into a bounded queue (Windows cannot select on pipes)."""

    def __init__(self, root: subprocess.Popen[bytes], out: Tail, err: Tail) -> None:
        self._chunks: queue.Queue[tuple[Tail, bytes]] = queue.Queue(maxsize=16)
        assert root.stdout is not None  # noqa: S101 -- we asked for pipes; this is for mypy
        assert root.stderr is not None  # noqa: S101
        self._threads = [
            threading.Thread(target=self._read_all, args=pair, daemon=True)
            for pair in ((root.stdout, out), (root.stderr, err))
        ]
        for thread in self._threads:
            thread.start()

    def _read_all(self, pipe: IO[bytes], tail: Tail) -> None:
        with pipe:
            while data := os.read(pipe.fileno(), READ_BYTES):
                self._chunks.put((tail, data))

    def feed(self, until_s: float) -> None:
        """Hand on what was read, until both pipes have ended or time is up."""
        while (left_s := until_s - time.monotonic()) > 0:
            ended = not any(thread.is_alive() for thread in self._threads)
            try:
                tail, data = self._chunks.get(timeout=min(left_s, STEP_S))
            except queue.Empty:
                if ended:
                    return
            else:
                tail.feed(data)


def _watch(
    root: subprocess.Popen[bytes],
    tree: _Tree,
    readers: _Readers,
    until_s: float,
    stop: threading.Event | None,
) -> Literal["ended", "timeout", "stopped"]:
    """Sample until the root ends, time is up or `stop` is set; return which came first."""
    pause_s = 0.010
    while root.poll() is None:
        now_s = time.monotonic()
        if stop is not None and stop.is_set():
            return "stopped"
        if now_s >= until_s:
            return "timeout"
        tree.sample()
        pause_s = min(0.050, pause_s * 1.05)
        next_s = min(until_s, time.monotonic() + pause_s)
        readers.feed(next_s)
        time.sleep(max(0.0, min(STEP_S, next_s - time.monotonic())))  # both pipes ended early
    return "ended"
