"""The app on PostgreSQL; runs only where DATABASE_URL names one."""

import os
from collections.abc import Iterator
from datetime import date

import pytest
from content_app.database import Database
from content_app.seed import seed
from content_app.settings import offline
from content_app.web import create_app
from sqlalchemy import create_engine, make_url, text
from starlette.testclient import TestClient

URL = os.environ.get("DATABASE_URL", "")
SCHEMA = "content_app_test"
TODAY = date(2026, 1, 31)

pytestmark = pytest.mark.skipif(
    not URL.startswith("postgresql"), reason="DATABASE_URL names no PostgreSQL"
)


@pytest.fixture
def schema_url() -> Iterator[str]:
    """A schema of its own in the given database, dropped afterwards."""
    engine = create_engine(URL)
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"))
        connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
    url = make_url(URL).update_query_dict({"options": f"-csearch_path={SCHEMA}"})
    yield url.render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {SCHEMA} CASCADE"))
    engine.dispose()


@pytest.fixture
def client(schema_url: str, providers_url: str) -> Iterator[TestClient]:
    """The app on a seeded PostgreSQL schema."""
    database = Database(schema_url)
    database.create_tables()
    with database.session() as session:
        seed(session, TODAY)
    database.close()
    with TestClient(create_app(offline(schema_url, providers_url))) as client:
        yield client


def test_the_app_answers_alike_on_postgresql(client: TestClient) -> None:
    """Lists, analytics and generation give on PostgreSQL what they give on SQLite."""
    projects = client.get("/api/users/1/projects").json()["items"]
    assert [item["articles"] for item in projects] == [4, 4, 4, 4]
    assert projects[0]["created_at"] == "2026-01-01T09:00:00Z"
    searches = client.get("/api/projects/1/searches").json()["items"]
    assert [len(search["pages"]) for search in searches] == [3, 3, 3, 3]
    board = client.get("/api/projects/1/analytics", params={"until": str(TODAY)}).json()
    assert sum(article["views"] for article in board["top"]) == sum(
        day["views"] for day in board["days"]
    )
    made = client.post("/api/projects/1/articles", json={"keyword": "seed trays"})
    assert made.status_code == 201
