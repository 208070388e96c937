"""The JSON API: what it answers, and in how many queries."""

from typing import Any

import pytest
from starlette.testclient import TestClient


@pytest.mark.budget("queries <= 2", "n_plus_one <= 0")
def test_projects_come_with_their_totals(client: TestClient) -> None:
    """A user's projects are listed with the articles and words they hold."""
    page = client.get("/api/users/1/projects").json()
    assert [item["name"] for item in page["items"]][:2] == ["Kitchen Garden", "Slow Coffee"]
    assert page["items"][0]["articles"] == 4
    assert page["items"][0]["words"] > 1_000
    assert page["next"] is None


@pytest.mark.budget("queries <= 2", "n_plus_one <= 0")
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_articles_cost_the_same_queries_at_every_page_size(client: TestClient, limit: int) -> None:
    """A longer page is no more queries."""
    page = client.get("/api/projects/1/articles", params={"limit": limit}).json()
    assert len(page["items"]) == min(limit, 4)
    assert {"id", "title", "keyword"} <= page["items"][0].keys()


@pytest.mark.budget("queries <= 3", "rows <= 17", "n_plus_one <= 0")
def test_searches_come_with_their_pages(client: TestClient) -> None:
    """Search analyses bring their competing pages along, all with one more query."""
    searches = client.get("/api/projects/1/searches").json()["items"]
    assert [len(search["pages"]) for search in searches] == [3, 3, 3, 3]
    assert searches[0]["terms"][0].keys() == {"text", "count"}


@pytest.mark.budget("queries <= baseline", "query_time <= 300 ms")
def test_the_dashboard_adds_up(client: TestClient) -> None:
    """Every day of the window has a total, and the top articles are in order."""
    answer = client.get("/api/projects/1/analytics", params={"until": "2026-01-31"}).json()
    assert len(answer["days"]) == 30
    views = [article["views"] for article in answer["top"]]
    assert views == sorted(views, reverse=True)
    assert sum(views) == sum(day["views"] for day in answer["days"]) > 0


def test_a_visit_is_seen_on_the_dashboard(client: TestClient, budget: Any) -> None:
    """Recording is two queries, and the next dashboard has the visit."""
    with budget("queries <= 2"):
        response = client.post("/api/articles/1/events", json={"kind": "view"})
    assert response.status_code == 204
    days = client.get("/api/projects/1/analytics", params={"days": 2}).json()["days"]
    assert sum(day["views"] for day in days) == 1


def test_the_cursor_walks_over_all_articles_once(client: TestClient) -> None:
    """Following `next` gives each article once and comes to an end."""
    seen: list[int] = []
    cursor = 0
    for _ in range(3):
        params = {"limit": 2, "after": cursor}
        page = client.get("/api/projects/2/articles", params=params).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [5, 6, 7, 8]
    assert cursor is None


@pytest.mark.parametrize(
    "path", ["users/99/projects", "projects/99/articles", "projects/99/analytics", "articles/99"]
)
def test_an_unknown_id_is_not_found(client: TestClient, path: str) -> None:
    """What does not exist is answered with 404 and a sentence."""
    response = client.get(f"/api/{path}")
    assert response.status_code == 404
    assert "99 does not exist" in response.json()["detail"]


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 101}, {"after": -1}])
def test_a_page_has_bounds(client: TestClient, params: dict[str, int]) -> None:
    """Nobody can ask for a page without end."""
    assert client.get("/api/projects/1/articles", params=params).status_code == 422
