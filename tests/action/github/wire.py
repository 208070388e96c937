"""HTTP for the fake: one server a host, its requests read whole, its answers sent or cut."""

import contextlib
import http.server
import json
import secrets
import socket
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from .answers import Answer, Fault

IDLE_TIMEOUT_S = 30
LONGEST_REQUEST_BYTES = 4_000_000


@dataclass
class Request:
    """One request as it came; header names in lower case, `path` decoded and without its query."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: Any
    operation: str = ""  # GitHub's name of the call, such as issues/create-comment
    status: int = 0  # what it was answered; 0 where the connection was cut before


Respond = Callable[[Request], tuple[Answer, Fault]]


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 32

    def __init__(self, respond: Respond, crashed: Callable[[str], None]) -> None:
        self.respond = respond
        self.crashed = crashed
        self.ended = threading.Event()
        self.connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is its own affair; all else was caught before."""

    def end(self) -> None:
        """Wake what waits, and cut what clients keep open."""
        self.ended.set()
        self.shutdown()
        self.server_close()
        for connection in tuple(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_TIMEOUT_S
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def log_message(self, *_: Any) -> None:
        """A test's output is its own."""

    def version_string(self) -> str:
        return "github.com"

    def _handle(self) -> None:
        request = self._read()
        try:
            answer, fault = self.server.respond(request)
        except Exception as crash:
            self.server.crashed(f"{request.method} {request.path}: the fake broke: {crash!r}")
            answer, fault = Answer(500, {"message": repr(crash)}), Fault()
        if fault.delay_s:
            self.server.ended.wait(fault.delay_s)
        self._send(request, answer, fault)

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = _handle  # noqa: N815 - http.server's names

    def _read(self) -> Request:
        parts = urllib.parse.urlsplit(self.path)
        length = self.headers.get("Content-Length", "0")
        size = min(int(length), LONGEST_REQUEST_BYTES) if length.isdigit() else 0
        raw = self.rfile.read(size)
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = raw
        return Request(
            self.command,
            urllib.parse.unquote(parts.path),
            urllib.parse.parse_qs(parts.query, keep_blank_values=True),
            {name.lower(): value for name, value in self.headers.items()},
            body,
        )

    def _send(self, request: Request, answer: Answer, fault: Fault) -> None:
        payload = answer.payload()
        if fault.cut_after_bytes == 0:
            self._cut()
            return
        request.status = answer.status
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(payload)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("X-GitHub-Request-Id", secrets.token_hex(8).upper())
        self.end_headers()
        self.wfile.write(payload[: fault.cut_after_bytes])
        if fault.cut_after_bytes is not None:
            self._cut()

    def _cut(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def serving(respond: Respond, crashed: Callable[[str], None], host: str) -> Iterator[str]:
    """Serve on 127.0.0.1 and yield the URL, with the host's name as asked."""
    server = _Server(respond, crashed)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}"
    finally:
        server.end()
        thread.join(timeout=5)
