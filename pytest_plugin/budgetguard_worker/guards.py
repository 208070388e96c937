"""What code alone does not show: files that are read, folders that are listed, worlds that are entered.

Audit events tell of them. A file's content joins the fingerprint; what cannot be compared (a child
process, a socket, a database) becomes a doubt in words.
"""

import inspect
import os
import sys
import threading
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any

from budgetguard_worker.codehash import digest_of
from budgetguard_worker.places import Places, absolute
from budgetguard_worker.surroundings import Files

Note = Callable[[str, str], None]
Path = str | bytes | os.PathLike[str]
"""What an event of the operating system names a file by; a descriptor is an int."""

CHILDREN = {
    "subprocess.Popen": "a process is started",
    "os.fork": "a process is forked",
    "os.forkpty": "a process is forked",
    "os.exec": "another program is executed",
    "os.posix_spawn": "a process is started",
    "os.spawn": "a process is started",
    "os.system": "a shell command is run",
    "pty.spawn": "a process is started",
}
SOCKETS = {
    "socket.connect": "a socket is connected",
    "socket.bind": "a socket is bound",
    "socket.sendto": "a datagram is sent",
    "socket.sendmsg": "a message is sent over a socket",
}
INTERPRETERS = {"cpython.PyInterpreterState_New": "a second interpreter is started"}
WORDS = CHILDREN | SOCKETS | INTERPRETERS

STARTED_BY_HARNESS = {"subprocess.Popen", "os.posix_spawn"}
SEEN_CODE = {"__code__", "gi_code", "cr_code", "ag_code"}
SYSTEM = ("/proc/", "/sys/", "/dev/")
PASSING = (".pyc", ".pyo")
PASSING_PARTS = (f"{os.sep}__pycache__", f"{os.sep}.pytest_cache")
REWRITER = os.path.join("_pytest", "assertion", "rewrite.py")  # noqa: PTH118
HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep  # noqa: PTH100, PTH120
HARNESS = ("_pytest", "pluggy", "pytest_benchmark", "cpuinfo", "xdist", "execnet")
"""Packages that run benchmarks: what they look at, list or start themselves is no part of one.

pytest looks at all tests that it collects, pytest-benchmark asks git for the project's name.
"""


