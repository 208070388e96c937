"""An app at work: its processes, what they use, and how it ended."""

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

from budgetguard.errors import MeasureError
from budgetguard.gate.serve.serving import HOST, Launch
from budgetguard.process import Finished, run

LONGEST_S = 86_400.0  # a run needs a time limit, and no measurement lasts a day
KEEP_BYTES = 1 << 16
MOST_SAMPLES = 86_400
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process tree has used and holds now; shared pages count in each process."""

    cpu_s: float
    rss_bytes: int
    processes: int


class Sample(NamedTuple):
    """The usage at one moment."""

    at: float
    """Seconds since the epoch."""
    cpu_s: float
    rss_bytes: int


class Server:
    """A served app; its numbers are those of its whole process tree."""

    def __init__(self, launch: Launch, port: int, folder: Path) -> None:
        self.launch = launch
        self.port = port
        self.folder = folder
        self.url = f"http://{HOST}:{port}"
        self.pid = 0
        self._top: psutil.Process | None = None
        self._cpu_s = 0.0
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="budgetguard-serve")
        self._running: Future[Finished] | None = None

    @property
    def ended(self) -> str:
        """How the app has ended, with its last lines; "" while it runs."""
        if self._running is None or not self._running.done():
            return ""
        try:
            finished = self._running.result()
        except MeasureError as error:
            return self.launch.redacted(str(error))
        step = "run it by hand to see why" if finished.exit_code else "keep it in the foreground"
        return f"{self.launch.how(finished)}; {step}; {self.launch.last_lines(finished)}"

    def usage(self) -> Usage:
        """CPU seconds so far, RSS and processes now; the time of what has ended is its parent's."""
        cpu_s, rss_bytes, alive = 0.0, 0, 0
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                times = process.cpu_times()
                cpu_s += times.user + times.system + _of_children(process)
                rss_bytes += process.memory_info().rss
                alive += process.status() != psutil.STATUS_ZOMBIE
        if self._top is not None and self._top.pid != self.pid:
            cpu_s += _of_children(self._top)
        self._cpu_s = max(self._cpu_s, cpu_s)  # a child that nobody waits for takes its time away
        return Usage(self._cpu_s, rss_bytes, alive)

    def processes(self) -> list[psutil.Process]:
        """The processes of the tree now, parents before their children."""
        if self._top is None:
            return []
        with contextlib.suppress(psutil.Error):
            own = [self._top] if self._top.pid == self.pid else []
            return own + self._top.children(recursive=True)
        return []

    def begin(self) -> None:
        """Start the app in a thread of its own; where that fails, `ended` says why."""
        self._running = self._pool.submit(
            run,
            self.launch.argv,
            cwd=self.launch.cwd,
            env=self.launch.env,
            timeout_s=LONGEST_S,
            keep_bytes=KEEP_BYTES,
            stop=self._stop,
            on_start=self._started,
        )

    def end(self) -> Finished | None:
        """End the whole tree and wait for that; None where no tree was left to be ended.

        Raises `MeasureError` where a process outlives even SIGKILL.
        """
        gone = self._running is None or self._running.done()
        self._stop.set()
        self._pool.shutdown()
        return None if gone or self._running is None else self._running.result()

    def pause(self) -> None:
        """Wait a moment, or until the app has ended."""
        if self._running is not None:
            wait([self._running], timeout=_LOOK_S)

    def _started(self, pid: int) -> None:
        self.pid = pid
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(pid)
            parent = root.parent()
            # orphans come to the supervisor, where there is one
            self._top = root if parent is None or parent.pid == os.getpid() else parent


def _of_children(process: psutil.Process) -> float:
    """CPU seconds of the children that a process has waited for, as far as the system tells."""
    with contextlib.suppress(psutil.Error):
        times = process.cpu_times()
        return float(times.children_user + times.children_system)
    return 0.0


@contextlib.contextmanager
def sampled(server: Server, every_s: float = 1.0) -> Iterator[list[Sample]]:
    """Read the usage every `every_s` seconds, and at the end.

    The list grows in a thread, to the last 86 400 readings; it ends with the app.
    """
    samples: list[Sample] = []
    over = threading.Event()

    def read() -> None:
        begun_s, number = time.monotonic(), 0
        while not over.wait(max(0.0, begun_s + number * every_s - time.monotonic())):
            number = max(number + 1, int((time.monotonic() - begun_s) / every_s))
            _read_into(samples, server)
        _read_into(samples, server)

    thread = threading.Thread(target=read, name="budgetguard-usage", daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def _read_into(samples: list[Sample], server: Server) -> None:
    usage = server.usage()
    if usage.processes:
        samples.append(Sample(time.time(), usage.cpu_s, usage.rss_bytes))
        del samples[:-MOST_SAMPLES]
