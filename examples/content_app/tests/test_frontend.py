"""The built front end as the app serves it."""

import json
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

DIST = Path(__file__).parent.parent / "frontend" / "dist"


@pytest.mark.budget("queries <= 0", "wall <= 200 ms")
def test_the_page_and_its_files_are_served(client: TestClient) -> None:
    """The page needs no query, and its hashed files may be kept for ever."""
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    for path in re.findall(r'(?:src|href)="(/assets/[^"]+)"', page.text):
        response = client.get(path)
        assert response.is_success
        assert "immutable" in response.headers["cache-control"]


def test_the_chart_is_fetched_on_demand() -> None:
    """The chart is a chunk of its own, so the first load does not carry it."""
    manifest = json.loads((DIST / ".vite" / "manifest.json").read_text())
    assert manifest["index.html"]["dynamicImports"] == ["src/chart.jsx"]
    assert {f"assets/{path.name}" for path in (DIST / "assets").iterdir()} == {
        *(chunk["file"] for chunk in manifest.values()),
        *(sheet for chunk in manifest.values() for sheet in chunk.get("css", [])),
    }
