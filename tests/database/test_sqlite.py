"""sqlite3 itself: every way to execute, fetch and connect."""

import contextlib
import gc
import sqlite3
import threading
from collections.abc import Iterator

import pytest

from budgetguard.database import install, record


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    install()
    with contextlib.closing(sqlite3.connect(":memory:")) as opened:
        opened.execute("CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT)")
        yield opened


def test_executemany_counts_every_row(connection):
    """Five thousand rows are five thousand statements, by one call, without BEGIN and COMMIT."""
    with record() as seen, connection:
        connection.executemany("INSERT INTO book VALUES (?, ?)", ((i, "t") for i in range(5000)))
    assert (seen.queries, seen.roundtrips, seen.n_plus_one) == (5000, 1, 0)


def test_a_script_counts_its_statements(connection):
    """Ten statements are ten; transaction control, comments and quoted semicolons are none."""
    script = "BEGIN; -- one; two\n" + "INSERT INTO book (title) VALUES ('a;b');" * 10 + " COMMIT;"
    with record() as seen:
        connection.executescript(script)
    assert (seen.queries, seen.roundtrips) == (10, 1)
    assert seen.groups[0].statement == "INSERT INTO book (title) VALUES (?)"


def test_a_trigger_belongs_to_its_statement(connection):
    """What a trigger executes inside is not counted, and creating one is a single statement."""
    with record() as seen:
        connection.executescript(
            "CREATE TABLE log (n); CREATE TRIGGER note AFTER INSERT ON book BEGIN "
            "INSERT INTO log VALUES (CASE WHEN new.id THEN 1 ELSE 2 END); DELETE FROM log; END;"
        )
        connection.execute("INSERT INTO book VALUES (1, 'x')")
    assert seen.queries == 3


@pytest.mark.parametrize("take", ["fetchall", "fetchmany", "fetchone", "for"])
def test_rows_are_those_that_python_took(connection, take):
    """Each way to fetch counts the rows it hands over, and no more."""
    connection.executemany("INSERT INTO book VALUES (?, 't')", ((i,) for i in range(50)))
    with record() as seen:
        cursor = connection.execute("SELECT * FROM book LIMIT 20")
        if take == "for":
            taken = sum(1 for _ in cursor)
        elif take == "fetchone":
            taken = sum(cursor.fetchone() is not None for _ in range(30))
        else:
            taken = len(getattr(cursor, take)(*([7] if take == "fetchmany" else [])))
    assert (seen.queries, seen.rows) == (1, taken)


def test_a_statement_from_before_the_block_adds_rows_only(connection):
    """Rows fetched in the block count, the statement that was executed before it does not."""
    connection.execute("INSERT INTO book VALUES (1, 't')")
    cursor = connection.cursor().execute("SELECT * FROM book")
    with record() as seen:
        cursor.fetchall()
    assert (seen.queries, seen.rows) == (0, 1)


def test_an_old_cursor_is_watched(connection):
    """A cursor made before the block is counted when it executes in it."""
    cursor = connection.cursor()
    by_shortcut = connection.execute("SELECT 1")
    with record() as seen:
        cursor.execute("SELECT 2")
        by_shortcut.execute("SELECT 3")
    assert seen.queries == 2


def test_failing_statements_count_and_refused_calls_do_not(connection):
    """What the database refuses was asked of it; what the driver refuses never reached it."""
    with record() as seen:
        for _ in range(10):
            with contextlib.suppress(sqlite3.OperationalError):
                connection.execute("SELECT * FROM nowhere")
        with pytest.raises(sqlite3.ProgrammingError):
            connection.execute("SELECT ?", (1, 2))
    assert (seen.queries, len(seen.groups)) == (10, 1)


@pytest.mark.filterwarnings("ignore:Passing more than 1 positional:DeprecationWarning")
def test_every_door_is_watched():
    """connect, dbapi2.connect, a late import, Connection itself and factories are all counted."""
    install()
    from sqlite3 import connect

    class Named(sqlite3.Connection):
        pass

    class Loud(sqlite3.Cursor):
        def execute(self, *args):
            return super().execute(*args)

    with record() as seen:
        for make in (sqlite3.connect, sqlite3.dbapi2.connect, connect, sqlite3.Connection, Named):
            with contextlib.closing(make(":memory:")) as opened:
                opened.execute("SELECT 1")
        with contextlib.closing(connect(":memory:", factory=Named)) as opened:
            assert type(opened) is Named
            opened.cursor().execute("SELECT 1")
            opened.cursor(Loud).execute("SELECT 1")
        with contextlib.closing(connect(":memory:", 5.0, 0, None, True, Named)) as opened:
            opened.execute("SELECT 1")
    assert (seen.queries, seen.unseen) == (8, ())


def test_watched_classes_pass_for_the_originals(connection):
    """isinstance, the name and the user's own trace callback are as without us."""
    import _sqlite3

    traced: list[str] = []
    connection.set_trace_callback(traced.append)
    with record() as seen:
        connection.execute("SELECT ?", (1,))
    assert isinstance(connection, sqlite3.Connection)
    assert isinstance(connection.cursor(), sqlite3.Cursor)
    assert repr(connection).startswith("<sqlite3.Connection object")
    bare = _sqlite3.connect(":memory:", factory=_sqlite3.Connection)
    assert isinstance(bare, sqlite3.Connection)
    bare.close()
    assert (traced, seen.queries) == (["SELECT 1"], 1)


def test_threads_count_exactly():
    """Four threads with a connection each lose no statement and no row."""
    install()

    def work() -> None:
        with contextlib.closing(sqlite3.connect(":memory:")) as own:
            for number in range(500):
                own.execute("SELECT ? UNION ALL SELECT 2", (number,)).fetchall()

    with record() as seen:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    assert (seen.queries, seen.rows, seen.n_plus_one) == (2000, 4000, 1)


def test_no_value_stays_behind(connection):
    """Neither parameters nor literals are in memory of ours after the block."""
    with record() as seen:
        for number in range(5000):
            connection.execute(f"SELECT 'secret-{number}'").fetchone()
    assert seen.queries == 5000
    assert [group.statement for group in seen.groups] == ["SELECT ?"]
    from budgetguard.database import recording

    kept = [*recording.tallies, *recording._shapes]
    kept += [t.text for t in gc.get_objects() if isinstance(t, recording.Tally)]
    assert not [text for text in kept if "secret" in str(text)]


def test_an_open_cursor_survives_folding(connection):
    """Rows of an outer loop are counted although thousands of other texts pass meanwhile."""
    connection.executemany("INSERT INTO book VALUES (?, 't')", ((i,) for i in range(3000)))
    with record() as seen:
        for (number,) in connection.execute("SELECT id FROM book"):
            connection.execute(f"SELECT {number} AS n{number}")
    assert (seen.queries, seen.rows) == (3001, 3000)
