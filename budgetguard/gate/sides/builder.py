"""An environment for the base alone: the head's installed versions, and the base's own project.

With uv about 1 to 4 s, with pip half a minute. Everything is installed from a list without resolving;
only what base and head require differently is resolved, with the head's versions as constraints, so
that nothing else moves. pytest and its plugins are the head's on both sides, as the benchmark files are.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from budgetguard.gate.sides import git
from budgetguard.gate.sides.git import BaseError, last_lines
from budgetguard.gate.sides.installed import Interpreter, Own, ask_interpreter
from budgetguard.gate.sides.project import (
    BUILD_FILES,
    is_requirements,
    is_runner,
    lock_files,
    name_of,
    pinned_lines,
    pins,
    requirement_lines,
    without_extra,
)
from budgetguard.process import Finished, run

BUILD_S = 1800.0
"""How long one command may take; a large extension builds for minutes."""
# what would send an installation elsewhere, or ask more of the head's list than the head's did
_FOREIGN = frozenset(
    {"VIRTUAL_ENV", "CONDA_PREFIX", "PYTHONPATH", "PYTHONHOME", "UV_PROJECT_ENVIRONMENT"}
    | {"UV_SYSTEM_PYTHON", "UV_REQUIRE_HASHES", "PIP_USER", "PIP_TARGET", "PIP_PREFIX"}
    | {"PIP_REQUIRE_HASHES", "UV_TARGET"}
)
_OFFLINE_WORDS = (
    *("network was disabled", "network is disabled", "network connectivity is disabled"),
    *("no solution found", "not found in the cache"),
)
_NEXT = "build it another way with `setup:`, or move the base: budgetguard baseline update --time"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the base is to have, as the head has it."""

    root: Path
    folders: Sequence[PurePosixPath]
    interpreter: Interpreter
    own: Mapping[str, Own]


@dataclass(frozen=True, slots=True)
class Built:
    """The interpreter of an environment that was built, and what differs from the head in it."""

    python: str
    moved: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Locks:
    """What the lock files that differ say: the versions that the base wants otherwise."""

    changed: bool
    pins: Mapping[str, str]
    asked: tuple[str, ...]
    """Requirements of those files of pip's that the head's environment was made from."""


