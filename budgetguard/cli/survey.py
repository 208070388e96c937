"""What a project has that a budget could guard: read from its files, nothing is run."""

import re
import shutil
import sys
import tomllib
import zlib
from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigParserError
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

BUILT_FOLDERS = (
    "dist",
    "build",
    "public",
    "static",
    "out",
    "frontend",
    "web",
    "ui",
    "app/static",
    "src",
)
_OUTPUT = frozenset({"dist", "out"})
"""Folders that only a build writes to: what is in them is built, with a hash in its name or without."""
_DEEP = 4
_MOST_FILES = 5_000
_LARGEST_BYTES = 20_000_000
_HASHED = re.compile(
    r"^(.+?)[-.](?=[A-Za-z0-9_-]*[0-9A-Z_])[A-Za-z0-9_-]{8,20}(?:\.min)?\.(js|css)$"
)
_BUNDLERS = re.compile(
    r'"(vite|webpack|esbuild|rollup|parcel|next|@angular/cli|react-scripts)"\s*:'
)
_DATABASES = re.compile(r"(?i)\b(sqlalchemy|django|psycopg2?|asyncpg|sqlmodel|aiosqlite)\b")
_BENCHMARK = re.compile(rb"\bdef test_\w+\([^)]*\bbenchmark\b")
_SKIPPED = frozenset(
    {"node_modules", ".git", ".venv", "venv", "__pycache__", ".tox", "site-packages"}
)
_LISTS = ("setup.cfg", "setup.py", "requirements.txt", "requirements-dev.txt")


@dataclass(frozen=True, slots=True)
class Assets:
    """The built files of a front end: a glob for each kind, and what they weigh."""

    pattern: str
    raw_bytes: int
    gzip_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What was found in a project."""

    assets: tuple[Assets, ...] = ()
    bundler: str = ""
    wheel_bytes: int | None = None
    scripts: Mapping[str, bool]
    """Console scripts, and whether each can be started from this environment."""
    tests: str = ""
    benchmarks: str = ""
    database: str = ""
    memray: bool = False


def survey(folder: Path) -> Survey:
    """Look at the project in `folder`."""
    pyproject = _toml(folder / "pyproject.toml")
    tests = _tests(folder, pyproject)
    dependencies = "\n".join([*_required(pyproject), *(_text(folder / name) for name in _LISTS)])
    database = _DATABASES.search(dependencies)
    bundler = _BUNDLERS.search(_text(folder / "package.json"))
    return Survey(
        assets=tuple(_assets(folder)),
        bundler=bundler[1] if bundler else "",
        wheel_bytes=max((file.stat().st_size for file in folder.glob("dist/*.whl")), default=None),
        scripts={
            name: _startable(name) for name in sorted(_table(pyproject, "project", "scripts"))
        },
        tests=tests,
        benchmarks=_benchmarks(folder, tests),
        database=database[1] if database else "",
        memray=find_spec("memray") is not None,
    )


def _assets(folder: Path) -> Iterator[Assets]:
    """Globs over built scripts and styles; a build changes the hash in a name, not the glob."""
    found: dict[str, list[Path]] = {}
    for file in _files(folder):
        place = file.parent.relative_to(folder).as_posix()
        built = not _OUTPUT.isdisjoint(place.split("/")) and file.suffix in (".js", ".css")
        if built or _HASHED.match(file.name):
            found.setdefault(f"{place}/*{file.suffix}", []).append(file)
    for pattern, files in sorted(found.items()):
        raw = sum(file.stat().st_size for file in files)
        yield Assets(pattern, raw, _gzip(files) if raw <= _LARGEST_BYTES else None)


def _files(folder: Path) -> Iterator[Path]:
    """The files below the folders that builds write to; a bound keeps huge trees cheap."""
    fronts = [package.parent for package in sorted(folder.glob("*/package.json"))]
    built = [folder / name for name in BUILT_FOLDERS]
    built += [front / name for front in fronts for name in sorted(_OUTPUT)]
    waiting = [(place, 0) for place in dict.fromkeys(built)]
    seen = 0
    while waiting and seen < _MOST_FILES:
        here, depth = waiting.pop()
        if here.is_symlink() or not here.is_dir():
            continue
        for entry in sorted(here.iterdir()):
            seen += 1
            if entry.is_symlink() or entry.name in _SKIPPED:
                continue
            if entry.is_dir() and depth < _DEEP:
                waiting.append((entry, depth + 1))
            elif entry.is_file():
                yield entry


def _gzip(files: list[Path]) -> int:
    return sum(len(zlib.compress(file.read_bytes(), 9, 31)) for file in files)


def _tests(folder: Path, pyproject: Mapping[str, object]) -> str:
    """The first of the configured testpaths that is there, else the usual folder."""
    table = _table(pyproject, "tool", "pytest", "ini_options")
    listed = table.get("testpaths", [])
    paths = listed if isinstance(listed, list) else str(listed).split()
    for name, section in (
        ("pytest.ini", "pytest"),
        ("tox.ini", "pytest"),
        ("setup.cfg", "tool:pytest"),
    ):
        paths = [*paths, *_ini(folder / name, section).split()]
    for path in (*paths, "tests", "test"):
        if isinstance(path, str) and (folder / path).is_dir() and ".." not in Path(path).parts:
            return Path(path).as_posix()
    return ""


def _benchmarks(folder: Path, tests: str) -> str:
    """The folder or file that holds all tests with the `benchmark` fixture."""
    places = [
        place for place in (tests, "benchmarks", "bench") if place and (folder / place).is_dir()
    ]
    files = [file for place in places for file in _python_files(folder / place)]
    having = [file for file in files if _BENCHMARK.search(file.read_bytes())]
    if not having:
        return ""
    if len(having) == 1:
        return having[0].relative_to(folder).as_posix()
    common = having[0].parent
    while not all(file.is_relative_to(common) for file in having):
        common = common.parent
    return common.relative_to(folder).as_posix()


def _python_files(folder: Path) -> list[Path]:
    found = (file for file in folder.rglob("*.py") if not _SKIPPED.intersection(file.parts))
    return [file for _, file in zip(range(_MOST_FILES), found, strict=False) if file.is_file()]


def _startable(script: str) -> bool:
    return (Path(sys.executable).parent / script).exists() or shutil.which(script) is not None


def _required(pyproject: Mapping[str, object]) -> Iterator[str]:
    """What pyproject.toml asks for: not every word in it, which may be about something else."""
    lists = [_table(pyproject, "project").get("dependencies")]
    lists += _table(pyproject, "project", "optional-dependencies").values()
    lists += _table(pyproject, "dependency-groups").values()
    for requirements in lists:
        yield from map(str, requirements if isinstance(requirements, list) else ())
    yield from _table(pyproject, "tool", "poetry", "dependencies")


def _table(document: Mapping[str, object], *keys: str) -> Mapping[str, object]:
    table: object = document
    for key in keys:
        table = table.get(key, {}) if isinstance(table, Mapping) else {}
    return table if isinstance(table, Mapping) else {}


def _toml(file: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(_text(file))
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _ini(file: Path, section: str) -> str:
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(_text(file))
    except ConfigParserError:
        return ""
    return parser.get(section, "testpaths", fallback="")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    except OSError:
        return ""
