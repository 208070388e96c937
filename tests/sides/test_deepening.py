"""The commit from which a pull request went apart, in clones that hold little of the history."""

import subprocess
from pathlib import Path

import pytest

from budgetguard.gate.sides.deepening import merge_base
from budgetguard.gate.sides.git import BaseError


def git(folder: Path, *arguments: str) -> str:
    words = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", *arguments]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(folder: Path, subject: str) -> str:
    git(folder, "commit", "-q", "--allow-empty", "-m", subject)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A server whose branches `main` and `topic` went apart at `fork`, 60 commits ago each."""
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    for number in range(3):
        commit(folder, f"early {number}")
    git(folder, "tag", "fork")
    git(folder, "checkout", "-q", "-b", "topic")
    for number in range(60):
        commit(folder, f"topic {number}")
    git(folder, "checkout", "-q", "main")
    for number in range(60):
        commit(folder, f"main {number}")
    return folder


def clone(origin: Path, ref: str, *options: str) -> Path:
    """One ref of it, as actions/checkout brings it; "--depth=1" unless options say otherwise."""
    folder = origin.with_name(f"clone-{ref.replace('/', '-')}")
    folder.mkdir()
    git(folder, "init", "-q")
    git(folder, "remote", "add", "origin", origin.as_uri())
    git(
        folder,
        "fetch",
        "-q",
        *(options or ["--depth=1"]),
        "origin",
        f"+{ref}:refs/remotes/origin/x",
    )
    git(folder, "checkout", "-q", "--detach", "refs/remotes/origin/x")
    return folder


def test_a_shallow_clone_of_the_head_is_deepened(origin: Path) -> None:
    """With one commit of the head alone, history is fetched until both meet; no ref moves."""
    here = clone(origin, "refs/heads/topic")
    refs = git(here, "for-each-ref")
    found = merge_base(here, git(origin, "rev-parse", "main"))
    assert found == git(origin, "rev-parse", "fork")
    assert git(here, "for-each-ref") == refs
    assert not (here / ".git" / "FETCH_HEAD").read_text().count(found)


def test_a_merge_that_github_made(origin: Path) -> None:
    """Its first parent is the base, though the event names an older one; only that commit is fetched."""
    older = git(origin, "rev-parse", "main")
    newer = commit(origin, "pushed after the event")
    git(origin, "checkout", "-q", "--detach")
    git(origin, "merge", "-q", "--no-ff", "-m", "merge", "topic")
    git(origin, "update-ref", "refs/pull/2/merge", "HEAD")
    here = clone(origin, "refs/pull/2/merge")
    merged = git(here, "rev-parse", "HEAD")
    assert merge_base(here, older, merged) == newer
    assert git(here, "rev-list", "--count", newer) == "1"


def test_a_merge_that_the_author_made(origin: Path) -> None:
    """A head that is a merge by itself is no merge of GitHub's: both histories are followed."""
    git(origin, "checkout", "-q", "topic")
    git(origin, "merge", "-q", "--no-ff", "-m", "bring main in", "main")
    main = git(origin, "rev-parse", "main")
    commit(origin, "on top")
    git(origin, "checkout", "-q", "main")
    tip = commit(origin, "main goes on")
    here = clone(origin, "refs/heads/topic")
    assert merge_base(here, tip, merged="") == main


def test_a_whole_clone_stays_whole(origin: Path) -> None:
    """Where everything is here nothing is fetched, and a clone is never made shallow."""
    here = clone(origin, "refs/heads/topic", "--no-tags")
    git(here, "remote", "set-url", "origin", "file:///nowhere")
    with pytest.raises(BaseError):
        merge_base(here, git(origin, "rev-parse", "main"))
    git(here, "remote", "set-url", "origin", origin.as_uri())
    assert merge_base(here, git(origin, "rev-parse", "main")) == git(origin, "rev-parse", "fork")
    assert not (here / ".git" / "shallow").exists()


def test_a_server_that_is_away(origin: Path) -> None:
    """The error names the depth to write and the credentials a private repository needs."""
    here = clone(origin, "refs/heads/topic")
    git(here, "remote", "set-url", "origin", "file:///nowhere")
    with pytest.raises(BaseError, match=r"fetch-depth: 0.*persist-credentials"):
        merge_base(here, git(origin, "rev-parse", "main"))


def test_histories_that_never_meet(origin: Path) -> None:
    """Two branches without a common commit are an error that says so."""
    git(origin, "checkout", "-q", "--orphan", "other")
    other = commit(origin, "alone")
    here = clone(origin, "refs/heads/topic")
    with pytest.raises(BaseError, match="no commit in common"):
        merge_base(here, other)
