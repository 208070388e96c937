"""A ledger in SQLite: what calls cost and what the cache saved, by hour and operation, for several processes.

`movements` says what counts as what. Money is kept as a whole number of `SMALLEST_USD` and never becomes a
float. Hours that are older than 400 days are summed into days.

Each ledger has an identity, and keeps what it has merged from others under theirs. What one ledger has
counted only grows, so that of two states of it the one with more counts is the newer (a state-based
grow-only counter; Shapiro et al., 2011): merging a file twice, or an old copy of it, changes nothing. So a
ledger must not be copied to another machine to be written there, too; begin a new one, and merge it.
"""

import os
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from budgetguard.cache.movements import Kind, Movement, Row, Sums, exported, money, whole
from budgetguard.cache.prices import known
from budgetguard.errors import BudgetguardError, UsageError
from budgetguard.paths import shown

__all__ = ["Kind", "Ledger", "LedgerError", "Movement", "Row", "Sums"]

_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400
_HOURS_KEPT_S: Final = 400 * _DAY_S
_BUSY_TIMEOUT_S: Final = 5.0
_APPLICATION: Final = 0x42474C31
"""Says in the header what the file is: BGL1."""
_FORMAT: Final = 1
_SCHEMA: Final = (
    """CREATE TABLE budgetguard_ledger (
        seconds INTEGER NOT NULL CHECK (seconds IN (3600, 86400)),
        start INTEGER NOT NULL,
        operation TEXT NOT NULL,
        kind TEXT NOT NULL,
        source TEXT NOT NULL,
        count INTEGER NOT NULL CHECK (typeof(count) = 'integer'),
        money INTEGER NOT NULL CHECK (typeof(money) = 'integer'),
        PRIMARY KEY (seconds, start, operation, kind, source)
    ) WITHOUT ROWID""",
    "CREATE TABLE budgetguard_ledger_identity (source TEXT NOT NULL)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_FORMAT}",
)
_ADD: Final = """
    INSERT INTO budgetguard_ledger (seconds, start, operation, kind, source, count, money)
    SELECT 3600, ?, ?, ?, source, ?, ? FROM budgetguard_ledger_identity WHERE true
    ON CONFLICT (seconds, start, operation, kind, source)
    DO UPDATE SET count = count + excluded.count, money = money + excluded.money"""
_ANY_BEFORE: Final = "SELECT 1 FROM budgetguard_ledger WHERE seconds = 3600 AND start < ? LIMIT 1"
_SUM_DAYS: Final = """
    INSERT INTO budgetguard_ledger (seconds, start, operation, kind, source, count, money)
    SELECT 86400, start - start % 86400 AS day, operation, kind, source, sum(count), sum(money)
    FROM budgetguard_ledger WHERE seconds = 3600 AND start < ?
    GROUP BY day, operation, kind, source
    ON CONFLICT (seconds, start, operation, kind, source)
    DO UPDATE SET count = count + excluded.count, money = money + excluded.money"""
_FORGET_HOURS: Final = "DELETE FROM budgetguard_ledger WHERE seconds = 3600 AND start < ?"
_ROWS: Final = """
    SELECT start, seconds, operation, kind, sum(count), sum(money) FROM budgetguard_ledger
    WHERE start >= ? AND start < ?
    GROUP BY start, seconds, operation, kind ORDER BY start, seconds, operation, kind"""
_EVER_S: Final = 1 << 62


class LedgerError(BudgetguardError):
    """A ledger cannot be read or written: it is locked, damaged, or the disk is full."""


