"""A SQLite file as a tier: for the processes of one machine, and for what has to outlive them."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from budgetguard.cache.tiers.base import Change, Changes, Found, Usage
from budgetguard.cache.tiers.clocks import Clocks, system_clocks
from budgetguard.cache.tiers.sqlite_connections import Connections

_LEFT = "CASE WHEN boot = :boot THEN until - :now ELSE wall - :wall END"
_RIGHT_S = 900.0
"""How long a token may put."""
_LOG_ROWS = 10_000
_PAGE = 1000


class SqliteTier:
    """Holds entries in a file that only its owner can read; a write waits `timeout_s` for others at most.

    Entries expire by the time since the machine was started, so that no change of its clock moves them; only
    those of an earlier boot are judged by the wall clock. The file belongs to this cache alone: one of
    somebody else is never touched.
    """

    name = "sqlite"

    def __init__(
        self,
        path: str | Path,
        *,
        namespace: str = "budgetguard",
        timeout_s: float = 0.25,
        clocks: Clocks | None = None,
    ) -> None:
        self._file, self._space = Connections(Path(path), timeout_s), namespace
        self._clocks = clocks or system_clocks()

    def get(self, key: str, tags: Sequence[str] = ()) -> Found | None:
        """What is held under a key, with the present versions of these tags."""
        with self._file.connected() as connection:
            row = connection.execute(
                f"SELECT blob, {_LEFT} FROM entry WHERE space = :space AND key = :key",  # noqa: S608 -- ours alone
                self._moment(key=key),
            ).fetchone()
            if row is None or row[1] <= 0:
                return None
            return Found(row[0], row[1], self._versions(connection, tags))

    def put(self, key: str, blob: bytes, keep_s: float, token: str = "") -> bool:
        """Hold a blob for so long, if the token still has the right to."""
        moment = self._moment(key=key, blob=blob, token=token, keep=keep_s)
        with self._file.writing() as connection:
            if token and not self._right(connection, key, token):
                return False
            connection.execute(
                "INSERT INTO entry VALUES (:space, :key, :blob, :boot, :now + :keep, :wall + :keep) "
                "ON CONFLICT DO UPDATE SET blob = excluded.blob, boot = excluded.boot, "
                "until = excluded.until, wall = excluded.wall",
                moment,
            )
            return True

    def delete(self, keys: Sequence[str]) -> int:
        """Remove keys, make every token of them worthless, and log it; how many were held."""
        rows, held = [(self._space, key) for key in keys], 0
        with self._file.writing() as connection:
            for row in rows:
                held += connection.execute(
                    "DELETE FROM entry WHERE space = ? AND key = ?", row
                ).rowcount
            connection.executemany("DELETE FROM fence WHERE space = ? AND key = ?", rows)
            self._log(connection, [(key, "", 0) for key in keys])
        return held

    def acquire(self, key: str, token: str, lease_s: float) -> bool:
        """Take the lease of a key if nobody holds it."""
        moment = self._moment(key=key, token=token, lease=lease_s, right=_RIGHT_S)
        with self._file.writing() as connection:
            taken = connection.execute(
                "INSERT INTO fence VALUES (:space, :key, :token, :boot, :now + :lease, :now + :right) "
                "ON CONFLICT DO UPDATE SET token = excluded.token, boot = excluded.boot, "
                "leased = excluded.leased, until = excluded.until "
                "WHERE boot <> :boot OR leased <= :now",
                moment,
            )
            return taken.rowcount > 0

    def renew(self, key: str, token: str, lease_s: float) -> bool:
        """Hold a lease for so long from now on; False where it is another's or has ended."""
        with self._file.writing() as connection:
            held = connection.execute(
                "UPDATE fence SET leased = :now + :lease WHERE space = :space AND key = :key "
                "AND token = :token AND boot = :boot AND leased > :now",
                self._moment(key=key, token=token, lease=lease_s),
            )
            return held.rowcount > 0

    def release(self, key: str, token: str) -> None:
        """Give a lease back, if it is still this token's."""
        with self._file.writing() as connection:
            connection.execute(
                "DELETE FROM fence WHERE space = :space AND key = :key AND token = :token",
                self._moment(key=key, token=token),
            )

    def versions(self, tags: Sequence[str]) -> dict[str, int]:
        """The present version of each tag; 0 where it was never invalidated."""
        with self._file.connected() as connection:
            return self._versions(connection, tags)

    def bump(self, tags: Sequence[str]) -> dict[str, int]:
        """Invalidate and log all that has one of these tags; the new versions."""
        least = int(self._clocks.wall() * 1e6)  # a file that was lost begins above what it had
        with self._file.writing() as connection:
            for tag in tags:
                connection.execute(
                    "INSERT INTO version VALUES (?, ?, ?) "
                    "ON CONFLICT DO UPDATE SET version = max(version + 1, excluded.version)",
                    (self._space, tag, least),
                )
            found = self._versions(connection, tags)
            self._log(connection, [("", tag, version) for tag, version in found.items()])
        return found

    def changes(self, cursor: str) -> Changes:
        """What was invalidated since a cursor of this tier; "" begins now, with nothing."""
        self._file.look()
        with self._file.connected() as connection:
            meta = dict(connection.execute("SELECT name, value FROM meta"))
            own = connection.execute("SELECT max(number) FROM log WHERE space = ?", (self._space,))
            last = max(own.fetchone()[0] or 0, meta["forgotten"])
            now = f"{meta['identity']}:{last}"
            identity, _, number = cursor.rpartition(":")
            if not cursor:
                return Changes(now)
            if identity != meta["identity"] or int(number) < meta["forgotten"]:
                return Changes(now, lost=True)
            rows = connection.execute(
                "SELECT key, tag, version FROM log WHERE number > ? AND number <= ? AND space = ?",
                (int(number), last, self._space),
            )
            return Changes(now, tuple(Change(*row) for row in rows))

    def keys(self) -> Iterator[str]:
        """All keys that are held, by pages."""
        last = ""
        while True:
            with self._file.connected() as connection:
                page = connection.execute(
                    f"SELECT key, {_LEFT} FROM entry WHERE space = :space AND key > :last "  # noqa: S608 -- ours alone
                    "ORDER BY key LIMIT :page",
                    self._moment(last=last, page=_PAGE),
                ).fetchall()
            yield from (key for key, left_s in page if left_s > 0)
            if len(page) < _PAGE:
                return
            last = page[-1][0]

    def clear(self) -> int:
        """Remove every key of the namespace and log it; how many there were."""
        with self._file.writing() as connection:
            held = connection.execute("DELETE FROM entry WHERE space = ?", (self._space,)).rowcount
            connection.execute("DELETE FROM fence WHERE space = ?", (self._space,))
            self._log(connection, [("", "", 0)])
        return held

    def purge(self, most: int = 10_000) -> int:
        """Remove at most so many entries that have expired; how many."""
        with self._file.writing() as connection:
            return connection.execute(
                f"DELETE FROM entry WHERE rowid IN (SELECT rowid FROM entry WHERE space = :space "  # noqa: S608 -- ours alone
                f"AND {_LEFT} <= 0 LIMIT :most)",
                self._moment(most=most),
            ).rowcount

    def usage(self) -> Usage:
        """What the namespace holds now."""
        with self._file.connected() as connection:
            row = connection.execute(
                f"SELECT count(*), coalesce(sum(length(blob)), 0) FROM entry "  # noqa: S608 -- ours alone
                f"WHERE space = :space AND {_LEFT} > 0",
                self._moment(),
            ).fetchone()
        return Usage(*row)

    def ping(self) -> None:
        """Raise `TierError` unless it can be written."""
        self._file.look()
        with self._file.writing() as connection:
            connection.execute("INSERT INTO meta VALUES ('ping', 0) ON CONFLICT DO NOTHING")

    def close(self) -> None:
        """Give back the connections of all threads."""
        self._file.close()

    def _moment(self, **more: Any) -> dict[str, Any]:
        clocks = self._clocks
        known = {
            "space": self._space,
            "boot": clocks.boot,
            "now": clocks.now(),
            "wall": clocks.wall(),
        }
        return {**known, **more}

    def _right(self, connection: sqlite3.Connection, key: str, token: str) -> bool:
        found = connection.execute(
            "SELECT 1 FROM fence WHERE space = :space AND key = :key AND token = :token "
            "AND boot = :boot AND until > :now",
            self._moment(key=key, token=token),
        )
        return found.fetchone() is not None

    def _versions(self, connection: sqlite3.Connection, tags: Sequence[str]) -> dict[str, int]:
        if not tags:
            return {}
        marks = ", ".join("?" * len(tags))
        known = connection.execute(
            f"SELECT tag, version FROM version WHERE space = ? AND tag IN ({marks})",  # noqa: S608 -- marks only
            (self._space, *tags),
        )
        return {**dict.fromkeys(tags, 0), **dict(known)}

    def _log(self, connection: sqlite3.Connection, rows: Sequence[tuple[str, str, int]]) -> None:
        connection.executemany(
            "INSERT INTO log (space, key, tag, version) VALUES (?, ?, ?, ?)",
            [(self._space, *row) for row in rows],
        )
        oldest = "(SELECT coalesce(max(number), 0) FROM log) - ?"
        connection.execute(f"DELETE FROM log WHERE number <= {oldest}", (_LOG_ROWS,))  # noqa: S608 -- ours alone
        connection.execute(
            f"UPDATE meta SET value = max(value, {oldest}) WHERE name = 'forgotten'",  # noqa: S608 -- ours alone
            (_LOG_ROWS,),
        )
