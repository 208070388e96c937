"""What sits on a driver: aiosqlite, SQLAlchemy, Django; each statement is counted once."""

import asyncio
import linecache

import pytest

from budgetguard.database import install, record


def line_of(where: str) -> str:
    path, _, line = where.rpartition(":")
    return linecache.getline(path, int(line)).strip()


def test_aiosqlite_names_the_awaiting_line():
    """Statements run in aiosqlite's thread and are counted at the line that awaits them."""
    aiosqlite = pytest.importorskip("aiosqlite")
    install()

    async def work() -> None:
        async with aiosqlite.connect(":memory:") as connection:
            await connection.execute("CREATE TABLE t (a)")
            await connection.executemany("INSERT INTO t VALUES (?)", [(i,) for i in range(10)])
            for number in range(3):
                async with connection.execute("SELECT a FROM t WHERE a < ?", (number,)) as cursor:
                    await cursor.fetchall()

    with record() as seen:
        asyncio.run(work())
    assert (seen.queries, seen.rows, seen.n_plus_one) == (14, 3, 1)
    (group,) = (each for each in seen.groups if each.n_plus_one)
    assert "SELECT a FROM t" in line_of(group.where)


def shop(sqlalchemy):
    """Two tables whose relation is loaded lazily."""
    from sqlalchemy import orm

    class Base(orm.DeclarativeBase):
        pass

    class Author(Base):
        __tablename__ = "author"
        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        books: orm.Mapped[list["Book"]] = orm.relationship()

    class Book(Base):
        __tablename__ = "book"
        id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
        author_id: orm.Mapped[int] = orm.mapped_column(sqlalchemy.ForeignKey("author.id"))

    Base.registry.configure()
    return Base, Author, Book


def test_sqlalchemy_lazy_loads_are_an_n_plus_one_of_the_users_line():
    """Four authors cost one SELECT and four lazy ones, at the line that touched the relation."""
    sqlalchemy = pytest.importorskip("sqlalchemy")
    from sqlalchemy import orm

    install()
    base, author, book = shop(sqlalchemy)
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.pool.StaticPool)
    base.metadata.create_all(engine)
    with orm.Session(engine) as session:
        session.add_all([author(id=i, books=[book(), book()]) for i in range(1, 5)])
        with record():
            session.commit()
        with record() as seen:
            for each in session.scalars(sqlalchemy.select(author)):
                assert len(each.books) == 2
    engine.dispose()
    assert (seen.queries, seen.rows, seen.n_plus_one) == (5, 4 + 8, 1)
    assert line_of(seen.groups[0].where) == "assert len(each.books) == 2"


def test_sqlalchemy_insertmanyvalues_is_what_the_database_sees():
    """Rows that SQLAlchemy puts into one INSERT are one statement; an executemany is one each."""
    sqlalchemy = pytest.importorskip("sqlalchemy")
    install()
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.pool.StaticPool)
    table = sqlalchemy.Table(
        "t", sqlalchemy.MetaData(), sqlalchemy.Column("a", sqlalchemy.Integer, primary_key=True)
    )
    table.metadata.create_all(engine)
    with engine.begin() as connection:
        with record() as together:
            rows = [{"a": number} for number in range(100)]
            connection.execute(sqlalchemy.insert(table).returning(table.c.a), rows).all()
        with record() as each:
            connection.execute(sqlalchemy.insert(table), [{"a": n} for n in range(100, 200)])
    engine.dispose()
    assert (together.queries, together.rows, each.queries) == (1, 100, 100)
    assert together.groups[0].statement == "INSERT INTO t (a) VALUES (?) RETURNING a"


def test_sqlalchemy_raw_connections_and_connecting():
    """A raw connection counts; what the dialect and listeners do on connect does not."""
    sqlalchemy = pytest.importorskip("sqlalchemy")
    install()
    engine = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.pool.StaticPool)

    @sqlalchemy.event.listens_for(engine, "connect")
    def pragma(connection, _record) -> None:
        connection.execute("PRAGMA foreign_keys = ON").fetchall()

    with record() as seen:
        raw = engine.raw_connection()
        for _ in range(10):
            raw.cursor().execute("SELECT 1").fetchall()
        raw.close()
    engine.dispose()
    assert (seen.queries, seen.rows) == (10, 10)


def test_sqlalchemy_async_on_sqlite():
    """The async engine is counted once, at the line that awaits, without its connecting."""
    sqlalchemy = pytest.importorskip("sqlalchemy")
    pytest.importorskip("aiosqlite")
    from sqlalchemy.ext.asyncio import create_async_engine

    install()

    async def work() -> None:
        engine = create_async_engine("sqlite+aiosqlite://")
        async with engine.connect() as connection:
            for number in range(4):
                await connection.execute(sqlalchemy.text("SELECT :n"), {"n": number})
        await engine.dispose()

    with record() as seen:
        asyncio.run(work())
    assert (seen.queries, seen.n_plus_one) == (4, 1)
    assert line_of(seen.groups[0].where).startswith("await connection.execute")


@pytest.mark.parametrize("early", [False, True], ids=["hooks first", "Django first"])
def test_django_orm_and_raw_cursor(in_fresh_process, early):
    """An ORM loop is an N+1 of the user's line; the raw cursor counts; connecting does not."""
    pytest.importorskip("django")
    first = "import django.db.backends.sqlite3.base" if early else "pass"
    answer = in_fresh_process(f"""
from django.conf import settings
settings.configure(DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField")
{first}
from budgetguard.database import install, record
install()
import django
django.setup()
from django.db import connection, models, transaction

class Author(models.Model):
    class Meta: app_label = "shop"

class Book(models.Model):
    author = models.ForeignKey(Author, models.CASCADE)
    class Meta: app_label = "shop"

with record() as opened:
    connection.ensure_connection()
with connection.schema_editor() as editor:
    editor.create_model(Author); editor.create_model(Book)
for _ in range(4):
    Book.objects.create(author=Author.objects.create())
with record() as seen:
    for book in Book.objects.all():
        book.author.pk, book.author.id  # the line
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT %s", [1])
        cursor.fetchall()
        connection.connection.execute("SELECT 2")
worst = [g.where for g in seen.groups if g.n_plus_one]
line = open(worst[0].rpartition(":")[0]).readlines()[int(worst[0].rpartition(":")[2]) - 1]
tell([opened.queries, seen.queries, seen.n_plus_one, "the line" in line, list(seen.unseen)])
""")
    assert answer == [0, 1 + 4 + 2, 1, True, []]
