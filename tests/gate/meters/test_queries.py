"""The queries meter against real SQLite databases."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from budgetguard.database import install, uninstall
from budgetguard.gate.meters import queries
from budgetguard.gate.model import Rule

ALL = frozenset(queries.METRICS)


@pytest.fixture(autouse=True)
def hooks():
    install()
    yield
    uninstall()


@pytest.fixture
def database():
    connection = sqlite3.connect(":memory:")
    connection.execute("create table author (id integer, name text)")
    connection.executemany("insert into author values (?, ?)", [(i, f"n{i}") for i in range(10)])
    connection.commit()
    yield connection
    connection.close()


def read(body, wanted=ALL):
    with queries.watch(frozenset(wanted)) as readings:
        body()
    return readings()


def ask_each(database):
    for i in range(7):
        database.execute("select name from author where id = ?", (i,)).fetchall()


def test_counts_are_per_call(database):
    """Only what the block executes is counted: statements, rows and round trips."""
    readings = read(lambda: ask_each(database))
    assert {name: readings[name].value for name in ("queries", "rows", "roundtrips")} == {
        "queries": 7,
        "rows": 7,
        "roundtrips": 7,
    }
    assert readings["query_time"].value >= readings["slowest_query"].value > 0


def test_an_n_plus_one_names_statement_and_line(database):
    """The evidence of an N+1 is how often, which statement and which line."""
    database.execute("select 1").fetchall()
    readings = read(lambda: (ask_each(database), database.execute("select 1").fetchall()))
    assert readings["n_plus_one"].value == 1
    assert len(readings["n_plus_one"].evidence) == 1
    evidence = readings["n_plus_one"].evidence[0]
    assert evidence.lower().startswith("7× select name from author where id = ?")
    assert f"{Path(__file__).name}:{ask_each.__code__.co_firstlineno + 2}" in evidence
    assert len(readings["queries"].evidence) == 2
    assert readings["rows"].evidence[0].startswith("7 rows of 7× ")


def test_evidence_is_short(database):
    """A long statement is cut, its line is not, and at most five groups are told."""

    def body():
        for i in range(8):
            columns = ", ".join(f"{i}{j} as column_{j}" for j in range(50))
            database.execute(f"select {columns}, '{i}' as c{i}").fetchall()

    evidence = read(body)["queries"].evidence
    assert 0 < len(evidence) <= 5
    assert all("…" in line and f"{Path(__file__).name}:" in line for line in evidence)


def test_an_unwatched_connection_is_an_error_and_no_count():
    """A connection opened before the hooks makes every reading an error that says what to do."""
    uninstall()
    early = sqlite3.connect(":memory:")
    install()
    readings = read(lambda: early.execute("select 1").fetchall())
    early.close()
    assert set(readings) == ALL
    for name, reading in readings.items():
        assert reading.error.startswith(f"{name} was not counted")
        assert "sqlite3" in reading.error
        assert "open connections after the plugin has started" in reading.error


def test_an_exception_passes(database):
    """The block's own exception comes out, and the next block counts from 0."""
    error = ValueError("mine")
    with pytest.raises(ValueError) as caught, queries.watch(ALL):
        raise error
    assert caught.value is error
    assert read(lambda: None)["queries"].value == 0


def test_times_are_ceilings_without_a_baseline():
    """Times of queries hold the wait for a processor; counts are exact and the same everywhere."""
    for name in ("query_time", "slowest_query"):
        metric = queries.METRICS[name]
        assert (metric.exact, metric.relative, metric.rule) == (False, False, Rule.CEILING)
    counts = [queries.METRICS[name] for name in ("queries", "rows", "roundtrips", "n_plus_one")]
    assert all(metric.exact and not metric.keyed for metric in counts)


def test_no_driver_is_imported_for_it():
    """Watching brings no database driver and no ORM into the process."""
    code = (
        "import sys\n"
        "from budgetguard.gate.meters import queries\n"
        "with queries.watch(frozenset(queries.METRICS)) as read: pass\n"
        "print({'sqlite3', 'sqlalchemy', 'django', 'psycopg'} & set(sys.modules))\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert run.stdout == "set()\n", run.stderr
