"""sqlite3: connections and cursors of watched classes, whose methods count only while recording.

Every statement that passes through a cursor counts, once per row of an executemany and once per
statement of a script, also when the database refuses it; a call that the driver itself refuses
(a closed connection, a wrong number of values) does not. What a trigger executes inside belongs
to the statement that fired it. No parameter is ever looked at.
"""

import gc
import sys
from collections.abc import Callable, Iterable
from time import perf_counter_ns
from types import CodeType, ModuleType
from typing import Any

from budgetguard.database.callsite import Site, call_site, is_user, place
from budgetguard.database.hooks.quiet import quiet
from budgetguard.database.recording import Count, Tally, come_back, from_before, tallies, tally_of
from budgetguard.hooks import Patches

_FACTORY_AT = 5  # the position of `factory` among connect's parameters

_SHORTCUTS = ("execute", "executemany", "executescript")

_cursors: dict[type, type] = {}  # plain cursor class -> its watched subclass
_connections: dict[type, type] = {}
_listening: Patches | None = None
_standing = False
_auditing = False
_strangers_opened = 0  # connections that could not be watched, since ever
_stranger_opened_at = ""


def stand(module: ModuleType, patches: Patches) -> None:
    """Put the watched classes in the place of sqlite3's own, for all who take them from now on."""
    global _auditing, _strangers_opened  # noqa: PLW0603 — one process, one set of hooks
    me = sys.modules[__name__]
    connection, cursor = module.Connection, module.Cursor
    _strangers_opened += len(_open_strangers())
    past_us = bool(_connections) or _early_references(module)  # whoever stood before, was away
    names = {
        "Connection": watched_connection(connection),
        "Cursor": watched_cursor(cursor),
        "connect": _watched_connect(module.connect, connection),
    }
    for owner in (module, sys.modules["sqlite3.dbapi2"]):
        for name, value in names.items():
            patches.put(owner, name, value)
    patches.put(me, "_standing", value=True)
    if past_us and not _auditing:
        sys.addaudithook(_audit)  # it cannot be taken away, but does nothing when we do not stand
        _auditing = True


def listen(_module: ModuleType, patches: Patches) -> None:
    """Let every watched cursor class count."""
    patches.put(sys.modules[__name__], "_listening", patches)
    for plain, watched in _cursors.items():
        _count(plain, watched, patches)


def strangers_open() -> int:
    """How many open connections cannot be watched; all objects are searched if there may be any."""
    return len(_open_strangers()) if _strangers_opened else 0


def strangers_opened() -> tuple[int, str]:
    """How many connections were ever opened past the hooks, and which line opened the last."""
    return _strangers_opened, _stranger_opened_at


def _early_references(module: ModuleType) -> bool:
    """Whether somebody holds sqlite3's own `connect` or `Connection` already.

    Only then is an audit hook worth its price: it makes every audited call, id() and frame.f_code
    among them, slower by a third of a microsecond.
    """
    names = ("sqlite3", "sqlite3.dbapi2", "_sqlite3")
    own = {id(vars(sys.modules[name])) for name in names if name in sys.modules}
    by_connect = [each for each in gc.get_referrers(module.connect) if id(each) not in own]
    by_class = [
        each
        for each in gc.get_referrers(module.Connection)
        if isinstance(each, dict) and id(each) not in own
    ]
    return bool(by_connect or by_class or module.Connection.__subclasses__())


def _audit(event: str, args: tuple[Any, ...]) -> None:
    """See every sqlite3 connection, whatever reference opened it."""
    global _strangers_opened, _stranger_opened_at  # noqa: PLW0603
    if event == "sqlite3.connect/handle" and _standing and not _is_watched(args[0]):
        _strangers_opened += 1
        _stranger_opened_at = place(call_site())


def _open_strangers() -> list[object]:
    import _sqlite3

    found: list[object] = []
    for thing in gc.get_objects():
        if issubclass(type(thing), _sqlite3.Connection) and not _is_watched(thing):
            try:
                thing.total_changes  # noqa: B018 — raises when it is closed, from any thread
            except _sqlite3.ProgrammingError:
                continue
            found.append(thing)
    return found


