"""SQL through SQLAlchemy: one select by key after the other."""

from contextlib import contextmanager

import sqlalchemy as sa

UNITS = 200
BOOKS = sa.Table(
    "book",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("title", sa.Text),
)


@contextmanager
def prepared():
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    BOOKS.metadata.create_all(engine)
    with engine.connect() as connection:
        titles = [{"id": number, "title": f"book {number}"} for number in range(100)]
        connection.execute(sa.insert(BOOKS), titles)
        yield connection
    engine.dispose()


def run(connection):
    letters = 0
    for unit in range(UNITS):
        letters += title_length(connection, unit % 100)
    return letters


def title_length(connection, number):
    query = sa.select(BOOKS.c.title).where(BOOKS.c.id == number)
    row = connection.execute(query).one()
    return len(row.title)
