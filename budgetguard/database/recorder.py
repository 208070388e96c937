"""Counts the SQL that a block of code makes the database execute, in all threads and tasks.

    install()
    with record() as recording:
        ...
    recording.queries, recording.n_plus_one, recording.groups, recording.unseen

Covered: sqlite3 and all that stands on it (aiosqlite, SQLAlchemy, Django), psycopg 3 likewise.
What is counted at the driver is counted once, whoever sits on top. Another process is not watched:
a fork in the block is told in `unseen`, a program that is started is not.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import RLock
from types import ModuleType

from budgetguard.database import recording as recordings
from budgetguard.database.hooks import psycopg, quiet, sqlite, strangers
from budgetguard.database.recording import Recording
from budgetguard.errors import UsageError
from budgetguard.hooks import Patches, PostImport

Setter = Callable[[ModuleType, Patches], None]


@dataclass(frozen=True, slots=True)
class _Driver:
    """What is set in a module from `install()` on, and what only while recording."""

    stand: Setter | None = None
    listen: Setter | None = None


_DRIVERS: dict[str, _Driver] = {
    "sqlite3": _Driver(sqlite.stand, sqlite.listen),
    "psycopg": _Driver(listen=psycopg.listen),
    "aiosqlite.core": _Driver(listen=quiet.listen_aiosqlite),
    "sqlalchemy.pool.base": _Driver(listen=quiet.listen_sqlalchemy),
    "django.db.backends.base.base": _Driver(listen=quiet.listen_django),
    **dict.fromkeys(strangers.DRIVERS, _Driver(stand=strangers.stand)),
}

_standing = Patches()
_listening = Patches()
_stood: dict[str, object] = {}  # by module name: its spec, which a reload renews
_finder: PostImport | None = None
_forks = 0
_lock = RLock()


def install() -> None:
    """Set the hooks; a driver that is not imported yet gets its own when it is. Idempotent."""
    global _finder  # noqa: PLW0603 — the process has one set of hooks
    with _lock:
        if _finder is not None and _finder in sys.meta_path:
            return
        for name, driver in _DRIVERS.items():
            if name in sys.modules:
                _stand(name, driver, sys.modules[name])
        _finder = _finder or PostImport({name: partial(_imported, name) for name in _DRIVERS})
        sys.meta_path.insert(0, _finder)  # again, where somebody has put the list back as it was


def uninstall() -> None:
    """Put everything back as it was; connections that are open stay as they are, uncounted."""
    global _finder  # noqa: PLW0603
    with _lock:
        if recordings.recording_now():
            raise UsageError("uninstall() inside `with record()`: leave the block first")
        if _finder is not None:
            if _finder in sys.meta_path:
                sys.meta_path.remove(_finder)
            _finder = None
        _standing.undo()
        _stood.clear()


@contextmanager
def record() -> Iterator[Recording]:
    """Count what the block executes, in the whole process; blocks may be nested.

    Installs the hooks if nobody has. `Recording.unseen` is complete when the block has ended.
    """
    install()
    recording = Recording()
    before = _Before()
    with _lock:
        if not recordings.recording_now():
            _listen()
        recordings.begin(recording)
    try:
        yield recording
    finally:
        with _lock:
            recordings.end(recording)
            if not recordings.recording_now():
                _listening.undo()
        recording.unseen = before.unseen()


class _Before:
    """What could escape the hooks when a block begins."""

    def __init__(self) -> None:
        self.forks = _forks
        self.drivers = strangers.snapshot()
        self.sqlite_open = sqlite.strangers_open()
        self.sqlite_opened, _ = sqlite.strangers_opened()

    def unseen(self) -> tuple[str, ...]:
        """Tell what may have executed unseen since then."""
        reasons = []
        if self.sqlite_open:
            reasons.append(
                f"sqlite3: {self.sqlite_open} connection(s) opened before install(), or through "
                "a `connect` or `Connection` taken before it"
            )
        opened, where = sqlite.strangers_opened()
        if opened > self.sqlite_opened:
            reasons.append(
                f"sqlite3: {opened - self.sqlite_opened} connection(s) opened at {where or '?'} "
                "through a `connect` or `Connection` taken before install()"
            )
        reasons += strangers.unseen_since(self.drivers)
        if _forks > self.forks:
            reasons.append("a child process was forked: what it executed is not counted")
        return tuple(reasons)


def _listen() -> None:
    for name, driver in _DRIVERS.items():
        if name in sys.modules and driver.listen is not None:
            driver.listen(sys.modules[name], _listening)


def _stand(name: str, driver: _Driver, module: ModuleType) -> None:
    """Set what stands from now on, once for each time that the module is imported."""
    if driver.stand is not None and _stood.get(name) is not module.__spec__:
        driver.stand(module, _standing)
        _stood[name] = module.__spec__


def _imported(name: str, module: ModuleType) -> None:
    driver = _DRIVERS[name]
    with _lock:
        if _finder is None:
            return
        _stand(name, driver, module)
        if driver.listen is not None and recordings.recording_now():
            driver.listen(module, _listening)


def _forking() -> None:
    global _forks  # noqa: PLW0603
    _forks += 1


def _forked() -> None:
    """A thread that is not here may have held a lock."""
    global _lock  # noqa: PLW0603
    _lock = RLock()
    recordings.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_forking, after_in_child=_forked)
