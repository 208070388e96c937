"""Nothing is left behind: processes and folders of ours go when we do, also by SIGKILL."""

import contextlib
import os
import secrets
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from budgetguard.errors import MeasureError
from budgetguard.gate.sides import reaping

CLOSE_S = 30.0
"""How long the removal of a large folder may take."""
# imported, not run as a script, so that its bytecode is cached; appended, so that it hides nothing
_LAUNCH = "import sys; sys.path.append(sys.argv[1]); import reaping; sys.exit(reaping.main())"


class Reaper:
    """A small process in a session of its own that ends what we began, however we end.

    At `close`, or when this process is gone, it kills each group with all its descendants and removes
    each folder. `environment` marks the processes it is given, so that it finds those that became
    daemons, too; start them with it. May be used from several threads.
    """

    def __init__(self) -> None:
        self._token = secrets.token_hex(8)
        self._groups: dict[int, int] = {}
        self._folders: dict[bytes, None] = {}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = _start(self._token)

    @property
    def environment(self) -> Mapping[str, str]:
        """What to add to the environment of the processes that are to be found."""
        return {reaping.TOKEN_NAME: self._token}

    def group(self, pid: int) -> None:
        """Take charge of the group that `pid` leads, with everything it starts."""
        started = reaping.started_of(pid)
        with self._lock:
            self._groups[pid] = started
            self._tell(f"+group {pid} {started}")

    def end(self, pid: int) -> None:
        """Kill the group of `pid` with its descendants now, and forget it."""
        with self._lock:
            started = self._groups.pop(pid, 0)
            reaping.reap({pid: started}, "", ())
            self._tell(f"-group {pid}")

    def folder(self, path: Path) -> None:
        """Take charge of a folder: it is removed whole."""
        name = os.fsencode(path.absolute())
        with self._lock:
            self._folders[name] = None
            self._tell(f"+folder {name.hex()}")

    def keep(self, path: Path) -> None:
        """Forget a folder: it is finished and may stay."""
        name = os.fsencode(path.absolute())
        with self._lock:
            self._folders.pop(name, None)
            self._tell(f"-folder {name.hex()}")

    def close(self) -> None:
        """End and remove everything now; raises `MeasureError` for what could not be."""
        with self._lock:
            process, self._process = self._process, None
            if process is None:
                return
            done = _stop(process)
            # somebody may have killed it: then its work is ours
            if not done and not reaping.reap(self._groups, self._token, self._folders):
                names = ", ".join([*map(str, self._groups), *map(os.fsdecode, self._folders)])
                raise MeasureError(
                    f"processes or folders of this run could not be removed: {names}; "
                    f"end and remove them by hand before measuring again"
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        with contextlib.suppress(MeasureError):  # the first error is the one to tell
            self.close()

    def _tell(self, line: str) -> None:
        if self._process is None or self._process.stdin is None:
            raise MeasureError("the reaper is closed: nothing can be started any more")
        with contextlib.suppress(OSError):  # it was killed: `close` does its work
            self._process.stdin.write(f"{line}\n".encode())


def _start(token: str) -> subprocess.Popen[bytes]:
    here = str(Path(__file__).parent)
    flags = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)  # Windows: Ctrl-C is not for it
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _LAUNCH, here, str(os.getpid()), token],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            cwd=Path(__file__).anchor,  # it must not hold a folder that is to be removed
            start_new_session=True,
            creationflags=flags,
        )
    except OSError as error:
        raise MeasureError(
            f"cannot start {sys.executable!r} to clean up after this run: {error.strerror}"
        ) from None


def _stop(process: subprocess.Popen[bytes]) -> bool:
    """Close the pipe and wait; whether everything was done."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        return process.wait(CLOSE_S) == 0
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
