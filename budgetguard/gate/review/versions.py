"""Both versions of each configuration and its baseline that a commit or a push changes, out of git.

Nothing but git and bytes: what is not changed costs a commit three calls of git.
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from budgetguard.errors import UsageError
from budgetguard.gate.names import BASELINE_NAME, TOML_NAME, YAML_NAME
from budgetguard.gate.sides.git import Answer, NoAnswer, run

_NAMES = (YAML_NAME, TOML_NAME, BASELINE_NAME)
_ANYWHERE = [f":(glob)**/{name}" for name in _NAMES]
_TIMEOUT_S = 30.0
_OURS = b"budgetguard"
_FOUND = re.compile(rb"[0-9a-f]{40,64} (\w+) ([0-9]+)")
_MERGED = re.compile(r"GITHEAD_([0-9a-f]{40,64})")
_OUTSIDE = "not a git repository"
_REGULAR = ("100644", "100755")


@dataclass(frozen=True, slots=True)
class Held:
    """A file as one version has it."""

    path: str
    """From the root of the repository, with slashes."""
    content: bytes


@dataclass(frozen=True, slots=True)
class Version:
    """A configuration and the baseline beside it; None where there is none."""

    config: Held | None = None
    baseline: Held | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """What is compared: a commit, and a later one or what is staged."""

    before: str
    """A commit, or "" where there is none yet."""
    after: str = ""
    """A commit; "" is git's index, what is staged."""
    merged: tuple[str, ...] = ()
    """The other parents of a merge that is under way: what one of them has is no news."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A work tree of git, as a hook finds it."""

    root: Path
    index: str = ""
    """The file that git calls its index in this commit: `git commit FILE` has one of its own."""

    def git(self, *arguments: str, given: bytes = b"") -> Answer:
        """Run git in the root. Raises `UsageError` where it cannot run."""
        return _ask(self.root, *arguments, given=given, index=self.index)


def repository(folder: Path, environment: Mapping[str, str] = os.environ) -> Repository | None:
    """The repository around `folder`, None outside of any.

    Raises `UsageError` without git, and where git refuses: a repository of another user is one.
    """
    found = _ask(folder, "rev-parse", "--show-toplevel")
    if found.code and _OUTSIDE in found.words:
        return None
    if found.code:
        raise UsageError(f"git cannot read the repository of {folder}: {found.words}")
    index = environment.get("GIT_INDEX_FILE", "")
    return Repository(Path(found.text), str(folder / index) if index else "")


def span(here: Repository, environment: Mapping[str, str] = os.environ) -> Span:
    """What this hook run is about: the pushed commits, else what is staged.

    Raises `UsageError` for a commit that is not here.
    """
    old, new = (environment.get(f"PRE_COMMIT_{end}_REF", "") for end in ("FROM", "TO"))
    if old and new:
        before, after = _commit(here, old), _commit(here, new)
        for ref, commit in ((old, before), (new, after)):
            if not commit:
                raise UsageError(
                    f"{ref!r} is no commit of {here.root}; expected a branch, tag or commit; "
                    f"in a shallow clone: git fetch --unshallow"
                )
        # what the other branch has won meanwhile was never ours to lose
        return Span(here.git("merge-base", before, after).text or before, after)
    return Span(_commit(here, "HEAD"), merged=tuple(_merged(here, environment)))


def baselines(here: Repository, after: str) -> list[Held]:
    """Every baseline of a version. Raises `UsageError` for one that is a link or in conflict."""
    where = [f":(glob)**/{BASELINE_NAME}"]
    if after:  # against the empty tree: only what matches is told
        empty = here.git("hash-object", "-t", "tree", "--stdin").text
        rows = [(row.new_mode, row.new) for row in _diff(here, empty, after, where)]
    else:
        listed = here.git("ls-files", "-z", "--stage", "--", *where).names
        rows = [(row.split(" ", 1)[0], row.split("\t", 1)[1]) for row in listed]
        for row in listed:
            if not row.split("\t", 1)[0].endswith(" 0"):
                raise _in_conflict(row.split("\t", 1)[1])
    for mode, path in rows:
        if mode not in _REGULAR:
            raise UsageError(f"{path}: is a link; expected a file, so that git keeps its values")
    contents = _contents(here, [f"{after}:{path}" for _, path in rows])
    pairs = zip(rows, contents, strict=True)
    return [Held(path, content) for (_, path), content in pairs if content is not None]


