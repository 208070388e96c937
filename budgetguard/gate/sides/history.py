"""Which commit is the base, and what differs between it and the work tree."""

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from budgetguard.errors import UsageError
from budgetguard.gate.sides.deepening import boundary, deepened, shallow_text
from budgetguard.gate.sides.git import BaseError, ask, need

_TIME_LINE = re.compile(r'\s*"time"\s*:')


class NoBaseYet(BaseError):
    """There is no base so far, and that is no fault: the limits that need one are NEW."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit of the repository whose work tree has its top at `root`."""

    root: Path
    sha: str
    subject: str
    when: str
    """The day of the commit, such as 2026-11-23."""

    @property
    def short(self) -> str:
        """As much of the name as a person needs."""
        return self.sha[:10]


@dataclass(frozen=True, slots=True)
class Changed:
    """A file that differs: added, modified or deleted since the commit; untracked is added."""

    path: str
    """Relative to the top of the repository, with forward slashes."""
    status: Literal["A", "M", "D"]


def base_of_time(baseline_file: Path) -> Commit:
    """The last commit that changed the line `time` of the baseline file, found with git blame.

    A shallow clone in which that commit may be missing is deepened, which adds objects to the
    repository and changes nothing else. Raises `NoBaseYet` where the line is in no commit, and
    `BaseError` where the history is missing or cannot be read.
    """
    file = Path(os.path.realpath(baseline_file))
    root = top_of(file.parent)
    line = _time_line(file, root)
    commit = _blame(file, line)
    more = deepened(root)
    while commit in boundary(root):
        if not next(more, ""):
            raise BaseError(shallow_text(root, f"the commit that set the time of {file.name}"))
        commit = _blame(file, line)
    return _described(root, commit)


def resolve(folder: Path, ref: str) -> Commit:
    """The commit that a person calls `ref`; raises `UsageError` where there is none."""
    root = top_of(folder)
    name = f"{ref}^{{commit}}"
    answer = None if ref.startswith("-") else ask(root, "rev-parse", "--verify", "--quiet", name)
    if answer is None or answer.code or not answer.text:
        hint = shallow_text(root, "it") if boundary(root) else "git fetch may bring it"
        raise UsageError(
            f"{ref!r} is no commit of the repository {root}; "
            f"expected a branch, tag or commit; {hint}"
        )
    return _described(root, answer.text)


def top_of(folder: Path) -> Path:
    """The top of the work tree around a folder; raises `NoBaseYet` outside of any repository."""
    answer = ask(folder, "rev-parse", "--show-toplevel")
    if answer.code == 0 and answer.text:
        return Path(os.path.realpath(answer.text))
    inside = any((above / ".git").exists() for above in (folder, *folder.parents))
    if "not a git repository" in answer.words and not inside:
        raise NoBaseYet(
            f"{folder} is in no git repository, and the base of time is a commit: "
            f"git init, and commit the baseline"
        )
    raise BaseError(f"git finds no work tree in {folder}: {answer.words}")


def is_clean_copy(commit: Commit) -> bool:
    """Whether the work tree, with untracked files that are not ignored, equals the commit."""
    return not changed_files(commit)


def changed_files(commit: Commit) -> tuple[Changed, ...]:
    """The files that differ between the commit and the work tree, sorted by path."""
    plain = ("--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none")
    with tempfile.TemporaryDirectory(prefix="budgetguard-") as folder:
        index = _honest_index(commit.root, Path(folder))
        compared = need(
            commit.root, "diff", "--name-status", "-z", *plain, commit.sha, "--", index=index
        )
        added = need(commit.root, "ls-files", "-z", "--others", "--exclude-standard", index=index)
    words = compared.names
    found = {path: _status(code) for code, path in zip(words[::2], words[1::2], strict=True)}
    for path in added.names:  # out of the index but on the disk: it was in the commit, too
        found[path] = "M" if path in found else "A"
    return tuple(Changed(path, found[path]) for path in sorted(found))


