"""Relative limits of a load, checked by the real command; whole verdicts are `benchmarks.load.relative`."""

import signal

import pytest

from .loads import app, below, config, files, interrupted

LIMIT = "p50 <= baseline + 50%"


@pytest.fixture
def slowed(timed):
    """A repository whose head answers after 80 ms, and its base after 20."""
    timed.write({**files(LIMIT, path="/"), "app.py": app(0.02)})
    timed.based("api")
    timed.commit("slow", {"app.py": app(0.08)})
    return timed


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_nothing_of_two_sides_stays(slowed, sent):
    """Interrupted while both are loaded, neither app, neither generator and no file stays."""
    process = slowed.start("budgetguard", "check", "--only", "load")
    interrupted(slowed, process, sent, lambda: _two("app.py", slowed) and _two("locust", slowed))


def _two(word, project):
    return sum(word in line for line in below(project.scratch)) >= 2


def test_both_sides_have_to_be_started_here(timed):
    """A host that runs already cannot be base and head: ERROR says what would."""
    settings = config(LIMIT).replace("serve: python app.py {port}", "host: http://127.0.0.1:9")
    timed.write({**files(LIMIT, path="/"), "budgetguard.yml": settings})
    timed.based("api")
    timed.commit("slow", {"app.py": app(0.12)})
    timed.check().ends(4, "base and head are compared side by side", "expected serve:")
