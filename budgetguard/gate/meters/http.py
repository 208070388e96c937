"""Counts the HTTP requests that really leave the process, by http.client, httpcore and aiohttp.

On http.client stand urllib, urllib3, requests and botocore; on httpcore stands httpx. A request
counts once its connection stands and it is being written: a redirect and a retry count again, a
connection that could not be made and a proxy's CONNECT do not. In-process transports (TestClient,
ASGITransport, MockTransport) never come down to here.

All threads count. Not seen: HTTP/2 of urllib3, pycurl, raw sockets and other processes.
"""

import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from threading import RLock
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from budgetguard.gate.meters.base import Read
from budgetguard.gate.model import Metric, Reading
from budgetguard.hooks import Patches, PostImport
from budgetguard.units import Unit

METRICS: Mapping[str, Metric] = {
    "http_requests": Metric(
        name="http_requests", unit=Unit.COUNT, about="HTTP requests sent to other processes"
    )
}

_TOLD = 5
_LONGEST = 80

_watches: list[list[tuple[str, str]]] = []
"""What each open watch has seen, as (method, URL)."""
_patches = Patches()
_lock = RLock()


@contextmanager
def watch(wanted: frozenset[str]) -> Iterator[Read]:
    """Count the block's requests, in all threads; watches may be nested."""
    sent: list[tuple[str, str]] = []
    _begin(sent)
    try:
        yield lambda: {name: _reading(sent) for name in wanted}
    finally:
        _end(sent)


def _reading(sent: list[tuple[str, str]]) -> Reading:
    groups = Counter(f"{method} {_told(url)}" for method, url in sent)
    evidence = (f"{group} ×{n}" if n > 1 else group for group, n in groups.most_common(_TOLD))
    return Reading(value=float(len(sent)), evidence=tuple(evidence))


def _told(url: str) -> str:
    """A URL without what may be secret in it: the user's name and password, and the query."""
    parts = urlsplit(url)
    text = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path or '/'}"
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _begin(sent: list[tuple[str, str]]) -> None:
    with _lock:
        if not _watches:
            for name, hook in _HOOKS.items():
                if name in sys.modules:
                    hook(sys.modules[name])
            sys.meta_path.insert(0, _finder)
        _watches.append(sent)


def _end(sent: list[tuple[str, str]]) -> None:
    with _lock:
        _watches[:] = [other for other in _watches if other is not sent]
        if not _watches:
            _patches.undo()
            sys.meta_path.remove(_finder)


def _note(method: str, url: str) -> None:
    if method != "CONNECT":
        for sent in tuple(_watches):
            sent.append((method, url))


# --- http.client --------------------------------------------------------------------------------


def _hook_http_client(module: ModuleType) -> None:
    connection = module.HTTPConnection
    begin, send_head = connection.putrequest, connection.endheaders
    begun: WeakKeyDictionary[Any, tuple[str, str]] = WeakKeyDictionary()

    @wraps(begin)
    def putrequest(self: Any, method: str, url: str, *args: Any, **options: Any) -> None:
        begin(self, method, url, *args, **options)
        begun[self] = (method, url)

    @wraps(send_head)
    def endheaders(self: Any, *args: Any, **options: Any) -> None:  # whatever it takes
        try:
            send_head(self, *args, **options)  # connects, where that has not been done
        finally:
            method, url = begun.pop(self, ("", ""))
            if method and self.sock is not None:
                _note(method, _absolute(self, url))

    _patches.put(connection, "putrequest", putrequest)
    _patches.put(connection, "endheaders", endheaders)


def _absolute(connection: Any, url: str) -> str:  # an HTTPConnection of any library
    if not url.startswith("/"):  # to a proxy the whole URL is sent
        return url
    scheme, usual_port = ("https", 443) if connection.default_port == 443 else ("http", 80)
    tunnel = getattr(connection, "_tunnel_host", None)
    host = tunnel or connection.host
    port = getattr(connection, "_tunnel_port", None) if tunnel else connection.port
    host = f"[{host}]" if ":" in host else host
    return f"{scheme}://{host}{'' if port in (None, usual_port) else f':{port}'}{url}"


# --- httpcore -----------------------------------------------------------------------------------


def _hook_httpcore(module: ModuleType) -> None:
    for name in ("HTTP11Connection", "HTTP2Connection"):
        connection, twin = getattr(module, name, object), getattr(module, f"Async{name}", object)
        if hasattr(connection, "handle_request"):  # without h2 there stands an empty class
            plain = connection.handle_request
            _patches.put(connection, "handle_request", _counting(plain, module))
        if hasattr(twin, "handle_async_request"):
            plain = twin.handle_async_request
            _patches.put(twin, "handle_async_request", _counting_async(plain, module))


def _counting(plain: Callable[[Any, Any], Any], module: ModuleType) -> Callable[[Any, Any], Any]:
    @wraps(plain)
    def handle_request(self: Any, request: Any) -> Any:
        with _unless_refused(request, module):
            return plain(self, request)

    return handle_request


def _counting_async(
    plain: Callable[[Any, Any], Awaitable[Any]], module: ModuleType
) -> Callable[[Any, Any], Awaitable[Any]]:
    @wraps(plain)
    async def handle_async_request(self: Any, request: Any) -> Any:
        with _unless_refused(request, module):
            return await plain(self, request)

    return handle_async_request


@contextmanager
def _unless_refused(request: Any, module: ModuleType) -> Iterator[None]:
    """Note a request, unless its connection was busy: the pool then asks another one."""
    refused = False
    try:
        yield
    except module.ConnectionNotAvailable:
        refused = True
        raise
    finally:
        if not refused:
            url = request.url
            target = url.target.decode("ascii", "replace")
            host, port = url.host.decode("ascii", "replace"), url.port
            origin = f"{url.scheme.decode('ascii')}://{host}{'' if port is None else f':{port}'}"
            whole = target if target.startswith("http") else origin + target
            _note(request.method.decode("ascii", "replace"), whole)


# --- aiohttp ------------------------------------------------------------------------------------


def _hook_aiohttp(module: ModuleType) -> None:
    plain = module.ClientRequest.send

    @wraps(plain)
    async def send(self: Any, *args: Any, **options: Any) -> Any:
        _note(self.method, str(self.url))
        return await plain(self, *args, **options)

    _patches.put(module.ClientRequest, "send", send)


_HOOKS: Mapping[str, Callable[[ModuleType], None]] = {
    "http.client": _hook_http_client,
    "httpcore": _hook_httpcore,
    "aiohttp": _hook_aiohttp,
}


def _imported(hook: Callable[[ModuleType], None]) -> Callable[[ModuleType], None]:
    def hook_while_watched(module: ModuleType) -> None:
        with _lock:
            if _watches:
                hook(module)

    return hook_while_watched


_finder = PostImport({name: _imported(hook) for name, hook in _HOOKS.items()})
