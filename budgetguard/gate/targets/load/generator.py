"""Runs a locustfile in a locust of its own and hands on, second by second, what it tells."""

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from budgetguard.errors import MeasureError
from budgetguard.gate.serve.ready import choose_port
from budgetguard.gate.targets.load.diagnosis import Ended, diagnose, unusable
from budgetguard.gate.targets.load.interval import TOLD, TRAFFIC, Interval
from budgetguard.gate.targets.load.listener import Listener
from budgetguard.gate.targets.load.traffic import Traffic
from budgetguard.process import run
from budgetguard.redaction import Redaction

MASTER_PORT = 5557
"""Where locust's master listens for workers, if nothing else is said."""
_SHIM = Path(__file__).parent / "shim" / "budgetguard_shim.py"
_START_S = 60.0  # imports of the locustfile; locust's own take 1 s
_END_S = 20.0  # users that are stopped, the last words of workers
_OWN_SHAPE_S = 600.0
_STOP_S = 2  # for users in the middle of a task when the run is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Generator:
    """How locust is started: `python` runs it in `folder`.

    `processes` share the users on this machine; with `external` they are started elsewhere, by
    `worker_command`, and the run waits `workers_s` seconds for so many at `bind` and `port`.
    """

    python: str
    folder: Path
    locustfile: Path
    processes: int = 1
    external: bool = False
    bind: str = "*"
    port: int = MASTER_PORT
    workers_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What came of one run of a locustfile."""

    intervals: tuple[Interval, ...]
    problem: str = ""
    """Why it is no measurement: a locustfile that cannot be run, a generator that died."""
    evidence: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    cut_short: bool = False
    """Whether `told` ended it."""


def generate(
    generator: Generator,
    traffic: Traffic,
    *,
    told: Callable[[Interval], bool] = lambda _: False,
    scratch: Path | None = None,
) -> Run:
    """Run the locustfile against `traffic.host`; `told` gets each interval at once, and ends the run by True.

    Its temporary files are in `scratch`, else where the system has them.
    `told` is called in a thread; what it raises ends the run and is raised here.
    """
    if problem := unusable(generator.folder, generator.locustfile):
        return Run(intervals=(), problem=problem)
    with tempfile.TemporaryDirectory(prefix="budgetguard-load-", dir=scratch) as folder:
        listener = Listener(Path(folder) / "told", told)
        with listener:
            ended = _run(generator, traffic, listener)
    measured = bool(listener.intervals)
    cut_short = listener.stop.is_set()
    problem, evidence = (
        ("", ()) if cut_short else diagnose(ended, listener.problem, measured=measured)
    )
    redacted = Redaction(traffic.headers)
    return Run(
        intervals=tuple(listener.intervals),
        problem=redacted(problem),
        evidence=tuple(map(redacted, evidence)),
        notes=tuple(listener.notes),
        cut_short=cut_short,
    )


def worker_command(
    generator: Generator, traffic: Traffic, master_host: str, master_port: int = MASTER_PORT
) -> tuple[list[str], dict[str, str]]:
    """The command and environment of a worker that shares the users of a master elsewhere.

    It runs in the generator's folder; `traffic` must be the master's.
    """
    argv = [*_locust(generator), "--worker", "--master-host", master_host]
    return [*argv, "--master-port", str(master_port)], _environment(traffic)


def _run(generator: Generator, traffic: Traffic, listener: Listener) -> Ended:
    limit_s = _longest_s(traffic) + (
        generator.workers_s if generator.processes > 1 or generator.external else 0
    )
    argv = [
        *_locust(generator), "--headless", "--only-summary", "--host", traffic.host,
        "--stop-timeout", str(_STOP_S), "--exit-code-on-error", "1", *_shared(generator),
    ]  # fmt: skip
    try:
        finished = run(
            argv,
            cwd=generator.folder,
            env={**_environment(traffic), TOLD: str(listener.path)},
            timeout_s=limit_s,
            stop=listener.stop,
        )
    except MeasureError as error:
        return Ended(problem=str(error))
    return Ended(
        exit_code=finished.exit_code,
        stderr=finished.stderr,
        limit_s=limit_s if finished.timed_out else None,
        locustfile=str(generator.locustfile),
        folder=generator.folder,
        python=generator.python,
    )


def _locust(generator: Generator) -> list[str]:
    return [generator.python, "-m", "locust", "-f", f"{_SHIM},{generator.locustfile}"]


def _shared(generator: Generator) -> list[str]:
    """The options of a run that several processes share."""
    if generator.external:
        return [
            "--master", "--expect-workers", str(generator.processes),
            "--expect-workers-max-wait", str(round(generator.workers_s)),
            "--master-bind-host", generator.bind, "--master-bind-port", str(generator.port),
        ]  # fmt: skip
    if generator.processes > 1:
        here, port = "127.0.0.1", str(choose_port(None))
        return [
            "--processes", str(generator.processes),
            "--expect-workers-max-wait", str(round(generator.workers_s)),
            "--master-bind-host", here, "--master-bind-port", port,
            "--master-host", here, "--master-port", port,
        ]  # fmt: skip
    return []


def _environment(traffic: Traffic) -> dict[str, str]:
    """Ours, without what would configure locust behind our back."""
    env = {name: text for name, text in os.environ.items() if not name.startswith("LOCUST_")}
    env["LOCUST_WAIT_FOR_WORKERS_REPORT_AFTER_RAMP_UP"] = "0.1"  # a ramp would halt for a second
    return {**env, "PYTHONHASHSEED": str(traffic.seed % (1 << 32)), TRAFFIC: traffic.to_json()}


def _longest_s(traffic: Traffic) -> float:
    seconds = traffic.seconds or _OWN_SHAPE_S
    if traffic.turns is not None:
        last = max(traffic.turns.own, default=0) + 1
        seconds = max(seconds, traffic.turns.start + last * traffic.turns.slice_s - time.time())
    return seconds + _START_S + _END_S
