"""What requests have in common that a service answers alike, and how to look into answers: pure functions.

None of them raises anything for plain data, whatever its shape.
"""

import json
import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from decimal import Decimal
from typing import Any
from urllib.parse import unquote_plus, urlsplit, urlunsplit

TRACKING = frozenset(
    {
        "gclid",
        "gclsrc",
        "dclid",
        "gbraid",
        "wbraid",
        "fbclid",
        "msclkid",
        "yclid",
        "twclid",
        "ttclid",
        "igshid",
        "li_fat_id",
        "mc_cid",
        "mc_eid",
        "_ga",
        "_gl",
        "_hsenc",
        "_hsmi",
        "mkt_tok",
        "oly_anon_id",
        "oly_enc_id",
        "vero_id",
        "wickedid",
    }
)
"""Parameters that tell a site where a reader came from; beside them all that begin with utm_."""
_INT64 = range(-(2**63), 2**64)
_SURROGATE = re.compile("[\ud800-\udfff]")
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
_LINE_BREAKS = str.maketrans("", "", "\t\r\n")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PORTS = {"http": 80, "https": 443}


def plain(value: Any) -> Any:
    """The same JSON in one form: 0.0 is 0, a tuple is a list; and nothing that MessagePack cannot hold."""
    if isinstance(value, Mapping):
        return {plain(str(name)): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float) and value.is_integer():
        return plain(int(value))
    if isinstance(value, str) and _SURROGATE.search(value):
        return "\0" + value.encode("utf-16-le", "surrogatepass").hex()
    if isinstance(value, int) and value not in _INT64:
        return f"\0{value:x}"
    return value


def settled(
    request: Mapping[str, Any],
    *,
    ignored: AbstractSet[str] = frozenset(),
    defaults: Mapping[str, Any] = {},
) -> dict[str, Any]:
    """The members that decide the answer: without null, what is ignored, and defaults written out."""
    members = {str(name): plain(value) for name, value in request.items()}
    return {
        plain(name): value
        for name, value in members.items()
        if value is not None and name not in ignored and not _same(value, defaults.get(name))
    }


def _same(value: Any, default: Any) -> bool:
    """1 is equal to True in Python, and not in JSON."""
    return type(value) is type(default) and bool(value == default)


def url(text: str) -> str:
    """An address in one form (RFC 3986, 6.2.2 and 6.2.3), without what only tracks the reader.

    Order and doubles of its parameters stay, as sites may read them; of fragments only those that name a
    page of an app in the browser (#/ and #!).
    """
    bare = text.strip().translate(_LINE_BREAKS)
    try:
        parts = urlsplit(bare)
        port = parts.port
    except ValueError:
        return bare
    if parts.scheme not in _PORTS or not parts.hostname:
        return bare
    user, at, _ = parts.netloc.rpartition("@")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown_port = "" if port in (None, _PORTS[parts.scheme]) else f":{port}"
    query = "&".join(pair for pair in parts.query.split("&") if not _tracks(pair))
    fragment = parts.fragment if parts.fragment.startswith(("/", "!")) else ""
    netloc = f"{user}{at}{host}{shown_port}"
    return urlunsplit(
        (parts.scheme, netloc, _escapes(parts.path) or "/", _escapes(query), fragment)
    )


def _tracks(pair: str) -> bool:
    name = unquote_plus(pair.partition("=")[0]).lower()
    return name.startswith("utm_") or name in TRACKING


def _escapes(text: str) -> str:
    """%7e is ~, and %c3 is %C3."""

    def one(found: re.Match[str]) -> str:
        letter = chr(int(found[0][1:], 16))
        return letter if letter in _UNRESERVED else found[0].upper()

    return _ESCAPE.sub(one, text)


def words(text: str) -> str:
    """Text with one blank between its words and none around it."""
    return " ".join(text.split())


def google_query(text: str) -> str:
    """A search as Google reads it: blanks and capitals do not matter, but in OR, AND, AROUND(3) and site:."""
    return " ".join(word if _operates(word) else word.lower() for word in text.split())


def _operates(word: str) -> bool:
    return word in {"OR", "AND"} or ":" in word or word.startswith("AROUND(")


def ordered(values: Any) -> Any:
    """A list whose order does not matter, in one order."""
    return sorted(values, key=_sorted_json) if isinstance(values, list) else values


def _sorted_json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=repr)


def at(value: Any, *path: str | int) -> Any:
    """What lies at a path of names and places in plain data; None where nothing does."""
    for step in path:
        if isinstance(step, int):
            value = value[step] if isinstance(value, list) and step < len(value) else None
        else:
            value = value.get(step) if isinstance(value, Mapping) else None
    return value


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list; none for anything else."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def number(value: Any) -> Decimal | None:
    """A finite number as a Decimal; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    found = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    return found if found.is_finite() else None


def first(reasons: Iterable[str]) -> str:
    """The first reason that is one."""
    return next((reason for reason in reasons if reason), "")
