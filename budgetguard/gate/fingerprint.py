"""Whether a benchmark runs the same code on base and head, so that no timing is needed. Pure.

Each side's worker tells what ran and what was read from the start of its process (the payloads of
`budgetguard_worker.recorder`). Equal records settle a benchmark; anything that they cannot show is a
doubt, and a doubt is timed.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import chain
from pathlib import PurePosixPath
from typing import Any

FORMAT = 1
ROOT = "{root 0}/"
"""What a worker calls the top of its checkout."""
MOST_REASONS = 3

Payload = Mapping[str, Any]

MAPPINGS = (
    "code",
    "reads",
    "imported",
    "objects",
    "distributions",
    "python",
    "environment",
    "start_files",
)
LISTS = ("doubts", "earlier_doubts", "words", "modules", "packages", "search")

INERT_FOLDERS = {
    *("docs", "doc", ".github", ".gitlab", ".circleci", ".vscode", ".idea", ".devcontainer"),
    *("changelog.d", "newsfragments", "news", ".changeset"),
}
INERT_NAMES = (
    *(
        "*.md",
        "*.rst",
        "*.adoc",
        "LICEN[CS]E*",
        "COPYING*",
        "NOTICE*",
        "AUTHORS*",
        "CHANGES*",
        "CHANGELOG*",
    ),
    *("CODEOWNERS", "CITATION.cff", ".gitignore", ".gitattributes", ".mailmap", ".editorconfig"),
    *(".git-blame-ignore-revs", ".pre-commit-config.yaml", ".readthedocs.y*ml", "mkdocs.y*ml"),
    *("codecov.y*ml", ".codecov.y*ml", ".coveragerc", ".gitlab-ci.yml", "Makefile", "justfile"),
    *(
        "tox.ini",
        "ruff.toml",
        ".ruff.toml",
        "mypy.ini",
        ".flake8",
        ".pylintrc",
        "pyrightconfig.json",
    ),
    *("budgetguard.yml", "budgetguard.baseline.json"),
)
BUILD_NAMES = (
    *("pyproject.toml", "setup.cfg", "MANIFEST.in", "*.lock", "pylock*.toml", "requirements*.txt"),
    *("constraints*.txt", "Pipfile", "environment.y*ml"),
)
"""What they do to the environment is compared itself: distributions, imported files, shared objects."""
TOOL_SCRIPTS = {"setup.py", "noxfile.py", "tasks.py", "fabfile.py"}
TEST_NAMES = ("test_*.py", "*_test.py", "conftest.py")


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file that differs: its path from the checkout's top, and git's letter without renames (A, D, M).

    Files that were laid over the base, so that they do not differ, are left out; untracked ones are A.
    """

    path: str
    status: str


