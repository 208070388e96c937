"""The two descriptors to the coordinator, one JSON object a line in turn, and the two to the other side.

Functions are bound at import, so that a body that replaces `os.write` or fakes the file system does
not reach us. The descriptors are moved out of the way of a body that prints or closes low ones.
"""

import fcntl
import json
import os
import select
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

_HIGH = (600, 200, 60, 3)
"""Where a descriptor may go; the first that this system's limit allows."""
_STOP, _GO = 0, 1


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


class Relay:
    """Says with the other side's worker whose turn it is, without the detour over the coordinator.

    A handover is the number of the batch of rounds, so that what a failed one has left is not taken
    for one of the next, and whether its rounds go on.
    """

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming = _moved(incoming)
        self._outgoing = _moved(outgoing)
        self._batch = 0
        self._until_s = 0.0

    def begin(
        self, batch: int, within_s: float, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin a batch; both sides are told the same numbers. Nobody waits longer than `within_s`."""
        self._batch = batch % 256
        self._until_s = now() + within_s

    def wait(
        self,
        *,
        read: Callable[[int, int], bytes] = os.read,
        now: Callable[[], float] = time.monotonic,
        wait: Callable[..., tuple[list[int], Any, Any]] = select.select,
    ) -> bool:
        """Wait for our turn; whether there is one. The side that holds it back is found by its silence."""
        while True:
            try:
                if not wait([self._incoming], [], [], max(0.0, self._until_s - now()))[0]:
                    return False
                told = read(self._incoming, 2)
            except OSError:
                return False
            if len(told) < 2:
                return False
            if told[0] == self._batch:
                return told[1] == _GO

    def hand_over(self, *, on: bool = True, write: Callable[[int, bytes], int] = os.write) -> None:
        """Let the other side go on, or tell it that there is nothing more to wait for."""
        with suppress(OSError):  # it has ended, which the coordinator sees
            write(self._outgoing, bytes((self._batch, _GO if on else _STOP)))


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
