"""A worker's process, seen from the coordinator: started, spoken to, always ended."""

import contextlib
import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Self

from budgetguard.errors import MeasureError
from budgetguard.gate.side import Side
from budgetguard.gate.sides import layout
from budgetguard.gate.sides.reaper import Reaper

LOOK_S = 0.2
"""How often a silent worker is looked at: a child of it may hold its pipe open."""
LARGEST_MESSAGE = 256_000_000
_KEPT_LINES = 6
_TRACERS = ("COV_CORE_", "PYTEST_XDIST", "COVERAGE_PROCESS")
_DROPPED = frozenset({"PYTEST_ADDOPTS", "PYTEST_CURRENT_TEST", "PYTHONHASHSEED", "TMPDIR"})


class WorkerDied(Exception):
    """A worker ended, or had to be ended, before it answered; says which and why."""

    def __init__(self, side: str, why: str) -> None:
        self.side = side
        super().__init__(f"{side}: {why}")


def program() -> str:
    """The file that a worker is started by: beside this package when installed, or in its source tree."""
    top = Path(__file__).parents[3]
    places = [top / "budgetguard_worker", top / "pytest_plugin" / "budgetguard_worker"]
    for place in places:
        if (place / "__main__.py").is_file():
            return str(place / "__main__.py")
    raise MeasureError(
        f"budgetguard is installed without its worker: {places[0]} is missing; install it again"
    )


def environment(given: Mapping[str, str], side: Side, head: Side) -> dict[str, str]:
    """The environment of a worker: the same on both sides but for where each finds its own commands."""
    kept = {
        name: value
        for name, value in given.items()
        if name not in _DROPPED and not name.startswith(_TRACERS)
    }
    if side.python != head.python:
        theirs, ours = (str(Path(one.python).parent) for one in (head, side))
        folders = kept.get("PATH", "").split(os.pathsep)
        kept["PATH"] = os.pathsep.join(ours if one == theirs else one for one in folders)
        if kept.get("VIRTUAL_ENV") == str(Path(theirs).parent):
            kept["VIRTUAL_ENV"] = str(Path(ours).parent)
    # what a test starts would load the head's code, where the environment is shared
    return side.first_on_path(kept)


def _prefix(side: Side) -> tuple[str, ...]:
    """Nothing stands before an interpreter that cannot be run, so that it is the one that is told of."""
    return layout.fixed() if os.access(side.python, os.X_OK) else ()


class Worker:
    """One side's process. It is the leader of a session of its own, in the reaper's charge."""

    def __init__(
        self, side: Side, environ: Mapping[str, str], reaper: Reaper, other: tuple[int, int]
    ) -> None:
        """Start it; `other` are the descriptors from and to the worker of the other side."""
        self.name = side.name
        self._reaper = reaper
        self._rest = bytearray()
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `end`
        try:
            self._process = subprocess.Popen(
                [*_prefix(side), side.python, "-P", program(), "0", "1", *map(str, other)],
                pass_fds=other,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**environ, **reaper.environment},
                cwd=side.folder,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            self._errors.close()
            raise MeasureError(
                f"{side.name}: cannot start {side.python} in {side.folder}: {error.strerror}"
            ) from None
        reaper.group(self._process.pid)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def send(self, order: Mapping[str, object]) -> None:
        """Send one message; a worker that has ended is noticed when its answer is read."""
        if self._process.stdin is not None:
            data = memoryview(f"{json.dumps(order)}\n".encode())
            with contextlib.suppress(OSError):
                while data:
                    data = data[self._process.stdin.write(data) or 0 :]

    def message(self) -> dict[str, Any] | None:
        """The next message that has come in whole."""
        line, found, rest = self._rest.partition(b"\n")
        if not found:
            return None
        self._rest = rest
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict) or not isinstance(message.get("kind"), str):
            raise self.died("sent what is no message")
        return message

    def read(self, *, ready: bool) -> None:
        """Take what has come in. Raises `WorkerDied` at its end."""
        if not ready:
            if self._process.poll() is not None:
                raise self.died()
            return
        data = os.read(self.descriptor, 1 << 18)
        self._rest += data
        if not data:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1.0)
            raise self.died()
        if len(self._rest) > LARGEST_MESSAGE:
            raise self.died("sent a message without an end")

    @property
    def descriptor(self) -> int:
        """What to wait on for its messages."""
        if self._process.stdout is None:
            raise MeasureError("the worker was started without a pipe")
        return self._process.stdout.fileno()

    def died(self, why: str = "") -> WorkerDied:
        """What to raise: its exit and its last words."""
        code = self._process.poll()
        if not why and code is None:
            why = "closed its pipes"
        elif not why:
            why = f"ended with signal {-code}" if code < 0 else f"ended with exit code {code}"  # type: ignore[operator]  # not None here
        said = " / ".join(self.last_words())
        return WorkerDied(self.name, f"the process {why}{': ' if said else ''}{said}")

    def last_words(self) -> list[str]:
        """The last lines it wrote on its standard error."""
        try:
            size = os.fstat(self._errors.fileno()).st_size
            text = os.pread(self._errors.fileno(), 20_000, max(0, size - 20_000))
        except (OSError, ValueError):
            return []
        lines = text.decode(errors="replace").splitlines()
        return [line.strip()[:300] for line in lines if line.strip()][-_KEPT_LINES:]

    def wait(self, timeout_s: float) -> None:
        """Give it time to end by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout_s)

    def end(self) -> None:
        """Kill it with everything it started."""
        self._reaper.end(self._process.pid)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5.0)
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


@contextlib.contextmanager
def joined() -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Two pipes between two workers: the descriptors of each, which are ours only while they start."""
    to_head, to_base = os.pipe(), os.pipe()
    try:
        yield (to_base[0], to_head[1]), (to_head[0], to_base[1])
    finally:
        for descriptor in (*to_head, *to_base):
            os.close(descriptor)


def answers(workers: Sequence[Worker], timeout_s: float) -> list[dict[str, Any]]:
    """The next message of each. Raises `WorkerDied`, also for one that is silent for `timeout_s`."""
    found: dict[int, dict[str, Any]] = {}
    until_s = time.monotonic() + timeout_s
    while True:
        for number, worker in enumerate(workers):
            if number not in found and (message := worker.message()):
                found[number] = message
        silent = [worker for number, worker in enumerate(workers) if number not in found]
        if not silent:
            return [found[number] for number in range(len(workers))]
        left_s = until_s - time.monotonic()
        if left_s <= 0:
            raise silent[0].died(f"was ended: no answer within {timeout_s:.0f} s")
        ready = select.select([worker.descriptor for worker in silent], [], [], min(left_s, LOOK_S))
        for worker in silent:
            if worker.descriptor in ready[0] or not ready[0]:
                worker.read(ready=worker.descriptor in ready[0])


def same_seed(environ: Mapping[str, str], seed: int, scratch: Path) -> dict[str, str]:
    """With the block's hash seed, and a place for temporary files that goes with the sweep."""
    return {**environ, "PYTHONHASHSEED": str(seed % 2**32), "TMPDIR": str(scratch)}
