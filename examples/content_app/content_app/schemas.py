"""What the JSON API takes and gives."""

from datetime import date, datetime
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints

from content_app.models import EventKind

Keyword = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=2, max_length=80, pattern=r"^[\w '-]+$"),
]


class _FromRow(BaseModel):
    model_config = ConfigDict(from_attributes=True)


Item = TypeVar("Item")


class Page(BaseModel, Generic[Item]):
    """A slice of a list; `next` is the cursor of the following slice, or null at the end."""

    items: list[Item]
    next: int | None


class UserOut(_FromRow):
    """A user."""

    id: int
    name: str
    email: str


class ProjectOut(_FromRow):
    """A project with what it holds."""

    id: int
    name: str
    created_at: datetime
    articles: int
    words: int


class ArticleSummary(_FromRow):
    """An article in a list, without its text."""

    id: int
    title: str
    keyword: str
    words: int
    readability: float
    created_at: datetime


class ArticleOut(ArticleSummary):
    """A whole article."""

    project_id: int
    body: str
    tokens: int


class CompetingPageOut(_FromRow):
    """A page that ranks for the keyword."""

    position: int
    url: str
    title: str
    words: int
    readability: float
    keyword_density: float


class TermOut(_FromRow):
    """A term that stands out on the competing pages."""

    text: str
    count: int


class SearchOut(_FromRow):
    """A search analysis with its pages."""

    id: int
    keyword: str
    created_at: datetime
    terms: list[TermOut]
    pages: list[CompetingPageOut]


class ArticleRequest(BaseModel):
    """The wish for an article."""

    keyword: Keyword


class EventIn(BaseModel):
    """A visit to an article."""

    kind: EventKind


class DayTotal(_FromRow):
    """The visits of one day."""

    day: date
    views: int
    reads: int


class TopArticle(_FromRow):
    """An article and its views."""

    id: int
    title: str
    views: int


class DashboardOut(_FromRow):
    """The visits to a project."""

    days: list[DayTotal]
    top: list[TopArticle]
