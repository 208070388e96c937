"""The interpreter of the base: the head's where that is safe, else an environment of its own.

Shared is safe only for pure Python that is loaded from plain folders, with equal build tables, entry
points and locks, and nothing generated under its packages: in all else of eleven layouts tried, the
head's code, no code, or code without its extension modules was what ran on the "base".
"""

import fnmatch
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from budgetguard import __version__
from budgetguard.gate.sides.builder import Wanted, build, run_in
from budgetguard.gate.sides.git import BaseError, need
from budgetguard.gate.sides.installed import Interpreter, Own, ask_interpreter, own_of
from budgetguard.gate.sides.overlay import FOLDERS
from budgetguard.gate.sides.project import build_tables, lock_files

_CODE = (".py", ".so", ".pyd", ".dylib")
_ENV_NEXT = "let it make .venv in the base: python -m venv .venv, then .venv/bin/pip install ."
# what tools leave beside code and no code reads
_JUNK = (
    *("__pycache__", "*.pyc", "*.pyo", "*.egg-info", ".*", "*.log", "*.orig", "*.rej", "*~"),
    *("node_modules", "venv", "env", "build", "dist", "htmlcov"),
)


@dataclass(frozen=True)
class Head:
    """The head as it matters to the base's environment."""

    root: Path
    config_folder: Path
    interpreter: Interpreter
    own: dict[str, Own]
    setup: tuple[tuple[str, ...], ...] = ()

    @property
    def below(self) -> PurePosixPath:
        """The configuration's folder, relative to the top."""
        return PurePosixPath(self.config_folder.relative_to(self.root))

    @cached_property
    def folders(self) -> list[PurePosixPath]:
        """Where build tables and lock files may stand."""
        builders = {own.folder for own in self.own.values()}
        return sorted({self.below, *self.below.parents, *builders})

    @cached_property
    def key(self) -> str:
        """All that decides which environment the base gets, beside its commit."""
        digest = hashlib.sha256()
        locks = lock_files(self.root, self.folders)
        for part in (
            __version__,  # another version may build otherwise
            self.interpreter.version,
            self.interpreter.python,
            sorted(f"{n} {one}" for n, one in self.interpreter.found.items()),
            [build_tables(self.root / folder) for folder in self.folders],
            [(str(path), locks[path]) for path in sorted(locks)],
            list(_generated(self)),
            self.setup,
        ):
            digest.update(repr(part).encode(errors="surrogateescape"))
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Environment:
    """What the base runs with: its interpreter and what stands first on `sys.path`."""

    python: str
    path: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    """The dependencies with another version than the head's, such as "attrs 24.1 (head 25.3)"."""


def look_at(
    root: Path, config_folder: Path, python: str, setup: Sequence[Sequence[str]] = ()
) -> Head:
    """What has to be known of the head; raises `BaseError`."""
    folder = Path(os.path.realpath(config_folder))
    interpreter = ask_interpreter(python, folder)
    commands = tuple(tuple(command) for command in setup)
    return Head(root, folder, interpreter, own_of(interpreter, root, folder), commands)


def environment_of(
    head: Head, tree: Path, env: Path, watch: Callable[[str], object]
) -> Environment:
    """The environment of the base in `tree`, built in `env` where it needs one of its own."""
    if head.setup:
        return _by_setup(head, tree, watch)
    reason = why_not_shared(head, tree)
    if not reason:
        return Environment(head.interpreter.python, source_path(head, tree))
    watch(f"base: an environment of its own, because {reason}")
    wanted = Wanted(head.root, head.folders, head.interpreter, head.own)
    built = build(wanted, tree, env, watch)
    return Environment(built.python, (), built.moved)


def source_path(head: Head, tree: Path) -> tuple[str, ...]:
    """The folders of the base from which the head's environment would load the head's code."""
    places = dict.fromkeys(line for own in head.own.values() for line in own.distribution.lines)
    return tuple(
        str(tree / Path(os.path.realpath(place)).relative_to(head.root)) for place in places
    )


def why_not_shared(head: Head, tree: Path) -> str:
    """Why the base cannot run in the head's environment, "" where it can."""
    for own in head.own.values():
        if reason := _why_not_plain(own, head.root):
            return reason
    for folder in head.folders:
        if build_tables(head.root / folder) != build_tables(tree / folder):
            return f"the build tables in {_shown(folder)} differ"
    ours, theirs = lock_files(head.root, head.folders), lock_files(tree, head.folders)
    for path in sorted(ours.keys() | theirs.keys()):
        if ours.get(path) != theirs.get(path):
            return f"{path} differs"
    made = next(_generated(head), "")
    return f"{made} was made by a build, and git does not hold it" if made else ""


