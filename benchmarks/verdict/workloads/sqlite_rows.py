"""SQL through the driver: rows inserted, read by index and updated in memory."""

import sqlite3
from contextlib import contextmanager

UNITS = 200
ROWS = 500


@contextmanager
def prepared():
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE visit (id INTEGER PRIMARY KEY, day INTEGER, page TEXT)")
    connection.execute("CREATE INDEX day_index ON visit (day)")
    rows = [(number, number % 50, f"/page/{number}") for number in range(ROWS)]
    connection.executemany("INSERT INTO visit VALUES (?, ?, ?)", rows)
    yield connection
    connection.close()


def run(connection):
    seen = 0
    for unit in range(UNITS):
        seen += visit(connection, unit % 50)
    return seen


def visit(connection, day):
    rows = connection.execute("SELECT id, page FROM visit WHERE day = ?", (day,)).fetchall()
    connection.execute("UPDATE visit SET page = ? WHERE id = ?", (f"/seen/{day}", day))
    return len(rows)
