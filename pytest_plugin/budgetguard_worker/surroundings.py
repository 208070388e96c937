"""What a benchmark stands on besides the project's code: interpreter, environment, libraries."""

import os
import re
import resource
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from budgetguard_worker.codehash import digest_of
from budgetguard_worker.places import OURS, Places, absolute

Contents = dict[tuple[str, int, int, int], str]

DIFFERENT = {
    "PYTHONHASHSEED",
    "PYTHONPYCACHEPREFIX",
    "TMPDIR",
    "PWD",
    "OLDPWD",
    "SHLVL",
    "_",
    "PYTEST_CURRENT_TEST",
}
"""Environment variables that may differ between two processes which do the same."""
MAPS = Path("/proc/self/maps")
SYSTEM = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/")
CHUNK = 1 << 20
EDITABLE = re.compile(r"(__editable__\.[^/]+?)-[^/]*(?=\.pth$)")
"""The name that setuptools gives a `.pth` file holds the version, which may follow the commit."""


class Files:
    """Content digests of files, each read once as long as it does not change."""

    def __init__(self) -> None:
        self._known: Contents = {}

    def digest(self, path: str) -> str:
        """Digest of a regular file's content, or "missing", "folder" or "special"."""
        try:
            status = os.stat(path)  # noqa: PTH116  # called inside an audit hook: keep it plain
            kind = _kind(status.st_mode)
            if kind != "file":
                return kind
            key = (path, status.st_ino, status.st_mtime_ns, status.st_size)
            if key not in self._known:
                self._known[key] = _content(path)
            return self._known[key]
        except OSError:
            return "missing"


def environment(places: Places) -> dict[str, list[str]]:
    """Each variable's value as two digests: as it is, and without the checkout's path. No value leaves."""
    return {
        name: _twice(value, places)
        for name, value in sorted(os.environ.items())
        if name not in DIFFERENT and not name.startswith("BUDGETGUARD")
    }


def interpreter() -> dict[str, str]:
    """What Python this is and how it was started, but for the hash seed."""
    flags = [part for part in repr(sys.flags).split(", ") if "hash_randomization" not in part]
    started = (flags, sorted(sys._xoptions.items()), sys.warnoptions)
    return {
        "version": f"{sys.implementation.name} {sys.version}",
        "installation": os.path.realpath(sys.base_prefix),
        "options": repr(started),
    }


def distributions(places: Places) -> dict[str, str]:
    """Name and version (or origin) of what is installed; the project's own go by their files."""
    found: dict[str, str] = {}
    for one in places.distributions:
        name = one.name.lower().replace("-", "_").replace(".", "_")
        if name != "pytest_budgetguard":
            found.setdefault(name, one.identity)
    return found


def start_files(places: Places) -> dict[str, list[str]]:
    """What runs at the start of the interpreter: `.pth` files, sitecustomize and usercustomize."""
    paths = [path for site in places.sites for path in sorted(Path(site).glob("*.pth"))]
    for name in ("sitecustomize", "usercustomize"):
        file = getattr(sys.modules.get(name), "__file__", None)
        paths += [Path(file)] if file else []
    return {
        EDITABLE.sub(r"\1", places.name(str(path))): _twice(_text(path), places) for path in paths
    }


def shared_objects(places: Places, files: Files) -> dict[str, str]:
    """Content of each file that is mapped as code and is not the interpreter's own.

    Those of the system go by size and time: both sides run on this machine.
    """
    found: dict[str, str] = {}
    program = os.path.realpath(sys.executable)
    for path in sorted(set(_mapped())):
        if places.owner(path) == "interpreter" or path == program:
            continue
        fixed = path.startswith((*SYSTEM, f"{sys.base_prefix}/lib/libpython"))
        found[places.name(path)] = _stamp(path) if fixed else files.digest(path)
    return found


def imported(places: Places, files: Files) -> tuple[dict[str, str], list[str], list[str]]:
    """Digests of the dependencies' imported files by package; the project's modules and packages."""
    foreign: dict[str, list[str]] = {}
    own: list[str] = []
    packages: set[str] = set()
    for name, module in sorted(sys.modules.copy().items()):
        top, file = name.partition(".")[0], _file(module)
        if top in OURS and places.owner(file or "") != "project":
            continue
        packages.update(_folders(module, places))
        if file and places.owner(file) == "project":
            own.append(places.name(absolute(file)))
        elif file and places.owner(file) == "dependency":
            foreign.setdefault(top, []).append(f"{places.name(file)} {files.digest(file)}")
    joined = {top: digest_of("\n".join(sorted(some)).encode()) for top, some in foreign.items()}
    return joined, sorted(set(own)), sorted(packages)


def _file(module: object) -> str | None:
    """Where a module came from; a module may answer anything, or raise."""
    spec = getattr(module, "__dict__", {}).get("__spec__")
    file = getattr(spec, "origin", None) or getattr(module, "__dict__", {}).get("__file__")
    return file if isinstance(file, str) and os.sep in file else None


def _folders(module: object, places: Places) -> Iterator[str]:
    try:
        folders = [str(one) for one in getattr(module, "__dict__", {}).get("__path__", ())]
    except Exception:  # noqa: BLE001  # a namespace path looks folders up when it is read
        return
    for folder in folders:
        if places.owner(folder) == "project":
            yield places.name(absolute(folder))


def _mapped() -> Iterator[str]:
    """Files mapped with execute permission; without /proc the extension modules."""
    try:
        lines = MAPS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        endings = (".so", ".dylib", ".pyd")
        yield from (
            file
            for module in [*sys.modules.values()]
            if (file := _file(module)) and file.endswith(endings)
        )
        return
    for line in lines:
        fields = line.split(None, 5)
        if len(fields) == 6 and "x" in fields[1] and fields[5].startswith("/"):
            yield fields[5].removesuffix(" (deleted)")


def _twice(value: str, places: Places) -> list[str]:
    return [
        digest_of(one.encode("utf-8", "surrogateescape")) for one in (value, places.name(value))
    ]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def _stamp(path: str) -> str:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError:
        return "missing"
    return f"{status.st_size} {status.st_mtime_ns}"


def _kind(mode: int) -> str:
    if stat.S_ISREG(mode):
        return "file"
    return "folder" if stat.S_ISDIR(mode) else "special"


def _content(path: str) -> str:
    import hashlib

    digest = hashlib.blake2b(digest_size=12)
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def children() -> tuple[int, int]:
    """Page faults of children that ended, and how many live: not every start raises an audit event."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN).ru_minflt
    alive = 0
    for task in Path("/proc/self/task").glob("*/children"):
        try:
            alive += len(task.read_text(encoding="ascii").split())
        except OSError:
            continue
    return ended, alive
