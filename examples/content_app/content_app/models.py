"""The tables, with an index for each way they are read."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, DateTime, Dialect, Enum, ForeignKey, Index, String, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC: SQLite forgets the time zone, so it is given back on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Store in UTC whatever zone the value came in."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        return None if value is None else value.replace(tzinfo=value.tzinfo or UTC)


def _now() -> datetime:
    return datetime.now(UTC)


class EventKind(StrEnum):
    """What a visitor did with an article."""

    VIEW = "view"
    READ = "read"


class Base(DeclarativeBase):
    """The parent of all tables."""


class User(Base):
    """Somebody who owns projects."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str] = mapped_column(String(100))

    projects: Mapped[list["Project"]] = relationship(back_populates="owner")


class Project(Base):
    """A site that articles are written for."""

    __tablename__ = "projects"
    __table_args__ = (Index("ix_projects_owner", "owner_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=_now)

    owner: Mapped[User] = relationship(back_populates="projects")
    articles: Mapped[list["Article"]] = relationship(back_populates="project")
    searches: Mapped[list["SearchAnalysis"]] = relationship(back_populates="project")


class SearchAnalysis(Base):
    """What the search results for a keyword taught us."""

    __tablename__ = "search_analyses"
    __table_args__ = (Index("ix_search_analyses_project", "project_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    keyword: Mapped[str] = mapped_column(String(200))
    terms: Mapped[list[dict[str, Any]]] = mapped_column(JSON().with_variant(JSONB, "postgresql"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=_now)

    project: Mapped[Project] = relationship(back_populates="searches")
    pages: Mapped[list["CompetingPage"]] = relationship(
        back_populates="search", order_by="CompetingPage.position"
    )
    articles: Mapped[list["Article"]] = relationship(back_populates="search")


class CompetingPage(Base):
    """One scraped page that ranks for the keyword."""

    __tablename__ = "competing_pages"

    search_id: Mapped[int] = mapped_column(
        ForeignKey("search_analyses.id", ondelete="CASCADE"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    url: Mapped[str] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    words: Mapped[int]
    readability: Mapped[float]
    keyword_density: Mapped[float]

    search: Mapped[SearchAnalysis] = relationship(back_populates="pages")


class Article(Base):
    """A generated article and what it cost in tokens."""

    __tablename__ = "articles"
    __table_args__ = (
        Index("ix_articles_project", "project_id", "id"),
        Index("ix_articles_search", "search_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id", ondelete="CASCADE"))
    search_id: Mapped[int] = mapped_column(ForeignKey("search_analyses.id"))
    title: Mapped[str] = mapped_column(String(300))
    body: Mapped[str] = mapped_column(Text)
    words: Mapped[int]
    readability: Mapped[float]
    tokens: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=_now)

    project: Mapped[Project] = relationship(back_populates="articles")
    search: Mapped[SearchAnalysis] = relationship(back_populates="articles")
    events: Mapped[list["AnalyticsEvent"]] = relationship(back_populates="article")


class AnalyticsEvent(Base):
    """One visit to an article, kept by day because dashboards ask by day."""

    __tablename__ = "analytics_events"
    __table_args__ = (Index("ix_analytics_events_article_day", "article_id", "day", "kind"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    article_id: Mapped[int] = mapped_column(ForeignKey("articles.id", ondelete="CASCADE"))
    kind: Mapped[EventKind] = mapped_column(
        Enum(EventKind, native_enum=False, length=8, values_callable=lambda kinds: [*kinds])
    )
    day: Mapped[date]

    article: Mapped[Article] = relationship(back_populates="events")
