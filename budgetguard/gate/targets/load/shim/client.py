"""What both kinds of HTTP users do beside their own: headers, redirects, requests that never end."""

import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from gevent import GreenletExit  # type: ignore[import-untyped] # gevent has no types of its own
from locust.clients import HttpSession
from locust.contrib.fasthttp import FastHttpSession, FastRequest, LocustUserAgent
from locust.user.task import LOCUST_STATE_STOPPING

from budgetguard.gate.targets.load.shim.guard import RefusedError

UNANSWERED = "no answer when its user was stopped"
_http: Any = HttpSession  # what is replaced here are methods
_fast: Any = FastHttpSession
_agent: Any = LocustUserAgent
_request: Any = FastRequest
_PORTS = {"http": 80, "https": 443}
_Origin = tuple[str, str | None, int | None]


class RedirectedError(RefusedError):
    """A redirect that leads away from the host under load."""

    def __init__(self, url: str) -> None:
        super().__init__(f"redirected to another host: {url}")


class HttpRedirectedError(RedirectedError, requests.RequestException):
    """The same for HttpUser, which counts no other errors as failed requests."""

    request: Any = None
    response: Any = None


def count_abandoned(abandon: Callable[[float, str], None]) -> None:
    """Count a request whose user is killed while it waits for the answer, after it was asked to stop."""
    for session in (_http, _fast):
        session.request = _counting(session.request, abandon)


def send_headers(headers: Mapping[str, str], home: str) -> None:
    """Send headers with each request to the host under load; the locustfile's own win."""
    origin = _origin(home)
    for session in (_http, _fast):
        _send_with(session, headers)
    prepare, urlopen = _http.prepare_request, _agent._urlopen  # noqa: SLF001

    def prepare_request(self: Any, request: Any) -> Any:
        prepared = prepare(self, request)
        if _origin(prepared.url) != origin:
            _strip(prepared.headers, headers)
        return prepared

    def _urlopen(self: Any, request: Any) -> Any:
        if _origin(request.url) != origin:
            _strip(request.headers, headers)
        return urlopen(self, request)

    _http.prepare_request = prepare_request
    _agent._urlopen = _urlopen  # noqa: SLF001


def refuse_redirects(home: str) -> None:
    """Let a request fail that is redirected to another scheme, host or port, before it goes there."""
    origin = _origin(home)
    prepare, send, redirect = _http.prepare_request, _http.send, _request.redirect

    def prepare_request(self: Any, request: Any) -> Any:
        self.budgetguard_asked = prepare(self, request)
        return self.budgetguard_asked

    def send_prepared(self: Any, request: Any, **options: Any) -> Any:
        asked = getattr(self, "budgetguard_asked", request)
        if request is not asked and _origin(request.url) not in (origin, _origin(asked.url)):
            error = HttpRedirectedError(request.url)
            error.request = asked
            raise error
        return send(self, request, **options)

    def redirect_to(self: Any, code: int, location: str) -> None:
        left = _origin(self.url)
        redirect(self, code, location)
        if _origin(self.url) not in (origin, left):
            raise RedirectedError(self.url)

    _http.prepare_request = prepare_request
    _http.send = send_prepared
    _request.redirect = redirect_to


def was_asked_to_stop(user: Any) -> bool:
    """Whether a user that is killed had its time to finish; else it was only about to begin."""
    return getattr(user, "_state", None) == LOCUST_STATE_STOPPING


def _counting(request: Any, abandon: Callable[[float, str], None]) -> Any:
    def counted(self: Any, method: str, url: str, *args: Any, **options: Any) -> Any:
        began = time.perf_counter()
        try:
            return request(self, method, url, *args, **options)
        except GreenletExit:
            if not was_asked_to_stop(self.user):
                raise
            name = options.get("name") or self.request_name or url
            abandon(time.perf_counter() - began, f"{method} {name}: {UNANSWERED}")
            raise

    return counted


def _send_with(session: Any, headers: Mapping[str, str]) -> None:
    """Give ours to each session when it is made; its `headers` are those of the user's class."""
    plain = session.__init__

    def make(self: Any, *args: Any, **options: Any) -> None:
        if session is _fast:
            own = dict(options.pop("headers", None) or {})
            taken = {name.lower() for name in own}
            ours = {name: text for name, text in headers.items() if name.lower() not in taken}
            plain(self, *args, **options, headers={**ours, **own})
        else:
            plain(self, *args, **options)
            self.headers.update(headers)

    session.__init__ = make


def _strip(sent: Any, headers: Mapping[str, str]) -> None:
    for name, text in headers.items():
        if sent.get(name) == text:
            del sent[name]


def _origin(url: str) -> _Origin:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
