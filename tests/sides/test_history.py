"""Which commit is the base: found with real git, in every state a repository can be in."""

import os
import subprocess
from pathlib import Path

import pytest

from budgetguard.errors import UsageError
from budgetguard.gate.baseline import write_baseline
from budgetguard.gate.model import Baseline
from budgetguard.gate.sides.git import BaseError
from budgetguard.gate.sides.history import (
    Changed,
    NoBaseYet,
    base_of_time,
    changed_files,
    is_clean_copy,
    resolve,
)

NAME = "budgetguard.baseline.json"


def git(folder: Path, *arguments: str) -> str:
    """What a git command prints."""
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"]
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(folder: Path, subject: str) -> str:
    """Commit all there is and return the commit."""
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", subject)
    return git(folder, "rev-parse", "HEAD")


def baseline(folder: Path, day: str) -> Path:
    """A baseline file as `baseline update` writes it."""
    write_baseline(folder / NAME, Baseline({}, f"2026-11-{day}T08:00:00Z"))
    return folder / NAME


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """An empty repository in a folder with a space and an umlaut."""
    folder = tmp_path / "größe und raum"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    return folder


@pytest.fixture
def moved(repo: Path) -> tuple[Path, str]:
    """A repository whose time was set, moved, and left alone since; and the commit that moved it."""
    baseline(repo, "20")
    commit(repo, "first")
    baseline(repo, "21")
    second = commit(repo, "moves the base of time")
    for name in ("x", "y"):
        (repo / name).write_text(name)
        commit(repo, f"adds {name}")
    return repo, second


def test_the_last_commit_that_changed_the_line(moved: tuple[Path, str]) -> None:
    """The base is the commit that brought the line, not the last one of the file or of all."""
    repo, second = moved
    file = repo / NAME
    file.write_text(file.read_text().replace('"tool": "', '"tool": "other '))
    commit(repo, "changes another line")
    found = base_of_time(file)
    assert (found.sha, found.subject, found.root) == (second, "moves the base of time", repo)


