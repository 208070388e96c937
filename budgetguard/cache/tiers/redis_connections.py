"""Connections to one Redis or Valkey, for which a call never waits longer than it may."""

import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, LifoQueue
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from budgetguard.cache.tiers.base import TierBusy, TierError
from budgetguard.cache.tiers.redis_scripts import Script
from budgetguard.errors import UsageError
from budgetguard.extras import need

redis: Any = need("redis", extra="cache")

Word = str | bytes | int
_EXPECTED = (
    "expected redis://USER:PASSWORD@HOST:PORT/DATABASE, rediss:// for TLS or unix:///PATH?db=DATABASE, "
    "with / ? # @ : and % in a password written as %2F %3F %23 %40 %3A %25"
)
_SCHEMES = {
    "redis": "redis",
    "valkey": "redis",
    "rediss": "rediss",
    "valkeys": "rediss",
    "unix": "unix",
}
_NOBODY = 0
_LEAST_S = 0.001
_LONGEST_CAUSE = 200


class Connections:
    """At most so many at once, each used by one call at a time and dropped where that call fails.

    From its beginning a call has `timeout_s` for finding a free connection, for connecting if need be,
    and then for the next bytes of its answer; nothing is tried twice. Two things are not bounded by it:
    the look-up of a host name, and an answer that comes slowly but steadily. A child of a fork has
    connections of its own. Raises `UsageError` for a URL that cannot be used, and `TierError` for
    whatever goes wrong later; neither repeats a password.
    """

    def __init__(self, url: str, *, timeout_s: float, most: int) -> None:
        self._make, self.where = _maker(url)
        self.name = f"redis at {self.where}"
        self._timeout_s, self._most = timeout_s, most
        self._mine = os.getpid(), self._unused()

    def ask(self, *words: Word) -> Any:
        """The answer to one command."""
        with self._connection() as connection:
            connection.send_command(*words)
            return connection.read_response()

    def ask_all(self, commands: Sequence[tuple[Word, ...]]) -> list[Any]:
        """The answers to several commands, in one round trip."""
        with self._connection() as connection:
            connection.send_packed_command(connection.pack_commands(commands))
            return [connection.read_response() for _ in commands]

    def run(self, script: Script, keys: Sequence[Word], *words: Word) -> Any:
        """What a script returns; its text is sent only to a server that does not know it yet."""
        told = (len(keys), *keys, *words)
        with self._connection() as connection:
            connection.send_command("EVALSHA", script.sha, *told)
            try:
                return connection.read_response()
            except redis.exceptions.NoScriptError:
                connection.send_command("EVAL", script.text, *told)
                return connection.read_response()

    def close(self) -> None:
        """Close those that no call is using; the others are when they are no longer referred to."""
        idle = self._idle()
        self._mine = _NOBODY, LifoQueue()
        with suppress(Empty):
            while True:
                connection = idle.get_nowait()
                if connection is not None:
                    connection.disconnect()

    @contextmanager
    def _connection(self) -> Iterator[Any]:
        """One that nobody else has; whatever fails in here ends it, so that no late answer is read."""
        until = time.monotonic() + self._timeout_s
        idle = self._idle()
        try:
            connection = idle.get(timeout=self._timeout_s)
        except Empty:
            raise TierBusy(f"{self.name}: all {self._most} connections are in use") from None
        good, left_s = False, until - time.monotonic()
        try:
            connection = connection or self._make()
            if _ready(connection, until):
                left_s = until - time.monotonic()
            yield connection
            good = True
        except redis.exceptions.TimeoutError:
            raise self._late(left_s) from None
        except redis.exceptions.RedisError as error:
            raise TierError(f"{self.name}: {self._cause(error)}") from None
        finally:
            if not good and connection is not None:
                connection.disconnect()
            idle.put(connection)

    def _idle(self) -> "LifoQueue[Any]":
        """Those of this process; None is one that has not been needed yet."""
        owner, idle = self._mine
        if owner != os.getpid():
            idle = self._unused()
            self._mine = os.getpid(), idle
        return idle

    def _unused(self) -> "LifoQueue[Any]":
        idle: LifoQueue[Any] = LifoQueue()
        for _ in range(self._most):
            idle.put(None)
        return idle

    def _late(self, left_s: float) -> TierError:
        """No answer; a server that had less than half of the time, for want of our CPU, is not judged."""
        kind = TierError if 2 * left_s >= self._timeout_s else TierBusy
        return kind(f"{self.name}: no answer within {self._timeout_s * 1000:g} ms")

    def _cause(self, error: Exception) -> str:
        text = str(error)
        if "unknown" in text.lower() and "command" in text.lower():  # it would repeat what was sent
            return "does not know a command; expected Redis 6.2 or newer, or Valkey"
        return text.replace(f" connecting to {self.where}", "")[:_LONGEST_CAUSE]


def _ready(connection: Any, until: float) -> bool:
    """Connect, where the server has not been or has gone, and leave it the rest; whether it was connected."""
    if connection.is_connected and _spoilt(connection):
        connection.disconnect()
    was = bool(connection.is_connected)
    if not was:
        connection.socket_connect_timeout = connection.socket_timeout = _left_s(until)
        connection.connect()
    connection.update_current_socket_timeout(_left_s(until))
    return was


def _left_s(until: float) -> float:
    return max(until - time.monotonic(), _LEAST_S)


def _spoilt(connection: Any) -> bool:
    """Whether the server has closed it, or says what nobody has asked."""
    try:
        return bool(connection.can_read())
    except (redis.exceptions.RedisError, OSError):
        return True


def _maker(url: str) -> tuple[Callable[[], Any], str]:
    """What makes a connection, and where it leads to."""
    scheme, _, rest = url.partition("://")
    url = f"{_SCHEMES.get(scheme, '')}://{rest}"
    settings = _settings(url)
    kind = settings.pop("connection_class", redis.connection.Connection)
    # RESP 2 and no driver's name: a new connection asks the server nothing before its first command
    settings |= {"protocol": 2, "driver_info": None}

    def make() -> Any:
        return kind(**settings)

    try:
        made = make()
    except (redis.exceptions.RedisError, TypeError):
        raise _wrong("an ssl_ option is wrong") from None
    return make, settings.get("path") or f"{made.host}:{made.port}"


def _settings(url: str) -> dict[str, Any]:
    """What a URL says; what it could only mean by mistake is an error, as half a password would be."""
    try:
        parts = urlsplit(url)
        settings: dict[str, Any] = redis.connection.parse_url(url)
        settings.get("host", "localhost").encode("idna")
    except ValueError:
        raise _wrong("it cannot be read") from None
    names = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if parts.fragment or any(name != "db" and not name.startswith("ssl_") for name in names):
        raise _wrong("it has more after the database than db and the ssl_ options of redis-py")
    if parts.scheme == "unix" and (parts.netloc.rpartition("@")[2] or parts.path in ("", "/")):
        raise _wrong("it names no socket")
    if parts.scheme != "unix" and not re.fullmatch(r"/?[0-9]*", parts.path):
        raise _wrong("its database is no number")
    return settings


def _wrong(problem: str) -> UsageError:
    return UsageError(f"the URL of a Redis cache tier: {problem}; {_EXPECTED}")
