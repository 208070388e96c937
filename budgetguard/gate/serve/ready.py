"""Sees that the port is free before an app starts, and that the app answers there once it runs."""

import contextlib
import errno
import http.client
import os
import socket
import string
import time
from urllib.parse import quote

import psutil

from budgetguard.errors import MeasureError
from budgetguard.gate.serve.server import Server
from budgetguard.gate.serve.serving import HOST, Serving
from budgetguard.units import Unit, show

_ANSWER_S = 10.0  # for one answer; an app that hangs while it starts is asked again
_MOST_PORTS = 3  # told of those on which an app listens instead


def choose_port(wanted: int | None) -> int:
    """A free port of 127.0.0.1, or the wanted one; raise `MeasureError` where it cannot be had."""
    with socket.socket() as probe:
        if os.name == "posix":  # what a former server left in TIME_WAIT is no hindrance
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted or 0))
        except OSError as error:
            raise MeasureError(_refused(wanted or 0, error)) from None
        return int(probe.getsockname()[1])


def _refused(port: int, error: OSError) -> str:
    if error.errno != errno.EADDRINUSE:
        return f"port {port} of {HOST} cannot be used: {error.strerror or error}; take another port"
    holder = next((f" by {_named(pid)}" for pid in sorted(_holders(port))), "")
    return (
        f"port {port} of {HOST} is taken{holder}; expected it to be free: end what holds it, "
        f"or leave port out, which takes a free one"
    )


def await_ready(server: Server, serving: Serving) -> None:
    """Wait until the app answers on its own port; raise `MeasureError` if it ends or time is up."""
    begun_s = time.monotonic()
    problem = "it was not asked yet"
    while (left_s := begun_s + serving.start_s - time.monotonic()) > 0:
        if ended := server.ended:
            before = f"before it answered {_asked(server, serving)}, " if server.pid else ""
            raise MeasureError(f"{before}{ended}")
        if server.pid:
            problem = _problem(server, serving.ready, min(left_s, _ANSWER_S))
        if not problem:
            return
        server.pause()
    raise _never_ready(server, serving, problem)


def _never_ready(server: Server, serving: Serving, problem: str) -> MeasureError:
    launch = server.launch
    elsewhere = _elsewhere(server)
    step = (
        f"it listens on {elsewhere}: give it {{port}} in its words or env"
        if elsewhere
        else "raise timeout, or correct ready and the command"
    )
    ended, finished = server.ended, server.end()
    said = launch.last_lines(finished) if finished else ended
    return MeasureError(
        f"{launch.shown()} was not ready within {show(serving.start_s, Unit.SECONDS)}: "
        f"{_asked(server, serving)} {problem}, expected {_expected(serving.ready)}; {step}; {said}"
    )


def _asked(server: Server, serving: Serving) -> str:
    return f"{server.url}{server.launch.redacted(serving.ready) or '/'}"


def _expected(ready: str) -> str:
    return "2xx or 3xx" if ready else "any HTTP answer"


def _problem(server: Server, ready: str, answer_s: float) -> str:
    """Why the app is not ready, after the address that was asked; "" once it is."""
    connection = http.client.HTTPConnection(HOST, server.port, timeout=answer_s)
    try:
        path = quote(ready or "/", safe=string.punctuation)
        connection.request("GET", path, headers={"Connection": "close"})
        status = connection.getresponse().status
    except TimeoutError:
        return "did not answer"
    except OSError as error:
        return f"did not answer ({error.strerror or error})"
    except http.client.HTTPException:
        return "did not answer in HTTP"
    finally:
        connection.close()
    if ready and not 200 <= status < 400:
        return f"answered {status}"
    return _foreign(server)


def _foreign(server: Server) -> str:
    """Whether another process is what answers; "" also where the system does not tell."""
    tree = {process.pid for process in server.processes()}
    holders = _holders(server.port)
    if not holders or holders & tree:
        return ""
    return f"was answered by {_named(min(holders))}, which the app did not start"


def _holders(port: int) -> set[int]:
    """The processes that listen on a port, of those that we may see."""
    try:
        listening = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return set()
    return {
        one.pid
        for one in listening
        if one.pid and one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port
    }


def _named(pid: int) -> str:
    with contextlib.suppress(psutil.Error):
        return f"pid {pid} ({psutil.Process(pid).name()})"  # its arguments might hold a secret
    return f"pid {pid}"


def _elsewhere(server: Server) -> str:
    """Where the app listens instead: "127.0.0.1:8000"; "" if nowhere or at its port, too."""
    found: set[tuple[str, int]] = set()
    for process in server.processes():
        with contextlib.suppress(psutil.Error):
            found |= {
                (one.laddr.ip, one.laddr.port)
                for one in process.net_connections(kind="tcp")
                if one.status == psutil.CONN_LISTEN and one.laddr
            }
    if any(port == server.port and ":" not in address for address, port in found):
        return ""
    return ", ".join(
        f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        for address, port in sorted(found)[:_MOST_PORTS]
    )
