"""GitHub for tests: `with fake_github() as github:` serves the calls of the Action on 127.0.0.1."""

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACKAGE = "budgetguard_tests_github"
REPOSITORY = "Codertocat/Hello-World"  # as in the payloads of data/events
TOKEN = "ghs_token-of-the-job"  # what GITHUB_TOKEN is, unless a test says otherwise


def _package() -> None:
    """Load the folder `github` as a package; the test folders themselves are none."""
    folder = Path(__file__).with_name("github")
    spec = importlib.util.spec_from_file_location(
        PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[PACKAGE])


if PACKAGE not in sys.modules:
    _package()
answers, hub, openapi, state, wire = (
    importlib.import_module(f"{PACKAGE}.{name}")
    for name in ("answers", "hub", "openapi", "state", "wire")
)

Fault, broken, cut, slow = answers.Fault, answers.broken, answers.cut, answers.slow
rate_limited, secondary_limited = answers.rate_limited, answers.secondary_limited
installation, personal, fine_grained = state.installation, state.personal, state.fine_grained


@contextlib.contextmanager
def fake_github(
    repository: str = REPOSITORY, *, private: bool = True, prefix: str = ""
) -> Iterator[Any]:
    """Serve one repository, and the storage of its artifacts under another host's name.

    `prefix` is the path of the API, `/api/v3` on an Enterprise Server. TOKEN may do what the
    workflows of our documentation ask for: read contents and actions, write on pull requests.
    """
    github = hub.GitHub(repository, private=private, prefix=prefix)
    github.tokens[TOKEN] = installation(contents="read", actions="read", pull_requests="write")
    with (
        wire.serving(github.answer, github.violations.append, "127.0.0.1") as api,
        wire.serving(github.download, github.violations.append, "localhost") as storage,
    ):
        github.url, github.storage_url = f"{api}{prefix}", storage
        yield github
