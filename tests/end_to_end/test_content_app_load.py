"""The load budgets of the example application: green as it stands, and red for an endpoint that breaks."""

import importlib.util
import shutil
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples/content_app"
LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", ".pytest_cache", "node_modules", ".mypy_cache", ".benchmarks", "*.db"
)
NEEDED = ("fastapi", "sqlalchemy", "httpx", "anyio", "uvicorn", "locust")
BUDGET = "visitors"


@pytest.fixture
def plugins():
    """All plugins of this environment, as their entry points load them."""
    return {}


@pytest.fixture
def app(project):
    """A copy of the example in a folder of its own."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the example needs {', '.join(missing)}")
    shutil.rmtree(project.folder)
    shutil.copytree(EXAMPLE, project.folder, ignore=LEFT_OUT)
    (project.folder / ".git").mkdir()
    return project


def test_as_it_stands(app):
    """The expected visitors are served without a failure, from a database of their own."""
    told = app.check(BUDGET)

    assert told.code == 0, told.words
    assert not {"FAIL", "ERROR", "VANISHED"} & set(told.words.split())
    assert not list(app.folder.rglob("*.db"))


def test_an_endpoint_that_breaks(app):
    """Articles that nobody can open are red, with the answer that the visitors got."""
    routes = app.folder / "content_app/web.py"
    line = "    return ArticleOut.model_validate(catalogue.article(session, article_id))\n"
    text = routes.read_text()
    assert text.count(line) == 1, "web.py has changed"
    routes.write_text(text.replace(line, f'    raise catalogue.NotFound("gone")\n{line}'))

    app.check(BUDGET).ends(1, f"FAIL {BUDGET} failures <= 0%", "404")
