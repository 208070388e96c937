"""Which paid requests were asked for, how often, and what they cost: written down to warm the next cache."""

import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from budgetguard.cache.plan import Plan, Wanted, line, read_plan
from budgetguard.cache.prices import known
from budgetguard.errors import UsageError
from budgetguard.paths import shown

try:
    import fcntl
except ImportError:  # Windows: a line of two processes at once may be damaged, and is left out
    fcntl = None  # type: ignore[assignment]

_MOST_PENDING = 10_000


@dataclass(slots=True)
class Note:
    """One request since the last flush."""

    operation: str
    request: str
    """As JSON, so that the caller may change his own."""
    tags: tuple[str, ...]
    times: int = 0
    usd: Decimal | None = None


class AccessLog:
    """Lines of JSON in a file that only its owner can read, for it has requests as they are sent.

    It hears of `Cache.call` and `acall` for the operations that are named. Any number of processes may
    append to one file. At `max_bytes` it becomes FILE.1, in place of an older one, and another is begun.
    """

    def __init__(
        self, path: str | Path, operations: Iterable[str], *, max_bytes: int = 16 << 20
    ) -> None:
        """Raise `UsageError` where it could not be written."""
        self.path, self._operations = Path(path), frozenset(operations)
        self._max_bytes = max_bytes
        self.after_fork()
        if not self._operations:
            raise UsageError("an access log: expected the names of operations, such as openai.chat")
        if not self.path.parent.is_dir():
            raise UsageError(f"{shown(self.path)}: there is no folder for it; create it first")

    def after_fork(self) -> None:
        """In the child: what was asked for before is the parent's to write."""
        self._lock = threading.Lock()
        self._notes: dict[str, Note] = {}

    def asked(
        self, operation: str, name: str, request: Mapping[str, Any], tags: Iterable[str]
    ) -> Note | None:
        """Count a request under a name that is that of its equals; None where it is not recorded.

        What JSON cannot hold is not.
        """
        if operation not in self._operations:
            return None
        with self._lock:
            note = self._notes.get(name)
            if note is None:
                text = _text(request) if len(self._notes) < _MOST_PENDING else ""
                if not text:
                    return None
                note = self._notes[name] = Note(operation, text, tuple(sorted(set(tags))))
            note.times += 1
        return note

    def flush(self) -> None:
        """Append what was asked for; what cannot be written is given up, for no answer depends on it."""
        with self._lock:
            notes, self._notes = self._notes, {}
        text = "".join(line(_wanted(note)) for note in notes.values())
        if text:
            with suppress(OSError), self._appending() as handle:
                _write(handle, text.encode())

    def read(self) -> Plan:
        """What was recorded, the most worthwhile first."""
        return read_plan(*(file for file in (self._older, self.path) if file.exists()))

    @property
    def _older(self) -> Path:
        return self.path.with_name(f"{self.path.name}.1")

    @contextmanager
    def _appending(self) -> Iterator[int]:
        """The file, locked, and not yet full."""
        while True:
            handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                if fcntl is not None:
                    fcntl.flock(handle, fcntl.LOCK_EX)
                if not self._is(handle):
                    continue  # another process has put it aside
                if os.fstat(handle).st_size < self._max_bytes:
                    yield handle
                    return
                self.path.replace(self._older)
            finally:
                os.close(handle)

    def _is(self, handle: int) -> bool:
        try:
            return os.path.samestat(os.fstat(handle), self.path.stat())
        except FileNotFoundError:
            return False


def _wanted(note: Note) -> Wanted:
    usd = note.usd if note.usd is not None and known(note.usd) else None
    request = json.loads(note.request)
    return Wanted(
        operation=note.operation, request=request, tags=note.tags, times=note.times, usd=usd
    )


def _text(request: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(request))
    except (TypeError, ValueError, RecursionError):
        return ""


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
