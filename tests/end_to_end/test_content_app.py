"""The example application: within its budgets as it stands, and red for each of its regressions."""

import importlib.util
import shutil
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples/content_app"
LEFT_OUT = shutil.ignore_patterns(
    "__pycache__", ".pytest_cache", "node_modules", ".mypy_cache", ".benchmarks", "*.db"
)
NEEDED = ("fastapi", "sqlalchemy", "httpx", "anyio", "brotli", "memray", "uvicorn", "locust")


@pytest.fixture
def plugins():
    """All plugins of this environment, as their entry points load them."""
    return {}


@pytest.fixture
def app(project):
    """A copy of the example without what its own runs left behind, and a way to change one of its files."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"the example needs {', '.join(missing)}")
    shutil.rmtree(project.folder)
    shutil.copytree(EXAMPLE, project.folder, ignore=LEFT_OUT)
    (project.folder / ".git").mkdir()
    return project


def change(project, name, old, new):
    """Replace one passage of a file that has it once."""
    file = project.folder / name
    text = file.read_text()
    assert text.count(old) == 1, f"{name} has changed: {old!r} is there {text.count(old)} times"
    file.write_text(text.replace(old, new))


def test_as_it_stands(app):
    """All that does not depend on this machine's speed is within budget or new."""
    told = app.check("--exact").ends(0, "exit 0")
    assert not {"FAIL", "ERROR", "VANISHED"} & set(told.words.split())


def test_an_n_plus_one(app):
    """A relation that is loaded row by row is told with its statement and line."""
    change(app, "content_app/catalogue.py", ".options(selectinload(SearchAnalysis.pages))", "")

    name = "tests/test_api.py::test_searches_come_with_their_pages"
    told = app.check("--exact", name).ends(
        1, f"FAIL {name} n_plus_one <= 0", "1 is over 0", "6 is over 3"
    )
    assert "4× SELECT competing_pages" in told.out
    assert "content_app/web.py:" in told.out


def test_a_bigger_bundle(app):
    """A script that grew is told by its file."""
    script = next((app.folder / "frontend/dist/assets").glob("index-*.js"))
    with script.open("a") as stream:
        stream.write(
            "".join(f"export const k{number}='{hash(number * 7919)}';" for number in range(4000))
        )

    app.check("first-script").ends(1, "FAIL first-script brotli <= 10 kB", script.name)


def test_a_memory_hog(app):
    """An analysis that keeps copies of what it reads is told with the line that allocates."""
    change(
        app,
        "content_app/analysis.py",
        "    words = ",
        "    copies = [text + str(number) for number in range(40)]\n    copies.sort()\n    words = ",
    )

    name = "tests/test_analysis.py::test_a_long_page_needs_little_memory"
    app.check("--exact", name).ends(
        1, f"FAIL {name} peak <= 200 kB", "over 0.2 MB", "content_app/analysis.py"
    )


def test_one_more_request(app):
    """A second search for the same article is told with the address that is asked once too often."""
    search = "await providers.search(keyword, limit=COMPETITORS)"
    more = search.replace("keyword", 'f"{keyword} guide"')
    change(app, "content_app/generation.py", f"hits = {search}", f"{more}\n    hits = {search}")

    name = "tests/test_generation.py::test_a_draft_is_five_requests"
    app.check("--exact", name).ends(
        1, f"FAIL {name} http_requests <= 5", "6 is over 5", "/search.json ×2"
    )


def test_a_cache_that_is_left_out(app):
    """Asking a provider past the cache is told where the same wish should have called nobody."""
    change(
        app,
        "content_app/providers.py",
        "await self._answers.acall(WRITE, body, ask)",
        "await ask()",
    )

    name = "tests/test_caching.py::test_the_same_wish_again_calls_nobody"
    app.check("--exact", name).ends(
        1, f"FAIL {name} again http_requests <= 0", "1 is over 0", "/v1/chat/completions"
    )


def test_a_commit_that_nobody_hears_of(app):
    """A list that is not given up by a write fails its test, and so the check."""
    change(
        app,
        "content_app/analytics.py",
        "    makes_stale(session, of_project(article.project_id))\n",
        "",
    )

    told = app.check("--exact", "tests/test_caching.py::test_a_writer_sees_what_it_wrote")
    assert told.code != 0


def test_a_thread_left_behind(app):
    """A worker that a request starts and nobody stops is told by its name."""
    change(app, "content_app/web.py", "from anyio import", "import threading\n\nfrom anyio import")
    change(
        app,
        "content_app/web.py",
        '    """One whole article."""\n',
        "    worker = threading.Thread(target=threading.Event().wait, name='refresher', daemon=True)\n"
        "    worker.start()\n",
    )

    name = "tests/perf/test_responsiveness.py::test_every_page_answers_within_a_second"
    told = app.check("--exact", f"{name}[/api/articles/1]")
    told.ends(1, "a_second[/api/articles/1] threads <= 0", "1 is over 0", "refresher (daemon)")


def test_its_visitors(app):
    """They are served without a failure as it stands, from a database of their own."""
    told = app.check("visitors")

    assert told.code == 0, told.words
    assert not {"FAIL", "ERROR", "VANISHED"} & set(told.words.split())
    assert not list(app.folder.rglob("*.db"))


def test_an_endpoint_that_breaks(app):
    """Articles that nobody can open are red under load, with the answer that the visitors got."""
    line = "    return ArticleOut.model_validate(catalogue.article(session, article_id))\n"
    change(app, "content_app/web.py", line, f'    raise catalogue.NotFound("gone")\n{line}')

    app.check("visitors").ends(1, "FAIL visitors failures <= 0%", "404")
