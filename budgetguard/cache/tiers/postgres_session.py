"""One connection to a PostgreSQL, for which nobody waits longer than he may.

It stands on psycopg's `pq`, which is libpq without waiting: psycopg's own connections wait for a frozen
server without end, and the shortest `connect_timeout` of libpq is 2 s.
"""

import select
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psycopg
from psycopg import pq
from psycopg.pq.abc import PGconn, PGresult

Value = str | bytes
"""What a parameter is: text, or bytea."""
Row = tuple[bytes | None, ...]
_REFUSED = {pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE}


class SessionError(Exception):
    """The server has refused something, `state` is its SQLSTATE; or the connection is lost."""

    def __init__(self, text: str, state: str = "") -> None:
        super().__init__(text)
        self.state = state


class Late(Exception):
    """There was no answer in time."""


class Session:
    """A connection that one call at a time may use; raises `SessionError` or `Late`.

    `until` is a reading of the monotonic clock. After `Late` it has to be closed.
    """

    def __init__(self, parameters: str, until: float) -> None:
        self._link: PGconn = pq.PGconn.connect_start(parameters.encode())
        self._prepared: dict[str, bytes] = {}
        try:
            with _told():
                self._connect(until)
        except BaseException:
            self.close()
            raise

    def rows(self, statement: str, values: Sequence[Value], until: float) -> list[Row]:
        """What a statement returns; numbers as text."""
        answer = self._ask(statement, values, until)
        columns = range(answer.nfields)
        return [
            tuple(answer.get_value(row, column) for column in columns)
            for row in range(answer.ntuples)
        ]

    def count(self, statement: str, values: Sequence[Value], until: float) -> int:
        """How many rows a statement has written."""
        return self._ask(statement, values, until).command_tuples or 0

    def script(self, statements: str, until: float) -> None:
        """Run several, which have no parameters, in one transaction."""
        with _told():
            self._link.send_query(statements.encode())
            self._result(until)

    @property
    def spoilt(self) -> bool:
        """Whether the server has closed it, or says what nobody has asked."""
        return self._link.status != pq.ConnStatus.OK or bool(self._poll(select.POLLIN).poll(0))

    def close(self) -> None:
        """Leave the server."""
        self._link.finish()

    def _ask(self, statement: str, values: Sequence[Value], until: float) -> PGresult:
        """Run a statement; it is prepared when it is run for the first time."""
        raw = [value if isinstance(value, bytes) else value.encode() for value in values]
        formats = [int(isinstance(value, bytes)) for value in values]
        with _told():
            name = self._prepared.get(statement)
            if name is None:
                name = b"s%d" % len(self._prepared)
                self._link.send_prepare(name, statement.encode())
                self._result(until)
                self._prepared[statement] = name
            self._link.send_query_prepared(name, raw, formats, result_format=pq.Format.BINARY)
            return self._result(until)

    def _connect(self, until: float) -> None:
        link, status = self._link, pq.PollingStatus.WRITING
        while status != pq.PollingStatus.OK:
            if link.status == pq.ConnStatus.BAD or status == pq.PollingStatus.FAILED:
                raise SessionError(link.get_error_message())
            reads = status == pq.PollingStatus.READING
            self._wait(select.POLLIN if reads else select.POLLOUT, until)
            status = pq.PollingStatus(link.connect_poll())
        link.nonblocking = 1

    def _result(self, until: float) -> PGresult:
        """The last of the results, when all have come."""
        link, last, refused = self._link, None, None
        while link.flush():
            self._wait(select.POLLIN | select.POLLOUT, until)
            link.consume_input()
        while True:
            while link.is_busy():
                self._wait(select.POLLIN, until)
                link.consume_input()
            result = link.get_result()
            if result is None:
                break
            last = result
            if result.status in _REFUSED:
                refused = refused or _refusal(result)
        if refused is not None or last is None:
            raise refused or SessionError("the connection was closed")
        return last

    def _wait(self, events: int, until: float) -> None:
        left_s = max(0.0, until - time.monotonic())
        if not self._poll(events).poll(left_s * 1000):  # an answer that is there is one
            raise Late

    def _poll(self, events: int) -> select.poll:
        poll = select.poll()
        poll.register(self._link.socket, events)
        return poll


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise SessionError(str(error)) from None


def _refusal(result: PGresult) -> SessionError:
    state = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
    text = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or result.error_message
    return SessionError(text.decode(errors="replace"), state.decode())
