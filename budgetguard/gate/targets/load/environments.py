"""Where the load of a budget goes: this machine, or the hosts it names."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from budgetguard.gate.limit_items import read_limits
from budgetguard.gate.model import Limit
from budgetguard.gate.section import Node, Section
from budgetguard.gate.targets.load.metrics import METRICS

LOCAL = "local"
MOST_USERS = 100_000
_ENVIRONMENT_KEYS = frozenset({"host", "headers", "users", "allow_remote", "limits"})
_LOOPBACK_NAMES = ("localhost", "ip6-localhost")
_FIRST_CHAR, _LAST_CHAR = 32, 255
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """Where the load goes: "" as `host` is the app that is started here; `headers` hold ${NAMES}."""

    name: str
    host: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    users: int | None = None
    allow_remote: bool = False
    limits: tuple[Limit, ...] = ()


def read_environments(section: Section, *, served: bool) -> dict[str, Environment]:
    """Those that are named, and `local`: the app that is started here, or the budget's own host."""
    found = {}
    node = section.node("environments")
    if node is not None and not isinstance(node.value, dict):
        section.problem("environments", f"expected a mapping of names to hosts; got {node.kind}")
    elif node is not None and isinstance(node.value, dict):
        for name, item in node.value.items():
            found[name] = _environment(name, below(section, item, f"environments.{name}"))
    if served and "host" in section:
        section.problem(
            "host", "serve: starts the app here and knows its host: keep one of the two"
        )
    if LOCAL in found:
        section.problem(
            "environments", f"{LOCAL} is what serve: or host: of the budget say; name it so"
        )
    if served or "host" in section:
        found[LOCAL] = Environment(
            name=LOCAL,
            host="" if served else _host(section),
            headers=_headers(section),
            allow_remote=section.flag("allow_remote", default=False),
        )
    if not found:
        section.problem(
            "",
            "nothing to load; expected serve: uvicorn shop.web:app --port {port}, or host: http://127.0.0.1:8000",
        )
    return found


def _environment(name: str, one: Section) -> Environment:
    one.unknown(_ENVIRONMENT_KEYS)
    if "host" not in one:
        one.problem("", f"where is {name}? expected host: https://{name}.example")
    return Environment(
        name=name,
        host=_host(one),
        headers=_headers(one),
        users=bounded(one, "users", 1, MOST_USERS) if "users" in one else None,
        allow_remote=one.flag("allow_remote", default=False),
        limits=read_limits(one, METRICS) if "limits" in one else (),
    )


def _host(section: Section) -> str:
    """The scheme, name and port of a host; loopback, unless the budget allows others."""
    text = section.text("host").rstrip("/")
    if not text:
        return ""
    try:
        url = urlsplit(text)
        named = url.scheme in ("http", "https") and url.hostname and (url.port or 1) > 0
    except ValueError:
        named = False
    if not named or url.path or url.query or url.fragment:
        section.problem(
            "host", f"expected scheme, name and port, such as http://127.0.0.1:8000; got {text!r}"
        )
    elif url.username or url.password:
        section.problem(
            "host", "holds a password; put it into headers: {Authorization: Bearer ${TOKEN}}"
        )
    elif not is_loopback(text) and not section.flag("allow_remote", default=False):
        section.problem(
            "host",
            f"{url.hostname} is not this machine; if you may load it, say allow_remote: true beside it",
        )
    return text


def _headers(section: Section) -> dict[str, str]:
    headers = section.mapping("headers")
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or not is_header_value(value):
            section.problem(
                "headers", f"{name!r} is no header that HTTP can carry; correct name or value"
            )
    return headers


def is_header_value(text: str) -> bool:
    """Whether HTTP can carry it: Latin-1 without control characters."""
    return all(_FIRST_CHAR <= ord(char) <= _LAST_CHAR for char in text)


def is_loopback(host: str) -> bool:
    """Whether a URL can only mean this machine."""
    name = urlsplit(host).hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name in _LOOPBACK_NAMES


def bounded(section: Section, name: str, default: int, most: int) -> int:
    """A whole number above 0 and at most `most`."""
    number = section.count(name, default)
    if number > most:
        section.problem(name, f"expected at most {most}; got {number}")
        return default
    return number


def below(section: Section, item: Node, key: str) -> Section:
    """A mapping inside a section, as a section of its own."""
    one = Section(item, f"{section.key}.{key}", section.problems, section.folder)
    if not isinstance(item.value, dict):
        one.problem("", f"expected a mapping; got {item.kind}")
    return one
