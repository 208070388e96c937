"""The web application: a JSON API, and the built front end beside it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

from anyio import create_task_group, to_thread
from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from sqlalchemy import text
from sqlalchemy.orm import Session
from starlette.middleware.gzip import GZipMiddleware

from content_app import analytics, caching, catalogue, generation, providers, reads, settings
from content_app.database import Database
from content_app.models import Project
from content_app.schemas import (
    ArticleOut,
    ArticleRequest,
    ArticleSummary,
    DashboardOut,
    EventIn,
    Page,
    ProjectOut,
    SearchOut,
    UserOut,
)

FRONTEND = Path(__file__).parent.parent / "frontend" / "dist"
_ONE_YEAR_S = 365 * 24 * 3600

api = APIRouter(prefix="/api")


def create_app(config: settings.Settings | None = None) -> FastAPI:
    """Build the application; without settings the environment decides."""
    chosen = config or settings.from_environment()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        database, caches = Database(chosen.database_url), caching.open_caches(chosen.cache)
        reads.keep_true(database, caches.reads)
        await to_thread.run_sync(database.create_tables)
        async with (
            providers.connect(chosen, caches.answers) as clients,
            create_task_group() as tasks,
        ):
            app.state.database, app.state.providers = database, clients
            app.state.reads = caches.reads
            if chosen.cache.preload:
                tasks.start_soon(
                    to_thread.run_sync, reads.preload, database, caches.reads, _today()
                )
            yield
        await to_thread.run_sync(caches.close)
        database.close()

    app = FastAPI(title="content_app", lifespan=lifespan)
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    app.add_exception_handler(catalogue.NotFound, _answer(404))
    app.add_exception_handler(providers.ProviderError, _answer(502))
    app.include_router(api)
    app.mount("/assets", _HashedFiles(directory=FRONTEND / "assets"))
    app.mount("/", StaticFiles(directory=FRONTEND, html=True))
    return app


def _database(request: Request) -> Database:
    database: Database = request.app.state.database
    return database


def _providers(request: Request) -> providers.Providers:
    clients: providers.Providers = request.app.state.providers
    return clients


def _session(database: Annotated[Database, Depends(_database)]) -> Iterator[Session]:
    with database.session() as session:
        yield session


def _reads(
    request: Request,
    session: Annotated[Session, Depends(_session, scope="function")],
    if_none_match: Annotated[str, Header()] = "",
) -> reads.Reads:
    return reads.Reads(request.app.state.reads, session, if_none_match)


InDatabase = Annotated[Database, Depends(_database)]
InProviders = Annotated[providers.Providers, Depends(_providers)]
# "function": the session commits and gives its connection back before the answer is sent.
InSession = Annotated[Session, Depends(_session, scope="function")]
InReads = Annotated[reads.Reads, Depends(_reads)]
After = Annotated[int, Query(ge=0, description="cursor: `next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=catalogue.MAX_PAGE_SIZE)]


@api.get("/health")
def health(session: InSession) -> dict[str, str]:
    """Whether the app and its database answer."""
    session.execute(text("SELECT 1"))
    return {"status": "ok"}


@api.get("/users")
def list_users(session: InSession) -> list[UserOut]:
    """Who owns projects."""
    return [UserOut.model_validate(user) for user in catalogue.users(session)]


@api.get("/users/{user_id}/projects", response_model=Page[ProjectOut])
def list_projects(user_id: int, kept: InReads, after: After = 0, limit: Limit = 20) -> Response:
    """A user's projects with their totals."""

    def read(session: Session) -> Page[Any]:
        rows = catalogue.projects(session, user_id, after, limit + 1)
        return _page([ProjectOut.model_validate(row) for row in rows], limit)

    return kept.answer(("projects", user_id, after, limit), read, caching.PROJECT_LISTS)


@api.get("/projects/{project_id}/articles", response_model=Page[ArticleSummary])
def list_articles(project_id: int, kept: InReads, after: After = 0, limit: Limit = 20) -> Response:
    """A project's articles, without their text."""

    def read(session: Session) -> Page[Any]:
        rows = catalogue.articles(session, project_id, after, limit + 1)
        return _page([ArticleSummary.model_validate(row) for row in rows], limit)

    tag = caching.of_project(project_id)
    return kept.answer(("articles", project_id, after, limit), read, tag)


@api.get("/projects/{project_id}/searches")
def list_searches(
    project_id: int, session: InSession, after: After = 0, limit: Limit = 20
) -> Page[SearchOut]:
    """A project's search analyses with the pages they compared."""
    rows = catalogue.searches(session, project_id, after, limit + 1)
    return _page([SearchOut.model_validate(row) for row in rows], limit)


@api.get("/projects/{project_id}/analytics", response_model=DashboardOut)
def show_analytics(
    project_id: int,
    kept: InReads,
    until: date | None = None,
    days: Annotated[int, Query(ge=1, le=366)] = reads.DASHBOARD_DAYS,
) -> Response:
    """The visits to a project, day by day."""
    return kept.dashboard(project_id, until or _today(), days)


@api.get("/articles/{article_id}")
def show_article(article_id: int, session: InSession) -> ArticleOut:
    """One whole article."""
    return ArticleOut.model_validate(catalogue.article(session, article_id))


@api.post("/articles/{article_id}/events", status_code=204)
def record_event(article_id: int, event: EventIn, session: InSession) -> None:
    """Count a visit."""
    analytics.record(session, article_id, event.kind, _today())


@api.post("/projects/{project_id}/articles", status_code=201)
async def generate_article(
    project_id: int, wish: ArticleRequest, database: InDatabase, clients: InProviders
) -> ArticleOut:
    """Generate an article for a keyword and store it."""

    def check() -> None:
        with database.session() as session:
            catalogue.find(session, Project, project_id)

    def store(draft: generation.Draft) -> ArticleOut:
        with database.session() as session:
            article = generation.store(session, project_id, draft)
            return ArticleOut.model_validate(catalogue.article(session, article.id))

    # Two short sessions: no connection is held while the providers answer.
    await to_thread.run_sync(check)
    draft = await generation.write_draft(clients, wish.keyword)
    return await to_thread.run_sync(store, draft)


def _page(rows: list[Any], limit: int) -> Page[Any]:
    """One row more than the limit was read: whether it came says whether more follow."""
    more = len(rows) > limit
    return Page(items=rows[:limit], next=rows[limit - 1].id if more else None)


def _today() -> date:
    return datetime.now(UTC).date()


def _answer(status: int) -> Any:
    def handler(_request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, status_code=status)

    return handler


class _HashedFiles(StaticFiles):
    """Files whose name changes with their content, so that a browser may keep them for ever."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers["Cache-Control"] = f"public, max-age={_ONE_YEAR_S}, immutable"
        return response
