"""Every interaction answers in time and leaves nothing behind.

The folder's group in budgetguard.yml gives each test here its limits; a marker is stricter.
"""

import pytest
from starlette.testclient import TestClient


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/users",
        "/api/users/1/projects",
        "/api/projects/1/articles",
        "/api/projects/1/searches",
        "/api/projects/1/analytics",
        "/api/articles/1",
    ],
)
def test_every_page_answers_within_a_second(client: TestClient, path: str) -> None:
    """No reader waits for a second, whatever is opened."""
    assert client.get(path).is_success


@pytest.mark.budget("p95 <= 50 ms")
def test_an_article_opens_at_once(client: TestClient) -> None:
    """The most frequent interaction is fast for 95 readers of 100."""
    assert client.get("/api/articles/1").is_success


@pytest.mark.budget("wall <= 300 ms", "queries <= 3")
def test_a_year_of_analytics_is_one_dashboard(client: TestClient) -> None:
    """The longest window costs no more queries than the shortest."""
    answer = client.get("/api/projects/1/analytics", params={"days": 366, "until": "2026-01-31"})
    assert len(answer.json()["days"]) == 366
