"""`budgetguard bisect` on a real repository: what it tells, and how it ends."""

import pytest


@pytest.fixture
def history(project, monkeypatch, tmp_path_factory):
    """Five commits of a bundle: 100, 100, no bundle at all, 300 and 310 bytes, of which 200 are allowed."""
    monkeypatch.setenv("BUDGETGUARD_CACHE", str(tmp_path_factory.mktemp("cache")))
    for number, size in enumerate((100, 100, None, 300, 310)):
        project.bundle.unlink(missing_ok=True)
        if size is not None:
            project.bundle.write_text("a" * size)
        project.git("add", "-A")
        project.git("commit", "-q", "--allow-empty", "-m", f"commit {number}")
    return project


def test_found(history):
    """Each commit that was tried has a line; the first red one is told with its number and its suspects."""
    told = history.run("bisect", "app", "HEAD~4", "HEAD")

    assert told.code == 0, told.err
    lines = [line.split() for line in told.out.splitlines()]
    tried = {
        " ".join(line[2:]): line[0] for line in lines if line[:1] in (["bad"], ["good"], ["?"])
    }
    assert tried == {"commit 4": "bad", "commit 2": "?", "commit 3": "bad", "commit 1": "good"}
    assert "matches no file" in told.out
    assert "app is over budget since" in told.out
    assert ": commit 3\n  raw <= 200 B: 300 B is over 200 B" in told.out
    assert "which could not be measured" in told.out


def test_an_end_that_cannot_be_measured(history):
    """A commit without the bundle cannot be an end, and says so."""
    told = history.run("bisect", "app", "HEAD~4", "HEAD~2")

    assert told.code == 4
    assert "cannot be measured" in told.err
    assert "matches no file" in told.err


def test_a_work_tree_that_cannot_be_measured(history):
    """The work tree's own configuration and benchmark are used, so they have to work."""
    history.bundle.unlink()
    told = history.run("bisect", "app", "HEAD~4", "HEAD")

    assert told.code == 4
    assert "app cannot be measured in the work tree" in told.err


def test_another_configuration(history):
    """A configuration that only the work tree has is used at every commit."""
    config = history.config.read_text().replace("raw <= 200 B, raw <= baseline", "raw <= 305 B")
    (history.folder / "loose.yml").write_text(config)
    told = history.run("bisect", "app", "HEAD~4", "HEAD", "--config", "loose.yml")

    assert told.code == 0, told.err
    assert ": commit 4\n  raw <= 305 B: 310 B is over 305 B" in told.out


def test_no_repository(history):
    """Outside of a repository there is nothing to search."""
    (history.folder / ".git").rename(history.folder / "git")
    told = history.run("bisect", "app", "HEAD~4", "HEAD")

    assert told.code == 4
    assert "is in no git repository" in told.err
