"""What a block of code left behind: threads, files, sockets, asyncio tasks and child processes.

    with track() as tracked:
        body()
    tracked.left.threads        # ("poller (daemon), runs poll at app/poll.py:12",)

Inside a coroutine write `async with`: only then can tasks of the same loop end during the grace.

Counts: what is new since the block began and still alive after it, a collection of garbage and
the grace. The whole process is judged, so what other threads open meanwhile counts too.
Does not count: idle workers of a pool that was there before the block, of a loop's default
executor and of anyio; a cancelled task whose loop has no chance to run; file descriptors 0 to 2;
multiprocessing's resource tracker and fork server; threads named `budgetguard-...`.
Not seen: threads unknown to `threading`, grandchildren, and a file closed and opened again with
the same inode under the same number.

Linux reads /proc/self/fd. Elsewhere psutil lists files and sockets: that way is untested.
"""

import asyncio
import gc
import os
import socket
import stat
import sys
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import thread as pools
from dataclasses import dataclass
from types import CodeType, FrameType
from typing import Any, NamedTuple, Self

import psutil

from budgetguard.errors import UsageError
from budgetguard.paths import shown

KINDS = ("threads", "fds", "sockets", "tasks", "children")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.032
_PROC_FD = "/proc/self/fd"


@dataclass(frozen=True)
class Left:
    """One readable description per thing left behind, per kind; true when anything is left."""

    threads: tuple[str, ...] = ()
    fds: tuple[str, ...] = ()
    sockets: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    children: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, kind) for kind in KINDS)


def track(wanted: Collection[str] = KINDS, *, grace_s: float = 0.2) -> "Tracked":
    """Watch a block, `with` or `async with`, for the `wanted` kinds; raises UsageError.

    What is left is looked at for up to `grace_s` seconds, until nothing is.
    """
    unknown = sorted(set(wanted) - set(KINDS))
    if isinstance(wanted, str) or unknown:
        raise UsageError(f"track(wanted=...): got {wanted!r}, expected some of {', '.join(KINDS)}")
    return Tracked(tuple(kind for kind in KINDS if kind in wanted), grace_s)


class Tracked:
    """A block under watch; `left` is known once the block has ended, by an exception too.

    After an exception its traceback keeps the block's local variables, and so their files, alive.
    """

    def __init__(self, wanted: tuple[str, ...], grace_s: float) -> None:
        self._wanted, self._grace_s = wanted, grace_s
        self._left: Left | None = None
        self._before: dict[str, Collection[Any]] = {}
        self._pools_made: weakref.WeakSet[pools.ThreadPoolExecutor] = weakref.WeakSet()
        self._own_loop_runs = False
        self._pid = 0

    @property
    def left(self) -> Left:
        """What the block left behind; raises UsageError while the block still runs."""
        if self._left is None:
            raise UsageError("tracked.left is known after the block: read it outside of `with`")
        return self._left

    def __enter__(self) -> Self:
        self._pid, self._left = os.getpid(), None
        self._before = {kind: _remembered(kind, self._seen(kind)) for kind in self._wanted}
        if "threads" in self._wanted:
            _note_pools(self._pools_made)
        return self

    def __exit__(self, *_raised: object) -> None:
        for pause_s in self._looks():
            time.sleep(pause_s)

    async def __aenter__(self) -> Self:
        self._own_loop_runs = True
        return self.__enter__()

    async def __aexit__(self, *_raised: object) -> None:
        for pause_s in self._looks():
            await asyncio.sleep(pause_s)

    def _looks(self) -> Iterator[float]:
        """Look until nothing is left or the grace is over; yields seconds to wait between looks."""
        _stop_noting_pools(self._pools_made)
        if os.getpid() != self._pid:  # a forked child that ran on to here: not the block's process
            self._left = Left()
            return
        kinds = self._kinds_left(self._wanted)
        if kinds:
            gc.collect()  # files and loops in cycles only wait for it
        until_s = time.monotonic() + self._grace_s
        pause_s = _FIRST_PAUSE_S
        while (kinds := self._kinds_left(kinds)) and time.monotonic() < until_s:
            yield pause_s
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        self._left = self._described(kinds)
        self._before = {}

    def _seen(self, kind: str) -> list[Any]:
        if kind == "threads":
            return _threads(self._pools_made)
        if kind == "tasks":
            return _tasks(own_loop_runs=self._own_loop_runs)
        return _SEE[kind]()

    def _new(self, kind: str) -> list[Any]:
        return [thing for thing in self._seen(kind) if thing not in self._before[kind]]

    def _kinds_left(self, kinds: Collection[str]) -> tuple[str, ...]:
        # Only the kinds' names leave this function: a reference would keep garbage alive.
        return tuple(kind for kind in kinds if self._new(kind))

    def _described(self, kinds: Collection[str]) -> Left:
        told = {
            kind: tuple(text for thing in self._new(kind) if (text := _DESCRIBE[kind](thing)))
            for kind in kinds
        }
        return Left(**told)


