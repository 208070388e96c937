"""Generating an article: the right steps, few external calls, nothing left open."""

import socket
from dataclasses import replace
from typing import Any

import pytest
from content_app import generation, providers
from content_app.analysis import analyse
from content_app.catalogue import totals
from content_app.database import Database
from content_app.providers import SearchHit
from content_app.settings import ProviderSettings, Settings
from content_app.web import create_app
from starlette.testclient import TestClient

from budgetguard.cache import open_cache

WISH = {"keyword": "seed trays"}


@pytest.mark.anyio
@pytest.mark.budget("http_requests <= 5", "sockets <= 0", "tasks <= 0")
async def test_a_draft_is_five_requests(settings: Settings) -> None:
    """One search, three scrapes, one completion; then every connection is closed."""
    answers = open_cache("memory://8MiB")
    async with providers.connect(settings, answers) as clients:
        draft = await generation.write_draft(clients, "seed trays")
    assert draft.title == "Seed trays: a practical guide"
    assert len(draft.research.pages) == generation.COMPETITORS
    assert set(draft.analysis.headings) == set(generation.outline(draft.research))


@pytest.mark.budget("queries <= baseline", "n_plus_one <= 0")
@pytest.mark.budget("http_requests <= 5", "sockets <= 3", "wall <= 1 s")
def test_an_article_is_stored_with_its_search(client: TestClient) -> None:
    """A generated article is listed afterwards; a kept connection per competitor is left behind."""
    response = client.post("/api/projects/1/articles", json=WISH)
    assert response.status_code == 201
    assert response.json()["keyword"] == "seed trays"
    assert client.get("/api/projects/1/articles").json()["items"][-1]["id"] == response.json()["id"]


@pytest.mark.budget("http_requests <= 0")
@pytest.mark.parametrize(
    "keyword", ["", "x", "<script>", "a" * 81], ids=["empty", "short", "markup", "long"]
)
def test_a_bad_keyword_costs_no_call(client: TestClient, keyword: str) -> None:
    """What cannot become an article is refused before anybody is paid."""
    response = client.post("/api/projects/1/articles", json={"keyword": keyword})
    assert response.status_code == 422


@pytest.mark.budget("http_requests <= 0")
def test_an_unknown_project_costs_no_call(client: TestClient) -> None:
    """The project is looked up before the providers are asked."""
    assert client.post("/api/projects/99/articles", json=WISH).status_code == 404


@pytest.mark.parametrize("service", ["search", "scrape", "text"])
def test_a_dead_provider_is_a_bad_gateway(
    settings: Settings, database: Database, service: str
) -> None:
    """The answer names the service, keeps the key, and nothing half-made is stored."""
    with database.session() as session:
        before = totals(session)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        dead: dict[str, Any] = {service: ProviderSettings(address, "sk-secret")}
        with TestClient(create_app(replace(settings, **dead))) as client:
            response = client.post("/api/projects/1/articles", json=WISH)
    assert response.status_code == 502
    assert response.json() == {"detail": f"{service}: ConnectError"}
    with database.session() as session:
        assert totals(session) == before


def test_a_missing_key_is_told_without_the_url(settings: Settings) -> None:
    """An HTTP error is told by its status: SerpApi's URL would hold the key."""
    keyless = replace(settings, text=replace(settings.text, api_key=""))
    with TestClient(create_app(keyless)) as client:
        response = client.post("/api/projects/1/articles", json=WISH)
    assert response.json() == {"detail": "text: HTTP 401"}


def test_the_outline_prefers_what_competitors_share() -> None:
    """A heading that two competitors have stands before one that only one has."""
    texts = ["# A\n\n## Price\n\n## Care", "# B\n\n## Care", "# C\n\n## Tools"]
    hits = [SearchHit(at, "", "") for at in (1, 2, 3)]
    assert generation.outline(generation.study("beds", hits, texts)) == ["Care", "Price", "Tools"]
    assert analyse(texts[0], "beds").headings == ("A", "Price", "Care")