def _status(code: str) -> Literal["A", "M", "D"]:
    return "A" if code == "A" else "D" if code == "D" else "M"  # a changed type is a change


def _honest_index(root: Path, folder: Path) -> str:
    """A copy of the index: git writes what it refreshes there, and it overlooks no file in it."""
    copy = folder / "index"
    index = root / need(root, "rev-parse", "--git-path", "index").text
    if index.exists():
        copy.write_bytes(index.read_bytes())
    overlooked = [
        os.fsencode(line[2:])
        for line in need(root, "ls-files", "-v", "-z").names
        if line[0].islower() or (line[0] == "S" and os.path.lexists(root / line[2:]))
    ]
    for flag in ("--no-assume-unchanged", "--no-skip-worktree") if overlooked else ():
        names = b"\0".join(overlooked)
        need(root, "update-index", flag, "-z", "--stdin", given=names, index=str(copy))
    return str(copy)


def _time_line(file: Path, root: Path) -> int:
    """The number of the line `time` in the committed file, if the work tree has the same line."""
    commit_it = f"no base yet: commit {file.name}; time is compared with the commit that brings it"
    if ask(root, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").code:
        raise NoBaseYet(commit_it)
    committed = ask(file.parent, "show", f"HEAD:./{file.name}")
    try:
        now = _find(file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        now = None
    then = _find(committed.output.decode(errors="replace")) if committed.code == 0 else None
    if now is None and then is None:
        raise NoBaseYet("no base yet: record one with budgetguard baseline update, and commit it")
    if now is None or then is None or now[1] != then[1]:
        raise NoBaseYet(commit_it)
    return then[0]


def _find(text: str) -> tuple[int, str] | None:
    """Number and text of the line `time`, None where it is missing or empty."""
    for number, line in enumerate(text.split("\n"), 1):
        if _TIME_LINE.match(line):
            bare = line.strip().rstrip(",")
            return None if bare.endswith('""') else (number, bare)
    return None


def _blame(file: Path, line: int) -> str:
    place = ("-L", f"{line},{line}", "HEAD", "--", file.name)
    answer = need(file.parent, "blame", "--root", "--porcelain", "--no-textconv", *place)
    return answer.text.split(" ", 1)[0]


def _described(root: Path, sha: str) -> Commit:
    answer = need(root, "show", "-s", "--no-show-signature", "--format=%H%n%cs%n%s", sha)
    full, when, subject = (*answer.text.split("\n"), "", "")[:3]
    return Commit(root, full, subject, when)


def line(good: Commit, bad: Commit) -> list[Commit]:
    """The commits after `good` up to `bad`, oldest first, by first parents.

    Raises `UsageError` where `good` is no ancestor of `bad` along them.
    """
    form = ("--no-show-signature", "--format=%H%x00%P%x00%cs%x00%s")
    span = f"{good.sha}..{bad.sha}"
    answer = need(good.root, "log", "--first-parent", "--reverse", *form, span)
    rows = [line.split("\0", 3) for line in answer.text.split("\n") if line]
    if not rows or rows[0][1].split(" ")[0] != good.sha:
        raise UsageError(
            f"{_not_in_line(good, bad)}; expected GOOD, then a newer BAD of its branch"
        )
    return [Commit(good.root, sha, subject, when) for sha, _, when, subject in rows]


def _not_in_line(good: Commit, bad: Commit) -> str:
    """Why there is no way from `good` to `bad` by first parents."""
    if good.sha == bad.sha:
        return f"GOOD and BAD are the same commit, {good.short}"
    for older, newer, said in (
        (bad, good, f"GOOD {good.short} is newer than BAD {bad.short}: change their places"),
        (good, bad, f"GOOD {good.short} came into the branch of BAD {bad.short} by a merge"),
    ):
        if ask(good.root, "merge-base", "--is-ancestor", older.sha, newer.sha).code == 0:
            return said
    if boundary(good.root):
        return f"{good.short} is no ancestor of {bad.short} here; {shallow_text(good.root, 'it')}"
    return f"GOOD {good.short} is no ancestor of BAD {bad.short}"