class _Installer:
    """uv where there is one, else pip in the new environment."""

    def __init__(self, head_python: str, tree: Path, env: Path) -> None:
        self.uv = find_uv(head_python)
        self._tree = tree
        self.python = str(env / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
        what = "no environment can be made for the base"
        if self.uv:
            create = [self.uv, "venv", "--quiet", "--no-project", "--python", head_python, str(env)]
        else:
            create = [head_python, "-m", "venv", str(env)]
        run_in(tree, create, what)

    def install(self, arguments: Sequence[str], what: str) -> None:
        """Install; from uv's cache alone where that is enough, which needs no network."""
        if not self.uv:
            pip = [self.python, "-m", "pip", "install", "--quiet", "--no-input"]
            run_in(self._tree, [*pip, "--disable-pip-version-check", *arguments], what)
            return
        command = [self.uv, "pip", "install", "--quiet", "--python", self.python, *arguments]
        offline = _run(self._tree, [*command, "--offline"])
        words = offline.stderr.lower()
        if any(word in words for word in _OFFLINE_WORDS):
            offline = _run(self._tree, command)
        _check(offline, command, what)


def build(wanted: Wanted, tree: Path, env: Path, watch: Callable[[str], object]) -> Built:
    """Make the environment `env` for the base in `tree`; raises `BaseError` with the last lines."""
    head = wanted.interpreter
    installer = _Installer(head.python, tree, env)
    how = "uv" if installer.uv else "pip, which is slow (install uv)"
    others = {name: one for name, one in head.found.items() if name not in wanted.own}
    watch(f"base: installs {len(others)} distributions with {how}")
    locks = _locks(wanted, tree)
    lines = [
        f"{one.name}=={locks.pins[name]}" if name in locks.pins else one.requirement
        for name, one in sorted(others.items())
    ]
    _install_list(installer, env, lines)
    _install_own(installer, wanted, tree, watch)
    asked = _asked_otherwise(wanted, ask_interpreter(installer.python, tree), locks)
    if asked:
        watch(f"base: resolves {', '.join(sorted({name_of(line) for line in asked}))}")
        _resolve(installer, env, asked, _constraints(wanted, asked, locks))
    moved = _moved(wanted, ask_interpreter(installer.python, tree)) if asked or locks.pins else ()
    return Built(installer.python, moved)


def find_uv(head_python: str) -> str:
    """uv beside this interpreter, beside the head's, or in PATH; "" where there is none."""
    for python in (sys.executable, head_python):
        for name in ("uv", "uv.exe"):
            if (Path(python).parent / name).is_file():
                return str(Path(python).parent / name)
    return shutil.which("uv") or ""


def run_in(folder: Path, command: Sequence[str], what: str) -> None:
    """Run a command to its end; raises `BaseError` with its last lines where it fails."""
    _check(_run(folder, command), command, what)


def _run(folder: Path, command: Sequence[str]) -> Finished:
    return run(command, cwd=folder, env=_environment(), timeout_s=BUILD_S)


def _check(done: Finished, command: Sequence[str], what: str) -> None:
    if done.timed_out or done.exit_code:
        how = f"took over {BUILD_S:.0f} s" if done.timed_out else f"ended with {done.exit_code}"
        words = last_lines(done.stderr) or last_lines(done.stdout)
        raise BaseError(f"{what}: {' '.join(command)} {how}: {words}; {_NEXT}")


def _environment() -> dict[str, str]:
    """Ours without what names another environment or, in a hook of git, another repository."""
    kept = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    return {name: value for name, value in kept.items() if name in git.environment()}


def _install_list(installer: _Installer, env: Path, lines: Sequence[str]) -> None:
    if lines:
        file = env / "head.txt"
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        what = "the head's installed versions cannot be installed for the base"
        installer.install(["--no-deps", "-r", str(file)], what)


def _install_own(
    installer: _Installer, wanted: Wanted, tree: Path, watch: Callable[[str], object]
) -> None:
    """Build what the repository builds from the base's tree, editable where the head's is."""
    arguments = []
    for name, own in sorted(wanted.own.items()):
        folder = tree / own.folder
        if not any((folder / file).is_file() for file in BUILD_FILES[:3]):
            watch(f"base: has no {name} yet")
            continue
        arguments += [*(["-e"] if own.distribution.editable else []), str(folder)]
    if arguments:
        watch("base: builds its own project")
        installer.install(["--no-deps", *arguments], "the base does not build")


def _locks(wanted: Wanted, tree: Path) -> _Locks:
    ours, theirs = lock_files(wanted.root, wanted.folders), lock_files(tree, wanted.folders)
    versions = wanted.interpreter.versions
    found: dict[str, str] = {}
    asked: list[str] = []
    changed = sorted(path for path in theirs if ours.get(path) != theirs[path])
    for path in sorted(changed, key=lambda path: not is_requirements(path)):
        before = pins(path, ours.get(path, b""), versions)
        now = pins(path, theirs[path], versions)
        # a version that is equal in both files is not what changed, whatever the head has installed
        found |= {name: one for name, one in now.items() if before.get(name) != one}
        asked += _active(ours.get(path, theirs[path]), theirs[path], versions) * is_requirements(
            path
        )
    torn = _torn(theirs[path] for path in changed if is_requirements(path))
    kept = {k: v for k, v in found.items() if k not in torn and not _is_given(wanted, k)}
    return _Locks(bool(changed), kept, tuple(line for line in asked if name_of(line) not in torn))


def _torn(files: Iterable[bytes]) -> set[str]:
    """What several files of pip's pin differently: no one environment was made from all of them."""
    versions: dict[str, set[str]] = {}
    for content in files:
        for name, version in pinned_lines(requirement_lines(content)):
            versions.setdefault(name, set()).add(version)
    return {name for name, each in versions.items() if len(each) > 1}


def _is_given(wanted: Wanted, name: str) -> bool:
    """Whether the base's own files have no say in a version: it is built here, or it runs the tests."""
    return name in wanted.own or is_runner(name)


def _active(ours: bytes, theirs: bytes, versions: Mapping[str, str]) -> list[str]:
    """The base's lines of a file that the head's environment was made from, as far as one can see."""
    names = [name_of(line) for line in requirement_lines(ours)]
    installed = sum(name in versions for name in names)
    return requirement_lines(theirs) if names and installed * 2 >= len(names) else []


def _asked_otherwise(wanted: Wanted, base: Interpreter, locks: _Locks) -> list[str]:
    """What the base requires and the head does not, or all of it where a lock differs."""
    found = list(locks.asked)
    for name, own in sorted(wanted.own.items()):
        built = base.found.get(name)
        for line in built.requires if built else ():
            if line in own.distribution.requires and not locks.changed:
                continue
            plain, is_extra = without_extra(line)
            # an extra that the head was installed with shows by what it brought
            if not is_extra or name_of(line) in wanted.interpreter.found:
                found.append(plain)
    return [line for line in dict.fromkeys(found) if not _is_given(wanted, name_of(line))]


def _constraints(wanted: Wanted, asked: Sequence[str], locks: _Locks) -> list[str]:
    """The head's versions and the base's locked ones; what is asked otherwise may move."""
    versions = wanted.interpreter.versions | dict(locks.pins)
    free = {name_of(line) for line in asked} - locks.pins.keys() if not locks.changed else set()
    urls = {name for name, one in wanted.interpreter.found.items() if one.url}
    loose = free | urls | wanted.own.keys()
    return [f"{name}=={one}" for name, one in sorted(versions.items()) if name not in loose]


def _resolve(
    installer: _Installer, env: Path, asked: Sequence[str], constraints: Sequence[str]
) -> None:
    for name, lines in (("asked.txt", asked), ("constraints.txt", constraints)):
        (env / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    installer.install(
        ["-r", str(env / "asked.txt"), "-c", str(env / "constraints.txt")],
        "the base's own requirements cannot be met beside the head's versions",
    )


def _moved(wanted: Wanted, base: Interpreter) -> tuple[str, ...]:
    ours, theirs = wanted.interpreter.versions, base.versions
    names = sorted((ours.keys() | theirs.keys()) - wanted.own.keys())
    return tuple(
        f"{name} {theirs.get(name, 'not installed')} (head {ours.get(name, 'none')})"
        for name in names
        if ours.get(name) != theirs.get(name)
    )
