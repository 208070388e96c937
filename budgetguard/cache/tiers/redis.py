"""Redis 6.2 or newer, or Valkey, as a tier: one server, or a primary with its replicas, but no cluster."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar
from urllib.parse import quote

from budgetguard.cache.tiers import redis_scripts as scripts
from budgetguard.cache.tiers.base import Change, Changes, Found, TierError, Usage
from budgetguard.cache.tiers.redis_connections import Connections
from budgetguard.errors import UsageError

T = TypeVar("T")
_RIGHT_S = 900.0
"""How long a token may put."""
_AT_ONCE = 500
"""Keys of one script or deletion: other clients wait while it runs."""
_SCAN = 1000
_SAMPLE = 1000
_MOST_SCANS = 10
_MAX_BLOB_BYTES = 64 * 1024 * 1024


class RedisTier:
    """Holds entries in a server that all machines share; what concerns one key is one round trip.

    No call waits longer than `timeout_s` for the server, see `Connections`. Lives are counted by the
    server's clock; no entry has more than 30 days, and the version of a tag is kept a day longer. A
    server that evicts keys to make room may evict any: that those of the log or of the versions are gone
    is found out, and what depended on them is given up. Raises `UsageError` for a URL or namespace that
    cannot be used.
    """

    name = "redis"

    def __init__(
        self,
        url: str,
        *,
        namespace: str = "budgetguard",
        timeout_s: float = 0.05,
        max_connections: int = 64,
        max_blob_bytes: int = _MAX_BLOB_BYTES,
    ) -> None:
        if not namespace:
            raise UsageError("a Redis cache tier: expected a namespace; got an empty one")
        self._server = Connections(url, timeout_s=timeout_s, most=max_connections)
        self._most_bytes = max_blob_bytes
        space = quote(namespace, safe="")  # nothing in it is a pattern, and no space begins another
        self._entries = f"{space}:entry:"
        self._fences, self._leases = f"{space}:fence:", f"{space}:lease:"
        self._versions, self._log = f"{space}:versions", f"{space}:log"
        self._probe = f"{space}:probe"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self._server.where}, {self._entries!r}>"

    def get(self, key: str, tags: Sequence[str] = ()) -> Found | None:
        """What is held under a key, with the present versions of these tags.

        None also where that is larger than `max_blob_bytes`, and stays where it is, or is nothing that
        `put` has left there: one bad entry is a miss, not the end of the tier.
        """
        keys = (self._entry(key), self._versions)
        answer = self._server.run(scripts.GET, keys, self._most_bytes, *tags)
        if answer is None:
            return None
        blob, left_ms, *scores = answer
        left_s = left_ms / 1000 if left_ms >= 0 else math.inf
        return Found(blob, left_s, self._numbers(tags, scores))

    def put(self, key: str, blob: bytes, keep_s: float, token: str = "") -> bool:
        """Hold a blob for so long, 30 days at most; False where the token has lost its right."""
        keys = (self._entry(key), self._fence(key), self._versions)
        keep_ms = _milliseconds(min(keep_s, scripts.LONGEST_S))
        return bool(self._server.run(scripts.PUT, keys, blob, keep_ms, token))

    def delete(self, keys: Sequence[str]) -> int:
        """Remove keys, make every token of them worthless, and log it; how many were held."""
        held = 0
        for some in _parts(keys):
            places = [place for key in some for place in (self._entry(key), self._fence(key))]
            held += self._server.run(scripts.DELETE, (self._log, *places), *some)
        return held

    def acquire(self, key: str, token: str, lease_s: float) -> bool:
        """Take the lease of a key if nobody holds it."""
        keys = (self._lease(key), self._fence(key), self._versions)
        times = (_milliseconds(lease_s), _milliseconds(_RIGHT_S))
        return bool(self._server.run(scripts.ACQUIRE, keys, token, *times))

    def renew(self, key: str, token: str, lease_s: float) -> bool:
        """Hold a lease for so long from now on; False where it is another's or has ended."""
        keys = (self._lease(key),)
        return bool(self._server.run(scripts.RENEW, keys, token, _milliseconds(lease_s)))

    def release(self, key: str, token: str) -> None:
        """Give a lease back, if it is still this token's; its right to put ends with it."""
        self._server.run(scripts.RELEASE, (self._lease(key), self._fence(key)), token)

    def versions(self, tags: Sequence[str]) -> dict[str, int]:
        """The present version of each tag; 0 where it was never invalidated."""
        if not tags:
            return {}
        return self._numbers(tags, self._server.ask("ZMSCORE", self._versions, *tags))

    def bump(self, tags: Sequence[str]) -> dict[str, int]:
        """Invalidate and log all that has one of these tags; the new versions.

        They are microseconds of the server's clock, or one more than before where that has gone back.
        """
        told: dict[str, int] = {}
        for some in _parts(tags):
            scores = self._server.run(scripts.BUMP, (self._versions, self._log), *some)
            told |= self._numbers(some, scores)
        return told

    def changes(self, cursor: str) -> Changes:
        """What was invalidated since a cursor, which is the place of an invalidation in the log.

        Where that is gone, by trimming, a flush, an eviction, or a restart that forgot it, something may
        be lost; so it is where a newer release has left what cannot be understood.
        """
        if not cursor:
            return Changes(self._newest())
        seen, *news = self._server.ask("XRANGE", self._log, cursor, "+") or [(b"", [])]
        if seen[0].decode() != cursor:
            return Changes(self._newest(), lost=True)
        if not news:
            return Changes(cursor)
        try:
            changes = tuple(change for _, fields in news for change in _read(fields))
        except ValueError:
            return Changes(news[-1][0].decode(), lost=True)
        return Changes(news[-1][0].decode(), changes)

    def keys(self) -> Iterator[str]:
        """All keys that are held, in no order; some twice, where the server grows meanwhile."""
        prefix = len(self._entries) + 1
        for found in self._scan("MATCH", f"{self._entries}*"):
            yield from (name[prefix:-1].decode(errors="replace") for name in found)

    def clear(self) -> int:
        """Remove every key of the namespace and log it; how many there were.

        All of it counts as gone after the first step, and is then removed little by little.
        """
        self._server.run(scripts.CLEAR, (self._versions, self._log))
        removed = 0
        for found in self._scan("MATCH", f"{self._entries}*"):
            for some in _parts(found):
                removed += self._server.run(scripts.SWEEP, (self._versions, *some))
        return removed

    def purge(self, most: int = 10_000) -> int:  # noqa: ARG002 -- the server has nothing to leave over
        """0: the server removes what has expired by itself."""
        return 0

    def usage(self) -> Usage:
        """What the entries take of the server's memory, with their names and what it needs beside them.

        Of up to some thousand names it is told exactly which are entries; where the server has more, and
        for all sizes but those of a thousand entries, it is an estimate from these, which are a random
        choice. `capacity_bytes` is for everything that the server holds.
        """
        total, memory = self._server.ask_all([("DBSIZE",), ("INFO", "memory")])
        seen, entries, whole = self._look(_MOST_SCANS)
        sample = [("MEMORY", "USAGE", name) for name in entries[:_SAMPLE]]
        sizes = (
            [size for size in self._server.ask_all(sample) if size is not None] if sample else []
        )
        count = len(entries) if whole or not seen else round(total * len(entries) / seen)
        size = round(count * sum(sizes) / len(sizes)) if sizes else 0
        return Usage(count, size, _limit(memory))

    def ping(self) -> None:
        """Raise `TierError` unless something can be written: a full or read-only server is of no use."""
        self._server.ask("SET", self._probe, "", "PX", 1000)

    def close(self) -> None:
        """Give back connections."""
        self._server.close()

    def _entry(self, key: str) -> str:
        return f"{self._entries}{{{key}}}"

    def _fence(self, key: str) -> str:
        return f"{self._fences}{{{key}}}"

    def _lease(self, key: str) -> str:
        return f"{self._leases}{{{key}}}"

    def _newest(self) -> str:
        """The place of the last invalidation; the log begins here if there was none."""
        found = self._server.ask("XREVRANGE", self._log, "+", "-", "COUNT", 1)
        place = found[0][0] if found else self._server.ask("XADD", self._log, "*", "begin", "1")
        return str(place.decode())

    def _scan(self, *pattern: str) -> Iterator[list[bytes]]:
        """The names of the server, or of those that match, in parts."""
        cursor: bytes | int = 0
        while True:
            cursor, found = self._server.ask("SCAN", cursor, *pattern, "COUNT", _SCAN)
            yield found
            if cursor == b"0":
                return

    def _look(self, most: int) -> tuple[int, list[bytes], bool]:
        """How many names were looked at in so many steps, which were entries, and whether it was all."""
        seen, entries, prefix = 0, list[bytes](), self._entries.encode()
        for step, found in enumerate(self._scan(), start=1):
            seen += len(found)
            entries += [name for name in found if name.startswith(prefix)]
            if step == most:
                return seen, entries, False
        return seen, entries, True

    def _numbers(self, tags: Iterable[str], scores: Iterable[bytes | None]) -> dict[str, int]:
        try:
            return {tag: int(score or 0) for tag, score in zip(tags, scores, strict=True)}
        except ValueError:
            raise TierError(
                f"{self._server.name}: {self._versions} holds no whole numbers"
            ) from None


def _read(fields: Sequence[bytes]) -> Iterator[Change]:
    """What a record of the log says: one change, or that the log begins."""
    match [field.decode() for field in fields]:
        case ["key", key]:
            yield Change(key=key)
        case ["tag", tag, "version", version]:
            yield Change(tag=tag, version=int(version))
        case ["all", _]:
            yield Change()
        case ["begin", _]:
            return
        case other:
            raise ValueError(other)


def _limit(memory: bytes) -> int:
    """What INFO says of the most that the server may hold; 0 where nothing bounds it."""
    found = re.search(rb"^maxmemory:(\d+)", memory, re.MULTILINE)
    return int(found[1]) if found else 0


def _milliseconds(seconds: float) -> int:
    return max(1, math.ceil(seconds * 1000))


def _parts(many: Sequence[T]) -> Iterator[Sequence[T]]:
    return (many[start : start + _AT_ONCE] for start in range(0, len(many), _AT_ONCE))
