"""The base as a side: its tree, its environment and the head's benchmarks in it, kept for the next run."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from budgetguard.gate.side import Side
from budgetguard.gate.sides import store
from budgetguard.gate.sides.checkout import check_out, restore, untracked
from budgetguard.gate.sides.environment import (
    Environment,
    Head,
    environment_of,
    from_json,
    look_at,
    to_json,
)
from budgetguard.gate.sides.git import BaseError
from budgetguard.gate.sides.history import Commit
from budgetguard.gate.sides.overlay import lay_over
from budgetguard.gate.sides.reaper import Reaper


@dataclass(frozen=True, slots=True)
class _Job:
    """What is prepared, and who is told and takes care."""

    commit: Commit
    head: Head
    reaper: Reaper
    watch: Callable[[str], object]


@contextlib.contextmanager
def prepare(  # noqa: PLR0913 -- what a side is made from is this long
    config_folder: Path,
    commit: Commit,
    item_files: Sequence[Path],
    *,
    reaper: Reaper,
    setup: Sequence[Sequence[str]] = (),
    head_python: str = sys.executable,
    watch: Callable[[str], object] = str,
    own_benchmarks: bool = False,
) -> Iterator[Side]:
    """The base `commit` as a side that is ours alone until the context ends.

    `item_files` are the head's files that hold the benchmarks; with `own_benchmarks` nothing of the
    head is laid over the base. Raises `BaseError` where the base cannot be checked out or built.
    """
    head = look_at(commit.root, config_folder, head_python, setup)
    job = _Job(commit, head, reaper, watch)
    with store.entry(commit.root, f"{commit.sha} {head.key}", reaper) as found:
        try:
            tree, environment = _ready(job, found)
            if not own_benchmarks:
                lay_over(commit.root, tree, config_folder, item_files)
        except OSError as error:
            raise BaseError(
                f"the base {commit.short} cannot be written to {found.folder}: {error}; "
                f"make room there, or set BUDGETGUARD_CACHE to another folder"
            ) from None
        folder = tree / head.below
        if not folder.is_dir():
            raise BaseError(f"the base {commit.short} has no folder {head.below}")
        path = (*environment.path, *_python_path(commit.root, tree))
        yield Side("base", folder, environment.python, tree, path)


def _ready(job: _Job, found: store.Entry) -> tuple[Path, Environment]:
    """A tree as it was built, with its environment: the one that is kept, else made now."""
    if found.info is not None:
        environment = from_json(found.info.get("environment"))
        kept = _kept(found.info)
        if environment is not None and restore(job.commit, found.tree, kept):
            return found.tree, environment
        found = store.renew(job.commit.root, found, job.reaper)
    job.watch(f"base: checks out {job.commit.short}")
    check_out(job.commit, found.tree)
    environment = environment_of(job.head, found.tree, found.env, job.watch)
    for moved in environment.moved:
        job.watch(f"base: {moved}")
    info = {"environment": to_json(environment), "kept": untracked(found.tree)}
    store.finish(found, info, job.reaper)
    return found.tree, environment


def _kept(info: Mapping[str, Any]) -> Mapping[str, int]:
    kept = info.get("kept")
    return kept if isinstance(kept, dict) else {}


def _python_path(root: Path, tree: Path) -> Iterator[str]:
    """What PYTHONPATH names inside of the head, as the base has it."""
    for name in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        place = Path(os.path.realpath(name)) if name else None
        if place is not None and place.is_relative_to(root):
            yield str(tree / place.relative_to(root))
