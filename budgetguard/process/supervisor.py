"""The small process between us and a measured command (Linux; stdlib only, run with -I -S).

Why a process of its own, started before the clock:

- It is the subreaper (PR_SET_CHILD_SUBREAPER) of the tree, so a daemon that forks twice and calls
  setsid stays findable: orphans come to it, not to init. In our own process the setting would adopt
  orphans of the user's other children, and his pytest could be surprised by strange pids.
- It sees our end, even by SIGKILL, on a pipe, and ends the whole tree. PR_SET_PDEATHSIG alone ends
  the root only, and follows the thread that forked; here that is the only thread.
- It is small. The kernel keeps the size of a process from before exec in ru_maxrss, so a command
  started by a 300 MB pytest would never read below that.
- It has one thread, so code between fork and exec is safe.

A side effect: a daemon in the tree sees this process as its parent, not pid 1.

Protocol: the request comes on descriptor 0, NUL-separated after its length; end of file there means
stop. Lines "name value" go out on descriptor 1; anything else there is a traceback.
"""

import ctypes
import os
import select
import sys
import time

TYPE_CHECKING = (
    False  # typing, signal and pathlib would double the 10 ms this process needs to start
)
if TYPE_CHECKING:
    from collections.abc import Callable

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SIGKILL, SIGPIPE, SIGTERM, SIGXFSZ, SIG_DFL = 9, 13, 15, 25, 0
EINVAL = 22
STEP_S = 0.005  # between two looks at a tree that is being ended
SHOWN_CHARS = 200  # of a command line
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
SELF = os.getpid()
LIBC = ctypes.CDLL(None)


class Request:
    """What the coordinator asks for; times in seconds, `stdin` -1 for /dev/null."""

    def __init__(self, body: bytes) -> None:
        owner, times, streams, pass_fds, self.cwd, self.program, count, *rest = body.split(b"\0")
        self.owner = int(owner)
        self.timeout_s, self.grace_s, self.hard_end_s, self.settle_s = map(float, times.split())
        self.stdin, self.stdout, self.stderr = map(int, streams.split())
        self.pass_fds = [int(fd) for fd in pass_fds.split()]
        self.argv = rest[: int(count)]
        self.env = {
            name: value for name, _, value in (item.partition(b"=") for item in rest[int(count) :])
        }


class Stat:
    """What is used of /proc/PID/stat, from its third field on."""

    def __init__(self, fields: list[str]) -> None:
        self.state = fields[0]
        self.parent = int(fields[1])
        self.cpu_s = (int(fields[11]) + int(fields[12])) / TICKS_PER_S
        self.started_ticks = int(fields[19])
        self.rss_bytes = int(fields[21]) * PAGE_BYTES


class Root:
    """The command's first process: the clock, its CPU and its waits at the moment of exec."""

    def __init__(self, pid: int, words: list[bytes]) -> None:
        self.pid = pid
        self.started_s, self.cpu_s, self.waited_s = map(float, words)


def read_request() -> Request | None:
    """Return the request, or None if the coordinator went away first."""
    size = int.from_bytes(_read_exactly(8), "big")
    body = _read_exactly(size)
    if not body or len(body) < size:
        return None
    return Request(body)


def _read_exactly(size: int) -> bytes:
    data = b""
    while len(data) < size and (chunk := os.read(0, size - len(data))):
        data += chunk
    return data


def _read(path: str) -> str:
    """Return a file of /proc, or "" if its process is gone."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return ""
    try:
        return os.read(fd, 1 << 16).decode(errors="replace")
    except OSError:
        return ""
    finally:
        os.close(fd)


def read_stat(pid: int) -> Stat | None:
    """Return the state of a process, or None if it is gone."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()  # a name may hold ")"
    return Stat(fields) if fields else None


def read_schedstat(pid: int) -> tuple[float, float] | None:
    """Return seconds on a processor and seconds waiting for one, of the main thread."""
    fields = _read(f"/proc/{pid}/schedstat").split()
    return (int(fields[0]) / 1e9, int(fields[1]) / 1e9) if len(fields) >= 2 else None


def descendants() -> list[int]:
    """Return the pids of everything below this process; zombies too."""
    if os.path.exists(f"/proc/self/task/{SELF}/children"):  # noqa: PTH110 -- pathlib costs 5 ms
        children: Callable[[int], list[int]] = _children_by_task
    else:  # a kernel without CONFIG_PROC_CHILDREN
        children = _children_by_scan()
    found = []
    todo = [SELF]
    while todo:
        new = children(todo.pop())
        found += new
        todo += new
    return found


def _children_by_task(pid: int) -> list[int]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 -- pathlib costs 5 ms
    except OSError:
        return []
    texts = [_read(f"/proc/{pid}/task/{task}/children") for task in tasks]
    return [int(child) for text in texts for child in text.split()]