@dataclass(frozen=True, slots=True)
class Same:
    """Both sides run the same code."""

    digest: str
    codes: int
    files: int

    def __str__(self) -> str:
        return f"same code ({self.digest}): {self.codes} code objects, {self.files} files read"


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why it has to be timed.

    With `alone`, records of this benchmark in processes of its own may still settle it.
    """

    reasons: tuple[str, ...]
    alone: bool = False

    def __str__(self) -> str:
        return f"timed, because {_few(self.reasons)}"


def compare(
    pairs: Sequence[tuple[Payload, Payload]], changed: Sequence[ChangedFile]
) -> Same | Doubt:
    """Compare records of base and head, a pair for each hash seed, and explain every changed file."""
    if not pairs:
        return Doubt(("nothing was recorded",))
    if not all(_whole(payload) for pair in pairs for payload in pair):
        return Doubt(("a record is not whole",))
    base, head = pairs[0]
    reasons = tuple(
        dict.fromkeys(chain(_told(pairs), _unsteady(pairs), _unexplained(changed, base, head)))
    )
    different = tuple(dict.fromkeys(chain.from_iterable(_differences(*pair) for pair in pairs)))
    if different or reasons:
        return Doubt((*different, *reasons))
    if any(_earlier(*pair) for pair in pairs):
        return Doubt(
            ("benchmarks before it in the same process ran code that differs",), alone=True
        )
    return Same(str(head["digest"]), int(head["codes"]), int(head["files"]))


def _whole(payload: Payload) -> bool:
    return (
        payload.get("format") == FORMAT
        and all(isinstance(payload.get(name), Mapping) for name in MAPPINGS)
        and all(isinstance(payload.get(name), list) for name in LISTS)
        and all(isinstance(payload.get(name), str) for name in ("digest", "earlier"))
        and all(isinstance(payload.get(name), int) for name in ("codes", "files"))
    )


def _told(pairs: Sequence[tuple[Payload, Payload]]) -> Iterator[str]:
    """What the recorder itself could not compare."""
    yield from chain.from_iterable(payload["doubts"] for pair in pairs for payload in pair)


def _unsteady(pairs: Sequence[tuple[Payload, Payload]]) -> Iterator[str]:
    """A side whose records differ takes its path at random, or by the hash seed."""
    for side, name in enumerate(("base", "head")):
        first = pairs[0][side]
        for other in pairs[1:]:
            found = list(_differences(first, other[side], ("first", "second")))
            if found:
                yield f"two records of the {name} differ: {found[0]}"


def _earlier(base: Payload, head: Payload) -> bool:
    return bool(
        base["earlier"] != head["earlier"] or base["earlier_doubts"] or head["earlier_doubts"]
    )


def _differences(
    base: Payload, head: Payload, names: tuple[str, str] = ("base", "head")
) -> Iterator[str]:
    yield from _code_differences(base["code"], head["code"], names)
    for key, (old, new) in _unequal(base["reads"], head["reads"]):
        path = _plain(key)
        what = f"the content of the folder {path}" if key.endswith("/") else path
        yield (
            f"{what} differs"
            if old and new
            else f"{what} is read on the {_present(old, names)} only"
        )
    for key, (old, new) in _unequal(base["distributions"], head["distributions"]):
        yield f"{key} is {old or 'not there'} on the {names[0]} and {new or 'not there'} on the {names[1]}"
    for key, _ in _unequal(base["imported"], head["imported"]):
        yield f"the installed files of {key} differ"
    for key, _ in _unequal(base["objects"], head["objects"]):
        yield f"the compiled {_plain(key)} differs"
    for key, _ in _unequal(base["python"], head["python"]):
        yield f"the interpreter's {key} differs"
    for section, what in (
        ("environment", "the environment variable"),
        ("start_files", "the start-up file"),
    ):
        for key, (old, new) in _unequal(base[section], head[section]):
            if not (
                old and new and any(one == other for one, other in zip(old, new, strict=False))
            ):
                yield f"{what} {_plain(key)} differs"


def _code_differences(
    base: Mapping[str, Any], head: Mapping[str, Any], names: tuple[str, str]
) -> Iterator[str]:
    for file, (old, new) in _unequal(base, head):
        path = _plain(file)
        if not (old and new):
            yield f"code of {path} runs on the {_present(old, names)} only"
            continue
        for key, (before, after) in _unequal(old, new):
            name = key.partition("@")[0]
            where = f"the top level of {path}" if name == "<module>" else f"{name} in {path}"
            only = "" if before and after else f" runs on the {_present(before, names)} only"
            yield f"{where}{only or ' differs'}"


def _unequal(
    base: Mapping[str, Any], head: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for key in sorted({*base, *head}):
        if base.get(key) != head.get(key):
            yield key, (base.get(key), head.get(key))


def _present(old: object, names: tuple[str, str]) -> str:
    return names[0] if old else names[1]


def _plain(name: str) -> str:
    return name.removeprefix(ROOT).rstrip("/")


def _few(reasons: Sequence[str]) -> str:
    more = len(reasons) - MOST_REASONS
    return "; ".join(reasons[:MOST_REASONS]) + (f"; and {more} more" if more > 0 else "")


def _unexplained(changed: Iterable[ChangedFile], base: Payload, head: Payload) -> Iterator[str]:
    """The diff rule: the only answer to a file that is looked for, or read by compiled code."""
    packages = sorted({*base["packages"], *head["packages"]})
    words = {*base["words"], *head["words"]}
    for change in changed:
        path = PurePosixPath(change.path)
        if ROOT + change.path in base["reads"] or ROOT + change.path in head["reads"]:
            continue  # compared by content
        if path.suffix == ".pyi" and change.status in "AMD":
            continue
        inside = any(_lies_in(path, package) for package in packages)
        if path.suffix == ".py" and change.status in "AMD":
            reason = _python(change, base, head, inside=inside)
        elif inside:
            reason = "changed inside a package, and not every way to read it can be seen"
        else:
            reason = "" if _inert(path) else "changed, and what uses it cannot be seen"
        compared = path.suffix == ".py" and change.status == "M"
        if not reason and not compared and _mentioned(path, words):
            reason = "changed, and code that runs names it"
        if reason:
            yield f"{change.path} {reason}"


def _python(change: ChangedFile, base: Payload, head: Payload, *, inside: bool) -> str:
    """A module that was changed is compared as far as it runs; one that came or went can be looked for."""
    path = PurePosixPath(change.path)
    imported = [ROOT + change.path in side["modules"] for side in (base, head)]
    if change.status == "M" or all(imported):
        return ""
    if any(imported):
        return "is there on one side only"
    if any(fnmatchcase(path.name, name) for name in TEST_NAMES):
        return ""
    folders = {str(PurePosixPath(ROOT + change.path).parent)}
    if path.name == "__init__.py":
        folders.add(str(PurePosixPath(ROOT + change.path).parent.parent))
    importable = not folders.isdisjoint({*base["search"], *head["search"]})
    if inside or (importable and path.name not in TOOL_SCRIPTS):
        return "came or went where modules are looked for"
    return ""


def _lies_in(path: PurePosixPath, package: str) -> bool:
    """Whether a changed file belongs to a package, which may have been copied into an environment."""
    if package.startswith("{root"):
        return f"{ROOT}{path}".startswith(f"{package}/")
    return PurePosixPath(package).name in path.parts[:-1]


def _inert(path: PurePosixPath) -> bool:
    if not INERT_FOLDERS.isdisjoint(path.parts[:-1]):
        return True
    return any(fnmatchcase(path.name, name) for name in (*INERT_NAMES, *BUILD_NAMES))


def _mentioned(path: PurePosixPath, words: Iterable[str]) -> bool:
    """Whether a string of the code that ran could mean the file or a folder it lies in."""
    return any(_means(word, path) for word in words)


def _means(word: str, path: PurePosixPath) -> bool:
    named = word.strip("/")
    last = named.rpartition("/")[2]
    if not last:
        return False
    if fnmatchcase(path.name, last) if "*" in last else path.name == last:
        return True
    return "/" in word and f"/{named}/" in f"/{path}"
