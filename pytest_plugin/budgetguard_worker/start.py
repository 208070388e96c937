"""From the first line on the pipe to pytest's end. Imports little: a recorder wants to see the rest."""

import atexit
import os
import sys
from importlib import import_module
from mmap import mmap
from typing import Any

from budgetguard_worker.link import Link, Relay

_KEPT: list[object] = []


def main(incoming: int, outgoing: int, other_incoming: int, other_outgoing: int) -> None:
    """Serve one sweep, then end without waiting for the threads of tests."""
    link, relay = Link(incoming, outgoing), Relay(other_incoming, other_outgoing)
    _silence()
    configuration = link.receive()
    _shift_memory(configuration["seed"])
    os.chdir(configuration["folder"])
    sys.path[:0] = [*configuration["path"], configuration["folder"]]
    recorder = _recorder(configuration["roots"]) if configuration["record"] else None
    try:
        import_module("pytest")
    except ImportError as error:
        link.send("broken", -1, {"why": f"{sys.executable} cannot import pytest: {error}"})
        return
    from budgetguard_worker.session import run

    code = run(link, relay, configuration, recorder)
    link.send("bye", -1, {"code": code})
    atexit._run_exitfuncs()
    os._exit(0)


def _shift_memory(seed: int, page: int = 4096) -> None:
    """Let all that follows lie elsewhere in another block: its place must not be the same by chance."""
    _KEPT.append(bytearray(16 * (seed % 257)))
    _KEPT.append(mmap(-1, page * (1 + seed // 257 % 257)))


def _recorder(roots: list[str]) -> Any:
    return import_module("budgetguard_worker.recorder").start(roots)


def _silence() -> None:
    """Nothing to read and nowhere to print; what pytest says of its usage goes to 2."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        if null != descriptor:
            os.dup2(null, descriptor)
    if null > 2:
        os.close(null)