def _why_not_plain(own: Own, root: Path) -> str:
    one = own.distribution
    if not one.editable:
        return f"{one.name} is installed as a copy"
    if not one.lines:
        return f"{one.name} is installed in a way of its own"
    for line in one.lines:
        if line.startswith(("import ", "import\t")):
            return f"{one.name} is found by code of its own"
        if not Path(os.path.realpath(line)).is_relative_to(root):
            return f"{one.name} is loaded from outside of the repository"
    return ""


def _generated(head: Head) -> Iterator[str]:
    """Ignored files of the head that its code may import or read."""
    places = {line for own in head.own.values() for line in own.distribution.lines}
    folders = {Path(os.path.realpath(place)) for place in places if os.path.isabs(place)}  # noqa: PTH117
    inside = {folder for folder in folders if folder.is_relative_to(head.root)}
    for folder in sorted(inside or {head.config_folder}):
        base = PurePosixPath(folder.relative_to(head.root))
        spec = f":(literal){base}"
        tracked = need(head.root, "ls-files", "-z", "--", spec).names
        packages = {_top(name, base) for name in tracked if name.endswith(_CODE)}
        ignored = need(
            head.root,
            *("ls-files", "-z", "-o", "-i", "--exclude-standard", "--directory", "--", spec),
        )
        for name in ignored.names:
            if _matters(head.root / name, PurePosixPath(name).relative_to(base), packages):
                yield name


def _top(name: str, base: PurePosixPath) -> str:
    return PurePosixPath(name).relative_to(base).parts[0]


def _matters(file: Path, path: PurePosixPath, packages: set[str]) -> bool:
    """Whether an ignored file or folder may be part of what is imported."""
    if any(fnmatch.fnmatch(part, junk) for part in path.parts for junk in _JUNK):
        return False
    if path.parts[0] in packages:
        return FOLDERS.isdisjoint(path.parts)  # a test's own files do not come with the base anyway
    if file.is_dir():
        return any(child.suffix in _CODE for child in file.iterdir())
    return len(path.parts) == 1 and path.suffix in _CODE


def _shown(folder: PurePosixPath) -> str:
    return "the top folder" if folder == PurePosixPath() else str(folder)


def _by_setup(head: Head, tree: Path, watch: Callable[[str], object]) -> Environment:
    """Run the configuration's own commands; the interpreter that they made, else the head's."""
    folder = tree / head.below
    if not folder.is_dir():
        raise BaseError(f"the base has no folder {head.below}, in which `setup:` is to run")
    for command in head.setup:
        watch(f"base: {' '.join(command)}")
        run_in(folder, command, "`setup:` failed on the base")
    for place in dict.fromkeys((folder, tree)):
        for name in (".venv", "venv"):
            for below in ("bin/python", "Scripts/python.exe"):
                if (place / name / below).exists():
                    return Environment(str(place / name / below))
    _check_head_serves(head)
    return Environment(head.interpreter.python)


def _check_head_serves(head: Head) -> None:
    """Refuse the head's environment for the base where a copy of the project in it would be what runs."""
    now = ask_interpreter(head.interpreter.python, head.root).found
    if now != head.interpreter.found:
        raise BaseError(
            f"`setup:` changed the head's own environment {head.interpreter.python}, so that both "
            f"sides would run the base: install the head again, and {_ENV_NEXT}"
        )
    for own in head.own.values():
        if not own.distribution.editable:
            raise BaseError(
                f"`setup:` made no environment, and in the head's {own.distribution.name} is "
                f"installed as a copy, which both sides would run: {_ENV_NEXT}"
            )


def to_json(environment: Environment) -> dict[str, object]:
    """What a later run has to know of it."""
    return {
        "python": environment.python,
        "path": list(environment.path),
        "moved": list(environment.moved),
    }


def from_json(info: object) -> Environment | None:
    """The environment that was written down, None where it is gone or unsound."""
    try:
        read = json.loads(json.dumps(info))
        found = Environment(str(read["python"]), tuple(read["path"]), tuple(read["moved"]))
    except (KeyError, TypeError, ValueError):
        return None
    return found if Path(found.python).exists() else None