class Ledger:
    """A file of sums; every method may be called from any thread and process, also after a fork."""

    def __init__(self, path: str | Path, clock: Callable[[], float] = time.time) -> None:
        """Open it, or begin a new one that only its owner can read.

        Raises `UsageError` for a file that is something else, and `LedgerError`.
        """
        self.path = Path(path)
        self._clock = clock
        if not self.path.exists():
            with _errors_of(self.path):
                _begin(self.path)
        with self._connected():
            pass

    def add(self, movements: Sequence[Movement]) -> None:
        """Count movements: all of them, or none if it raises `LedgerError`."""
        counts, units = _by_hour(movements)
        rows = [(*key, count, units[key]) for key, count in counts.items()]
        if not rows:
            return
        with self._connected() as connection, _transaction(connection):
            connection.executemany(_ADD, rows)
            self._sum_days(connection)

    def rows(self, since: datetime | None = None, until: datetime | None = None) -> list[Row]:
        """What began in a span of time, by start and operation; `until` is not part of it."""
        with self._connected() as connection:
            found = connection.execute(_ROWS, (_second(since, 0), _second(until, _EVER_S)))
            return [_row(key, group) for key, group in groupby(found, key=lambda each: each[:3])]

    def totals(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> dict[str, Sums]:
        """The sums of a span of time by operation; `Sums.of` their values is the sum of all."""
        by_operation: dict[str, list[Row]] = {}
        for row in self.rows(since, until):
            by_operation.setdefault(row.operation, []).append(row)
        return {name: Sums.of(rows) for name, rows in sorted(by_operation.items())}

    def merge(self, other: str | Path) -> int:
        """Take in what another ledger has counted or merged; how many ledgers' counts were news.

        Raises `UsageError` where there is no ledger.
        """
        theirs = Path(other)
        if not theirs.exists():
            raise UsageError(f"{shown(theirs)}: there is no such ledger; expected the file of one")
        Ledger(theirs)
        with self._connected() as connection:
            connection.execute("ATTACH ? AS other", (str(theirs),))
            with _transaction(connection):
                news = _newer(connection)
                for source in news:
                    _replace(connection, source)
                self._sum_days(connection)
        return len(news)

    def export(
        self, since: datetime | None = None, until: datetime | None = None
    ) -> list[dict[str, str | int]]:
        """Rows that `json.dumps` and `csv.DictWriter` take as they are; money is text in US dollars."""
        return [exported(row) for row in self.rows(since, until)]

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """A connection for one method, which no fork and no other thread can come to share."""
        with _errors_of(self.path):
            # mode=rw: a file that somebody has deleted is an error, and not a new ledger
            address = f"{self.path.absolute().as_uri()}?mode=rw"
            connection = sqlite3.connect(
                address, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None
            )
            with closing(connection):
                _check(connection, self.path)
                connection.execute("PRAGMA synchronous = NORMAL")
                yield connection

    def _sum_days(self, connection: sqlite3.Connection) -> None:
        """Sum hours that are long ago into days; whole days only."""
        before = int(self._clock() - _HOURS_KEPT_S) // _DAY_S * _DAY_S
        if connection.execute(_ANY_BEFORE, (before,)).fetchone():
            connection.execute(_SUM_DAYS, (before,))
            connection.execute(_FORGET_HOURS, (before,))


def _begin(path: Path) -> None:
    """Make a whole ledger beside its place and link it there, so that nobody ever sees half of one."""
    if not path.parent.is_dir():
        raise UsageError(f"{shown(path)}: there is no folder {shown(path.parent)}; create it first")
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    os.close(handle)
    try:
        with closing(sqlite3.connect(name, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            with _transaction(connection):
                for statement in _SCHEMA:
                    connection.execute(statement)
                connection.execute(
                    "INSERT INTO budgetguard_ledger_identity VALUES (?)", (uuid4().hex,)
                )
        with suppress(FileExistsError):  # another process was faster; its ledger is as good
            os.link(name, path)
    finally:
        for leftover in (name, f"{name}-wal", f"{name}-shm"):
            Path(leftover).unlink(missing_ok=True)


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `UsageError` for an SQLite file that is no ledger of this format."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    if application != _APPLICATION:
        raise UsageError(
            f"{shown(path)}: is a database of something else; expected a ledger, or no file for a new one"
        )
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != _FORMAT:
        raise UsageError(
            f"{shown(path)}: is a ledger of format {version}; expected {_FORMAT}; upgrade pytest-budgetguard"
        )


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    # a deferred one that reads first is refused at once where another process writes
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def _errors_of(path: Path) -> Iterator[None]:
    """Say which file, and what to do, where SQLite says only what."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise LedgerError(f"{shown(path)}: {error}; {_next_step(str(error))}") from None
    except (sqlite3.IntegrityError, OverflowError):
        raise LedgerError(
            f"{shown(path)}: a sum would pass 9.2 million US dollars in an hour; nothing was added"
        ) from None
    except sqlite3.DatabaseError as error:
        raise LedgerError(
            f"{shown(path)}: is no ledger, or a damaged one: {error}; restore a copy, or move it away and "
            f"begin a new one"
        ) from None
    except OSError as error:
        raise LedgerError(f"{shown(path)}: cannot be begun: {error.strerror}") from None


def _next_step(problem: str) -> str:
    if "locked" in problem:
        return (
            f"another process has held it for over {_BUSY_TIMEOUT_S:g} s; look for one that hangs"
        )
    if "full" in problem:
        return "make room on its disk"
    return "see that it is there and that you may write it and its folder"


def _by_hour(movements: Iterable[Movement]) -> tuple[Counter[Any], Counter[Any]]:
    """Counts and units of money by start, operation and kind."""
    counts: Counter[tuple[int, str, str]] = Counter()
    units: Counter[tuple[int, str, str]] = Counter()
    for each in movements:
        start = int(each.at) // _HOUR_S * _HOUR_S
        key = start, each.operation, each.kind.value
        counts[key] += each.count
        units[key] += whole(each.usd)
        if each.kind is Kind.LOAD and not known(each.usd):
            counts[start, each.operation, Kind.UNPRICED.value] += each.count
    return counts, units


def _second(moment: datetime | None, otherwise: int) -> int:
    """A moment as SQLite has it; what begins within its second is after it."""
    if moment is None:
        return otherwise
    if moment.tzinfo is None:
        raise UsageError(f"expected a moment with a time zone, such as {moment.isoformat()}+00:00")
    return -int(-moment.timestamp() // 1)


def _row(key: tuple[int, int, str], group: Iterable[tuple[Any, ...]]) -> Row:
    start, seconds, operation = key
    counts: dict[Kind, int] = {}
    usd: dict[Kind, Decimal] = {}
    for *_, kind, count, units in group:
        counts[Kind(kind)] = count
        usd[Kind(kind)] = money(units)
    return Row(
        start=datetime.fromtimestamp(start, UTC),
        hours=seconds // _HOUR_S,
        operation=operation,
        counts=counts,
        usd=usd,
    )


def _newer(connection: sqlite3.Connection) -> list[str]:
    """The sources of which the attached ledger has counted more than this one."""
    counted = "SELECT source, sum(count) FROM {}.budgetguard_ledger GROUP BY source"
    mine = dict(connection.execute(counted.format("main")).fetchall())
    theirs = connection.execute(counted.format("other")).fetchall()
    return [source for source, count in theirs if count > mine.get(source, 0)]


def _replace(connection: sqlite3.Connection, source: str) -> None:
    connection.execute("DELETE FROM main.budgetguard_ledger WHERE source = ?", (source,))
    connection.execute(
        "INSERT INTO main.budgetguard_ledger SELECT * FROM other.budgetguard_ledger WHERE source = ?",
        (source,),
    )
