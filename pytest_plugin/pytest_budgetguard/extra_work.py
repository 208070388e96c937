"""What a body does more of while `budgetguard selftest` runs it, one function for each kind of limit.

An amount is seconds, bytes or how often. What is left behind on purpose stays until the process ends,
and ends with it.
"""

import asyncio
import atexit
import http.client
import http.server
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping

_KEPT: list[object] = []
ASKED_AGAIN = 50
"""How often one statement is repeated; more than any count of ours calls a loop."""
END_S = 5.0


def _sleep(seconds: float) -> None:
    time.sleep(seconds)


def _burn(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(1000))


def _hold(size_bytes: float) -> object:
    return bytearray(int(size_bytes))


def _allocate(count: float) -> object:
    return [bytearray(8) for _ in range(int(count))]


def _query(count: float) -> None:
    connection = sqlite3.connect(":memory:")
    for _ in range(int(count)):
        connection.execute("select 1").fetchall()
    connection.close()


def _leave_files(count: float) -> None:
    _KEPT.extend(os.open(__file__, os.O_RDONLY) for _ in range(int(count)))


def _leave_threads(count: float) -> None:
    for _ in range(int(count)):
        stopped = threading.Event()
        threading.Thread(target=stopped.wait, daemon=True).start()
        _KEPT.append(stopped)


def _leak(size_bytes: float) -> None:
    _KEPT.append(bytearray(int(size_bytes)))


def _execute(count: float) -> None:
    for _ in range(int(count)):
        pass


def _ask_again(count: float) -> None:
    """As many statements, each asked in a loop."""
    connection = sqlite3.connect(":memory:")
    for number in range(int(count)):
        for _ in range(ASKED_AGAIN):
            connection.execute(f"select 1 as c{number}").fetchall()
    connection.close()


def _query_slowly(seconds: float) -> None:
    connection = sqlite3.connect(":memory:")
    connection.create_function("wait", 1, time.sleep)
    connection.execute("select wait(?)", [seconds]).fetchall()
    connection.close()


def _request(count: float) -> None:
    """Ask a server of our own, which answers nothing."""
    with http.server.HTTPServer(("127.0.0.1", 0), _Silent) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        for _ in range(int(count)):
            connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=END_S)
            connection.request("GET", "/")
            connection.getresponse().read()
            connection.close()
        server.shutdown()
        thread.join(END_S)


class _Silent(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(204)
        self.end_headers()

    def log_request(self, *_: object) -> None:
        """Say nothing."""


def _leave_sockets(count: float) -> None:
    _KEPT.extend(socket.socket() for _ in range(int(count)))


def _leave_children(count: float) -> None:
    """Processes that read what never comes, and end with us."""
    words = [sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()"]
    for _ in range(int(count)):
        child = subprocess.Popen(words, stdin=subprocess.PIPE)
        atexit.register(_end, child)
        _KEPT.append(child)


def _end(child: "subprocess.Popen[bytes]") -> None:
    child.kill()
    child.communicate(timeout=END_S)


def _leave_tasks(count: float) -> None:
    """Tasks that wait for ever, in the loop that runs, else in one of our own."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        loop = asyncio.new_event_loop()
        atexit.register(loop.close)
        loop.run_until_complete(_begin_tasks(loop, count))
    else:
        _KEPT.extend(_waiting(loop) for _ in range(int(count)))


async def _begin_tasks(loop: asyncio.AbstractEventLoop, count: float) -> None:
    _KEPT.extend(_waiting(loop) for _ in range(int(count)))
    await asyncio.sleep(0)


def _waiting(loop: asyncio.AbstractEventLoop) -> "asyncio.Task[bool]":
    return loop.create_task(asyncio.Event().wait())


WORK: Mapping[str, Callable[[float], object]] = {
    "sleep": _sleep,
    "burn": _burn,
    "hold": _hold,
    "allocate": _allocate,
    "query": _query,
    "ask again": _ask_again,
    "query slowly": _query_slowly,
    "request": _request,
    "files": _leave_files,
    "sockets": _leave_sockets,
    "children": _leave_children,
    "tasks": _leave_tasks,
    "threads": _leave_threads,
    "leak": _leak,
    "execute": _execute,
}
"""What can be done more, and how much of it: seconds, bytes or how often."""
