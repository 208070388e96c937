"""What an interpreter has installed, and which of it was made from the repository that is measured."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlparse

from budgetguard.gate.sides.git import BaseError, last_lines
from budgetguard.gate.sides.project import BUILD_FILES, normal, project_name

TIMEOUT_S = 60.0

# runs in the interpreter that is asked, whatever it has installed: stdlib only
_ASK = r"""
import ast, importlib.metadata, json, os, re, site, sys, sysconfig
def plain(line, folder):  # the finder of setuptools, where each package has its own name: folders do
    named = re.match(r"import (__editable___\w+_finder)\b", line)
    if not named:
        return [line]
    with open(os.path.join(folder, named.group(1) + ".py"), encoding="utf-8") as stream:
        tables = dict(re.findall(r"^(MAPPING|NAMESPACES)\b[^=\n]*= (.*)$", stream.read(), re.M))
    mapping = ast.literal_eval(tables.get("MAPPING", "{}"))
    same = all(os.path.splitext(os.path.basename(at))[0] == name for name, at in mapping.items())
    if not mapping or not same or ast.literal_eval(tables.get("NAMESPACES", "{}")):
        return [line]
    return sorted({os.path.dirname(at) for at in mapping.values()})
sites = {os.path.realpath(p) for p in [*site.getsitepackages(), *sysconfig.get_paths().values()]}
if site.ENABLE_USER_SITE:
    sites.add(os.path.realpath(site.getusersitepackages()))
found = {}
for one in importlib.metadata.distributions():
    try:
        name, version = one.metadata["Name"], one.version
    except Exception:  # the remains of a distribution
        continue
    if not name or not version or re.sub(r"[-_.]+", "-", name).lower() in found:
        continue
    direct = one.read_text("direct_url.json")
    place = os.path.realpath(one.locate_file(""))
    paths = []
    if direct:
        paths = [str(one.locate_file(f)) for f in one.files or () if str(f).endswith(".pth")]
    elif place not in sites:  # setup.py develop
        paths = None
    lines = [place] if paths is None else []
    for path in paths or ():
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            for line in filter(None, map(str.strip, stream)):
                lines += [] if line[0] == "#" else plain(line, os.path.dirname(path))
    found[re.sub(r"[-_.]+", "-", name).lower()] = {
        "name": name, "version": version, "direct": json.loads(direct) if direct else {},
        "place": "" if place in sites else place, "lines": lines,
        "requires": sorted(one.requires or ()),
    }
print(json.dumps({"version": sys.version, "prefix": sys.prefix, "found": found,
    "base": getattr(sys, "_base_executable", "") or sys.executable}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """One installed distribution; `lines` are those of the .pth files that came with it."""

    name: str
    version: str
    direct: Mapping[str, Any]
    place: str
    """The folder that holds its metadata, "" for one in site-packages."""
    lines: tuple[str, ...]
    requires: tuple[str, ...]

    @property
    def url(self) -> str:
        """Where it was installed from, "" for an index."""
        return str(self.direct.get("url", ""))

    @property
    def editable(self) -> bool:
        """Whether its code is loaded from the folder it was installed from."""
        return bool(self.place) or bool((self.direct.get("dir_info") or {}).get("editable"))

    @property
    def origin(self) -> Path | None:
        """The folder or file on this machine that it was installed from."""
        if self.place:
            return Path(self.place)
        parsed = urlparse(self.url)
        if parsed.scheme != "file":
            return None
        path = unquote(parsed.path)
        return Path(os.path.realpath(path.lstrip("/") if os.name == "nt" else path))

    @property
    def requirement(self) -> str:
        """The line that installs exactly this again."""
        if not self.url:
            return f"{self.name}=={self.version}"
        if self.editable:
            return f"-e {self.url or Path(self.place).as_uri()}"
        vcs = self.direct.get("vcs_info") or {}
        at = f"{vcs['vcs']}+{self.url}@{vcs['commit_id']}" if vcs else self.url
        below = self.direct.get("subdirectory")
        return f"{self.name} @ {at}" + (f"#subdirectory={below}" if below else "")


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter with all it has installed, by normal name."""

    python: str
    version: str
    found: Mapping[str, Distribution]

    @property
    def versions(self) -> dict[str, str]:
        """The installed versions by normal name."""
        return {name: one.version for name, one in self.found.items()}


@dataclass(frozen=True, slots=True)
class Own:
    """A distribution that was made from the repository, and the folder that builds it."""

    distribution: Distribution
    folder: PurePosixPath
    """Relative to the top of the repository."""


def ask_interpreter(python: str, folder: Path) -> Interpreter:
    """What `python` has installed; raises `BaseError` where it does not run."""
    try:
        done = subprocess.run(
            [python, "-I", "-c", _ASK],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        answer = json.loads(done.stdout) if done.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise BaseError(
            f"the interpreter {python!r} cannot be asked what it has: {error}"
        ) from None
    if answer is None:
        words = last_lines(done.stderr.decode(errors="replace"))
        raise BaseError(f"the interpreter {python!r} cannot say what it has installed: {words}")
    found = {
        name: Distribution(
            **one | {"lines": tuple(one["lines"]), "requires": tuple(one["requires"])}
        )
        for name, one in answer["found"].items()
    }
    return Interpreter(python, f"{answer['version']} {answer['base']}", found)


def own_of(head: Interpreter, root: Path, config_folder: Path) -> dict[str, Own]:
    """The distributions that were made from the repository at `root`, by normal name."""
    named = {project_name(folder): folder for folder in _between(config_folder, root)}
    found = {}
    for name, one in head.found.items():
        origin = one.origin
        if origin is not None and origin.is_relative_to(root):
            folder = _builder(origin, root) or named.get(name) or _by_name(root, name)
        else:
            folder = named.get(name)  # a wheel of it, from an index, a folder outside, or a commit
        if folder is not None:
            found[name] = Own(one, PurePosixPath(folder.relative_to(root)))
    return found


def _between(folder: Path, root: Path) -> list[Path]:
    """The folders from the top down to `folder`; the nearest last, so that it wins."""
    return [one for one in reversed((folder, *folder.parents)) if one.is_relative_to(root)]


def _builder(origin: Path, root: Path) -> Path | None:
    """The folder of the sources that a distribution was installed from, None for an archive."""
    if origin.is_file():
        return None
    for folder in (origin, *origin.parents):
        if any((folder / name).is_file() for name in BUILD_FILES[:3]):
            return folder
        if folder == root:
            break
    return None


def _by_name(root: Path, name: str) -> Path | None:
    """The folder of the repository that builds a distribution, for one that came as an archive."""
    files = sorted(root.glob("*/pyproject.toml")) + sorted(root.glob("*/*/pyproject.toml"))
    for file in (root / "pyproject.toml", *files):
        if project_name(file.parent) == normal(name):
            return file.parent
    return None
