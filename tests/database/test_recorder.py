"""The recorder as a whole: nesting, N+1, what stays unseen, and leaving no trace."""

import contextlib
import os
import sqlite3
import sys

import pytest

from budgetguard.database import install, record, uninstall
from budgetguard.errors import UsageError


@pytest.fixture
def connection():
    install()
    with contextlib.closing(sqlite3.connect(":memory:")) as opened:
        yield opened


def test_nested_blocks_both_see_the_inner_statements(connection):
    """The outer block counts all, the inner one its own; reading inside a block is allowed."""
    with record() as outer:
        connection.execute("SELECT 1")
        with record() as inner:
            connection.execute("SELECT 2")
            assert inner.queries == 1
        connection.execute("SELECT 3")
    connection.execute("SELECT 4")
    assert (outer.queries, inner.queries) == (3, 1)


def test_n_plus_one_is_one_question_from_one_line(connection):
    """Three equal SELECTs of one line are an N+1; two, other lines, and writes are not."""
    connection.execute("CREATE TABLE t (a)")

    def ask(times: int, sql: str) -> None:
        for number in range(times):
            connection.execute(sql, (number,))

    with record() as seen:
        for number in range(3):
            connection.execute("SELECT a FROM t WHERE a = ?", (number,))
        for number in range(2):
            connection.execute("SELECT a FROM t WHERE a = ?", (number,))
        for number in range(9):
            connection.execute("INSERT INTO t VALUES (?)", (number,))
    assert seen.n_plus_one == 1
    (group,) = (each for each in seen.groups if each.n_plus_one)
    assert (group.statement, group.count) == ("SELECT a FROM t WHERE a = ?", 3)
    assert group.where.startswith(f"{__file__}:")


def test_an_exception_in_the_block_keeps_the_counts(connection):
    """The numbers are there after a body that raises, and the hooks are off again."""

    def work() -> None:
        connection.execute("SELECT 1")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), record() as seen:
        work()
    connection.execute("SELECT 2")
    assert seen.queries == 1


def test_idle_classes_carry_no_counting_methods(connection):
    """Outside a recording a cursor's methods are sqlite3's own."""
    cursor = connection.cursor()
    with record():
        assert "execute" in vars(type(cursor))
    assert "execute" not in vars(type(cursor))


def test_uninstall_inside_a_block_is_refused(connection):
    """Taking the hooks away under a recording would make it lie."""
    with record(), pytest.raises(UsageError, match="leave the block"):
        uninstall()


def test_install_imports_no_driver_and_uninstall_restores_all(in_fresh_process):
    """No driver is imported for us, a later one is hooked, and nothing is left afterwards."""
    answer = in_fresh_process("""
        import sys
        before = list(sys.meta_path)
        from budgetguard.database import install, uninstall, record
        install(); install()
        loaded = [n for n in ("sqlite3", "_sqlite3", "psycopg", "sqlalchemy", "django") if n in sys.modules]
        from sqlite3 import connect
        import sqlite3, _sqlite3
        with record() as seen:
            connect(":memory:").execute("select 1")
        loader = type(sqlite3.__loader__.exec_module).__name__
        uninstall()
        same = sqlite3.connect is _sqlite3.connect and sqlite3.dbapi2.Cursor is _sqlite3.Cursor
        tell([loaded, seen.queries, loader, same, sys.meta_path == before])
    """)
    assert answer == [[], 1, "method", True, True]


def test_sqlite_connections_past_the_hooks_are_unseen(in_fresh_process):
    """An early connection, an early name, and one opened in the block are told; closed ones not."""
    answer = in_fresh_process("""
        import sqlite3
        from sqlite3 import connect
        early = connect(":memory:")
        from budgetguard.database import install, record
        install()
        with record() as one:
            early.execute("select 1")
        early.close()
        with record() as two:
            pass
        with record() as three:
            connect(":memory:").close()
        with record() as four:
            sqlite3.connect(":memory:").execute("select 1")
        tell([len(one.unseen), len(two.unseen), len(three.unseen), len(four.unseen), one.unseen[0]])
    """)
    assert answer[:4] == [1, 0, 1, 0]
    assert "before install()" in answer[4]


def test_a_driver_imported_inside_the_block_counts(in_fresh_process):
    """The first import of sqlite3 in the body is early enough."""
    assert in_fresh_process("""
        from budgetguard.database import record
        with record() as seen:
            import sqlite3
            sqlite3.connect(":memory:").execute("select 1").fetchall()
        tell([seen.queries, seen.rows])
    """) == [1, 1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_in_the_block_is_told(in_fresh_process):
    """A child's statements are its own; the parent says that it cannot see them."""
    answer = in_fresh_process("""
        import os, sqlite3
        from budgetguard.database import record
        with record() as seen:
            child = os.fork()
            if child == 0:
                sqlite3.connect(":memory:").execute("select 1")
                os._exit(0 if seen.queries == 1 else 1)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        tell([code, seen.queries, list(seen.unseen)])
    """)
    assert answer[:2] == [0, 0]
    assert "forked" in answer[2][0]


def test_a_million_texts_stay_within_bounds(connection):
    """However many different texts pass, the tables of ours keep their size."""
    from budgetguard.database import recording

    with record() as seen:
        for number in range(12_000):
            connection.execute(f"SELECT 1 AS column{number}")
            assert len(recording.tallies) <= recording._MAX_TALLIES + 1
    assert seen.queries == 12_000
    assert len(seen.groups) <= recording._MAX_GROUPS + 1
    assert sum(group.count for group in seen.groups) == 12_000


def test_a_finder_that_was_taken_out_is_put_back():
    """Somebody who restores sys.meta_path takes our hook out; the next block has it again."""
    install()
    before = list(sys.meta_path)
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__name__ != "PostImport"]
    assert sys.meta_path != before
    install()
    assert sys.meta_path == before
