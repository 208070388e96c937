"""Reads what a running generator tells, as it is told."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from budgetguard.gate.targets.load.interval import Interval

_PAUSE_S = 0.05


class Listener:
    """Follows the file to which a generator appends, in a thread, while it is entered.

    `told` gets each interval; when it returns True or raises, `stop` is set. What it raised is
    raised again on leaving. Lines that cannot be read are left out.
    """

    def __init__(self, path: Path, told: Callable[[Interval], bool]) -> None:
        self.path = path
        self.stop = threading.Event()
        self.intervals: list[Interval] = []
        self.notes: list[str] = []
        self.problem = ""
        self._told = told
        self._raised: BaseException | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> Self:
        self.path.touch(mode=0o600)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._raised is not None and error is None:
            raise self._raised

    def _follow(self) -> None:
        with self.path.open("rb") as file:
            rest = b""
            while not (over := self._over.is_set()) or rest is not None:
                rest = self._read(file, rest)
                if over:
                    return
                self._over.wait(_PAUSE_S)

    def _read(self, file: IO[bytes], rest: bytes) -> bytes:
        *lines, rest = (rest + file.read()).split(b"\n")
        for line in lines:
            try:
                self._take(line)
            except BaseException as error:  # noqa: BLE001 -- Ctrl-C, too, must reach the caller
                self._raised = self._raised or error
                self.stop.set()
        return rest

    def _take(self, line: bytes) -> None:
        try:
            plain = json.loads(line)
            if "note" in plain or "problem" in plain:
                self.notes += [str(plain["note"])] if "note" in plain else []
                self.problem = self.problem or str(plain.get("problem", ""))
                return
            interval = Interval.from_json(line.decode())
        except (ValueError, KeyError, TypeError, AttributeError):
            return
        self.intervals.append(interval)
        if self._raised is None and self._told(interval):
            self.stop.set()
