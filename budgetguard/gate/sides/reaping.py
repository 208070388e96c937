"""The small process that outlives us: it ends process groups and removes folders (stdlib only, -I -S).

It is told on descriptor 0, line by line, and acts when that pipe ends or its owner does. Nothing is
imported that a wait does not need, so it starts in 10 ms and sleeps until it is wanted.

Who is found, on Linux: every member of a group or session; what such a member has started, also in
sessions of its own; and whoever carries the owner's token in its environment, which finds a daemon
whose parents are gone. On macOS the first two, by `ps`; on Windows the tree that `taskkill` sees.
"""

import contextlib
import os
import sys
import time

TYPE_CHECKING = False  # typing would cost more than everything else here
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

SIGKILL = 9
STEP_S = 0.01  # between two looks at processes that are being ended
HARD_END_S = 5.0  # how long a killed process may take to vanish
TOKEN_NAME = "BUDGETGUARD_REAPER"  # noqa: S105 -- no secret: it marks our processes


class Process:
    """One line of the process table; `started` tells a reused pid from the old one."""

    def __init__(self, pid: int, parent: int, group: int, session: int, started: int) -> None:
        self.pid = pid
        self.parent = parent
        self.group = group
        self.session = session
        self.started = started


def started_of(pid: int) -> int:
    """When a process began, in ticks since boot; 0 where that cannot be read."""
    process = _process(str(pid))
    return process.started if process else 0


def reap(groups: "Mapping[int, int]", token: str, folders: "Iterable[bytes]") -> bool:
    """End the groups (leader: its start) and the token's bearers, remove the folders; True if all went."""
    ended = _end(groups, token)
    removed = [_remove(folder) for folder in folders]
    return ended and all(removed)


def _end(groups: "Mapping[int, int]", token: str) -> bool:
    if not groups and not token:
        return True
    if os.name == "nt":
        gone = [_end_tree(leader) for leader in groups]
        return all(gone)
    until_s = time.monotonic() + HARD_END_S
    known: set[tuple[int, int]] = set()  # survives the death of parents between two looks
    while time.monotonic() < until_s:
        found = _members(groups, token, known)
        if not found:
            return True
        for process in found:
            known.add((process.pid, process.started))
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(process.pid, SIGKILL)
        time.sleep(STEP_S)
    return False


def _members(
    groups: "Mapping[int, int]", token: str, known: "Collection[tuple[int, int]]"
) -> "list[Process]":
    table = _table()
    alive = {process.pid: process for process in table}
    # a leader that began at another time is a stranger with a reused pid, and so is its group
    wanted = {
        leader
        for leader, started in groups.items()
        if leader not in alive or not started or alive[leader].started == started
    }
    found = {
        process.pid: process
        for process in table
        if process.group in wanted
        or process.session in wanted
        or (process.pid, process.started) in known
        or (token and _bears(process.pid, token))
    }
    todo = list(found)
    while todo:
        parent = todo.pop()
        children = [one for one in table if one.parent == parent and one.pid not in found]
        found.update({child.pid: child for child in children})
        todo += [child.pid for child in children]
    found.pop(os.getpid(), None)
    return list(found.values())


def _table() -> "list[Process]":
    """All processes that have not ended."""
    if sys.platform == "linux":
        names = os.listdir("/proc")  # noqa: PTH208 -- pathlib costs 5 ms
        rows = [_process(name) for name in names if name.isdigit()]
        return [row for row in rows if row is not None]
    import subprocess

    done = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,pgid=,stat="], capture_output=True, check=False, timeout=10
    )
    lines = [line.split() for line in done.stdout.decode(errors="replace").splitlines()]
    return [
        Process(int(pid), int(parent), int(group), int(group), 0)
        for pid, parent, group, state, *_ in lines
        if not state.startswith("Z")
    ]


def _process(name: str) -> "Process | None":
    fields = _read(f"/proc/{name}/stat").rpartition(b")")[2].split()  # a name may hold ")"
    if len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return Process(int(name), int(fields[1]), int(fields[2]), int(fields[3]), int(fields[19]))


def _bears(pid: int, token: str) -> bool:
    return f"{TOKEN_NAME}={token}".encode() in _read(f"/proc/{pid}/environ").split(b"\0")


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as stream:  # noqa: PTH123
            return stream.readall() or b""
    except OSError:  # it ended, or belongs to another user
        return b""


def _end_tree(leader: int) -> bool:
    import subprocess

    done = subprocess.run(
        ["taskkill", "/F", "/T", "/PID", str(leader)], capture_output=True, check=False, timeout=30
    )
    return done.returncode in (0, 128)  # 128: it had ended


def _remove(folder: bytes) -> bool:
    """Remove a folder, also what git or a test has made read-only in it."""
    import shutil

    path = os.fsdecode(folder)
    if os.path.islink(path) or not os.path.isabs(path):  # noqa: PTH114, PTH117
        return False
    for _ in range(3):  # who was killed just now may still have been writing
        if not os.path.exists(path):  # noqa: PTH110
            return True
        shutil.rmtree(path, ignore_errors=True)
        if os.path.exists(path):  # noqa: PTH110
            _open_up(path)
            time.sleep(STEP_S)
    return not os.path.exists(path)  # noqa: PTH110


def _open_up(path: str) -> None:
    for folder, _, files in os.walk(path):
        for name in (folder, *(os.path.join(folder, file) for file in files)):  # noqa: PTH118
            if not os.path.islink(name):  # noqa: PTH114
                with contextlib.suppress(OSError):
                    os.chmod(name, 0o700)  # noqa: PTH101


class Orders:
    """What is to be done at the end, kept by lines `+group 12 345`, `-group 12`, `+folder HEX`."""

    def __init__(self) -> None:
        self.groups: dict[int, int] = {}
        self.folders: dict[bytes, None] = {}
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take what was read; the half of a line waits for its other half."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            order, *words = line.split()
            if order == b"+group":
                self.groups[int(words[0])] = int(words[1])
            elif order == b"-group":
                self.groups.pop(int(words[0]), None)
            elif order == b"+folder":
                self.folders[bytes.fromhex(words[0].decode())] = None
            elif order == b"-folder":
                self.folders.pop(bytes.fromhex(words[0].decode()), None)


def _listen(orders: Orders, owner: int) -> None:
    """Read orders until the pipe ends, or its owner where a fork of it holds the pipe open."""
    watched = [0]
    try:
        watched.append(os.pidfd_open(owner))
    except (AttributeError, OSError):  # no Linux, or it is gone; then so is the pipe
        watched = [0]
    while len(watched) == 1 or not _ended(watched):
        data = os.read(0, 1 << 16)
        if not data:
            return
        orders.feed(data)


def _ended(watched: "list[int]") -> bool:
    """Wait for either; whether the owner has ended and nothing is left to read."""
    import select

    return 0 not in select.select(watched, [], [])[0]


def main() -> int:
    """Wait for the end of the owner, then do what was ordered; 0 when nothing is left."""
    import signal

    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGPIPE"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    orders = Orders()
    _listen(orders, int(sys.argv[-2]))
    return 0 if reap(orders.groups, sys.argv[-1], orders.folders) else 1
