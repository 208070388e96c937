"""What `budgetguard.database.record()` costs per statement: CPU time, on and off in turn, medians.

Run: python benchmarks/recorder_cost.py [--rounds 15]
"""

import argparse
import contextlib
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from budgetguard.database import install, record

STATEMENTS = 20_000
Body = Callable[[], object]


def selects(connect: Callable[..., sqlite3.Connection], *, rows: int) -> Body:
    """Cursor.execute with a bound value, then fetchall."""
    connection = connect(":memory:")
    connection.execute("CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT)")
    connection.executemany("INSERT INTO book VALUES (?, 't')", [(i,) for i in range(100)])
    cursor = connection.cursor()
    sql = "SELECT id, title FROM book WHERE id >= ? LIMIT ?"

    def body() -> None:
        for number in range(STATEMENTS):
            cursor.execute(sql, (number % 90, rows))
        cursor.fetchall()

    return body


def inserts(connect: Callable[..., sqlite3.Connection]) -> Body:
    """One executemany; the cost is per row."""
    connection = connect(":memory:")
    connection.execute("CREATE TABLE book (id INTEGER, title TEXT)")
    rows = [(i, "t") for i in range(STATEMENTS)]

    def body() -> None:
        connection.executemany("INSERT INTO book VALUES (?, ?)", rows)
        connection.rollback()

    return body


def iterated(connect: Callable[..., sqlite3.Connection]) -> Body:
    """Rows of one SELECT, iterated over; the cost is per row."""
    connection = connect(":memory:")
    connection.execute("CREATE TABLE book (id INTEGER, title TEXT)")
    connection.executemany("INSERT INTO book VALUES (?, 't')", [(i,) for i in range(STATEMENTS)])

    def body() -> None:
        for _ in connection.execute("SELECT id, title FROM book"):
            pass

    return body


def literals(connect: Callable[..., sqlite3.Connection]) -> Body:
    """The worst case: every text is new, with its value written into it."""
    cursor = connect(":memory:").cursor()

    def body() -> None:
        for number in range(STATEMENTS):
            cursor.execute(f"SELECT 1 WHERE {number} = 'abc'")

    return body


def orm(connect: Callable[..., sqlite3.Connection]) -> Body:
    """SQLAlchemy Core through a pooled connection."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(
        "sqlite://", creator=lambda: connect(":memory:"), poolclass=sqlalchemy.pool.StaticPool
    )
    text = sqlalchemy.text("SELECT :n")

    def body() -> None:
        with engine.connect() as connection:
            for number in range(STATEMENTS // 10):
                connection.execute(text, {"n": number}).all()

    return body


def cpu_us(body: Body, count: int, *, recorded: bool) -> float:
    with record() if recorded else contextlib.nullcontext():
        started = time.process_time_ns()
        body()
        spent = time.process_time_ns() - started
    return spent / count / 1000


def main() -> None:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--rounds", type=int, default=15)
    install()
    import _sqlite3  # a name taken from sqlite3 before install() would bring the audit hook

    plain_connect = _sqlite3.connect
    rounds = max(3, reader.parse_args().rounds)
    cases: list[tuple[str, Callable[..., Body], int, dict[str, int]]] = [
        ("sqlite3 execute", selects, STATEMENTS, {"rows": 1}),
        ("sqlite3 execute, text with new literals each time", literals, STATEMENTS, {}),
        ("sqlite3 executemany, per row", inserts, STATEMENTS, {}),
        ("sqlite3 iteration, per row", iterated, STATEMENTS, {}),
        ("SQLAlchemy Core execute + all()", orm, STATEMENTS // 10, {}),
    ]
    print(
        "| CPU us per statement | no hooks | idle | recording | least added | idle adds | recording adds |"
    )
    print("|---|---|---|---|---|---|---|")
    for name, make, count, options in cases:
        bare, watched = make(plain_connect, **options), make(sqlite3.connect, **options)
        kinds = {"bare": (bare, False), "idle": (watched, False), "on": (watched, True)}
        seen: dict[str, list[float]] = {kind: [] for kind in kinds}
        for _ in range(rounds):
            for kind, (body, recorded) in kinds.items():
                seen[kind].append(cpu_us(body, count, recorded=recorded))
        idle = statistics.median(i - b for i, b in zip(seen["idle"], seen["bare"], strict=True))
        adds = statistics.median(o - i for o, i in zip(seen["on"], seen["idle"], strict=True))
        cells = [statistics.median(seen[kind]) for kind in kinds]
        least = min(seen["on"]) - min(seen["idle"])
        cells.append(least)
        print(f"| {name} | " + " | ".join(f"{v:.2f}" for v in [*cells, idle, adds]) + " |")


if __name__ == "__main__":
    main()
