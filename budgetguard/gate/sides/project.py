"""What a tree says about how it is built and what it needs: build tables, lock files, their pins."""

import configparser
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from budgetguard.gate.sides.git import need

BUILD_FILES = (
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "meson.build",
    "CMakeLists.txt",
    "Cargo.toml",
)
LOCKS = re.compile(
    r"uv\.lock|poetry\.lock|pdm\.lock|pylock(\..+)?\.toml|Pipfile\.lock|[\w.-]*requirements[\w.-]*\.(txt|in)"
)
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_PIN = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^]]*\])?\s*===?\s*([^\s;,*]+)\s*(;.*)?")
_RUNNER = re.compile(r"pytest(-.+)?|pluggy|iniconfig")
_EXTRA = re.compile(r"""extra\s*==\s*["'][^"']*["']""")
# what changes in these tables changes neither what is built nor what is installed with it
_IDLE_PROJECT = frozenset(
    {"version", "description", "readme", "license", "license-files", "authors", "maintainers"}
    | {"keywords", "classifiers", "urls"}
)
_IDLE_TOOLS = frozenset(
    {"pytest", "budgetguard", "ruff", "black", "isort", "mypy", "pyright", "coverage", "pylint"}
    | {"importlinter", "codespell", "towncrier", "bumpversion", "semantic_release", "commitizen"}
    | {"tox", "nox", "cibuildwheel", "ty", "flake8", "bandit", "vulture", "interrogate", "pyrefly"}
)
_IDLE_SECTIONS = (
    "tool:pytest",
    "flake8",
    "mypy",
    "coverage:",
    "isort",
    "pylint",
    "pycodestyle",
    "tox:",
)


def normal(name: str) -> str:
    """The one spelling of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def name_of(requirement: str) -> str:
    """The distribution that a requirement asks for, "" where it names none."""
    found = _NAME.match(requirement)
    return normal(found.group(1)) if found else ""


def is_runner(name: str) -> bool:
    """Whether a distribution runs the tests: pytest, what it stands on, and its plugins by their name."""
    return _RUNNER.fullmatch(name) is not None


def without_extra(requirement: str) -> tuple[str, bool]:
    """A requirement of metadata without its `extra ==` mark, and whether it had one."""
    plain, count = _EXTRA.subn('python_version >= "0"', requirement)
    return plain, bool(count)


def read_toml(file: Path) -> Mapping[str, Any]:
    """A TOML file as it is, empty where it is not there or cannot be read."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def table(document: object, *keys: str) -> Any:
    """What stands under the keys, an empty mapping where something else is in the way."""
    for key in keys:
        document = document.get(key) if isinstance(document, Mapping) else None
    return {} if document is None else document


def project_name(folder: Path) -> str:
    """The normal name of the distribution that a folder builds, "" where pyproject.toml has none."""
    document = read_toml(folder / "pyproject.toml")
    name = table(document, "project", "name") or table(document, "tool", "poetry", "name")
    return normal(name) if isinstance(name, str) else ""


def build_tables(folder: Path) -> str:
    """All that decides what is built and installed from a folder, as text to compare."""
    document = dict(read_toml(folder / "pyproject.toml"))
    project, tools = table(document, "project"), table(document, "tool")
    if isinstance(project, Mapping):
        document["project"] = {k: v for k, v in project.items() if k not in _IDLE_PROJECT}
    if isinstance(tools, Mapping):
        document["tool"] = {k: v for k, v in tools.items() if k not in _IDLE_TOOLS}
    parts = [json.dumps(document, sort_keys=True, default=str), _sections(folder / "setup.cfg")]
    for name in BUILD_FILES:
        file = folder / name
        if name not in ("pyproject.toml", "setup.cfg") and file.is_file():
            parts.append(f"{name}\n{file.read_text(errors='replace')}")
    return "\n".join(parts)


def _sections(file: Path) -> str:
    """The sections of a setup.cfg that setuptools reads."""
    if not file.is_file():
        return ""
    text = file.read_text(encoding="utf-8", errors="replace")
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return text
    wanted = (name for name in parser.sections() if not name.startswith(_IDLE_SECTIONS))
    return json.dumps({name: sorted(parser.items(name)) for name in wanted}, sort_keys=True)


def lock_files(tree: Path, folders: Sequence[PurePosixPath]) -> dict[PurePosixPath, bytes]:
    """The lock and requirements files that git holds in these folders, or in `requirements/` below."""
    near = {*folders, *(folder / "requirements" for folder in folders)}
    found = {}
    for name in need(tree, "ls-files", "-z").names:
        path = PurePosixPath(name)
        is_lock = LOCKS.fullmatch(path.name) or (
            path.suffix == ".txt" and path.parent.name == "requirements"
        )
        if path.parent in near and is_lock and (tree / path).is_file():
            found[path] = (tree / path).read_bytes()
    return found


def is_requirements(path: PurePosixPath) -> bool:
    """Whether a lock file is one of pip's."""
    return path.suffix in (".txt", ".in")


def requirement_lines(content: bytes) -> list[str]:
    """The requirements of a file of pip's, without options, hashes and comments."""
    text = content.decode(errors="replace").replace("\\\r\n", " ").replace("\\\n", " ")
    lines = (
        re.split(r"\s--?[a-z]|\s#|^#", line, maxsplit=1)[0].strip() for line in text.splitlines()
    )
    return [line for line in lines if line and not line.startswith("-") and name_of(line)]


def pinned_lines(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The name and version of each requirement that settles one."""
    for line in lines:
        if found := _PIN.fullmatch(line):
            yield normal(found.group(1)), found.group(2)


def pins(path: PurePosixPath, content: bytes, head: Mapping[str, str]) -> dict[str, str]:
    """The version of each distribution that a lock file settles.

    Where it holds several of one name, for several platforms, the head's version is taken if it is
    among them, and none otherwise.
    """
    versions: dict[str, set[str]] = {}
    for name, version in _pinned(path, content):
        versions.setdefault(name, set()).add(version)
    found = {name: next(iter(each)) for name, each in versions.items() if len(each) == 1}
    split = {name for name, each in versions.items() if len(each) > 1 and head.get(name) in each}
    return found | {name: head[name] for name in split}


def _pinned(path: PurePosixPath, content: bytes) -> Iterator[tuple[str, str]]:
    if is_requirements(path):
        yield from pinned_lines(requirement_lines(content))
        return
    document = _document(path, content)
    if path.name == "Pipfile.lock":
        for group in ("default", "develop"):
            for name, entry in table(document, group).items():
                yield normal(name), str(table(entry, "version")).removeprefix("==")
        return
    for package in table(document, "packages") or table(document, "package") or ():
        name, version = table(package, "name"), table(package, "version")
        if isinstance(name, str) and isinstance(version, str):
            yield normal(name), version


def _document(path: PurePosixPath, content: bytes) -> object:
    try:
        text = content.decode()
        return json.loads(text) if path.name == "Pipfile.lock" else tomllib.loads(text)
    except ValueError:
        return {}