def test_a_detached_head_in_a_worktree_and_a_subfolder(repo: Path, tmp_path: Path) -> None:
    """The base is found in a linked worktree at no branch, with the config below the top."""
    (repo / "services" / "api").mkdir(parents=True)
    baseline(repo / "services" / "api", "20")
    first = commit(repo, "first")
    (repo / "x").write_text("x")
    commit(repo, "second")
    git(repo, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"), "HEAD")
    found = base_of_time(tmp_path / "linked" / "services" / "api" / NAME)
    assert (found.sha, found.root) == (first, tmp_path / "linked")


@pytest.mark.parametrize("state", ["none", "no commit", "untracked", "moved", "deleted"])
def test_what_is_not_committed_is_new(repo: Path, state: str) -> None:
    """Without a committed line there is no base yet, and the next step is said."""
    if state not in ("none", "no commit"):
        (repo / "x").write_text("x")
        commit(repo, "something else")
    if state in ("no commit", "untracked"):
        baseline(repo, "20")
    if state in ("moved", "deleted"):
        baseline(repo, "20")
        commit(repo, "first")
    if state == "moved":
        baseline(repo, "22")
    if state == "deleted":
        (repo / NAME).unlink()
    with pytest.raises(NoBaseYet, match=r"no base yet: (commit|record)"):
        base_of_time(repo / NAME)


def test_outside_of_any_repository_is_new(tmp_path: Path) -> None:
    """A folder without git has no base yet; one whose .git leads nowhere is an error."""
    with pytest.raises(NoBaseYet, match="git init"):
        base_of_time(baseline(tmp_path, "20"))
    (tmp_path / ".git").write_text("gitdir: /nowhere/at/all\n")
    with pytest.raises(BaseError, match="nowhere") as caught:
        base_of_time(tmp_path / NAME)
    assert not isinstance(caught.value, NoBaseYet)


def test_missing_git_is_an_error(moved: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where git is not installed nothing passes as new."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(BaseError, match="git is not installed") as caught:
        base_of_time(moved[0] / NAME)
    assert not isinstance(caught.value, NoBaseYet)


def test_a_bare_repository_is_an_error(moved: tuple[Path, str], tmp_path: Path) -> None:
    """A repository without a work tree says so."""
    git(tmp_path, "clone", "-q", "--bare", str(moved[0]), "bare.git")
    with pytest.raises(BaseError, match="no work tree"):
        base_of_time(tmp_path / "bare.git" / NAME)


def test_a_shallow_clone_is_deepened(moved: tuple[Path, str], tmp_path: Path) -> None:
    """With a remote the missing history is fetched; branches and FETCH_HEAD stay as they were."""
    repo, second = moved
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repo}", "shallow")
    (repo / "z").write_text("z")
    commit(repo, "goes on")
    (tmp_path / "shallow" / "here").write_text("")  # a commit that the remote does not know
    commit(tmp_path / "shallow", "made here")
    refs = git(tmp_path / "shallow", "for-each-ref")
    assert base_of_time(tmp_path / "shallow" / NAME).sha == second
    assert git(tmp_path / "shallow", "for-each-ref") == refs
    assert not (tmp_path / "shallow" / ".git" / "FETCH_HEAD").exists()


def test_a_shallow_clone_without_its_remote_is_an_error(
    moved: tuple[Path, str], tmp_path: Path
) -> None:
    """The end of a shallow clone is never taken for the base; the depth to write is named."""
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{moved[0]}", "shallow")
    moved[0].rename(tmp_path / "away")
    with pytest.raises(BaseError, match="fetch-depth: 0") as caught:
        base_of_time(tmp_path / "shallow" / NAME)
    assert not isinstance(caught.value, NoBaseYet)
    assert "git fetch --unshallow" in str(caught.value)


def test_the_root_commit_is_no_boundary(repo: Path) -> None:
    """A line that came with the very first commit has that commit as its base."""
    baseline(repo, "20")
    first = commit(repo, "first")
    assert base_of_time(repo / NAME).sha == first


def test_resolve(moved: tuple[Path, str]) -> None:
    """Branch, tag and short name lead to the commit; anything else is the user's error."""
    repo, second = moved
    git(repo, "tag", "-a", "-m", "one", "v1", second)
    git(repo, "branch", "topic", second)
    for ref in ("v1", "topic", second[:9], "HEAD~2"):
        assert resolve(repo, ref).sha == second
    for ref in ("nowhere", "-h", "--all", "", "HEAD:x"):
        with pytest.raises(UsageError, match="is no commit"):
            resolve(repo, ref)


def test_changed_files(moved: tuple[Path, str]) -> None:
    """Modified, deleted, staged, committed and untracked files are named; ignored ones are not."""
    repo, _ = moved
    base = resolve(repo, "HEAD~1")
    assert changed_files(base) == (Changed("y", "A"),)
    assert is_clean_copy(resolve(repo, "HEAD"))
    (repo / "x").write_text("other")
    (repo / "y").unlink()
    (repo / ".gitignore").write_text("*.tmp\n")
    (repo / "a.tmp").write_text("")
    (repo / "ü b").write_text("")
    git(repo, "rm", "-q", "--cached", NAME)
    found = changed_files(resolve(repo, "HEAD"))
    assert found == (
        Changed(".gitignore", "A"),
        Changed(NAME, "M"),
        Changed("x", "M"),
        Changed("y", "D"),
        Changed("ü b", "A"),
    )
    assert not is_clean_copy(resolve(repo, "HEAD"))


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
def test_files_that_git_overlooks_are_seen(moved: tuple[Path, str], flag: str) -> None:
    """A change that the user told git to overlook is a change; his index stays as it was."""
    repo, _ = moved
    git(repo, "update-index", flag, "x")
    (repo / "x").write_text("changed")
    index = (repo / ".git" / "index").read_bytes()
    assert changed_files(resolve(repo, "HEAD")) == (Changed("x", "M"),)
    assert (repo / ".git" / "index").read_bytes() == index


def test_nothing_of_the_user_runs_or_changes(
    moved: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No hook, monitor, converter or pager runs, nothing in .git is written, GIT_DIR is not believed."""
    repo, second = moved
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch '{tmp_path}/sprung'\ncat\n")
    trap.chmod(0o755)
    (repo / ".gitattributes").write_text("*.json diff=trap\n")
    commit(repo, "attributes")
    for name in ("core.fsmonitor", "diff.trap.textconv", "diff.external", "core.pager"):
        git(repo, "config", name, str(trap))
    for hook in (repo / ".git" / "hooks").glob("*.sample"):
        hook.unlink()
    for hook in ("post-checkout", "post-index-change", "reference-transaction"):
        (repo / ".git" / "hooks" / hook).symlink_to(trap)
    os.utime(repo / "x", (1, 1))  # a stat that differs would tempt git to refresh its index
    before = snapshot(repo / ".git")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "no-index"))
    assert base_of_time(repo / NAME).sha == second
    assert is_clean_copy(resolve(repo, "HEAD"))
    assert not (tmp_path / "sprung").exists()
    assert snapshot(repo / ".git") == before


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file."""
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file): (file.stat().st_size, file.stat().st_mtime_ns) for file in files}