def _is_watched(connection: object) -> bool:
    return hasattr(type(connection), "_budgetguard_plain")


class _StandIn(type):
    """The watched classes pass for sqlite3's own in isinstance and issubclass."""

    def __instancecheck__(cls, instance: object) -> bool:
        return issubclass(type(instance), _stands_for(cls))

    def __subclasscheck__(cls, subclass: type) -> bool:
        return type.__subclasscheck__(_stands_for(cls), subclass)


def _stands_for(cls: type) -> type:
    plain: type | None = vars(cls).get("_budgetguard_plain")
    return cls if plain is None else plain


def _named_like(plain: type, **members: object) -> dict[str, object]:
    about = {"__module__": plain.__module__, "__qualname__": plain.__qualname__}
    return {**about, "__doc__": plain.__doc__, "_budgetguard_plain": plain, **members}


def watched_connection(plain: Any) -> type:
    """Give the subclass of a connection class whose cursors are watched."""
    if plain in _connections:
        return _connections[plain]
    if hasattr(plain, "_budgetguard_plain"):
        return plain  # type: ignore[no-any-return]  # a user's class on top of ours
    default = watched_cursor(_plain_cursor())
    plain_cursor = plain.cursor

    def cursor(self: Any, factory: Any = default) -> Any:
        return plain_cursor(self, factory if factory is default else _watched_factory(factory))

    members: dict[str, object] = {"cursor": cursor}
    members |= {name: _through_cursor(name) for name in _SHORTCUTS}
    watched = _StandIn(plain.__name__, (plain,), _named_like(plain, **members))
    _connections[plain] = watched
    return watched


def _through_cursor(name: str) -> Callable[..., Any]:
    """sqlite3's own shortcuts make a bare cursor in C, past `cursor()`."""

    def shortcut(self: Any, *args: Any) -> Any:
        return getattr(self.cursor(), name)(*args)

    shortcut.__name__ = shortcut.__qualname__ = name
    return shortcut


def watched_cursor(plain: type) -> type:
    """Give the subclass of a cursor class that counts while recording."""
    if plain in _cursors:
        return _cursors[plain]
    if hasattr(plain, "_budgetguard_plain"):
        return plain
    slots = {} if plain.__dictoffset__ else {"__slots__": ("_spent_ns", "_tally")}
    watched = _StandIn(plain.__name__, (plain,), _named_like(plain, **slots))
    _cursors[plain] = watched
    if _listening is not None:
        _count(plain, watched, _listening)
    return watched


def _watched_factory(factory: Any) -> Any:
    """A class gets its watched subclass; a function's cursors are what it makes them."""
    is_class = isinstance(factory, type) and issubclass(factory, _plain_cursor())
    return watched_cursor(factory) if is_class else factory


def _plain_cursor() -> type:
    import _sqlite3

    return _sqlite3.Cursor


def _watched_connect(plain: Callable[..., Any], default: type) -> Callable[..., Any]:
    def connect(*args: Any, **kwargs: Any) -> Any:
        """Open a connection to an SQLite database; see sqlite3.connect."""
        if len(args) > _FACTORY_AT:
            args = (*args[:_FACTORY_AT], _factory(args[_FACTORY_AT]), *args[_FACTORY_AT + 1 :])
        else:
            kwargs["factory"] = _factory(kwargs.get("factory", default))
        return plain(*args, **kwargs)

    def _factory(factory: Any) -> Any:
        if not (isinstance(factory, type) and issubclass(factory, default)):
            return factory
        if any(getattr(factory, name) is not getattr(default, name) for name in _SHORTCUTS):
            return factory  # its own shortcuts reach the C ones, past every cursor: a stranger
        return watched_connection(factory)

    connect.__module__, connect.__qualname__ = "sqlite3", "connect"
    return connect


def _count(plain: Any, watched: type, patches: Patches) -> None:
    methods = [_execute(plain), _executemany(plain), _executescript(plain), *_fetches(plain)]
    for method in methods:
        patches.put(watched, method.__name__, method)


