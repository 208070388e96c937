"""The connection to SQLite or PostgreSQL, as `DATABASE_URL` says."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.orm import Session, sessionmaker

from content_app.models import Base

# As many connections as the web server has worker threads, so that none waits for another's.
POOL_SIZE = 40


class Database:
    """One engine and the sessions made from it."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url, pool_size=POOL_SIZE, max_overflow=0)
        self.sessions = sessionmaker(self.engine, expire_on_commit=False)
        """What makes them; events of sessions are listened to here."""
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine, "connect", _tune_sqlite)

    def create_tables(self) -> None:
        """Create what is missing; an existing table is left as it is."""
        Base.metadata.create_all(self.engine)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session that commits at the end of the block, or rolls back when it raises."""
        with self.sessions.begin() as session:
            yield session

    def close(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def _tune_sqlite(connection: Any, _record: object) -> None:
    # SQLite checks foreign keys only on request, and lets readers pass a writer only with a log.
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")
