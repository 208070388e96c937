"""The tree of a commit in a repository of its own that borrows the user's objects.

Not a worktree: that would leave traces in the user's .git. A repository, not files alone: builds ask
git for the version (setuptools-scm). Nothing here writes below the user's root.
"""

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from budgetguard.gate.sides.git import BaseError, ask, need
from budgetguard.gate.sides.history import Commit

_CORE = (
    "autocrlf|eol|safecrlf|symlinks|filemode|ignorecase|longpaths|precomposeunicode|attributesfile"
)
_SETTINGS = rf"^(core\.({_CORE})|filter\.)"
_PARTIAL = r"^(extensions\.partialclone|remote\..*\.(url|promisor|partialclonefilter))$"
_POINTER = b"version https://git-lfs.github.com/spec/"
# the content of large files is taken from the user's store; git-lfs may not even be installed
_NO_LFS = (
    "-c",
    "filter.lfs.smudge=",
    "-c",
    "filter.lfs.process=",
    "-c",
    "filter.lfs.required=false",
)
_GITLINK = "160000"


@dataclass(frozen=True, slots=True)
class _Source:
    """A repository to borrow from: its work tree (None: it has none) and what is copied of it."""

    folder: Path | None
    objects: Path
    shallow: Path
    lfs: Path
    tags: str = ""
    settings: tuple[tuple[str, str], ...] = ()
    form: str = "sha1"


def check_out(commit: Commit, tree: Path) -> None:
    """Make the tree of `commit` at `tree`, with submodules and large files; raises `BaseError`."""
    _borrow(_source(commit.root), commit.sha, tree)


def untracked(tree: Path) -> dict[str, int]:
    """The files of a tree that its commit does not hold, ignored ones too, with their bytes."""
    names = need(tree, "ls-files", "-z", "--others").names
    return {name: _size(tree / name) for name in names}


def restore(commit: Commit, tree: Path, kept: Mapping[str, int]) -> bool:
    """Make the tree again what it was when it had been built: the commit and the files in `kept`.

    False where that cannot be, because git fails or a file that was built is not as it was.
    """
    try:
        _reset(_source(commit.root), commit.sha, tree)
        found = untracked(tree)
    except (BaseError, OSError):
        return False
    for name in found.keys() - kept.keys():
        is_library = "/site-packages/" in name and name.endswith(
            ".pyc"
        )  # in an environment of `setup:`
        if not is_library:
            remove(tree / name, tree)
    return all(found.get(name) == size for name, size in kept.items())


def remove(path: Path, top: Path) -> None:
    """Remove a file or folder, and the folders below `top` that are empty then."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == top or not folder.is_relative_to(top):
            return
        try:
            folder.rmdir()  # an empty folder could be imported, as a namespace package
        except OSError:
            return


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return -1


def _source(root: Path) -> _Source:
    """What there is to borrow in the repository around a work tree."""
    objects, shallow = (
        Path(os.path.normpath(root / need(root, "rev-parse", "--git-path", name).text))
        for name in ("objects", "shallow")
    )
    tags = need(root, "for-each-ref", "--format=%(objectname) %(refname)", "refs/tags").text
    form = ask(root, "rev-parse", "--show-object-format").text
    lfs = objects.parent / "lfs"
    return _Source(root, objects, shallow, lfs, tags, tuple(_settings(root)), form or "sha1")


def _settings(root: Path) -> Iterator[tuple[str, str]]:
    """How this clone turns objects into files, and where it gets the ones that it left out."""
    partial = ask(root, "config", "--get-regexp", r"^remote\..*\.promisor$").code == 0
    for pattern in (_SETTINGS, _PARTIAL) if partial else (_SETTINGS,):
        for setting in ask(root, "config", "--local", "-z", "--get-regexp", pattern).names:
            name, _, value = setting.partition("\n")
            if not name.startswith("filter.lfs."):
                yield name, value
    if partial:
        yield "core.repositoryformatversion", "1"


def _borrow(source: _Source, sha: str, tree: Path) -> None:
    tree.mkdir(parents=True, exist_ok=True)
    need(tree, "init", "-q", "--template=", f"--object-format={source.form}")
    git = tree / ".git"
    (git / "objects" / "info").mkdir(exist_ok=True)
    (git / "objects" / "info" / "alternates").write_bytes(_quoted(source.objects) + b"\n")
    if source.shallow.exists():
        shutil.copyfile(source.shallow, git / "shallow")
    if source.tags:
        lines = sorted(source.tags.split("\n"), key=lambda line: line.split(" ", 1)[1])
        (git / "packed-refs").write_bytes(os.fsencode("\n".join(lines)) + b"\n")
    for name, value in (*source.settings, ("core.hooksPath", os.devnull)):
        need(tree, "config", name, value)
    (git / "HEAD").write_text(f"{sha}\n")
    _reset(source, sha, tree)


def _quoted(path: Path) -> bytes:
    """A path as the file of alternates has it: quoted where it begins like a quote or a comment."""
    name = os.fsencode(path)
    if not name.startswith((b'"', b"#")) and b"\n" not in name:
        return name
    return b'"' + name.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n") + b'"'


def _reset(source: _Source, sha: str, tree: Path) -> None:
    """The commit's files, whatever stands there now."""
    need(tree, *_NO_LFS, "reset", "-q", "--hard", sha)
    for path, wanted in _gitlinks(tree):
        _submodule(source, path, wanted, tree)
    _fill(source, tree)


