"""Drivers that are not watched: a connection of theirs in the block is told, never passed over."""

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from types import ModuleType
from typing import Any
from weakref import WeakSet

from budgetguard.hooks import Patches

# module -> its connection class, or the function that opens one where the class is written in C,
# or nothing where there is no door to stand at: then its import alone is told
DRIVERS: dict[str, str] = {
    "aiomysql.connection": "Connection",
    "apsw": "",
    "asyncmy.connection": "Connection",
    "asyncpg.connection": "Connection",
    "cx_Oracle": "connect",
    "duckdb": "connect",
    "mariadb": "connect",
    "mysql.connector.abstracts": "MySQLConnectionAbstract",
    "MySQLdb.connections": "Connection",
    "oracledb.connection": "BaseConnection",
    "pg8000.core": "CoreConnection",
    "psycopg2": "connect",
    "pymssql": "connect",
    "pymysql.connections": "Connection",
    "pyodbc": "connect",
}


@dataclass(slots=True)
class Opened:
    """Connections of one driver; those that allow no weak reference are taken to stay open."""

    count: int = 0
    for_good: int = 0
    alive: "WeakSet[Any]" = field(default_factory=WeakSet)

    def add(self, connection: object) -> None:
        """Remember a connection without keeping it alive."""
        self.count += 1
        try:
            self.alive.add(connection)
        except TypeError:
            self.for_good += 1

    def open_now(self) -> int:
        """How many may still execute something."""
        return self.for_good + sum(not _is_closed(each) for each in tuple(self.alive))


_drivers: dict[str, Opened] = {}


def stand(module: ModuleType, patches: Patches) -> None:
    """Count what the driver opens from now on, and find what it has open already."""
    name = DRIVERS[module.__name__]
    opened = _drivers.setdefault(module.__name__.partition(".")[0], Opened())
    opener: Any = getattr(module, name, None) if name else None
    if opener is None:
        opened.for_good = 1
    elif isinstance(opener, type):
        for thing in gc.get_objects():
            if issubclass(type(thing), opener):
                opened.add(thing)
        patches.put(opener, "__init__", _counting_init(opener.__init__, opened))  # type: ignore[misc]
    else:
        patches.put(module, name, _counting_call(opener, opened))


def snapshot() -> dict[str, tuple[int, int]]:
    """For each driver: connections ever opened, connections open now."""
    return {name: (each.count, each.open_now()) for name, each in _drivers.items()}


def unseen_since(before: dict[str, tuple[int, int]]) -> list[str]:
    """Name the drivers that had or opened a connection since the snapshot."""
    reasons = []
    for name, opened in _drivers.items():
        count, open_then = before.get(name, (0, 0))
        connections = open_then + opened.count - count
        if name not in before:  # imported in the block
            connections += opened.for_good
        if connections:
            reasons.append(f"{name}: {connections} connection(s) of a driver that is not watched")
    return reasons


def _counting_init(plain: Callable[..., None], opened: Opened) -> Callable[..., None]:
    @wraps(plain)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807
        opened.add(self)
        plain(self, *args, **kwargs)

    return __init__


def _counting_call(plain: Callable[..., Any], opened: Opened) -> Callable[..., Any]:
    @wraps(plain)
    def connect(*args: Any, **kwargs: Any) -> Any:
        connection = plain(*args, **kwargs)
        opened.add(connection)
        return connection

    return connect


def _is_closed(connection: Any) -> bool:
    """Drivers say it in three ways; one that says nothing is taken to be open."""
    try:
        if hasattr(connection, "is_closed"):
            return bool(connection.is_closed())
        if hasattr(connection, "closed"):
            return bool(connection.closed)
        return not getattr(connection, "open", True)
    except Exception:  # noqa: BLE001 — a foreign driver's trouble must not become the body's
        return False
