"""The two descriptors to the coordinator: one JSON object a line, in turn.

Functions are bound at import, so that a body that replaces `os.write` or fakes the file system does
not reach us. The descriptors are moved out of the way of a body that prints or closes low ones.
"""

import fcntl
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

_HIGH = (600, 200, 60, 3)
"""Where a descriptor may go; the first that this system's limit allows."""


class Link:
    """Sends and receives messages; the process ends where the coordinator is gone."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = _moved(incoming)
        self._outgoing = _moved(outgoing)
        self._owner = os.getpid()
        self._rest = b""

    def stay(
        self, *, pid: Callable[[], int] = os.getpid, leave: Callable[[int], Any] = os._exit
    ) -> None:
        """End a fork of the body that came back to us."""
        if pid() != self._owner:
            leave(0)

    def send(
        self,
        kind: str,
        number: int,
        content: Mapping[str, object],
        *,
        dumps: Callable[[object], str] = json.dumps,
        write: Callable[[int, bytes], int] = os.write,
        leave: Callable[[int], Any] = os._exit,
    ) -> None:
        """Send one message; `number` is the subject's it is about."""
        self.stay()
        line = f"{dumps({**content, 'kind': kind, 'id': number})}\n".encode()
        try:
            while line:
                line = line[write(self._outgoing, line) :]
        except OSError:  # nobody reads, or the body has closed it
            leave(70)

    def receive(
        self,
        *,
        loads: Callable[[bytes], Any] = json.loads,
        read: Callable[[int, int], bytes] = os.read,
        leave: Callable[[int], Any] = os._exit,
    ) -> dict[str, Any]:
        """Wait for the next message."""
        self.stay()
        while b"\n" not in self._rest:
            try:
                data = read(self._incoming, 1 << 16)
            except OSError:
                data = b""
            if not data:
                leave(70)
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        message: dict[str, Any] = loads(line)
        return message


def _moved(descriptor: int) -> int:
    """The same pipe at a high number, not inherited by what a body starts."""
    for lowest in _HIGH:
        try:
            moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, lowest)
        except OSError:
            continue
        os.close(descriptor)
        return moved
    raise OSError("no descriptor is free")