def _gitlinks(tree: Path) -> list[tuple[str, str]]:
    """Path and commit of each submodule."""
    entries = need(tree, "ls-files", "-z", "--stage").names
    return [
        (entry.partition("\t")[2], entry.split(" ", 2)[1])
        for entry in entries
        if entry.startswith(_GITLINK)
    ]


def _submodule(source: _Source, path: str, sha: str, tree: Path) -> None:
    """Fill a submodule as the head has it: from its clone; empty where it is empty there."""
    there = source.folder / path if source.folder else None
    if there and (there / ".git").exists():
        lender = _source(there)
    elif there and there.is_dir():
        return  # the head does without it, too
    else:
        lender = _stored(source, path, tree)
    try:
        if (tree / path / ".git").exists():
            _reset(lender, sha, tree / path)
        else:
            _borrow(lender, sha, tree / path)
    except BaseError as error:
        raise BaseError(
            f"the base has submodule {path} at {sha[:10]}, which this clone cannot give ({error}); "
            f"bring it: git submodule update --init {path} && git -C {path} fetch origin {sha}"
        ) from None


def _stored(source: _Source, path: str, tree: Path) -> _Source:
    """The clone that git keeps of a submodule whose folder the head no longer has."""
    listed = ask(tree, "config", "-z", "--file", ".gitmodules", "--get-regexp", r"\.path$").names
    names = [name for name, _, value in (one.partition("\n") for one in listed) if value == path]
    for name in names:
        folder = (
            source.objects.parent / "modules" / name.removeprefix("submodule.")[: -len(".path")]
        )
        if (folder / "objects").is_dir():
            return _Source(None, folder / "objects", folder / "shallow", folder / "lfs")
    raise BaseError(
        f"the base has a submodule {path}, which the head has not and this clone never had; "
        f"give the base another way with `setup:`, or move the base of time"
    )


def _fill(source: _Source, tree: Path) -> None:
    """Put the content of large files where git has left a pointer to it, as the head has it."""
    for name in need(tree, "ls-files", "-z", "--", ":(attr:filter=lfs)").names:
        oid = _pointed(tree / name)
        if oid is None:
            continue
        content = source.lfs / "objects" / oid[:2] / oid[2:4] / oid
        if content.is_file():
            shutil.copyfile(content, tree / name)
        elif source.folder is None or _pointed(source.folder / name) is None:
            raise BaseError(
                f"the base has a large file {name} (git-lfs) that this clone does not hold; "
                f"bring it: git lfs fetch origin {need(tree, 'rev-parse', 'HEAD').text}"
            )


def _pointed(file: Path) -> str | None:
    """The name of the content that a pointer of git-lfs stands for, None for any other file."""
    try:
        with file.open("rb") as stream:
            head = stream.read(1024)
    except OSError:
        return None
    return _oid(head.split(b"\n")) if head.startswith(_POINTER) else None


def _oid(lines: Iterable[bytes]) -> str | None:
    found = [line.removeprefix(b"oid sha256:") for line in lines if line.startswith(b"oid sha256:")]
    return found[0].decode("ascii", "replace") if found else None
