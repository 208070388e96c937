"""A copy of a bundle that weighs more, for `budgetguard selftest`.

What is added is random, so that no encoding makes it fewer bytes.
"""

import io
import itertools
import os
import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from budgetguard.gate.model import Budget
from budgetguard.gate.targets.bundle import BundleOptions
from budgetguard.gate.targets.bundle.archives import ZIPS, members
from budgetguard.gate.targets.bundle.finding import find

MOST_GROWN = 100
"""Of more files these grow, so that a copy stays bearable."""


def copy_grown(budget: Budget, source: Path, target: Path, more_bytes: int) -> None:
    """Copy the files of a bundle from one folder to another, where each weighs `more_bytes` more.

    One file more comes beside the first, and into each archive. Raises `MeasureError` where the bundle
    is not found, or an archive is none.
    """
    found = find(cast("BundleOptions", budget.options).entries, source)
    grown = itertools.count()
    for file in (*found.files, *found.archives):
        there = target / os.path.relpath(file.path, source)
        there.parent.mkdir(parents=True, exist_ok=True)
        if file in found.archives:
            _copy_archive(Path(file.path), there, more_bytes)
        else:
            shutil.copyfile(file.path, there)
            if next(grown) < MOST_GROWN:
                with there.open("ab") as stream:
                    stream.write(os.urandom(more_bytes))
            if file is found.files[0]:
                shutil.copyfile(there, there.with_name(f"budgetguard-{there.name}"))


def _copy_archive(source: Path, target: Path, more_bytes: int) -> None:
    if source.name.lower().endswith(ZIPS):
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
            for name, data in _grown(source, more_bytes):
                zipped.writestr(name, data)
        return
    with tarfile.open(target, "w:gz") as tarred:
        for name, data in _grown(source, more_bytes):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tarred.addfile(info, io.BytesIO(data))


def _grown(source: Path, more_bytes: int) -> Iterator[tuple[str, bytes]]:
    with source.open("rb") as stream:
        for number, member in enumerate(members(stream, source.name)):
            more = os.urandom(more_bytes) if number < MOST_GROWN else b""
            yield member.name, b"".join(member.pieces()) + more
    yield "budgetguard-more", os.urandom(more_bytes)
