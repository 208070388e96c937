"""Answers that the database is asked for most, kept as the bytes that are sent, with an ETag."""

import time
from collections.abc import Callable
from datetime import date

from pydantic import BaseModel
from sqlalchemy import event
from sqlalchemy.orm import Session
from starlette.responses import Response

from budgetguard.cache import Cache
from content_app import analytics
from content_app.caching import READS, after_commit, after_rollback, of_project
from content_app.database import Database
from content_app.schemas import DashboardOut

DASHBOARD_DAYS = 30
PRELOADED = 10
PRELOAD_S = 2.0

Key = tuple[str | int, ...]


class Reads:
    """The kept answers as one request sees them: its session, and what its browser has already."""

    def __init__(self, cache: Cache, session: Session, if_none_match: str = "") -> None:
        self._cache, self._session, self._if_none_match = cache, session, if_none_match

    def answer(self, key: Key, read: Callable[[Session], BaseModel], tag: str) -> Response:
        """The answer under a key, from the database where it is not kept; 304 where the browser has it."""

        def load() -> bytes:
            return read(self._session).model_dump_json().encode()

        body = self._cache.get_or_load(key, load, policy=READS, tags=[tag])
        entry = self._cache.entry(key, policy=READS, tags=[tag])
        if entry is None:  # somebody has written in this very moment
            return Response(body, media_type="application/json")
        headers = {"ETag": f"W/{entry.etag}", "Cache-Control": "no-cache"}
        if self._if_none_match and entry.matches(self._if_none_match):
            return Response(status_code=304, headers=headers)
        return Response(body, media_type="application/json", headers=headers)

    def dashboard(self, project_id: int, until: date, days: int) -> Response:
        """The visits to a project; raises NotFound."""

        def read(session: Session) -> DashboardOut:
            numbers = analytics.dashboard(session, project_id, until, days)
            return DashboardOut.model_validate(numbers)

        key = ("dashboard", project_id, until.isoformat(), days)
        return self.answer(key, read, of_project(project_id))


def keep_true(database: Database, reads: Cache) -> None:
    """Give up kept answers with the commit that makes them untrue."""
    event.listen(database.sessions, "after_commit", after_commit(reads))
    event.listen(database.sessions, "after_rollback", after_rollback)


def preload(database: Database, reads: Cache, until: date) -> int:
    """Keep the dashboards that are visited most, within a bound of time; how many there are."""
    began = time.monotonic()
    with database.session() as session:
        projects = analytics.most_visited(session, until, DASHBOARD_DAYS, PRELOADED)
    for done, project_id in enumerate(projects):
        if time.monotonic() - began > PRELOAD_S:
            return done
        with database.session() as session:
            Reads(reads, session).dashboard(project_id, until, DASHBOARD_DAYS)
    return len(projects)
