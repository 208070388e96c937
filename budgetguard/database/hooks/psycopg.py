"""psycopg 3, sync and async: its classes are open to change, so also old connections are watched.

A statement is a call of execute, stream or copy, each of a simple query's statements, or a row of
an executemany. FETCHes of a server-side cursor are round trips, not statements. A round trip is a
wait for the server's answer, with the BEGIN that psycopg puts before a statement; a pipeline waits
at its syncs, fetches and end. Not counted: the extra exchange that prepares a statement, rows of a
COPY, and what is sent through `psycopg.pq` directly.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from time import perf_counter_ns
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from budgetguard.database.callsite import NOWHERE, call_site
from budgetguard.database.hooks.quiet import quiet
from budgetguard.database.recording import Count, Tally, come_back, from_before, tally_of
from budgetguard.hooks import Patches

Function = Callable[..., Any]

# psycopg's classes have slots, so what we know of an object stands beside it
_asked: WeakKeyDictionary[Any, "_Asked"] = WeakKeyDictionary()  # cursor -> its last statement
_copying_on: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()  # connection -> cursor
_END = object()
_silent = Tally("", NOWHERE)  # takes what is not counted
_ONE_WAY = {  # waits that send or receive a part and ask for no answer of their own
    "copy_to", "copy_from", "_read_gen", "_read_row_gen", "_end_copy_out_gen",
    "_stream_fetchone_gen", "_executemany_gen_pipeline",
}  # fmt: skip
_QUEUED = {"_execute_gen", "_enter_gen"}  # in a pipeline these only send


@dataclass(slots=True)
class _Asked:
    """A cursor's last statement, and the time it took with its fetches so far."""

    tally: Tally
    spent_ns: int = 0


def listen(module: ModuleType, patches: Patches) -> None:
    """Wrap the cursors' public methods, and the one method by which connections wait."""
    for cls in (module.Cursor, module.ServerCursor, module.AsyncCursor, module.AsyncServerCursor):
        for name, plain in list(vars(cls).items()):
            wrap = _WRAPPERS.get(name)
            if wrap is not None:
                patches.put(cls, name, wraps(plain)(wrap(plain)))
    for connection in (module.Connection, module.AsyncConnection):
        patches.put(connection, "wait", wraps(connection.wait)(_wait(connection.wait)))


@contextmanager
def _asking(cursor: Any, query: Any, count: Count | None = None) -> Iterator[Tally]:
    """Count one call with the time until it is answered; `wait` counts its round trips."""
    if quiet.get():
        yield _silent
        return
    tally = tally_of(_text(cursor, query), call_site(), script=count is None)
    _asked[cursor] = _Asked(tally)
    started = perf_counter_ns()
    try:
        yield tally
    finally:
        tally.calls += 1
        tally.more_runs += 0 if count is None else count.rows - 1
        tally.more_trips -= 1
        _fetched(cursor, started, 0)


def _text(cursor: Any, query: Any) -> str:
    if isinstance(query, str):
        return query
    if isinstance(query, bytes):
        return query.decode(errors="replace")
    compose = getattr(query, "as_string", None)  # psycopg.sql; else a template string
    return str(compose(cursor)) if compose else "?".join(getattr(query, "strings", ()))


