"""One of the processes that a run with `workers: external` waits for."""

import subprocess

from budgetguard.errors import MeasureError
from budgetguard.gate.model import Budget
from budgetguard.gate.side import Side
from budgetguard.gate.targets.load.exercise import generator_of, traffic_of
from budgetguard.gate.targets.load.generator import MASTER_PORT, worker_command
from budgetguard.gate.targets.load.probe import How, exercise_of


def work(budget: Budget, side: Side, how: How, master: str, host: str = "") -> int:
    """Share the users of the run at `master`, HOST or HOST:PORT, until it ends; the exit code of locust.

    `host` is the app as this machine reaches it, else the environment's. Raises `MeasureError` where
    neither is known.
    """
    what = exercise_of(budget, how)
    if not (host or what.environment.host):
        raise MeasureError(
            f"serve: starts the app of {budget.name} beside the master; "
            f"expected --host, as a worker reaches it: --host http://10.0.0.5:8000"
        )
    address, _, port = master.partition(":")
    argv, env = worker_command(
        generator_of(what.options, side.folder),
        traffic_of(what, host or what.environment.host),
        address,
        int(port or MASTER_PORT),
    )
    return subprocess.run(argv, cwd=side.folder, env=env, check=False).returncode