def _children_by_scan() -> "Callable[[int], list[int]]":
    by_parent: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit() and (stat := read_stat(int(name))) is not None:
            by_parent.setdefault(stat.parent, []).append(int(name))
    return lambda pid: by_parent.get(pid, [])


def describe(pid: int) -> str:
    """Return "pid 123 sleep 1000"."""
    words = _read(f"/proc/{pid}/cmdline").replace("\0", " ").split()
    name = " ".join(words) or _read(f"/proc/{pid}/comm").strip() or "?"
    return f"pid {pid} {name[:SHOWN_CHARS]}"


class Ledger:
    """What the tree has cost so far."""

    def __init__(self) -> None:
        self.peak_rss_bytes = 0
        self.root_status = 0
        self.root_ended_s = 0.0  # 0 until it has ended
        self._reaped_cpu_s = 0.0
        self._seen_cpu_s: dict[tuple[int, int], float] = {}

    def sample(self, root: int) -> None:
        """Read RSS and CPU of each process once; bury orphans that have ended."""
        rss_bytes = 0
        for pid in descendants():
            stat = read_stat(pid)
            if stat is None:
                continue
            rss_bytes += stat.rss_bytes
            self._seen_cpu_s[pid, stat.started_ticks] = stat.cpu_s
            if stat.state == "Z" and stat.parent == SELF and pid != root:
                self.reap(pid)
        self.peak_rss_bytes = max(self.peak_rss_bytes, rss_bytes)

    def reap(self, pid: int = -1, root: int = 0) -> int:
        """Bury one ended child (-1: any) and book its cost; 0 if none. Raises ChildProcessError."""
        buried, status, usage = os.wait4(pid, os.WNOHANG)
        if buried:
            self._reaped_cpu_s += usage.ru_utime + usage.ru_stime
            self.peak_rss_bytes = max(self.peak_rss_bytes, usage.ru_maxrss * 1024)
        if buried and buried == root:
            self.root_status = status
            self.root_ended_s = self.root_ended_s or time.monotonic()
        return buried

    def cpu_s(self) -> float:
        """Return CPU seconds of the tree.

        Both sums are lower bounds. The kernel's misses the children of a process that ignores
        SIGCHLD; the sampled one misses what ran between two samples.
        """
        return max(self._reaped_cpu_s, sum(self._seen_cpu_s.values()))


def spawn(request: Request) -> Root | int:
    """Fork and exec; return the new process, or the errno of a refusal.

    A fork of Python costs about 1 ms before exec. That is ours, not the command's: the child tells
    what it has used at the last moment, and it is taken off. What exec spends on dropping Python's
    memory, about 0.7 ms of CPU and the same for every command, stays in.
    """
    told, tell = os.pipe()  # closed by a successful exec
    null = os.open("/dev/null", os.O_RDONLY)
    pid = os.fork()
    if pid == 0:
        _become(request, null, tell)
    ours = [tell, null, request.stdout, request.stderr, *request.pass_fds]
    for fd in {*ours, *([request.stdin] if request.stdin >= 0 else [])}:
        os.close(fd)
    data = b""
    while chunk := os.read(told, 1024):
        data += chunk
    os.close(told)
    words = data.split()
    if len(words) == 3:
        return Root(pid, words)
    os.waitpid(pid, 0)
    return int(words[-1]) if words else EINVAL


def _become(request: Request, null: int, tell: int) -> None:
    """Turn the forked child into the command; never return."""
    try:
        os.setsid()
        LIBC.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        if os.getppid() != SELF:  # we died before the line above took effect
            os._exit(127)
        os.chdir(request.cwd)
        os.dup2(request.stdin if request.stdin >= 0 else null, 0)
        os.dup2(request.stdout, 1)
        os.dup2(request.stderr, 2)
        for ignored_by_python in (SIGPIPE, SIGXFSZ):
            LIBC.signal(ignored_by_python, SIG_DFL)
        waited_s = (read_schedstat(os.getpid()) or (0.0, 0.0))[1]
        os.write(tell, f"{time.monotonic()!r} {time.process_time()!r} {waited_s!r} ".encode())
        os.execve(request.program, request.argv, request.env)  # noqa: S606 -- no shell is meant
    except OSError as error:
        os.write(tell, str(error.errno or EINVAL).encode())
    except ValueError:  # an environment variable without a name
        os.write(tell, str(EINVAL).encode())
    finally:
        os._exit(127)


