"""Whether a bundle is built, and from the sources as they are now."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import cast

from budgetguard.errors import MeasureError
from budgetguard.gate.model import Budget
from budgetguard.gate.review.versions import Repository
from budgetguard.gate.targets import bundle
from budgetguard.gate.targets.bundle.finding import find

_SCRIPTS = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts", ".vue", ".svelte")
_WEB = frozenset((*_SCRIPTS, ".css", ".scss", ".sass", ".less", ".html", ".svg"))
_PACKAGE = frozenset((".py", ".pyi", ".pyx", ".c", ".h", ".rs"))


@dataclass(frozen=True, slots=True)
class Built:
    """The bundles that can be measured, and what to tell of the others and of old ones."""

    names: tuple[str, ...]
    notes: tuple[str, ...]


def built(budgets: Sequence[Budget], folder: Path, here: Repository | None) -> Built:
    """Look at every bundle of a configuration in `folder`. A build is old when a tracked source is newer."""
    names, notes = [], []
    tracked = _tracked(folder, here)
    for budget in budgets:
        if budget.target != bundle.NAME:
            continue
        entries = cast("bundle.BundleOptions", budget.options).entries
        files, missing = _files(entries, folder)
        if not files:
            notes.append(f"{budget.name} is not built, so it is not measured: {missing}")
            continue
        names.append(budget.name)
        newer = _newer(files, tracked, folder)
        if newer:
            notes.append(
                f"{budget.name} is older than {newer}: this is not the size of what is pushed; "
                f"build it again"
            )
    return Built(tuple(names), tuple(notes))


def _files(entries: Sequence[str], folder: Path) -> tuple[list[Path], str]:
    """The files there are, and why there are none; one that is missing among others is judged as such."""
    files: list[Path] = []
    missing = ""
    for entry in entries:
        try:
            found = find([entry], folder)
        except MeasureError as error:
            missing = missing or str(error)
        else:
            files += [Path(file.path) for file in (*found.files, *found.archives)]
    return files, missing


def _tracked(folder: Path, here: Repository | None) -> list[Path]:
    if here is None:
        return []
    inside = os.path.relpath(folder.resolve(), here.root.resolve())
    listed = here.git("--literal-pathspecs", "ls-files", "-z", "--", inside)
    return [here.root / name for name in listed.names]


def _newer(files: Sequence[Path], tracked: Iterable[Path], folder: Path) -> str:
    """A tracked source that is newer than the whole build; the newest one."""
    packages = any(file.suffix in (".whl", ".gz", ".tgz") for file in files)
    own = {str(file.resolve()) for file in files}
    suffixes = _WEB | _PACKAGE if packages else _WEB
    sources = [
        file
        for file in tracked
        if PurePosixPath(file.name).suffix in suffixes and str(file.resolve()) not in own
    ]
    newest = max(sources, key=_changed_s, default=None)
    if newest is None or _changed_s(newest) <= max(map(_changed_s, files)):
        return ""
    return os.path.relpath(newest, folder)


def _changed_s(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:  # deleted meanwhile, or in the work tree only
        return 0.0
