"""Connections to one PostgreSQL: each used by one call at a time, and none of them by a child of a fork."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import Empty, LifoQueue

from budgetguard.cache.tiers.base import TierBusy, TierError
from budgetguard.cache.tiers.postgres_session import Late, Row, Session, SessionError, Value
from budgetguard.cache.tiers.postgres_url import Address

_NOBODY = 0
NO_TABLE = ("42P01", "3F000")
_STEPS = {
    "28": "mend user or password in its URL",
    "3D000": "create the database, or mend its name in the URL",
    "42501": "let this user CREATE in the database, or give it the schema of the namespace",
    "42P01": "the next call makes it anew",
    "53100": "make room on its disk",
    "53300": "raise its max_connections, or let the cache have fewer",
    "55P03": "another transaction holds a lock for long",
    "57014": "it is slow, or another transaction holds a lock for long",
}
"""What to do, by SQLSTATE or its class."""


class Connections:
    """At most `most` at once; a call has `timeout_s` for a free one, for connecting, and for its answer.

    These few lines stand in for psycopg_pool, whose threads a fork loses. Nothing is tried twice: a
    connection that the server has closed meanwhile is found out before it is used. The look-up of a host
    name is the one thing that is not bounded.
    """

    def __init__(
        self,
        address: Address,
        timeout_s: float,
        most: int,
        prepare: Callable[[Session, float], None],
    ) -> None:
        """`prepare` is called with each new connection, and until when it has time."""
        self.name = f"postgresql at {address.where}"
        self._address, self._timeout_s, self._most = address, timeout_s, most
        self._prepare = prepare
        self._mine = os.getpid(), self._unused()

    def rows(self, statement: str, *values: Value) -> list[Row]:
        """What a statement returns; raises `TierError`."""
        until = time.monotonic() + self._timeout_s
        with self._session(until) as session:
            return session.rows(statement, values, until)

    def count(self, statement: str, *values: Value) -> int:
        """How many rows a statement has written; raises `TierError`."""
        until = time.monotonic() + self._timeout_s
        with self._session(until) as session:
            return session.count(statement, values, until)

    def close(self) -> None:
        """Close those that no call is using; the others are when they are no longer referred to."""
        idle = self._idle()
        self._mine = _NOBODY, self._unused()
        while not idle.empty():
            session = idle.get()
            if session is not None:
                session.close()

    @contextmanager
    def _session(self, until: float) -> Iterator[Session]:
        """One that nobody else has; whatever fails in here ends it, so that no late answer is read."""
        idle = self._idle()
        try:
            session = idle.get(timeout=self._timeout_s)
        except Empty:
            raise TierBusy(f"{self.name}: all {self._most} connections are in use") from None
        good, left_s = False, until - time.monotonic()
        try:
            session = self._usable(session, until)
            yield session
            good = True
        except Late:
            # less than half of the time, for want of our CPU: the server is not judged by it
            kind = TierError if 2 * left_s >= self._timeout_s else TierBusy
            raise kind(f"{self.name}: no answer within {self._timeout_s * 1000:g} ms") from None
        except SessionError as error:
            if error.state in NO_TABLE:
                self.close()  # only new connections look whether there are tables
            raise TierError(f"{self.name}: {self._cause(error)}") from None
        finally:
            if not good and session is not None:
                session.close()
            idle.put(session if good else None)

    def _usable(self, session: Session | None, until: float) -> Session:
        """It, or a new one where it is of no more use."""
        if session is not None:
            if not session.spoilt:
                return session
            session.close()
        session = Session(self._address.parameters, until)
        try:
            self._prepare(session, until)
        except BaseException:
            session.close()
            raise
        return session

    def _idle(self) -> "LifoQueue[Session | None]":
        """Those of this process; None is one that has not been needed yet."""
        owner, idle = self._mine
        if owner != os.getpid():
            idle = self._unused()
            self._mine = os.getpid(), idle
        return idle

    def _unused(self) -> "LifoQueue[Session | None]":
        idle: LifoQueue[Session | None] = LifoQueue()
        for _ in range(self._most):
            idle.put(None)
        return idle

    def _cause(self, error: SessionError) -> str:
        step = _STEPS.get(error.state) or _STEPS.get(error.state[:2], "")
        text = self._address.redact(str(error))
        return f"{text}; {step}" if step else text
