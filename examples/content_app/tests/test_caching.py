"""Nothing is paid or computed twice: providers' answers, read queries, and what a commit makes stale."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from content_app import analytics
from content_app.catalogue import NotFound
from content_app.database import Database
from content_app.models import EventKind
from content_app.settings import CacheSettings, Settings
from content_app.web import create_app
from starlette.testclient import TestClient

from budgetguard.cache.ledger import Ledger

WISH = {"keyword": "cold frames"}
DASHBOARD = "/api/projects/1/analytics?until=2026-01-31"


@pytest.fixture
def kept(settings: Settings, tmp_path: Path) -> Settings:
    """The same app with a file for its answers and a ledger."""
    urls = ("memory://8MiB", f"sqlite:///{tmp_path}/answers.db")
    return replace(settings, cache=CacheSettings(urls, str(tmp_path / "ledger.db")))


@pytest.fixture
def patient(kept: Settings) -> Iterator[TestClient]:
    """A running app that keeps its answers."""
    with TestClient(create_app(kept)) as client:
        yield client


def test_the_same_wish_again_calls_nobody(patient: TestClient, budget: Any) -> None:
    """An article for a keyword that somebody had before is five calls less, and opens within its promise."""
    with budget("http_requests <= 5", name="first"):
        first = patient.post("/api/projects/1/articles", json=WISH).json()
    with budget("http_requests <= 0", "wall <= 200 ms", "queries <= 7", name="again"):
        again = patient.post("/api/projects/2/articles", json=WISH).json()
    assert again["body"] == first["body"]
    assert again["id"] != first["id"]


def test_a_restart_forgets_nothing(kept: Settings, budget: Any) -> None:
    """What was paid for is in the file, for the next process, too; no key of a provider is."""
    for start, limit in (("first", "http_requests <= 5"), ("again", "http_requests <= 0")):
        with TestClient(create_app(kept)) as client, budget(limit, name=start):
            assert client.post("/api/projects/1/articles", json=WISH).status_code == 201
    files = [*Path(str(kept.cache.ledger)).parent.glob("answers.db*")]
    assert files
    assert not any(b"local-key" in file.read_bytes() for file in files)


@pytest.mark.budget("http_requests <= 5")
def test_two_wishes_at_once_pay_once(patient: TestClient) -> None:
    """Two people who ask for the same keyword share one search, one scrape of each page and one text."""

    def wish(project: int) -> int:
        return patient.post(f"/api/projects/{project}/articles", json=WISH).status_code

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(wish, (1, 2))) == [201, 201]


def test_the_ledger_tells_what_it_saved(kept: Settings) -> None:
    """Three articles of one keyword: each operation is loaded once and saved twice."""
    with TestClient(create_app(kept)) as client:
        for project in (1, 2, 3):
            client.post(f"/api/projects/{project}/articles", json=WISH)
    totals = Ledger(str(kept.cache.ledger)).totals()
    loads = {name.split(".")[0]: sums.loads for name, sums in totals.items()}
    assert loads == {"serpapi": 1, "firecrawl": 3, "openai": 1}
    for sums in totals.values():
        assert sum(sums.hits.values()) == 2 * sums.loads
        assert sums.saved == 2 * sums.spent > 0


@pytest.mark.parametrize("path", ["/api/users/1/projects", "/api/projects/1/articles", DASHBOARD])
def test_a_list_that_is_kept_asks_the_database_nothing(
    client: TestClient, budget: Any, path: str
) -> None:
    """The second reader costs no query and little memory, and is answered within a look-up's promise."""
    first = client.get(path)
    with budget("queries <= 0", "wall <= 50 ms", name="look-up"):
        again = client.get(path)
    assert again.json() == first.json()
    with budget("queries <= 0", name="known"):
        known = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (known.status_code, known.content) == (304, b"")
    assert known.headers["ETag"] == first.headers["ETag"]


@pytest.mark.budget("peak <= 600 kB")
def test_a_kept_answer_needs_little_memory(client: TestClient) -> None:
    """A year of a dashboard for three readers, the first of whom waits for the database."""
    path, plain = "/api/projects/1/analytics?days=366&until=2026-01-31", {"Accept-Encoding": ""}
    for _ in range(3):
        assert client.get(path, headers=plain).is_success  # gzip alone takes 268 kB


def test_a_writer_sees_what_it_wrote(client: TestClient) -> None:
    """Each visit is on the next dashboard, each article in the next lists; others stay kept."""
    for seen in (1, 2, 3):
        client.post("/api/articles/1/events", json={"kind": "view"})
        days = client.get("/api/projects/1/analytics?days=1").json()["days"]
        assert days[0]["views"] == seen
    lists = ("/api/users/1/projects", "/api/projects/1/articles")
    before = [client.get(path).json()["items"] for path in lists]
    client.post("/api/projects/1/articles", json=WISH)
    after = [client.get(path).json()["items"] for path in lists]
    assert after[0][0]["articles"] == before[0][0]["articles"] + 1
    assert len(after[1]) == len(before[1]) + 1


def visit_twice(database: Database, first: int, second: int) -> None:
    """Both visits are counted, or none."""
    with database.session() as session:
        for article in (first, second):
            analytics.record(session, article, EventKind.VIEW, date(2026, 1, 31))
            session.flush()


def test_only_a_commit_makes_stale(client: TestClient, budget: Any) -> None:
    """A write that is rolled back gives up nothing; one of another project neither."""
    database: Database = client.app.state.database  # type: ignore[attr-defined]
    client.get(DASHBOARD)
    with pytest.raises(NotFound):
        visit_twice(database, 1, 9999)
    client.post("/api/articles/5/events", json={"kind": "view"})  # of project 2
    with budget("queries <= 0"):
        client.get(DASHBOARD)


def test_an_error_is_not_kept(kept: Settings) -> None:
    """A provider that refuses is asked again as soon as it does not."""
    keyless = replace(kept, text=replace(kept.text, api_key=""))
    with TestClient(create_app(keyless)) as client:
        assert client.post("/api/projects/1/articles", json=WISH).status_code == 502
    with TestClient(create_app(kept)) as client:
        assert client.post("/api/projects/1/articles", json=WISH).status_code == 201


def test_dashboards_are_there_when_the_first_reader_comes(
    settings: Settings, database: Database, budget: Any
) -> None:
    """What is visited most is computed beside the start, and readiness does not wait for it."""
    with database.session() as session:
        analytics.record(session, 1, EventKind.VIEW, datetime.now(UTC).date())
    eager = replace(settings, cache=replace(settings.cache, preload=True))
    with TestClient(create_app(eager)) as client:
        kept = client.app.state.reads  # type: ignore[attr-defined]
        until = time.monotonic() + 20
        while not kept.stats() or kept.health().entries < 1:
            assert time.monotonic() < until
            time.sleep(0.02)
        with budget("queries <= 0"):
            assert client.get("/api/projects/1/analytics").json()["days"][-1]["views"] == 1
