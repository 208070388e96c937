"""One of the processes that a run with `workers: external` waits for."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable

from budgetguard.errors import MeasureError
from budgetguard.gate.model import Budget
from budgetguard.gate.side import Side
from budgetguard.gate.targets.load.exercise import generator_of, traffic_of
from budgetguard.gate.targets.load.generator import MASTER_PORT, worker_command
from budgetguard.gate.targets.load.probe import How, exercise_of

_AGAIN_S = 10.0
"""A limit that a run breaks is measured once more: its run begins within this."""
_STEP_S = 0.2


def work(budget: Budget, side: Side, how: How, master: str, host: str = "") -> int:
    """Share the users of the runs at `master`, HOST or HOST:PORT; the exit code of the last locust.

    It ends when no further run has begun for a while. `host` is the app as this machine reaches it, else
    the environment's. Raises `MeasureError` where neither is known.
    """
    what = exercise_of(budget, how)
    if not (host or what.environment.host):
        raise MeasureError(
            f"serve: starts the app of {budget.name} beside the master; "
            f"expected --host, as a worker reaches it: --host http://10.0.0.5:8000"
        )
    address, _, port = master.partition(":")
    place = address, int(port or MASTER_PORT)
    generator = generator_of(what.options, side.folder)
    argv, env = worker_command(generator, traffic_of(what, host or what.environment.host), *place)
    while True:
        code = subprocess.run(argv, cwd=side.folder, env=env, check=False).returncode
        over = _waited(lambda: not _listens(place)) and not _waited(lambda: _listens(place))
        if code or over:
            return code


def _waited(holds: Callable[[], bool]) -> bool:
    """Whether something was so before `_AGAIN_S` were over."""
    end = time.monotonic() + _AGAIN_S
    while not (found := holds()) and time.monotonic() < end:
        time.sleep(_STEP_S)
    return found


def _listens(place: tuple[str, int]) -> bool:
    """Whether a master is there."""
    with contextlib.suppress(OSError), socket.create_connection(place, _STEP_S):
        return True
    return False
