"""The app as the tests see it: a seeded database of its own, and the providers over real HTTP."""

import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from content_app.database import Database
from content_app.seed import seed
from content_app.settings import Settings, offline
from content_app.web import create_app
from starlette.testclient import TestClient

APP = Path(__file__).parent.parent
TODAY = date(2026, 1, 31)


@pytest.fixture(scope="session")
def providers_url() -> Iterator[str]:
    """The local providers in a process of their own, so that no budget counts their work."""
    command = [sys.executable, "-m", "content_app.local_providers"]
    with subprocess.Popen(command, cwd=APP, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready, _, _ = select.select([process.stdout], [], [], 20)
            assert ready, "the local providers did not start within 20 s"
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@pytest.fixture(scope="session")
def seeded_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A seeded database file, made once and copied for each test."""
    path = tmp_path_factory.mktemp("seed") / "content.db"
    database = Database(f"sqlite:///{path}")
    database.create_tables()
    with database.session() as session:
        seed(session, TODAY)
    database.close()
    return path


@pytest.fixture
def settings(seeded_file: Path, providers_url: str, tmp_path: Path) -> Settings:
    """The settings of an app with a database of its own."""
    copy = shutil.copy(seeded_file, tmp_path / "content.db")
    return offline(f"sqlite:///{copy}", providers_url)


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """A running app, warm: its pool holds a connection and its worker thread exists."""
    with TestClient(create_app(settings)) as client:
        assert client.get("/api/health").is_success
        yield client


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The test's own database, beside the app."""
    database = Database(settings.database_url)
    yield database
    database.close()


@pytest.fixture
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, as the web server does."""
    return "asyncio"
