"""psycopg 3 on a real PostgreSQL: statements, rows and round trips."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from budgetguard.database import install, record


@pytest.fixture
def connection(postgres_url: str) -> Iterator[psycopg.Connection]:
    install()
    with psycopg.connect(postgres_url, autocommit=True) as opened:
        opened.execute("CREATE TEMP TABLE book AS SELECT generate_series(1, 100) AS id")
        yield opened


def test_a_statement_in_autocommit_is_one_round_trip(connection):
    """A SELECT is one statement and one wait, its rows are those that were fetched."""
    with record() as seen:
        rows = connection.execute("SELECT id FROM book WHERE id <= %s", (7,)).fetchall()
    assert (seen.queries, seen.roundtrips, seen.rows) == (1, 1, len(rows))
    assert seen.groups[0].statement == "SELECT id FROM book WHERE id <= ?"
    assert seen.groups[0].where.startswith(f"{__file__}:")
    assert seen.slowest_query_s > 0
    assert seen.unseen == ()


def test_a_transaction_costs_round_trips_and_no_statements(connection):
    """BEGIN and COMMIT are waits for the server, but not statements."""
    connection.autocommit = False
    with record() as seen:
        connection.execute("SELECT 1")
        connection.execute("SELECT 2")
        connection.commit()
    assert (seen.queries, seen.roundtrips) == (2, 4)


def test_executemany_counts_every_row(connection):
    """Five thousand rows are five thousand statements in one round trip of a pipeline."""
    with record() as seen, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO book VALUES (%s)", ((i,) for i in range(5000)))
    assert (seen.queries, seen.roundtrips) == (5000, 1)


def test_a_simple_query_of_several_statements_counts_each(connection):
    """Ten statements in one text are ten; a semicolon in a string is none."""
    with record() as seen:
        connection.execute("SELECT ';';" * 10)
    assert (seen.queries, seen.roundtrips) == (10, 1)


def test_a_server_side_cursor_pays_by_batches(connection):
    """One statement, and a round trip for its opening, each batch, and its close."""
    with connection.transaction(), record() as seen:
        with connection.cursor("portion") as cursor:
            cursor.itersize = 30
            cursor.execute("SELECT id FROM book")
            assert sum(1 for _ in cursor) == 100
    assert (seen.queries, seen.rows) == (1, 100)
    assert seen.roundtrips == 1 + 4 + 1


def test_copy_is_one_statement(connection):
    """COPY of many rows is one statement and two round trips: its start and its end."""
    with record() as seen, connection.cursor() as cursor:
        with cursor.copy("COPY book FROM STDIN") as copy:
            for number in range(20_000):
                copy.write_row((number,))
    assert (seen.queries, seen.roundtrips) == (1, 2)


def test_a_pipeline_saves_round_trips(connection):
    """Ten statements in a pipeline are ten statements and one wait at its end."""
    with record() as seen, connection.pipeline():
        for number in range(10):
            connection.execute("SELECT %s::int", (number,))
    assert (seen.queries, seen.roundtrips) == (10, 1)
    assert seen.n_plus_one == 1


def test_prepared_statements_count_as_any_other(connection):
    """Preparing changes nothing in the count of statements."""
    with record() as seen:
        for number in range(8):
            connection.execute("SELECT %s::int", (number,), prepare=True).fetchone()
    assert (seen.queries, seen.rows) == (8, 8)


def test_stream_counts_rows_as_they_come(connection):
    """A streamed SELECT is one statement, and only the rows taken count."""
    with record() as seen, connection.cursor() as cursor:
        rows = cursor.stream("SELECT id FROM book")
        for _ in range(5):
            next(rows)
        rows.close()
    assert (seen.queries, seen.rows) == (1, 5)


def test_failing_statements_count(connection):
    """The server was asked ten times, so ten statements count, also when all fail."""
    with record() as seen:
        for _ in range(10):
            with pytest.raises(psycopg.errors.UndefinedTable):
                connection.execute("SELECT * FROM nowhere")
    assert seen.queries == 10


def test_async_connections_are_seen(postgres_url):
    """Statements of concurrent tasks on async connections count, each at its own line."""

    async def ask(times: int) -> None:
        async with await psycopg.AsyncConnection.connect(postgres_url, autocommit=True) as each:
            for number in range(times):
                cursor = await each.execute("SELECT %s::int", (number,))
                await cursor.fetchone()
            async with each.cursor() as cursor:
                await cursor.executemany("SELECT %s::int", [(1,), (2,)])
                async for _ in cursor.stream("SELECT generate_series(1, 3)"):
                    pass
                async with cursor.copy("COPY (SELECT 1) TO STDOUT") as copy:
                    async for _ in copy:
                        pass

    async def both() -> None:
        await asyncio.gather(ask(4), ask(4))

    with record() as seen:
        asyncio.run(both())
    assert (seen.queries, seen.rows) == (16, 14)
    assert seen.n_plus_one == 1
    assert seen.groups[0].calls == 8


def test_sqlalchemy_on_psycopg_is_counted_once(postgres_url):
    """Neither the dialect's questions on connect nor a second counting above the driver appear."""
    sqlalchemy = pytest.importorskip("sqlalchemy")
    engine = sqlalchemy.create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    with record() as seen:
        with engine.connect() as connection:
            assert (
                connection.execute(sqlalchemy.text("SELECT 41 + :one"), {"one": 1}).scalar() == 42
            )
    engine.dispose()
    assert [group.statement for group in seen.groups] == ["SELECT ? + ?"]
    assert seen.queries == 1


def test_sqlalchemy_async_names_the_awaiting_line(postgres_url):
    """Through the async engine, too, the line is the one that awaits."""
    sqlalchemy = pytest.importorskip("sqlalchemy")
    from sqlalchemy.ext.asyncio import create_async_engine

    async def ask() -> None:
        engine = create_async_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
        async with engine.connect() as connection:
            for _ in range(3):
                await connection.execute(sqlalchemy.text("SELECT 1"))
        await engine.dispose()

    with record() as seen:
        asyncio.run(ask())
    assert (seen.queries, seen.n_plus_one) == (3, 1)
    assert seen.groups[0].where.startswith(f"{__file__}:")


def test_asyncpg_is_told_as_unseen(postgres_url):
    """A driver that is not watched is named while it is connected, and forgotten once closed."""
    asyncpg = pytest.importorskip("asyncpg")

    async def ask() -> None:
        connection = await asyncpg.connect(postgres_url)
        await connection.fetch("SELECT 1")
        await connection.close()

    with record() as during:
        asyncio.run(ask())
    with record() as after:
        pass
    assert len(during.unseen) == 1
    assert during.unseen[0].startswith("asyncpg: 1 connection")
    assert after.unseen == ()