class Guards:
    """Turns audit events into reads, doubts and code that was looked at.

    `read(name, digest)`, `doubt(kind, words)` and `look(code)` are called as it happens. An audit hook
    cannot be taken off again: after `stop` it returns at once.
    """

    def __init__(
        self,
        places: Places,
        files: Files,
        read: Note,
        doubt: Note,
        look: Callable[[CodeType], None],
    ) -> None:
        self._places, self._files = places, files
        self._read, self._doubt, self._look = read, doubt, look
        self._written: set[str] = set()
        self.in_rounds = False
        self.harness_started = False
        self._quiet = threading.local()
        self._handlers: dict[str, Callable[..., None]] = {
            "open": self._opened,
            "os.listdir": self._listed,
            "os.scandir": self._listed,
            "os.rename": self._renamed,
            "object.__getattr__": self._looked_at,
            "ctypes.dlopen": self._library,
            "sqlite3.connect": self._database,
        }
        self._heard = {*self._handlers, *WORDS}

    def start(self) -> None:
        """Listen from now on."""
        heard, hear = self._heard, self._hear

        def hook(event: str, args: tuple[Any, ...]) -> None:
            # Python 3.11's profiler makes two events for each call: they are let go of first
            if event in heard and (event != "object.__getattr__" or args[1] in SEEN_CODE):
                hear(event, args)

        sys.addaudithook(hook)

    def stop(self) -> None:
        """Be deaf from now on."""
        self._heard.clear()

    def quietly(self) -> "Silence":
        """A context in which this thread's own work is not heard."""
        return Silence(self._quiet)

    def _hear(self, event: str, args: tuple[Any, ...]) -> None:
        if getattr(self._quiet, "on", False):
            return
        handler = self._handlers.get(event)
        with self.quietly():
            try:
                if handler is not None:
                    handler(*args)
                elif event in STARTED_BY_HARNESS and self._by_harness():
                    self.harness_started = True
                else:
                    self._doubt(event, f"{WORDS[event]} ({event})")
            except Exception as error:  # noqa: BLE001  # an audit hook that raises would stop the project's call
                self._doubt(
                    event, f"{event} could not be followed: {type(error).__name__}: {error}"
                )

    def _opened(self, path: Path | int, mode: object, flags: object) -> None:
        if isinstance(path, int) or not isinstance(flags, int):
            return  # a descriptor was opened before
        file = absolute(os.fsdecode(path))
        fresh = flags & os.O_TRUNC or flags & (os.O_CREAT | os.O_EXCL) == os.O_CREAT | os.O_EXCL
        reads = flags & os.O_ACCMODE != os.O_WRONLY and not fresh
        if reads and file not in self._written and self._counts(file):
            self._content(file, relative=mode is None and file != os.fsdecode(path))
        if flags & os.O_ACCMODE != os.O_RDONLY:
            self._written.add(file)

    def _counts(self, file: str) -> bool:
        if (
            file.startswith(SYSTEM)
            or file.endswith(PASSING)
            or any(one in file for one in PASSING_PARTS)
        ):
            return False
        return self._places.owner(file) == "project" and not (file.endswith(".py") and _importing())

    def _content(self, file: str, *, relative: bool) -> None:
        digest = self._files.digest(file)
        absent = digest == "missing" and (relative or not self._places.below_roots(file))
        if digest == "special":
            self._doubt("open", f"{self._places.name(file)} is read, which is no regular file")
        elif (
            digest != "folder" and not absent
        ):  # a relative name may stand below a descriptor's folder
            self._read(self._places.name(file), digest)

    def _listed(self, path: Path | int | None) -> None:
        if isinstance(path, int):
            return
        folder = absolute(os.fsdecode(path or "."))
        if not self._places.below_roots(folder) or self._by_harness() or _importing():
            return
        names = sorted(name for name in os.listdir(folder) if _lasting(name))  # noqa: PTH208
        self._read(
            f"{self._places.name(folder)}/", f"listing {digest_of(chr(10).join(names).encode())}"
        )

    def _renamed(self, source: Path, target: Path, *_: object) -> None:
        if absolute(os.fsdecode(source)) in self._written:
            self._written.add(absolute(os.fsdecode(target)))

    def _looked_at(self, holder: object, name: str) -> None:
        code = getattr(holder, name, None)
        if not isinstance(code, CodeType) or self._places.owner(code.co_filename) != "project":
            return
        if not _only_signature() and not self._by_harness():
            self._look(code)

    def _library(self, name: object) -> None:
        if name is not None:
            self._doubt(
                "ctypes.dlopen",
                f"the library {self._places.name(str(name))} is loaded (ctypes.dlopen)",
            )

    def _database(self, database: Path) -> None:
        name = os.fsdecode(database)
        if (
            name not in ("", ":memory:")
            and "mode=memory" not in name
            and not name.startswith("file::memory:")
        ):
            self._doubt("sqlite3.connect", "a SQLite file is opened (sqlite3.connect)")

    def _by_harness(self) -> bool:
        """Whether pytest itself does it, not code of the project or of a plug-in.

        In rounds it may do it for the benchmark, as in `benchmark(subprocess.run, command)`.
        """
        if self.in_rounds:
            return False
        for frame in _frames():
            owner = self._places.owner(frame.f_code.co_filename)
            if owner != "interpreter":
                top = str(frame.f_globals.get("__name__")).partition(".")[0]
                return owner == "dependency" and top in HARNESS
        return False


class Silence:
    """While entered, nothing this thread does is heard."""

    def __init__(self, local: threading.local) -> None:
        self._local = local

    def __enter__(self) -> None:
        self._before = getattr(self._local, "on", False)
        self._local.on = True

    def __exit__(self, *_: object) -> None:
        self._local.on = self._before


def _frames() -> Iterator[FrameType]:
    """The frames of this thread below our own, innermost first."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if not frame.f_code.co_filename.startswith(HERE):
            yield frame
        frame = frame.f_back


def _importing() -> bool:
    """Whether a file is read, or a folder listed, in order to import; `get_source` is no import."""
    passed: set[str] = set()
    for frame in _frames():
        file = frame.f_code.co_filename
        if file.endswith(REWRITER):
            return True
        if file.startswith("<frozen importlib"):
            passed.add(frame.f_code.co_name)
        elif passed:
            break
    return {"get_code", "exec_module"} <= passed or "_fill_cache" in passed


def _only_signature() -> bool:
    """Whether `inspect` asks for no more than what the stub of a function holds."""
    code = next(_frames()).f_code
    asked = code.co_name.startswith(("_signature", "_has_code_flag", "getfullargspec"))
    return asked and code.co_filename == inspect.__file__


def _lasting(name: str) -> bool:
    return name not in ("__pycache__", ".pytest_cache") and not name.endswith(PASSING)