def _remembered(kind: str, things: list[Any]) -> Collection[Any]:
    """Hold what was there before without keeping it alive."""
    return weakref.WeakSet(things) if kind in ("threads", "tasks") else set(things)


# Nothing in the interpreter tells a pool made in the block from one made before whose first thread
# starts in the block, so the constructor of pools is wrapped for as long as a block runs.
_births: list["weakref.WeakSet[pools.ThreadPoolExecutor]"] = []
_births_lock = threading.Lock()
_plain_init = pools.ThreadPoolExecutor.__init__


def _noting_init(pool: pools.ThreadPoolExecutor, *args: object, **options: object) -> None:
    for made in tuple(_births):
        made.add(pool)
    _plain_init(pool, *args, **options)  # type: ignore[call-overload]  # passed on as they came


def _note_pools(made: "weakref.WeakSet[pools.ThreadPoolExecutor]") -> None:
    with _births_lock:
        _births.append(made)
        if pools.ThreadPoolExecutor.__init__ is _plain_init:  # else somebody else's wrapper stays
            pools.ThreadPoolExecutor.__init__ = _noting_init  # type: ignore[method-assign,assignment]


def _stop_noting_pools(made: "weakref.WeakSet[pools.ThreadPoolExecutor]") -> None:
    with _births_lock:
        _births[:] = [other for other in _births if other is not made]
        ours: object = pools.ThreadPoolExecutor.__init__
        if not _births and ours is _noting_init:
            pools.ThreadPoolExecutor.__init__ = _plain_init  # type: ignore[method-assign]


# --- threads ------------------------------------------------------------------------------------


def _threads(pools_made: Collection[pools.ThreadPoolExecutor]) -> list[threading.Thread]:
    frames = sys._current_frames()  # noqa: SLF001  (the only way to see whether a worker is idle)
    return [
        thread
        for thread in threading.enumerate()
        if _alive(thread, frames)
        and not thread.name.startswith("budgetguard-")
        and not _idle_worker(thread, frames.get(thread.ident or 0), pools_made)
    ]


def _alive(thread: threading.Thread, frames: dict[int, FrameType]) -> bool:
    # A dummy stands for a thread of foreign make and outlives it in the list of threads.
    dummy = type(thread).__name__ == "_DummyThread"
    return thread.ident in frames if dummy else thread.is_alive()


def _idle_worker(
    thread: threading.Thread,
    frame: FrameType | None,
    pools_made: Collection[pools.ThreadPoolExecutor],
) -> bool:
    """Whether this is a worker that waits for work in a pool that rightly outlives the block."""
    if type(thread).__module__.startswith("anyio."):
        return thread in getattr(thread, "idle_workers", ())
    if getattr(thread, "_target", None) is not pools._worker:  # noqa: SLF001
        return False
    idle = frame is not None and frame.f_code is pools._worker.__code__  # noqa: SLF001
    arguments = getattr(thread, "_args", ())
    pool = arguments[0]() if arguments else None
    if not idle or pool is None:
        return False
    # A loop makes its default executor late and shuts it down itself: `asyncio` is its prefix.
    of_loop = getattr(pool, "_thread_name_prefix", "") == "asyncio"
    return pool not in pools_made or (of_loop and not getattr(pool, "_shutdown", False))


def _describe_thread(thread: threading.Thread) -> str:
    daemon = " (daemon)" if thread.daemon else ""
    target = getattr(thread, "_target", None) or type(thread).run
    while hasattr(target, "func"):  # functools.partial
        target = target.func
    code = getattr(getattr(target, "__func__", target), "__code__", None)
    name = getattr(target, "__qualname__", type(target).__name__)
    return f"{thread.name}{daemon}, runs {name}{_at(code)}"


def _at(code: CodeType | None, line: int | None = None) -> str:
    if code is None:
        return ""
    return f" at {shown(code.co_filename)}:{line or code.co_firstlineno}"


# --- files and sockets --------------------------------------------------------------------------


class _File(NamedTuple):
    """An open file, told from a later one under the same number by what the number points at."""

    number: int
    device: int
    inode: int
    kind: int
    told: str = ""


def _open_files(*, sockets: bool) -> list[_File]:
    if not sys.platform.startswith("linux"):
        return _open_files_by_psutil(sockets=sockets)
    own = {0, 1, 2, *_multiprocessing_own("_fd", "_forkserver_alive_fd")}
    found = []
    for name in os.listdir(_PROC_FD):  # noqa: PTH208  (half the price of Path.iterdir)
        try:
            status = os.fstat(int(name))
        except OSError:
            continue  # the handle of this very listing, or closed meanwhile
        if stat.S_ISSOCK(status.st_mode) is sockets and int(name) not in own:
            kind = stat.S_IFMT(status.st_mode)
            found.append(_File(int(name), status.st_dev, status.st_ino, kind))
    return found


