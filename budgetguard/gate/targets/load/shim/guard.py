"""Keeps the load on this machine: no socket of locust's process connects anywhere else.

Not guarded: what does not go through Python's sockets (locust's own link to its master, gRPC), and
looking up a name.
"""

import ipaddress
import socket
from typing import Any

import gevent.socket  # type: ignore[import-untyped] # gevent has no types of its own

_PLAIN = gevent.socket.socket.connect
_PLAIN_EX = gevent.socket.socket.connect_ex


class RefusedError(OSError):
    """What a budget does not allow; its text says all."""


def stay_here() -> None:
    """Refuse connections to other machines from now on."""

    def connect(self: Any, address: Any) -> Any:
        _check(self, address)
        return _PLAIN(self, address)

    def connect_ex(self: Any, address: Any) -> Any:
        _check(self, address)
        return _PLAIN_EX(self, address)

    gevent.socket.socket.connect = connect
    gevent.socket.socket.connect_ex = connect_ex


def _check(connecting: Any, address: Any) -> None:
    """Raise `RefusedError` unless the address is one of this machine's own to itself."""
    if connecting.family not in (socket.AF_INET, socket.AF_INET6):
        return
    host, port = address[:2]
    if not all(map(_is_here, _addresses(host))):
        raise RefusedError(
            f"no connection to {host}:{port}, it is not on this machine; "
            "allow_remote: true permits it"
        )


def _addresses(host: str) -> list[str]:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return [str(found[4][0]) for found in gevent.socket.getaddrinfo(host, None)]
    return [host]


def _is_here(address: str) -> bool:
    found = ipaddress.ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None) or found  # ::ffff:127.0.0.1
    return bool(mapped.is_loopback or mapped.is_unspecified)
