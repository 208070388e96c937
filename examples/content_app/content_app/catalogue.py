"""Reading what is stored, every list in a fixed number of queries."""

from collections.abc import Sequence
from typing import Any, TypeVar

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session, selectinload

from content_app.models import Article, Project, SearchAnalysis, User

MAX_PAGE_SIZE = 100

AnyRow = Row[*tuple[Any, ...]]

Found = TypeVar("Found", User, Project, Article)
_SUMMARY = (
    Article.id,
    Article.title,
    SearchAnalysis.keyword,
    Article.words,
    Article.readability,
    Article.created_at,
)


class NotFound(Exception):
    """There is no such row."""


def find(session: Session, table: type[Found], row_id: int) -> Found:
    """The row with this id; raises NotFound."""
    row = session.get(table, row_id)
    if row is None:
        raise NotFound(f"{table.__name__} {row_id} does not exist")
    return row


def users(session: Session) -> Sequence[User]:
    """The first users by name, as many as a page holds."""
    return session.scalars(select(User).order_by(User.name, User.id).limit(MAX_PAGE_SIZE)).all()


def projects(session: Session, user_id: int, after: int, limit: int) -> Sequence[AnyRow]:
    """A user's projects with their totals, the oldest first, from the cursor on."""
    find(session, User, user_id)
    query = (
        select(
            Project.id,
            Project.name,
            Project.created_at,
            func.count(Article.id).label("articles"),
            func.coalesce(func.sum(Article.words), 0).label("words"),
        )
        .outerjoin(Project.articles)
        .where(Project.owner_id == user_id, Project.id > after)
        .group_by(Project.id)
        .order_by(Project.id)
    )
    return session.execute(query.limit(limit)).all()


def articles(session: Session, project_id: int, after: int, limit: int) -> Sequence[AnyRow]:
    """A project's articles without their text, the oldest first, from the cursor on."""
    find(session, Project, project_id)
    query = (
        _summaries()
        .where(Article.project_id == project_id, Article.id > after)
        .order_by(Article.id)
    )
    return session.execute(query.limit(limit)).all()


def article(session: Session, article_id: int) -> AnyRow:
    """One whole article; raises NotFound."""
    query = _summaries().add_columns(Article.project_id, Article.body, Article.tokens)
    row = session.execute(query.where(Article.id == article_id)).one_or_none()
    if row is None:
        raise NotFound(f"Article {article_id} does not exist")
    return row


def searches(session: Session, project_id: int, after: int, limit: int) -> Sequence[SearchAnalysis]:
    """A project's search analyses with their pages, the oldest first, from the cursor on."""
    find(session, Project, project_id)
    query = (
        select(SearchAnalysis)
        .where(SearchAnalysis.project_id == project_id, SearchAnalysis.id > after)
        .options(selectinload(SearchAnalysis.pages))
        .order_by(SearchAnalysis.id)
    )
    return session.scalars(query.limit(limit)).all()


def totals(session: Session) -> dict[str, int]:
    """How much the site holds, and how many tokens it was billed for."""
    row = session.execute(
        select(
            func.count(Article.id),
            func.coalesce(func.sum(Article.words), 0),
            func.coalesce(func.sum(Article.tokens), 0),
        )
    ).one()
    return {"articles": row[0], "words": row[1], "tokens": row[2]}


def _summaries() -> Select[*tuple[Any, ...]]:
    return select(*_SUMMARY).join(Article.search)
