"""From the entries of a bundle to its files, without surprises: nothing is left out silently.

A wildcard matches names as a shell does: not those that begin with a dot, unless the pattern does.
A folder counts everything below it. Links to folders are followed where an entry names them, never
below a folder or a `**`, so a loop of links ends nowhere. A link to a file counts as its target,
once for each name it is served under. Anything that is no file and no folder is an error.
"""

import os
import posixpath
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache
from pathlib import Path

from budgetguard.errors import MeasureError

ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz")
MOST_FILES = 200_000
GONE = "vanished while it was measured; end what writes there, then run again"
_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True, slots=True)
class File:
    """A file with its printable name, the path to open, and its size when it was found."""

    name: str
    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Found:
    """The files of a bundle, plain ones and archives, each sorted by name."""

    files: tuple[File, ...]
    archives: tuple[File, ...]
    note: str = ""


def find(entries: Sequence[str], folder: Path) -> Found:
    """All files that the entries name, each once; raise one `MeasureError` for all bad entries."""
    files: dict[str, File] = {}
    archives: dict[str, File] = {}
    problems = []
    for entry in entries:
        into = archives if entry.lower().endswith(ARCHIVES) else files
        try:
            into.update(_entry(entry.replace(os.sep, "/"), str(folder)))
        except MeasureError as error:
            problems.append(str(error))
    if problems:
        raise MeasureError("; and ".join(problems))
    plain = {name: file for name, file in files.items() if name not in archives}
    return Found(_sorted(plain), _sorted(archives), _note(entries))


def printable(name: str) -> str:
    """A file's name as one line of visible text; what is not becomes an escape with a backslash."""
    if name.isprintable() and "\\" not in name:
        return name
    return "".join(
        character if character.isprintable() and character != "\\" else _escaped(character)
        for character in name
    )


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte that is not UTF-8, as os.fsdecode hands it over
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def _sorted(files: dict[str, File]) -> tuple[File, ...]:
    return tuple(files[name] for name in sorted(files))


def _note(entries: Sequence[str]) -> str:
    absolute = [entry for entry in entries if Path(entry).is_absolute()]
    if not absolute:
        return ""
    return f"{printable(absolute[0])} is absolute: every checkout measures this same place"


def _entry(entry: str, folder: str) -> dict[str, File]:
    found: dict[str, File] = {}
    try:
        for path in _paths(posixpath.normpath(entry), folder):
            found[path] = _file(path, folder)
            if len(found) > MOST_FILES:
                raise MeasureError(
                    f"`{printable(entry)}` matches over {MOST_FILES} files under "
                    f"{printable(folder)}; name a smaller part"
                )
    except OSError as error:
        raise MeasureError(f"`{printable(entry)}`: {why(error)}") from None
    if not found:
        raise MeasureError(_no_match(entry, folder))
    return {file.name: file for file in found.values()}


def _paths(entry: str, folder: str) -> Iterator[str]:
    """The paths of an entry, relative to `folder`; a name that exists is not read as a glob."""
    if _is_dir(entry, folder):
        return _below("" if entry == "." else entry, folder)
    if _exists(entry, folder):
        return iter((entry,))
    return _glob(entry, folder) if _WILD.search(entry) else iter(())


def _below(start: str, folder: str) -> Iterator[str]:
    todo = [start]
    while todo:
        for entry, path in _scan(todo.pop(), folder):
            if entry.is_dir(follow_symlinks=False):
                todo.append(path)
            elif not (entry.is_symlink() and _is_dir(path, folder)):
                yield path


def _glob(pattern: str, folder: str) -> Iterator[str]:
    """Walk the folders that the pattern can match, each once for each part of it."""
    root = Path(pattern).anchor.replace(os.sep, "/")
    parts = pattern.removeprefix(root).split("/")
    if parts[-1] == "**":
        parts.append("*")
    todo = [(root, 0)]
    seen = set(todo)
    while todo:
        place, at = todo.pop()
        for path, step in _matches(place, parts[at], folder):
            following = (path, at + step)
            if at + step < len(parts):
                if following not in seen and (step == 0 or _is_dir(path, folder)):
                    seen.add(following)
                    todo.append(following)
            elif not _is_dir(path, folder):
                yield path


def _matches(place: str, part: str, folder: str) -> Iterator[tuple[str, int]]:
    """What one part of a pattern matches in a folder, and how many parts further that leads."""
    if part == "**":
        yield place, 1
        for entry, path in _scan(place, folder):
            if entry.name[0] != "." and entry.is_dir(follow_symlinks=False):
                yield path, 0
    elif _WILD.search(part):
        matches = _matcher(part)
        for entry, path in _scan(place, folder):
            if matches(entry.name) and (part[0] == "." or entry.name[0] != "."):
                yield path, 1
    elif _exists(path := posixpath.join(place, part), folder):
        yield path, 1


@lru_cache(maxsize=64)
def _matcher(part: str) -> Callable[[str], object]:
    return re.compile(translate(part)).match


def _scan(place: str, folder: str) -> Iterator[tuple[os.DirEntry[str], str]]:
    with os.scandir(_real(place, folder)) as entries:
        for entry in entries:
            yield entry, posixpath.join(place, entry.name)


def _real(path: str, folder: str) -> str:
    return os.path.join(folder, path)  # noqa: PTH118  # Path is ten times slower, and there are many


def _is_dir(path: str, folder: str) -> bool:
    return os.path.isdir(_real(path, folder))  # noqa: PTH112  # as above


def _exists(path: str, folder: str) -> bool:
    """Whether there is something, be it a link to nothing; what may not be known raises OSError."""
    try:
        os.lstat(_real(path, folder))
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def _file(path: str, folder: str) -> File:
    """Look at a path once; raise `MeasureError` for what has no size."""
    name = printable(path)
    try:
        state = os.stat(_real(path, folder))  # noqa: PTH116  # as above
    except FileNotFoundError:
        link = os.path.islink(_real(path, folder))  # noqa: PTH114  # as above
        raise MeasureError(f"{name}: {'is a link to nothing' if link else GONE}") from None
    except OSError as error:
        raise MeasureError(f"{name}: {why(error)}") from None
    if not stat.S_ISREG(state.st_mode):
        raise MeasureError(
            f"{name}: is {_kind(state.st_mode)}, which has no size; "
            f"take it out, or narrow the entry to files"
        )
    return File(name, _real(path, folder), state.st_size)


def why(error: OSError) -> str:
    """The reason of the system, and the next step where it is known."""
    if isinstance(error, FileNotFoundError):
        return GONE
    hint = "; allow reading it, or narrow the entry" if isinstance(error, PermissionError) else ""
    return f"cannot be read: {error.strerror or error}{hint}"


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a device" if stat.S_ISCHR(mode) or stat.S_ISBLK(mode) else "no regular file"


def _no_match(entry: str, folder: str) -> str:
    hint = "build it first, or fix the path"
    if "{" in entry:
        hint = "braces are not read: write one entry for each"
    elif entry.endswith("*") and not entry.endswith("**"):
        hint += f" (a wildcard matches files; `{printable(entry)}*` goes below folders too)"
    return f"`{printable(entry)}` matches no file under {printable(str(Path(folder).absolute()))}; {hint}"
