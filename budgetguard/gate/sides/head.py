"""The work tree as the side beside a base: where it finds its modules, and what of it differs."""

import os
import sys
from pathlib import Path

from budgetguard.gate.side import Side
from budgetguard.gate.sides.history import Changed, Commit, changed_files


def head_beside(base: Side, folder: Path, root: Path) -> Side:
    """The head with its configuration in `folder`: both sides search as long a `sys.path`, in one order."""
    path = tuple(str(root / Path(place).relative_to(base.root or root)) for place in base.path)
    return Side("head", folder, sys.executable, root, path)


def differing(commit: Commit, base: Side) -> list[Changed]:
    """The files that differ between the work tree and the base with head's benchmarks laid over it."""
    return [
        one
        for one in changed_files(commit)
        if base.root is None or _content(commit.root / one.path) != _content(base.root / one.path)
    ]


def _content(file: Path) -> bytes | None:
    try:
        return os.fsencode(os.readlink(file)) if file.is_symlink() else file.read_bytes()  # noqa: PTH115
    except OSError:
        return None