def _execute(plain: Any) -> Callable[..., Any]:
    run_one, refused = plain.execute, _driver_errors()
    now, is_quiet, known, getframe = perf_counter_ns, quiet.get, tallies, sys._getframe  # noqa: SLF001

    def execute(self: Any, sql: str, *values: Any) -> Any:
        if is_quiet():
            return run_one(self, sql, *values)
        frame = getframe(1)  # the start of call_site and tally_of, written out: it has to be fast
        code: CodeType | None = frame.f_code
        site: Site = (code, frame.f_lasti)
        if not is_user.get(frame.f_code.co_filename):
            site = code, _ = call_site(frame)
        started = now()
        try:
            return run_one(self, sql, *values)
        except refused:
            started = 0
            raise
        finally:
            if started:
                spent_ns = now() - started
                try:
                    tally = known[sql, id(code), site[1]]
                except KeyError:
                    tally = tally_of(sql, site)
                tally.calls += 1
                tally.elapsed_ns += spent_ns
                if spent_ns > tally.slowest_ns:  # noqa: PLR1730 — max() is a call
                    tally.slowest_ns = spent_ns
                self._tally = tally
                self._spent_ns = spent_ns
                if tally.away:  # another thread folded just now
                    come_back(tally)

    return execute


def _executemany(plain: Any) -> Callable[..., Any]:
    run_many = plain.executemany

    def executemany(self: Any, sql: str, rows: Iterable[Any]) -> Any:
        if quiet.get():
            return run_many(self, sql, rows)
        count, site, started = Count(), call_site(), perf_counter_ns()
        try:
            return run_many(self, sql, count.each(rows))
        finally:
            _executed(self, tally_of(sql, site), count.rows, started)

    return executemany


def _executescript(plain: Any) -> Callable[..., Any]:
    run_script, refused = plain.executescript, _driver_errors()

    def executescript(self: Any, script: str) -> Any:
        if quiet.get():
            return run_script(self, script)
        site, started = call_site(), perf_counter_ns()
        try:
            return run_script(self, script)
        except refused:
            started = 0
            raise
        finally:
            if started:
                _executed(self, tally_of(script, site, script=True), 1, started)

    return executescript


def _executed(cursor: Any, tally: Tally, runs: int, started: int) -> None:
    tally.calls += 1
    tally.more_runs += runs - 1
    cursor._tally, cursor._spent_ns = tally, 0  # noqa: SLF001 — our own slots
    _fetched(cursor, started, 0)


def _driver_errors() -> tuple[type[BaseException], ...]:
    import _sqlite3

    return (_sqlite3.ProgrammingError, _sqlite3.InterfaceError, TypeError, ValueError)


def _fetches(plain: Any) -> tuple[Callable[..., Any], ...]:
    one, many, every, following = plain.fetchone, plain.fetchmany, plain.fetchall, plain.__next__
    now = perf_counter_ns

    def fetchone(self: Any) -> Any:
        started = now()
        row = one(self)
        _fetched(self, started, 0 if row is None else 1)
        return row

    def fetchmany(self: Any, *args: Any, **kwargs: Any) -> Any:
        started = now()
        rows = many(self, *args, **kwargs)
        _fetched(self, started, len(rows))
        return rows

    def fetchall(self: Any) -> Any:
        started = now()
        rows = every(self)
        _fetched(self, started, len(rows))
        return rows

    def __next__(self: Any) -> Any:  # noqa: N807
        started = now()
        row = following(self)
        _fetched(self, started, 1)
        return row

    return (fetchone, fetchmany, fetchall, __next__)


def _fetched(cursor: Any, started: int, rows: int) -> None:
    spent_ns = perf_counter_ns() - started
    try:
        tally = cursor._tally  # noqa: SLF001 — our own slots
    except AttributeError:  # executed before the block, or on connect
        if quiet.get():
            return
        tally = cursor._tally = from_before()  # noqa: SLF001
        cursor._spent_ns = 0  # noqa: SLF001
    tally.elapsed_ns += spent_ns
    tally.rows += rows
    cursor._spent_ns = spent_ns = cursor._spent_ns + spent_ns  # noqa: SLF001
    if spent_ns > tally.slowest_ns:  # noqa: PLR1730 — max() is a call
        tally.slowest_ns = spent_ns
    if tally.away:
        come_back(tally)