def watch(request: Request, root: Root, ledger: Ledger) -> tuple[str, float]:
    """Sample the tree until the root ends, time is up, or the coordinator is gone.

    Return which of these ("ended", "timeout", "cancelled"), and how long the wake-up at the end
    waited for a processor.
    """
    poll = select.poll()
    pidfd = os.pidfd_open(root.pid)
    until_s = root.started_s + request.timeout_s
    poll.register(pidfd, select.POLLIN)
    poll.register(0, select.POLLIN | select.POLLHUP)
    pause_s = 0.010
    while True:
        before = read_schedstat(SELF)
        left_s = until_s - time.monotonic()
        ready = dict(poll.poll(max(0.0, min(pause_s, left_s)) * 1000))
        now_s = time.monotonic()
        if pidfd in ready:
            ledger.root_ended_s = now_s
            after = read_schedstat(SELF)
            return "ended", after[1] - before[1] if before and after else 0.0
        if 0 in ready or os.getppid() != request.owner:
            return "cancelled", 0.0
        if now_s >= until_s:
            return "timeout", 0.0
        ledger.sample(root.pid)
        cost_s = time.monotonic() - now_s
        pause_s = max(0.010, min(0.050, (now_s - root.started_s) / 100), 50 * cost_s)


def left_behind(request: Request, ledger: Ledger) -> list[str]:
    """Name what is alive after the root; what is on its way out gets a moment to go."""
    settled_s = time.monotonic() + request.settle_s
    try:
        while time.monotonic() < settled_s:
            while ledger.reap():
                pass
            time.sleep(STEP_S)
    except ChildProcessError:
        return []
    return alive()


def alive() -> list[str]:
    """Name each process below us that has not ended."""
    stats = {pid: read_stat(pid) for pid in descendants()}
    return [describe(pid) for pid, stat in stats.items() if stat and stat.state not in "ZX"]


def end_tree(request: Request, root: int, ledger: Ledger) -> list[str]:
    """End and bury everything below us; return what could not be ended.

    Only ECHILD proves that nothing is left: the kernel may leave a child out of its list while a
    sibling ends, and a subreaper with descendants always has a child.
    """
    kill_s = time.monotonic() + request.grace_s
    told: set[int] = set()
    while time.monotonic() < kill_s + request.hard_end_s:
        try:
            while ledger.reap(root=root):
                pass
        except ChildProcessError:
            return []
        killing = time.monotonic() >= kill_s
        for pid in descendants():
            if killing or pid not in told:
                _signal(pid, SIGKILL if killing else SIGTERM)
                told.add(pid)
        time.sleep(STEP_S)
    return alive()


def _signal(pid: int, number: int) -> None:
    try:  # noqa: SIM105 -- contextlib costs 5 ms
        os.kill(pid, number)
    except OSError:  # gone, or of another user: told by who is left in the end
        pass


def blocked_s(
    wall_s: float, root: Root, main: tuple[float, float] | None, cpu_s: float
) -> float | None:
    """Return wall without CPU and without the wait for a processor; None if it cannot be known.

    Where CPU was spent outside the root's main thread, waits overlap and the difference is void.
    """
    if main is None or cpu_s - (main[0] - root.cpu_s) > max(0.01 * cpu_s, 0.0002):
        return None
    return max(0.0, wall_s - (main[1] - root.waited_s) - cpu_s)


def tell(lines: list[str]) -> None:
    """Write lines to the coordinator."""
    data = "".join(f"{line}\n" for line in lines).encode(errors="replace")
    while data:
        data = data[os.write(1, data) :]


def supervise(request: Request) -> None:
    """Run the request from fork to the last process of its tree, and tell what it cost."""
    root = spawn(request)
    if isinstance(root, int):
        tell([f"refused {root}"])
        return
    tell([f"root {root.pid}"])
    ledger = Ledger()
    reason, late_s = watch(request, root, ledger)
    main: tuple[float, float] | None = None
    left: list[str] = []
    if reason == "ended":
        main = read_schedstat(root.pid)  # a zombie still has it, so the numbers are final
        ledger.reap(root.pid, root.pid)
        left = left_behind(request, ledger)
    survivors = end_tree(request, root.pid, ledger)
    wall_s = (ledger.root_ended_s or time.monotonic()) - root.started_s
    cpu_s = max(0.0, ledger.cpu_s() - root.cpu_s)
    blocked = blocked_s(wall_s - late_s, root, main, cpu_s)
    tell(
        [
            f"exit_code {os.waitstatus_to_exitcode(ledger.root_status)}",
            f"wall_s {wall_s!r}",
            f"cpu_s {cpu_s!r}",
            *([] if blocked is None else [f"blocked_s {blocked!r}"]),
            f"peak_rss_bytes {ledger.peak_rss_bytes}",
            f"timed_out {int(reason == 'timeout')}",
            *(f"left {name}" for name in left),
            *(f"survivor {name}" for name in survivors),
            "done 1",
        ]
    )


def main() -> None:
    """Read one request and serve it."""
    for fd in (0, 1, 2):
        os.set_inheritable(fd, False)  # noqa: FBT003 -- the standard library takes it so
    if LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        sys.exit("this kernel has no PR_SET_CHILD_SUBREAPER")
    request = read_request()
    if request is not None:
        for fd in {request.stdin, request.stdout, request.stderr} - {-1, *request.pass_fds}:
            os.set_inheritable(fd, False)  # noqa: FBT003
        supervise(request)