def changed(here: Repository, before: str, after: str) -> list[tuple[Version, Version]]:
    """Both versions of every configuration that differs, its baseline included.

    A configuration or baseline that moved to another folder is followed. Raises `UsageError` for a
    file in conflict.
    """
    folders = list(_folders(_diff(here, before, after, _ANYWHERE)))
    names = [_named(*place) for place in _places(folders, before, after)]
    contents = _contents(here, names)
    found = []
    for number, (old, new) in enumerate(folders):
        start = 2 * len(_NAMES) * number
        middle, end = start + len(_NAMES), start + 2 * len(_NAMES)
        versions = _version(old, contents[start:middle]), _version(new, contents[middle:end])
        if _differ(*versions):
            found.append(versions)
    return found


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of `git diff --raw`; a path that is not there is ""."""

    new_mode: str
    old: str
    new: str


def _diff(here: Repository, before: str, after: str, where: Sequence[str]) -> list[_Row]:
    how = ["--raw", "-z", "--find-renames", "--no-abbrev"]
    sides = ["diff-tree", "-r", *how, before, after] if after else ["diff-index", "--cached", *how]
    answer = here.git(*sides, *([] if after else [before]), "--", *where)
    if answer.code:
        raise UsageError(f"git {sides[0]} failed in {here.root}: {answer.words}")
    return list(_rows(answer.names))


def _rows(names: Sequence[str]) -> Iterator[_Row]:
    told = iter(names)
    for head in told:
        _, mode, _, _, status = head.split(" ")
        path = next(told)
        if status == "U":
            raise _in_conflict(path)
        moved = next(told) if status[0] in "RC" else path
        yield _Row(mode, "" if status == "A" else path, "" if status == "D" else moved)


def _folders(rows: Sequence[_Row]) -> Iterator[tuple[str, str]]:
    """The folder of each changed configuration, before and after."""
    moves = {_folder(row.old): _folder(row.new) for row in rows if row.old and row.new}
    origins = {new: old for old, new in moves.items()}
    seen: set[tuple[str, str]] = set()
    for row in rows:
        old = _folder(row.old) if row.old else origins.get(_folder(row.new), _folder(row.new))
        new = _folder(row.new) if row.new else moves.get(_folder(row.old), _folder(row.old))
        if (old, new) not in seen:
            seen.add((old, new))
            yield old, new


def _folder(path: str) -> str:
    parent = str(PurePosixPath(path).parent)
    return "" if parent == "." else f"{parent}/"


def _places(
    folders: Sequence[tuple[str, str]], before: str, after: str
) -> Iterator[tuple[str, str, str]]:
    for old, new in folders:
        for commit, folder in ((before, old), (after, new)):
            for name in _NAMES:
                yield commit, folder, name


def _named(commit: str, folder: str, name: str) -> str:
    return f"{commit}:{folder}{name}"


def _version(folder: str, contents: Sequence[bytes | None]) -> Version:
    yaml, toml, baseline = (
        Held(f"{folder}{name}", content) if content is not None else None
        for name, content in zip(_NAMES, contents, strict=True)
    )
    if toml and _OURS not in toml.content:
        toml = None
    return Version(yaml or toml, baseline)


def _differ(before: Version, after: Version) -> bool:
    def held(version: Version) -> list[bytes | None]:
        return [one.content if one else None for one in (version.config, version.baseline)]

    return held(before) != held(after)


def _contents(here: Repository, names: Sequence[str]) -> list[bytes | None]:
    """What git holds under names such as `HEAD:path`, in their order; None where there is nothing."""
    if not names:
        return []
    for name in names:
        if "\n" in name:
            raise UsageError(
                f"{name!r}: a path with a line break cannot be asked git for; rename it"
            )
    asked = "".join(f"{name}\n" for name in names)
    answer = here.git("cat-file", "--batch", given=os.fsencode(asked))
    if answer.code:
        raise UsageError(f"git cat-file failed in {here.root}: {answer.words}")
    found: list[bytes | None] = []
    rest, at = answer.output, 0
    for _ in names:
        end = rest.index(b"\n", at)
        head, at = _FOUND.fullmatch(rest, at, end), end + 1
        if head:
            size = int(head[2])
            found.append(rest[at : at + size] if head[1] == b"blob" else None)
            at += size + 1
        else:
            found.append(None)
    return found


def _commit(here: Repository, ref: str) -> str:
    """The full name of a commit, "" where there is none."""
    if ref.startswith("-"):
        return ""
    return here.git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}").text


def _merged(here: Repository, environment: Mapping[str, str]) -> Iterator[str]:
    """The other parents of a merge; before `git merge` has written them down it hands them on."""
    told = [found[1] for name in environment if (found := _MERGED.fullmatch(name))]
    if told:
        yield from sorted(told)
        return
    file = here.root / here.git("rev-parse", "--git-path", "MERGE_HEAD").text
    try:
        yield from file.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return


def _in_conflict(path: str) -> UsageError:
    settled = "budgetguard baseline merge, then " if path.endswith(BASELINE_NAME) else ""
    return UsageError(f"{path}: git still lists a conflict; settle it: {settled}git add {path}")


def _ask(folder: Path, *arguments: str, given: bytes = b"", index: str = "") -> Answer:
    try:
        return run(folder, *arguments, timeout_s=_TIMEOUT_S, given=given, index=index)
    except NoAnswer as error:
        raise UsageError(str(error)) from None