def _execute(plain: Function) -> Function:
    def execute(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        with _asking(self, query):
            return plain(self, query, *args, **kwargs)

    async def aexecute(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        with _asking(self, query):
            return await plain(self, query, *args, **kwargs)

    return aexecute if iscoroutinefunction(plain) else execute


def _executemany(plain: Function) -> Function:
    def many(self: Any, query: Any, params_seq: Any, **kwargs: Any) -> Any:
        count = Count()
        with _asking(self, query, count):
            return plain(self, query, count.each(params_seq), **kwargs)

    async def amany(self: Any, query: Any, params_seq: Any, **kwargs: Any) -> Any:
        count = Count()
        with _asking(self, query, count):
            return await plain(self, query, count.each(params_seq), **kwargs)

    return amany if iscoroutinefunction(plain) else many


def _copy(plain: Function) -> Function:
    """The body of a COPY is the user's time; the waits in it are the database's."""

    @contextmanager
    def copy(self: Any, statement: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        with _copying(self, statement), plain(self, statement, *args, **kwargs) as pipe:
            yield pipe

    @asynccontextmanager
    async def acopy(self: Any, statement: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        with _copying(self, statement):
            async with plain(self, statement, *args, **kwargs) as pipe:
                yield pipe

    return acopy if isasyncgenfunction(_unwrapped(plain)) else copy


@contextmanager
def _copying(cursor: Any, query: Any) -> Iterator[None]:
    with _asking(cursor, query):
        pass
    _copying_on[cursor.connection] = cursor
    try:
        yield
    finally:
        _copying_on.pop(cursor.connection, None)


def _stream(plain: Function) -> Function:
    def stream(self: Any, query: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        rows = plain(self, query, *args, **kwargs)
        with _asking(self, query):
            row = next(rows, _END)
        started = perf_counter_ns()
        while row is not _END:
            _fetched(self, started, 1)
            yield row
            started = perf_counter_ns()
            row = next(rows, _END)

    async def astream(self: Any, query: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        rows = plain(self, query, *args, **kwargs)
        with _asking(self, query):
            row = await anext(rows, _END)
        started = perf_counter_ns()
        while row is not _END:
            _fetched(self, started, 1)
            yield row
            started = perf_counter_ns()
            row = await anext(rows, _END)

    return astream if isasyncgenfunction(plain) else stream


def _fetch_one(plain: Function) -> Function:
    def fetch(self: Any) -> Any:
        started = perf_counter_ns()
        row = plain(self)
        _fetched(self, started, 0 if row is None else 1)
        return row

    async def afetch(self: Any) -> Any:
        started = perf_counter_ns()
        row = await plain(self)
        _fetched(self, started, 0 if row is None else 1)
        return row

    return afetch if iscoroutinefunction(plain) else fetch


def _fetch_many(plain: Function) -> Function:
    def fetch(self: Any, *args: Any, **kwargs: Any) -> Any:
        started = perf_counter_ns()
        rows = plain(self, *args, **kwargs)
        _fetched(self, started, len(rows))
        return rows

    async def afetch(self: Any, *args: Any, **kwargs: Any) -> Any:
        started = perf_counter_ns()
        rows = await plain(self, *args, **kwargs)
        _fetched(self, started, len(rows))
        return rows

    return afetch if iscoroutinefunction(plain) else fetch


def _iterate(plain: Function) -> Function:
    """Up to 3.2 psycopg iterates by a generator; later ones return the cursor itself."""

    def iterate(self: Any) -> Iterator[Any]:
        started = perf_counter_ns()
        for row in plain(self):
            _fetched(self, started, 1)
            yield row
            started = perf_counter_ns()

    async def aiterate(self: Any) -> AsyncIterator[Any]:
        started = perf_counter_ns()
        async for row in plain(self):
            _fetched(self, started, 1)
            yield row
            started = perf_counter_ns()

    if isasyncgenfunction(plain):
        return aiterate
    return iterate if isgeneratorfunction(plain) else plain


def _fetched(cursor: Any, started: int, rows: int) -> None:
    if quiet.get():
        return
    asked = _asked.get(cursor)
    if asked is None:  # executed before the block
        asked = _asked[cursor] = _Asked(from_before())
    tally = asked.tally
    spent_ns = perf_counter_ns() - started
    tally.rows += rows
    tally.elapsed_ns += spent_ns
    asked.spent_ns += spent_ns
    tally.slowest_ns = max(tally.slowest_ns, asked.spent_ns)
    if tally.away:
        come_back(tally)


def _wait(plain: Function) -> Function:
    def wait(self: Any, gen: Any, *args: Any, **kwargs: Any) -> Any:
        before, started = _idle(self), perf_counter_ns()
        try:
            return plain(self, gen, *args, **kwargs)
        finally:
            _waited(self, gen, before, started)

    async def await_(self: Any, gen: Any, *args: Any, **kwargs: Any) -> Any:
        before, started = _idle(self), perf_counter_ns()
        try:
            return await plain(self, gen, *args, **kwargs)
        finally:
            _waited(self, gen, before, started)

    return await_ if iscoroutinefunction(plain) else wait


def _idle(connection: Any) -> bool:
    return not connection.autocommit and connection.pgconn.transaction_status == 0


def _waited(connection: Any, gen: Any, before: bool, started: int) -> None:  # noqa: FBT001
    if quiet.get():
        return
    name, pipelined = gen.__name__, connection.pgconn.pipeline_status
    trips = 0 if name in _ONE_WAY or (pipelined and name in _QUEUED) else 1
    if before and not pipelined and not _idle(connection):
        trips += 1  # a BEGIN went ahead, in an exchange of its own
    from_before().more_trips += trips
    cursor = _copying_on.get(connection)
    if cursor is not None:
        _fetched(cursor, started, 0)


def _unwrapped(function: Function) -> Function:
    return getattr(function, "__wrapped__", function)


_WRAPPERS: dict[str, Callable[[Function], Function]] = {
    "execute": _execute,
    "executemany": _executemany,
    "copy": _copy,
    "stream": _stream,
    "fetchone": _fetch_one,
    "fetchmany": _fetch_many,
    "fetchall": _fetch_many,
    "__iter__": _iterate,
    "__aiter__": _iterate,
    "__next__": _fetch_one,
    "__anext__": _fetch_one,
}
