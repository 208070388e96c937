"""Connections to a SQLite file: one for each thread, none of a parent, none to a file that is gone."""

import contextlib
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from weakref import WeakSet

from budgetguard.cache.tiers.base import TierBusy, TierError

_APPLICATION = 0x42474331  # "BGC1"
_SCHEMA_VERSION = 1
_STEP_S = 0.01
_SCHEMA = """
    CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE entry (
        space TEXT, key TEXT, blob BLOB, boot TEXT, until REAL, wall REAL, PRIMARY KEY (space, key)
    );
    CREATE TABLE fence (
        space TEXT, key TEXT, token TEXT, boot TEXT, leased REAL, until REAL, PRIMARY KEY (space, key)
    ) WITHOUT ROWID;
    CREATE TABLE version (space TEXT, tag TEXT, version INTEGER, PRIMARY KEY (space, tag)) WITHOUT ROWID;
    CREATE TABLE log (
        number INTEGER PRIMARY KEY AUTOINCREMENT, space TEXT, key TEXT, tag TEXT, version INTEGER
    );
"""


class _Connection(sqlite3.Connection):
    """One that is closed when its thread has ended."""

    def __del__(self) -> None:
        self.close()


class Connections:
    """Those of one file; what goes wrong with them is a `TierError` that says what to do."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        """A write waits `timeout_s` for other processes at most. Nothing is opened yet."""
        self._path, self._timeout_s = path, timeout_s
        self._local = threading.local()
        self._opened: WeakSet[_Connection] = WeakSet()
        self._turn = os.getpid(), threading.Lock()
        self._file = (os.getpid(), 0)
        """The process and the inode that connections belong to; others are not used any more."""

    def look(self) -> None:
        """A file that was deleted or replaced is not ours any more; its connections still lead to it."""
        try:
            inode = self._path.stat().st_ino
        except OSError:
            inode = 0
        if self._file != (os.getpid(), inode):
            self._file = (os.getpid(), inode)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that has the right to write from its begin: one that gets it later fails at once."""
        with self._turn_of_this_thread(), self.connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:  # a full disk has ended it already
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def _turn_of_this_thread(self) -> Iterator[None]:
        """Threads of one process take turns: SQLite makes them sleep by chance, and some of them too long."""
        owner, turn = self._turn
        if owner != os.getpid():
            turn = threading.Lock()
            self._turn = os.getpid(), turn
        if not turn.acquire(timeout=self._timeout_s):
            raise TierBusy(
                f"the cache file {self._path}: other threads of this process write to it"
            )
        try:
            yield
        finally:
            turn.release()

    @contextlib.contextmanager
    def connected(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection; what goes wrong in it is a `TierError`."""
        try:
            yield self._own()
        except sqlite3.Error as error:
            raise TierError(f"the cache file {self._path}: {error}; {_next_step(error)}") from None
        except OSError as error:
            raise TierError(f"the cache file {self._path}: {error.strerror}") from None

    def _own(self) -> sqlite3.Connection:
        if self._file[0] != os.getpid():
            self.look()  # a connection of the parent must not be used in a child
        if getattr(self._local, "file", None) != self._file or self._file[1] == 0:
            self._local.connection = self._open()
            self.look()
            self._local.file = self._file
        connection: sqlite3.Connection = self._local.connection
        return connection

    def _open(self) -> sqlite3.Connection:
        if not self._path.exists():
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        connection = sqlite3.connect(
            self._path,
            timeout=self._timeout_s,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
        )
        connection.execute("PRAGMA synchronous = NORMAL")
        _begin(connection, self._timeout_s)
        if connection.execute("PRAGMA user_version").fetchone()[0] != _SCHEMA_VERSION:
            raise sqlite3.DatabaseError("it is of another version of budgetguard")
        self._opened.add(connection)
        return connection

    def close(self) -> None:
        """Give all of them back."""
        for connection in tuple(self._opened):
            connection.close()
        self._file = (0, 0)


def _begin(connection: sqlite3.Connection, timeout_s: float) -> None:
    """Make a new file ours, unless another process is doing so; raises for one of somebody else.

    SQLite does not wait for others that change a file's journal at the same moment: so it is tried again.
    """
    until = time.monotonic() + timeout_s
    while True:
        try:
            if not _is_ours(connection):
                connection.execute("PRAGMA journal_mode = WAL")
                _make_ours(connection)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(_STEP_S)
        else:
            return


def _make_ours(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        if not _is_ours(connection):
            _create(connection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _is_ours(connection: sqlite3.Connection) -> bool:
    used = connection.execute(
        "SELECT 1 FROM sqlite_master"
    ).fetchone()  # before its owner is asked for
    if connection.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION:
        return True
    if used:
        raise sqlite3.DatabaseError("it is the database of something else")
    return False


def _create(connection: sqlite3.Connection) -> None:
    for statement in filter(str.strip, _SCHEMA.split(";")):
        connection.execute(statement)
    rows = [("identity", secrets.token_hex(8)), ("forgotten", 0)]
    connection.executemany("INSERT INTO meta VALUES (?, ?)", rows)
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")


def _next_step(error: sqlite3.Error) -> str:
    text = str(error)
    if "locked" in text or "busy" in text:
        return "another process holds it for long"
    if "full" in text or "disk I/O" in text:
        return "make room on its disk"
    if "readonly" in text or "unable to open" in text:
        return "let this user write it and its folder"
    return "move it away, and the cache begins another"
