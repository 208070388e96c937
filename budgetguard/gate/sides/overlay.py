"""The head's benchmark files laid over the base's tree, so that both sides run the same benchmark.

After the build, never before it: what is built and installed is the base's own.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from budgetguard.gate.sides.checkout import remove
from budgetguard.gate.sides.git import BaseError, need
from budgetguard.gate.sides.project import project_name

FOLDERS = frozenset(
    {"tests", "test", "testing", "benchmarks", "benchmark", "bench", "perf", "performance"}
)
"""Names of folders that hold benchmarks with all that belongs to them."""
SETTINGS = (
    "pytest.ini",
    ".pytest.ini",
    "pytest.toml",
    ".pytest.toml",
    "tox.ini",
    "setup.cfg",
    "pyproject.toml",
    "budgetguard.yml",
)
"""Where pytest and budgetguard read their configuration, in any folder above a test."""


def lay_over(root: Path, tree: Path, config_folder: Path, item_files: Sequence[Path]) -> None:
    """Lay the benchmark files of the work tree at `root` over the base's `tree`, fresh from git.

    Of each item file: the outermost folder above it with a name of `FOLDERS`, whole, else the file
    alone; and the conftest.py, __init__.py and configuration files of every folder from the top down
    to it. The base's own files of these kinds go, so that no stale helper is found. Ignored files
    (made by a build, downloaded) are not taken. Raises `BaseError`.
    """
    files = [_relative(file, root) for file in item_files]
    units = sorted({unit_of(root, file) for file in files})
    starts = {*files, _relative(config_folder, root) / "conftest.py"}
    folders = sorted({folder for start in starts for folder in start.parents})
    new = {folder for folder in folders if not (tree / folder).is_dir()}
    for unit in units:
        remove(tree / unit, tree)
        remove_bytecode(tree / unit)
        _copy(root, tree, unit)
    for folder in folders:
        if not any(folder.is_relative_to(unit) for unit in units):
            _chain(root / folder, tree / folder, tree, is_new=folder in new)


def unit_of(root: Path, file: PurePosixPath) -> PurePosixPath:
    """What is laid over for an item file: a folder of benchmarks, else the file itself."""
    product = project_name(root).replace("-", "_")
    for folder in reversed(file.parents[:-1]):
        name = folder.name.lower()
        # src/perf and perf/ of a project called perf are what is measured, not what measures
        is_product = folder.parent.name == "src" and name not in ("tests", "test")
        if name in FOLDERS and not is_product and name != product:
            return folder
    return file


def remove_bytecode(file: Path) -> None:
    """Remove what Python compiled of a file: same size and second, and the old code would run."""
    for compiled in file.parent.glob(f"__pycache__/{file.stem}.*.pyc"):
        compiled.unlink(missing_ok=True)


def _relative(path: Path, root: Path) -> PurePosixPath:
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(root):
        raise BaseError(
            f"{path} lies outside of the repository {root}, so the base has nothing like it; "
            f"keep benchmarks and their configuration inside"
        )
    return PurePosixPath(real.relative_to(root))


def _copy(root: Path, tree: Path, unit: PurePosixPath) -> None:
    """Copy what git knows, or would add, of a file or folder of the work tree."""
    listed = need(root, "ls-files", "-z", "-co", "--exclude-standard", "--", f":(literal){unit}")
    for name in sorted(set(listed.names)):
        source = root / name
        if source.is_dir() and not source.is_symlink():  # a submodule, or a clone inside
            remove(tree / name, tree)
            _copy_clone(source, tree / name)
        elif os.path.lexists(source):  # else deleted, and not yet for git
            _copy_file(source, tree / name, tree)


def _copy_clone(source: Path, target: Path) -> None:
    if (source / ".git").exists():
        target.mkdir(parents=True, exist_ok=True)
        _copy(source, target, PurePosixPath())


def _copy_file(source: Path, target: Path, tree: Path) -> None:
    """Copy one file: links stay links, and what stands in its way below `tree` goes."""
    for place in (target, *target.parents):
        if place == tree:
            break
        if place.is_symlink() or place.is_file():  # else the copy would land where a link leads
            place.unlink()
    if target.is_dir():
        shutil.rmtree(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target, follow_symlinks=False)
    remove_bytecode(target)


def _chain(source: Path, target: Path, tree: Path, *, is_new: bool) -> None:
    """The files of one folder that pytest reads for the items below it."""
    # __init__.py: of a package of tests that the base does not have
    for name in ("conftest.py", *SETTINGS, *(["__init__.py"] if is_new else [])):
        if (source / name).is_file():
            _copy_file(source / name, target / name, tree)
        elif (target / name).is_file():
            (target / name).unlink()
            remove_bytecode(target / name)