def _open_files_by_psutil(*, sockets: bool) -> list[_File]:
    process = psutil.Process()
    if sockets:
        return [
            _File(
                c.fd, int(c.family), hash((c.laddr, c.raddr)), int(c.type), f"{c.laddr} {c.raddr}"
            )
            for c in process.net_connections(kind="all")
        ]
    return [_File(f.fd, 0, hash(f.path), 0, f"file {f.path}") for f in process.open_files()]


def _describe_file(file: _File) -> str | None:
    if file.told:
        return f"fd {file.number} -> {file.told}"
    try:
        link = os.readlink(f"{_PROC_FD}/{file.number}")  # noqa: PTH115  (not always a path)
    except OSError:
        return None
    kind = "file " if stat.S_ISREG(file.kind) else ""
    return f"fd {file.number} -> {kind}{link}"


def _describe_socket(file: _File) -> str | None:
    if file.told:
        return f"fd {file.number} -> socket {file.told}"
    try:
        with socket.socket(fileno=os.dup(file.number)) as twin:
            family, kind = _name(twin.family), _name(twin.type)
            return f"fd {file.number} -> socket {family} {kind} {_ends(twin)}"
    except OSError:
        return None


def _name(value: object) -> str:
    return str(getattr(value, "name", value))


def _ends(twin: socket.socket) -> str:
    here = twin.getsockname()
    try:
        there = twin.getpeername()
    except OSError:
        return f"{here!r} without peer"
    return f"{here!r} to {there!r}"


# --- asyncio tasks ------------------------------------------------------------------------------


def _tasks(*, own_loop_runs: bool) -> list["asyncio.Task[Any]"]:
    found = {id(task): task for task in _every_task() if not task.done()}
    return [task for task in found.values() if not _about_to_end(task, own_loop_runs)]


def _every_task() -> Iterator["asyncio.Task[Any]"]:
    """All tasks of all loops; asyncio itself only tells those of one loop."""
    for name in ("_all_tasks", "_scheduled_tasks", "_eager_tasks"):  # 3.11; 3.12 and newer
        yield from _copy(getattr(asyncio.tasks, name, ()))
    if sys.version_info >= (3, 14):  # tasks written in C stand in lists that only all_tasks reads
        for thing in gc.get_objects():
            if issubclass(type(thing), asyncio.AbstractEventLoop):
                yield from asyncio.all_tasks(thing)


def _copy(tasks: Collection["asyncio.Task[Any]"]) -> list["asyncio.Task[Any]"]:
    for _ in range(1000):  # as asyncio.all_tasks does: other threads may add while we iterate
        try:
            return list(tasks)
        except RuntimeError:
            continue
    return []


def _about_to_end(task: "asyncio.Task[Any]", own_loop_runs: bool) -> bool:  # noqa: FBT001
    """Whether the task is cancelled and only its loop's next turn is missing."""
    loop = task.get_loop()
    ours = asyncio._get_running_loop() is loop  # noqa: SLF001  (None instead of an error)
    had_a_turn = own_loop_runs if ours else loop.is_running()
    return task.cancelling() > 0 and not had_a_turn and not loop.is_closed()


def _describe_task(task: "asyncio.Task[Any]") -> str:
    coroutine = task.get_coro()
    code = getattr(coroutine, "cr_code", None)
    frame = getattr(coroutine, "cr_frame", None)
    name = getattr(coroutine, "__qualname__", type(coroutine).__name__)
    return f"{task.get_name()}, waits in {name}{_at(code, frame and frame.f_lineno)}"


# --- child processes ----------------------------------------------------------------------------


def _children() -> list[psutil.Process]:
    own = _multiprocessing_own("_pid", "_forkserver_pid")
    return [child for child in psutil.Process().children() if child.pid not in own]


def _multiprocessing_own(*attributes: str) -> set[int]:
    """Numbers of the helpers that multiprocessing starts once per process and keeps."""
    places = (("resource_tracker", "_resource_tracker"), ("forkserver", "_forkserver"))
    helpers = [
        getattr(sys.modules.get(f"multiprocessing.{module}"), name, None) for module, name in places
    ]
    values = [getattr(helper, attribute, None) for helper in helpers for attribute in attributes]
    return {value for value in values if isinstance(value, int)}


def _describe_child(child: psutil.Process) -> str | None:
    try:
        if child.status() == psutil.STATUS_ZOMBIE:
            return f"pid {child.pid} {child.name()} (ended, nobody waited for it)"
        return f"pid {child.pid} {' '.join(child.cmdline()) or child.name()}"
    except psutil.Error:
        return None


_SEE: dict[str, Callable[[], list[Any]]] = {
    "fds": lambda: _open_files(sockets=False),
    "sockets": lambda: _open_files(sockets=True),
    "children": _children,
}
_DESCRIBE: dict[str, Callable[[Any], str | None]] = {
    "threads": _describe_thread,
    "fds": _describe_file,
    "sockets": _describe_socket,
    "tasks": _describe_task,
    "children": _describe_child,
}
