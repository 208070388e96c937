"""The dashboard's numbers, added up by the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from content_app.caching import makes_stale, of_project
from content_app.catalogue import AnyRow, find
from content_app.models import AnalyticsEvent, Article, EventKind, Project

TOP_ARTICLES = 5


@dataclass(frozen=True, slots=True)
class DayTotal:
    """The visits of one day."""

    day: date
    views: int = 0
    reads: int = 0


@dataclass(frozen=True, slots=True)
class Dashboard:
    """The visits to a project, one total for each day, and its most viewed articles."""

    days: Sequence[DayTotal]
    top: Sequence[AnyRow]


def dashboard(session: Session, project_id: int, until: date, days: int) -> Dashboard:
    """The `days` days up to and including `until`; raises NotFound."""
    find(session, Project, project_id)
    window = [until - timedelta(days=back) for back in reversed(range(days))]
    seen = {total.day: total for total in _by_day(session, project_id, window)}
    return Dashboard(
        days=[seen.get(day, DayTotal(day)) for day in window],
        top=_top_articles(session, project_id, window),
    )


def record(session: Session, article_id: int, kind: EventKind, day: date) -> None:
    """Count one visit; raises NotFound."""
    article = find(session, Article, article_id)
    session.add(AnalyticsEvent(article_id=article_id, kind=kind, day=day))
    makes_stale(session, of_project(article.project_id))


def most_visited(session: Session, until: date, days: int, limit: int) -> Sequence[int]:
    """The projects with the most visits in a window."""
    query = (
        select(Article.project_id)
        .join(Article.events)
        .where(AnalyticsEvent.day.between(until - timedelta(days=days - 1), until))
        .group_by(Article.project_id)
        .order_by(func.count().desc(), Article.project_id)
    )
    return session.scalars(query.limit(limit)).all()


def _by_day(session: Session, project_id: int, window: Sequence[date]) -> list[DayTotal]:
    query = (
        select(AnalyticsEvent.day, _count(EventKind.VIEW), _count(EventKind.READ))
        .join(AnalyticsEvent.article)
        .where(Article.project_id == project_id)
        .where(AnalyticsEvent.day.between(window[0], window[-1]))
        .group_by(AnalyticsEvent.day)
    )
    return [DayTotal(day, views, reads) for day, views, reads in session.execute(query)]


def _top_articles(session: Session, project_id: int, window: Sequence[date]) -> Sequence[AnyRow]:
    views = _count(EventKind.VIEW).label("views")
    query = (
        select(Article.id, Article.title, views)
        .join(Article.events)
        .where(Article.project_id == project_id)
        .where(AnalyticsEvent.day.between(window[0], window[-1]))
        .group_by(Article.id)
        .order_by(views.desc(), Article.id)
    )
    return session.execute(query.limit(TOP_ARTICLES)).all()


def _count(kind: EventKind) -> ColumnElement[int]:
    return func.count().filter(AnalyticsEvent.kind == kind)
