"""Where base trees and their environments are kept: one folder for each run at once, never two in one.

CACHE/REPOSITORY/KEY0abcd/tree    the base; KEY0.lock beside it is held while it is used
                         /env     its environment, where it has one of its own
                         /ready   written last: without it the folder is half-made, and goes
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from budgetguard.atomic import replace_text
from budgetguard.gate.sides.git import BaseError
from budgetguard.gate.sides.reaper import Reaper

KEPT = 8
"""How many folders stay for one repository, the newest used first."""
SLOTS = "0123456789abcdef"
LONGEST_NAME = 200
KEY_CHARS = 10
_READY, _ORIGIN = "ready", "repository"


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder that is ours alone until its context ends; `info` is what `finish` was told, or None."""

    folder: Path
    info: Mapping[str, Any] | None

    @property
    def tree(self) -> Path:
        """The top of the base's checkout."""
        return self.folder / "tree"

    @property
    def env(self) -> Path:
        """The base's own environment."""
        return self.folder / "env"


def cache_root() -> Path:
    """`$BUDGETGUARD_CACHE`, else the folder for caches that the system has."""
    if named := os.environ.get("BUDGETGUARD_CACHE"):
        return Path(named).expanduser().absolute()
    if os.name == "nt":
        home = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    else:
        home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home).absolute() / "budgetguard"


@contextlib.contextmanager
def entry(root: Path, key: str, reaper: Reaper) -> Iterator[Entry]:
    """A folder for the base `key` of the repository at `root`: a finished one, else an empty one.

    An empty one is in the reaper's charge until `finish`. Raises `BaseError` where nothing can be
    written.
    """
    try:
        place = cache_root() / _digest(str(root), 8)
    except RuntimeError as error:  # no HOME, and nobody has this user's id
        raise BaseError(
            f"there is no folder to keep the base in: {error}; "
            f"set BUDGETGUARD_CACHE to a folder that can be written"
        ) from None
    if place.is_relative_to(root):
        raise BaseError(
            f"the cache {cache_root()} lies inside the repository {root}, where pytest would find "
            f"the head's files from the base; set BUDGETGUARD_CACHE to a folder outside"
        )
    with contextlib.ExitStack() as stack:
        try:
            place.mkdir(parents=True, exist_ok=True)
            (place / _ORIGIN).write_bytes(os.fsencode(root))
            stem = stack.enter_context(_slot(place, _digest(key, KEY_CHARS)))
            found = _take(place, stem, len(str(root)))
            _prune(place, found.folder)
        except OSError as error:
            raise BaseError(
                f"the base cannot be kept in {place}: {error}; "
                f"set BUDGETGUARD_CACHE to a folder that can be written"
            ) from None
        if found.info is None:
            reaper.folder(found.folder)
        yield found


def finish(made: Entry, info: Mapping[str, Any], reaper: Reaper) -> Entry:
    """Write that the folder is whole, with what a later run has to know of it."""
    replace_text(made.folder / _READY, json.dumps(info))
    reaper.keep(made.folder)
    return Entry(made.folder, info)


def renew(root: Path, found: Entry, reaper: Reaper) -> Entry:
    """An empty folder in the place of one that has turned out to be of no use."""
    _remove(found.folder)
    made = _take(found.folder.parent, found.folder.name[: KEY_CHARS + 1], len(str(root)))
    reaper.folder(made.folder)
    return made


def _digest(text: str, length: int) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:length]


@contextlib.contextmanager
def _slot(place: Path, key: str) -> Iterator[str]:
    """The name of a folder that nobody uses, finished ones first; locked until the context ends."""
    finished = {folder.name[: len(key) + 1] for folder in place.glob(f"{key}*") if _info(folder)}
    stems = sorted((f"{key}{slot}" for slot in SLOTS), key=lambda stem: stem not in finished)
    for stem in stems:
        with _locked(place / f"{stem}.lock") as lock:
            if lock is not None:
                yield stem
                return
    raise BaseError(f"{len(SLOTS)} runs use this base at once, in {place}; wait for one to end")


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[IO[bytes] | None]:
    """The file with its lock, or None where another process holds it."""
    with file.open("ab") as stream:
        try:
            _lock(stream)
        except OSError:
            yield None
            return
        # who pruned it held the lock, too, and has removed the file under this name
        yield (
            stream
            if file.exists() and os.fstat(stream.fileno()).st_ino == file.stat().st_ino
            else None
        )


def _lock(stream: IO[bytes]) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _take(place: Path, stem: str, length: int) -> Entry:
    """The finished folder of a slot, else a new one; what is half-made there goes."""
    for folder in place.glob(f"{stem}[0-9a-f]*/"):
        info = _info(folder)
        if info is not None:
            os.utime(folder / _READY)
            return Entry(folder, info)
        _remove(folder)
    # another name each time: a reaper may still be removing the last one
    name = f"{stem}{secrets.token_hex(2)}"
    short = length - len(str(place / name / "tree"))  # equal paths make equal work of imports
    name += "_" * max(0, min(short, LONGEST_NAME - len(name)))
    (place / name).mkdir()
    return Entry(place / name, None)


def _info(folder: Path) -> Mapping[str, Any] | None:
    try:
        info = json.loads((folder / _READY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return info if isinstance(info, dict) else None


def _prune(place: Path, mine: Path) -> None:
    """Remove what is half-made, too old, or of a repository that is gone; never what is in use."""
    others = [one for one in place.iterdir() if one.is_dir() and one != mine]
    others.sort(key=_used_s, reverse=True)
    for number, folder in enumerate(others, 2):
        if number > KEPT or _info(folder) is None:
            _drop(folder, folder.name[: KEY_CHARS + 1])
    for other in place.parent.iterdir():
        if other != place and _is_orphan(other):
            for folder in [one for one in other.iterdir() if one.is_dir()]:
                _drop(folder, folder.name[: KEY_CHARS + 1])
            with contextlib.suppress(OSError):  # one is in use, or comes into use just now
                (other / _ORIGIN).unlink()
                other.rmdir()


def _used_s(folder: Path) -> float:
    try:
        return (folder / _READY).stat().st_mtime
    except OSError:
        return 0.0


def _is_orphan(place: Path) -> bool:
    try:
        origin = os.fsdecode((place / _ORIGIN).read_bytes())
    except OSError:
        return False
    return bool(origin) and not Path(origin).exists()


def _drop(folder: Path, stem: str) -> None:
    file = folder.parent / f"{stem}.lock"
    with contextlib.suppress(OSError), _locked(file) as lock:
        if lock is not None:
            _remove(folder)
            file.unlink()


def _remove(folder: Path) -> None:
    """Remove a folder; the mark goes first, so that half of it is never taken for whole."""
    (folder / _READY).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
