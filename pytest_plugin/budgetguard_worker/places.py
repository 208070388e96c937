"""Whose file is this: the project's, a dependency's or the interpreter's; and its name on any checkout."""

import json
import os
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit

Owner = Literal["project", "dependency", "interpreter"]

OURS = {"budgetguard", "pytest_budgetguard", "budgetguard_worker"}
"""Packages of this tool: the head's environment has them, the base's need not."""
RECORD = "RECORD"


class Distribution(NamedTuple):
    """An installed distribution; `local` is the folder it was installed from, `tops` its top-level names."""

    name: str
    identity: str
    folder: Path
    local: str = ""
    tops: frozenset[str] = frozenset()


class Places:
    """Knows the owner of a path by its longest known prefix, and names paths without the checkout."""

    def __init__(self, roots: Sequence[str]) -> None:
        self.sites = tuple(_sites())
        self.distributions = tuple(one for site in self.sites for one in _distributions(Path(site)))
        local = [one.local for one in self.distributions if one.local and not _ours(one)]
        self.roots = tuple(_outermost([*roots, *local]))
        self._owners = sorted(self._prefixes(), key=lambda pair: -len(pair[0]))
        self._tokens = sorted(self._names(), key=lambda pair: -len(pair[0]))
        self._known: dict[str, Owner] = {}

    def owner(self, path: str) -> Owner:
        """Whose a file is; what was made at run time (`<string>`) belongs to the project."""
        known = self._known.get(path)
        if known is None:
            known = self._known[path] = self._owner(path)
        return known

    def name(self, text: str) -> str:
        """A path, or any text with paths in it, with the checkout and the environment taken out."""
        if "/" in text or os.sep in text:
            for prefix, token in self._tokens:
                if prefix in text:
                    text = text.replace(prefix, token)
        return text

    def below_roots(self, path: str) -> bool:
        """Whether a path lies in one of the project's folders, and is not a dependency's."""
        return self.owner(path) == "project" and self.name(path).startswith(("{root", "{site"))

    def _owner(self, path: str) -> Owner:
        if path.startswith("<"):
            return "interpreter" if path.startswith("<frozen ") else "project"
        path = absolute(path)
        for prefix, owner in self._owners:
            if path == prefix or path.startswith(prefix.rstrip(os.sep) + os.sep):
                return owner
        return "project"

    def _prefixes(self) -> Iterator[tuple[str, Owner]]:
        for root in self.roots:
            yield from ((one, "project") for one in _spellings(root))
        for site in self.sites:
            yield from ((one, "dependency") for one in _spellings(site))
        for one in self.distributions:
            if _ours(one) and one.local and one.local not in self.roots:
                yield one.local, "dependency"
            elif one.local:
                for top in (*one.tops, one.folder.name):
                    yield str(one.folder.parent / top), "project"
        if sys.prefix != sys.base_prefix:
            yield from ((one, "dependency") for one in _spellings(sys.prefix))
        for name in ("stdlib", "platstdlib"):
            yield from ((one, "interpreter") for one in _spellings(sysconfig.get_path(name)))
        base = Path(sys.base_prefix) / sys.platlibdir
        yield str(base / f"python{sys.version_info.major}.{sys.version_info.minor}"), "interpreter"
        yield str(Path(__file__).parent), "interpreter"

    def _names(self) -> Iterator[tuple[str, str]]:
        for number, root in enumerate(self.roots):
            yield from ((one, f"{{root {number}}}") for one in _spellings(root))
        for one in self.distributions:
            if one.local:  # the folder's name holds the version, which may follow the commit
                yield str(one.folder), f"{{distribution {one.name}}}"
        for number, site in enumerate(self.sites):
            yield from ((one, f"{{site {number}}}") for one in _spellings(site))
        yield from ((one, "{env}") for one in _spellings(sys.prefix))
        scratch = os.environ.get("TMPDIR")  # a new one for each sweep, and one for each side
        yield from ((one, "{tmp}") for one in _spellings(scratch)) if scratch else ()


def absolute(path: str) -> str:
    """A path from the root, as it is written: links stay, since code objects keep them too."""
    return os.path.abspath(path)  # noqa: PTH100  # pathlib's would not drop ".."


def installed_from(roots: tuple[str, ...]) -> set[str]:
    """The top-level names of what was installed from a folder in one of `roots`, also as a copy."""
    return {
        top.partition(".")[0]
        for site in _sites()
        for one in _distributions(Path(site))
        if one.local and f"{one.local}{os.sep}".startswith(roots)
        for top in one.tops
    }


def _ours(one: Distribution) -> bool:
    return one.name.replace("-", "_") == "pytest_budgetguard"


def _outermost(folders: Sequence[str]) -> Iterator[str]:
    """Each folder once, without those that an earlier one contains."""
    kept: list[str] = []
    for folder in map(absolute, folders):
        if not any(f"{folder}{os.sep}".startswith(f"{one}{os.sep}") for one in kept):
            kept.append(folder)
            yield folder


def _spellings(folder: str) -> set[str]:
    """A folder as it is written and as it is once links are followed."""
    return {absolute(folder), os.path.realpath(folder)}


def _sites() -> Iterator[str]:
    """The folders of installed distributions."""
    named = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *sys.path]
    for folder in dict.fromkeys(absolute(one) for one in named if one):
        if Path(folder).name in ("site-packages", "dist-packages") and Path(folder).is_dir():
            yield folder


def _distributions(site: Path) -> Iterator[Distribution]:
    """The distributions of one folder by their folders' names: reading METADATA costs 50 times more."""
    for entry in sorted(os.listdir(site)):  # noqa: PTH208  # paths sort thirty times slower
        stem, kind = os.path.splitext(entry)  # noqa: PTH122
        if kind not in (".dist-info", ".egg-info"):
            continue
        folder = site / entry
        name, _, version = stem.partition("-")
        origin = _origin(folder)
        address = urlsplit(str(origin.get("url", "")))
        if address.scheme == "file" and "dir_info" in origin:
            local = unquote(address.path)
            yield Distribution(name, "local", folder, local, frozenset(_tops(folder)))
        else:
            source = {key: value for key, value in origin.items() if key != "dir_info"}
            made_from = json.dumps(source, sort_keys=True) if source else ""
            yield Distribution(name, f"{version} {made_from}".strip(), folder)


def _origin(folder: Path) -> dict[str, object]:
    """Where a distribution was installed from, if not from an index (PEP 610)."""
    try:
        read = json.loads((folder / "direct_url.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def _tops(folder: Path) -> Iterator[str]:
    """The top-level names that a distribution put beside its dist-info."""
    try:
        lines = (folder / RECORD).read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        top = line.partition(",")[0].strip('"').partition("/")[0]
        if top not in ("", "..", "__pycache__") and not top.endswith((".dist-info", ".pth")):
            yield top
