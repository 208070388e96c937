"""A folder of optimised pictures that goes on where it stopped: what is done is not done again.

`.images.json` in it tells of what each file was made and by which wish. It is written after each
picture, whole or not at all, so that a run that is killed loses nothing but the one under way.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from budgetguard.atomic import replace_bytes, replace_text
from budgetguard.image.encoders import SUFFIXES
from budgetguard.image.errors import ImageError, UnsafePath
from budgetguard.image.inspection import inspect
from budgetguard.image.limits import LIMITS, Limits
from budgetguard.image.variant import Variant

LEDGER = ".images.json"
_VERSION = 1
_PICTURES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".webp", ".gif", ".avif"})


@dataclass(frozen=True, slots=True)
class Made:
    """One file of the folder, and what it was made of."""

    file: str
    source_sha256: str
    wish: str
    bytes: int


class ImageFolder:
    """The results of a batch, by the names of their sources; safe for threads."""

    def __init__(self, folder: Path, wish: str) -> None:
        """`wish` is what was asked for, as text: another wish makes all of it anew."""
        self._folder, self._wish = folder, wish
        self._lock = threading.Lock()
        self._made = _read(folder / LEDGER)

    def has(self, name: str, source: Path, limits: Limits = LIMITS) -> bool:
        """Whether the result of this content and this wish is there, whole. Raises `ImageError`."""
        made = self._made.get(name)
        if made is None or made.wish != self._wish:
            return False
        file = self._folder / made.file
        if not file.is_file() or file.stat().st_size != made.bytes:
            return False
        return inspect(source, limits=limits).sha256 == made.source_sha256

    def keep(self, name: str, source_sha256: str, variant: Variant) -> Path:
        """Write a result; returns its path. Raises `OSError`, `UnsafePath`."""
        file = below(self._folder, f"{name}{SUFFIXES[variant.format]}")
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(file, variant.data)
        relative = file.relative_to(self._folder.resolve()).as_posix()
        with self._lock:
            self._made[name] = Made(relative, source_sha256, self._wish, variant.bytes)
            told = {key: _plain(made) for key, made in sorted(self._made.items())}
            content = json.dumps({"version": _VERSION, "made": told}, indent=1)
            replace_text(self._folder / LEDGER, content + "\n")
        return file


def below(folder: Path, name: str) -> Path:
    """`folder/name`, which has to lie below it with all links followed. Raises `UnsafePath`."""
    root = folder.resolve()
    file = (root / name).resolve()
    if not file.is_relative_to(root) or file == root:
        raise UnsafePath(f"{folder / name} leads out of {folder}")
    return file


def pictures_in(paths: Sequence[Path], besides: Path) -> dict[str, Path]:
    """Files, and those below folders that have a picture's ending, by the names of their results.

    Two that would have one name keep their endings: a.jpg and a.png become a.jpg.webp and a.png.webp.
    Links to files outside of a folder are left out, and so is all that lies in `besides`. Raises
    `ImageError` for a path that is not there.
    """
    found: list[tuple[str, Path]] = []
    results = besides.resolve()
    for path in paths:
        if path.is_dir():
            found += [
                (file.relative_to(path).as_posix(), file)
                for file in sorted(path.rglob("*"))
                if _is_picture_in(path.resolve(), file)
                and not file.resolve().is_relative_to(results)
            ]
        elif path.is_file():
            found.append((path.name, path))
        else:
            raise ImageError(f"{path}: no such file or folder")
    stems = [str(Path(name).with_suffix("")) for name, _ in found]
    names = {
        (stem if stems.count(stem) == 1 else name): file
        for stem, (name, file) in zip(stems, found, strict=True)
    }
    if len(names) < len(found):
        twice = next(name for name, _ in found if [one for one, _ in found].count(name) > 1)
        raise ImageError(
            f"{twice}: two of the files have this name; give their common folder instead"
        )
    return names


def _is_picture_in(root: Path, file: Path) -> bool:
    return (
        file.suffix.lower() in _PICTURES and file.is_file() and file.resolve().is_relative_to(root)
    )


def _plain(made: Made) -> dict[str, Any]:
    return {"file": made.file, "source": made.source_sha256, "wish": made.wish, "bytes": made.bytes}


def _read(file: Path) -> dict[str, Made]:
    """What is known; nothing of a file that is not there or not ours: then everything is made anew."""
    try:
        told: Any = json.loads(file.read_text(encoding="utf-8"))
        made: Mapping[str, Mapping[str, Any]] = told["made"] if told["version"] == _VERSION else {}
        return {
            str(name): Made(
                str(one["file"]), str(one["source"]), str(one["wish"]), int(one["bytes"])
            )
            for name, one in made.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return {}
