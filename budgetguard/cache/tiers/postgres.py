"""PostgreSQL 12 or newer as a tier, in a schema of its own."""

import hashlib
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence

from budgetguard.cache.tiers import postgres_statements as say
from budgetguard.cache.tiers.base import Change, Changes, Found, TierError, Usage
from budgetguard.errors import UsageError
from budgetguard.extras import need

need("psycopg", extra="cache")
from budgetguard.cache.tiers import postgres_url  # noqa: E402 -- psycopg is there
from budgetguard.cache.tiers.postgres_connections import NO_TABLE, Connections  # noqa: E402
from budgetguard.cache.tiers.postgres_session import Row, Session, SessionError  # noqa: E402

_RIGHT_S = 900.0
"""How long a token may put."""
_LONGEST_S = 10 * 365 * 86_400.0
_AT_ONCE = 500
"""Rows of one statement that removes some: others wait while it runs."""
_SAMPLE_PAGES = 2000
_SET_UP_S = 5.0
_SCHEMA = re.compile(r"(?!pg_|public$|information_schema$)[a-z_][a-z0-9_]{0,62}")


class PostgresTier:
    """Holds entries in UNLOGGED tables: a crash of the server empties them, as a cache may be.

    No call waits longer than `timeout_s` for the server, but the first that ever uses a database: it
    makes the schema, named by the namespace, and its tables, in 5 s at most. Lives are counted by the
    server's clock; no entry has more than ten years. A pooler in between has to keep a connection for a
    client as long as it wants it. Raises `UsageError` for a URL or namespace that cannot be used.
    """

    name = "postgresql"

    def __init__(
        self,
        url: str,
        *,
        namespace: str = "budgetguard",
        timeout_s: float = 0.25,
        max_connections: int = 8,
    ) -> None:
        if not _SCHEMA.fullmatch(namespace):
            raise UsageError(
                f"a PostgreSQL cache tier: the namespace {namespace!r} cannot name a schema of its own; "
                "expected 1 to 63 small letters, digits and _, not beginning with a digit or pg_"
            )
        self._schema = namespace
        address = postgres_url.read(url, namespace, timeout_s)
        self._server = Connections(address, timeout_s, max_connections, self._prepare)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self._server.name}, {self._schema!r}>"

    def get(self, key: str, tags: Sequence[str] = ()) -> Found | None:
        """What is held under a key, with the present versions of these tags."""
        rows = self._server.rows(say.GET, _raw(key), _array(tags))
        if not rows:
            return None
        blob, left_s, versions = rows[0]
        return Found(blob or b"", float(left_s or 0), _numbers(tags, versions))

    def put(self, key: str, blob: bytes, keep_s: float, token: str = "") -> bool:
        """Hold a blob for so long, ten years at most; False where the token has lost its right."""
        values = (_raw(key), blob, _seconds(keep_s))
        if token:
            return self._server.count(say.PUT_WITH_RIGHT, *values, _raw(token)) > 0
        return self._server.count(say.PUT, *values) > 0

    def delete(self, keys: Sequence[str]) -> int:
        """Remove keys, make every token of them worthless, and log it; how many were held.

        The rights go first, in a statement of their own: the second sees then what was put by them.
        """
        held = 0
        for start in range(0, len(keys), _AT_ONCE):
            some = _array(keys[start : start + _AT_ONCE])
            self._server.count(say.TAKE_RIGHTS, some)
            held += _number(self._logged(say.DELETE, some)[0][0])
        return held

    def acquire(self, key: str, token: str, lease_s: float) -> bool:
        """Take the lease of a key if nobody holds it."""
        times = (_seconds(lease_s), _seconds(_RIGHT_S))
        return self._server.count(say.ACQUIRE, _raw(key), _raw(token), *times) > 0

    def renew(self, key: str, token: str, lease_s: float) -> bool:
        """Hold a lease for so long from now on; False where it is another's or has ended."""
        return self._server.count(say.RENEW, _raw(key), _raw(token), _seconds(lease_s)) > 0

    def release(self, key: str, token: str) -> None:
        """Give a lease back, if it is still this token's; its right to put ends with it."""
        self._server.count(say.RELEASE, _raw(key), _raw(token))

    def versions(self, tags: Sequence[str]) -> dict[str, int]:
        """The present version of each tag; 0 where it was never invalidated."""
        if not tags:
            return {}
        return _numbers(tags, self._server.rows(say.VERSIONS, _array(tags))[0][0])

    def bump(self, tags: Sequence[str]) -> dict[str, int]:
        """Invalidate and log all that has one of these tags; the new versions.

        They are microseconds of the server's clock, or one more than before where that has gone back.
        """
        told: dict[str, int] = {}
        once = list(dict.fromkeys(tags))
        for start in range(0, len(once), _AT_ONCE):
            rows = self._logged(say.BUMP, _array(once[start : start + _AT_ONCE]))
            told |= {_text(tag): _number(version) for tag, version in rows}
        return told

    def changes(self, cursor: str) -> Changes:
        """What was invalidated since a cursor, which is an identity of the tables and a place in the log."""
        identity, _, place = cursor.rpartition(":")
        known = (
            bool(identity) and place.isascii() and place.isdecimal() and len(place) < len(say.NOW)
        )
        rows = self._server.rows(say.CHANGES, place if known else say.NOW)
        if not rows:
            raise self._emptied()
        last = _number(rows[0][1])
        now = f"{_text(rows[0][0])}:{last}"
        if not cursor:
            return Changes(now)
        if (
            not known
            or identity != _text(rows[0][0])
            or not last - say.LOG_ROWS <= int(place) <= last
        ):
            return Changes(now, lost=True)
        return Changes(now, tuple(map(_change, rows)) if last > int(place) else ())

    def keys(self) -> Iterator[str]:
        """All keys that are held, in their order, by pages."""
        last = b""
        while True:
            page = self._server.rows(say.KEYS, last)
            yield from (_text(key) for key, alive in page if alive == b"true")
            if len(page) < say.PAGE_ROWS:
                return
            last = page[-1][0] or b""

    def clear(self) -> int:
        """Remove every key of the namespace and log it; how many there were.

        Little by little, so that nobody waits for it. It is logged at the end: who hears of it finds
        nothing old here; and the rights of loads that had begun before have gone first.
        """
        self._server.count(say.TAKE_ALL_RIGHTS)
        removed, last = 0, b""
        while True:
            [(gone, end)] = self._server.rows(say.SWEEP, last, str(_AT_ONCE))
            removed += _number(gone)
            if end is None:
                break
            last = end
        self._logged(say.LOG_ALL)
        return removed

    def purge(self, most: int = 10_000) -> int:
        """Remove at most so many entries that have expired, and as many rights; how many entries."""
        removed = 0
        while removed < most:
            some = min(_AT_ONCE, most - removed)
            gone = _number(self._server.rows(say.PURGE, str(some))[0][0])
            removed += gone
            if gone < some:
                break
        return removed

    def usage(self) -> Usage:
        """What the namespace holds now; in a large table an estimate from some thousand random pages."""
        pages = _number(self._server.rows(say.SIZE)[0][0])
        part = min(1.0, _SAMPLE_PAGES / max(pages, 1))
        [(entries, size)] = self._server.rows(say.USAGE, str(100 * part))
        return Usage(round(_number(entries) / part), round(_number(size) / part))

    def ping(self) -> None:
        """Raise `TierError` unless something can be written."""
        self._server.count(say.PROBE)

    def close(self) -> None:
        """Give back connections."""
        self._server.close()

    def _logged(self, statement: str, *values: str) -> list[Row]:
        """What a statement returns that also logs; without the row that counts the log it does nothing."""
        rows = self._server.rows(statement, *values)
        if not rows:
            raise self._emptied()
        return rows

    def _emptied(self) -> TierError:
        self._server.close()  # new connections begin another log
        return TierError(
            f"{self._server.name}: somebody has emptied the tables of the schema {self._schema}; "
            "the next call begins them anew"
        )

    def _prepare(self, session: Session, until: float) -> None:
        """Look at the schema on a new connection, and make it where there is none."""
        try:
            found = session.rows(say.ABOUT, (), until)
        except SessionError as error:
            if error.state not in NO_TABLE:
                raise
            until = time.monotonic() + _SET_UP_S
            self._create(session, until)
            found = session.rows(say.ABOUT, (), until)
        version, identity = (_number(found[0][0]), found[0][1]) if found else (0, None)
        if version != say.VERSION:
            raise TierError(
                f"{self._server.name}: the schema {self._schema} has version {version}, this release knows "
                f"version {say.VERSION}; use the release that made it, another namespace, or "
                f"DROP SCHEMA {self._schema} CASCADE"
            )
        if identity is None:  # new, or emptied by a crash
            session.count(say.IDENTIFY, (secrets.token_hex(8),), until)

    def _create(self, session: Session, until: float) -> None:
        """Make schema and tables, unless another process does: one does at a time."""
        session.script(say.BEGIN.format(limit_ms=int(1000 * _SET_UP_S)), until)
        session.rows(say.LOCK, (str(_lock_number(self._schema)),), until)
        [row] = session.rows(say.FOUND, (self._schema,), until)
        exists, used, made = (value == b"true" for value in row)
        if used and not made:
            raise TierError(
                f"{self._server.name}: the schema {self._schema} belongs to something else; "
                "choose another namespace"
            )
        if not made:
            begin = "" if exists else say.CREATE_SCHEMA.format(schema=self._schema)
            session.script(f"{begin}{say.CREATE}", until)
        session.script("COMMIT", until)


def _lock_number(schema: str) -> int:
    """What the advisory lock of a schema is called."""
    digest = hashlib.blake2b(f"budgetguard {schema}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _raw(word: str) -> bytes:
    return word.encode(errors="surrogatepass")


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode(errors="surrogatepass")


def _number(text: bytes | None) -> int:
    return int(text or 0)


def _array(words: Iterable[str]) -> str:
    """As PostgreSQL reads an array of bytea: hexadecimal, so that nothing in it can mean anything else."""
    return "{" + ",".join(rf'"\\x{_raw(word).hex()}"' for word in words) + "}"


def _seconds(seconds: float) -> str:
    return repr(min(float(seconds), _LONGEST_S))


def _numbers(tags: Sequence[str], versions: bytes | None) -> dict[str, int]:
    return dict(zip(tags, map(int, (versions or b"").split()), strict=True))


def _change(row: Row) -> Change:
    _, _, key, tag, version = row
    if key is not None:
        return Change(key=_text(key))
    return Change() if tag is None else Change(tag=_text(tag), version=_number(version))
