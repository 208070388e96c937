"""A reading in a fresh process: of a body that cannot be called twice in one, and of exact counts of work."""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from budgetguard import process
from budgetguard.errors import BudgetguardError
from budgetguard.gate.meters import ALONE
from budgetguard.gate.meters.callgrind import Start, for_block, for_bytecodes
from budgetguard.gate.meters.work import SEED
from budgetguard.gate.model import Reading
from budgetguard.gate.wire import messages, to_reading
from pytest_budgetguard.declared import Bound

TIMEOUT_S = 300.0
FIRST = "@first"
"""Behind the name of a meter that counts work: of a body that cannot be called a second time."""


def read_in_fresh_process(
    bound: Bound, subject: str, meter: str, metrics: frozenset[str], why: str
) -> Mapping[str, Reading]:
    """Run the item alone in a process of its own, with one meter on during its own call."""
    try:
        with tempfile.TemporaryDirectory(prefix="budgetguard-") as folder:
            wire = Path(folder) / "wire.jsonl"
            start = _start(bound, meter.removesuffix(FIRST), Path(folder))
            finished = process.run(
                [*start.prefix, *_command(bound, wire, f"{meter}:{subject}")],
                cwd=bound.item.config.invocation_params.dir,
                env=start.environment,
                timeout_s=TIMEOUT_S,
            )
            readings = _readings(wire, bound.name, subject)
    except BudgetguardError as error:
        return _errors(metrics, str(error))
    lines = tuple(finished.stdout.strip().splitlines()[-5:])
    missed = _errors(metrics - set(readings), _why_not(finished, why), lines)
    return missed | {name: readings[name] for name in metrics & set(readings)}


def _why_not(finished: process.Finished, why: str) -> str:
    if finished.timed_out:
        return (
            f"the body did not end within {TIMEOUT_S:.0f} s in a process of its own; "
            "give it less to do: under callgrind a call takes about 100 times as long"
        )
    again = f"cannot be called again ({why}), nor" if why else "could not be called"
    return f"the body {again} in a fresh process, exit code {finished.exit_code}"


def _start(bound: Bound, meter: str, folder: Path) -> Start:
    """How the process is started; counts of work want one that repeats to the digit."""
    seed = bound.item.config.option.budget_seed or SEED
    if meter == "instructions":
        return for_block(os.environ, seed, folder)
    if meter == "bytecodes":
        return for_bytecodes(os.environ, seed)
    return Start((), _environment())


def _command(bound: Bound, wire: Path, only: str) -> list[str]:
    """The same pytest: its root, ini file, plugins, settings and configuration, for this one item."""
    config = bound.item.config
    options = config.option
    rest = bound.item.nodeid.partition("::")[2]
    command = [sys.executable, "-m", "pytest", f"{bound.item.path}::{rest}"]
    command += ["--rootdir", str(config.rootpath), "--import-mode", options.importmode]
    command += ["-c", str(config.inipath)] if config.inipath else []
    command += [part for plugin in options.plugins or () for part in ("-p", plugin)]
    command += [part for ini in options.override_ini or () for part in ("-o", ini)]
    command += [f"--ds={options.ds}"] if getattr(options, "ds", None) else []  # pytest-django's
    command += [f"--budget-wire={wire}", f"--budget-pass={only}", "-p", "no:randomly", "-q"]
    if (
        only.partition(":")[0].removesuffix(FIRST) in ALONE
    ):  # no folder that earlier runs have filled
        command += [f"--basetemp={wire.parent / 'tmp'}", "-o", f"cache_dir={wire.parent / 'cache'}"]
    home = bound.home.config
    return [*command, f"--budget-config={home.file}"] if home else command


def _environment() -> dict[str, str]:
    """Without what tells a worker of pytest-xdist that it is one."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")
    }


def _readings(wire: Path, name: str, subject: str) -> dict[str, Reading]:
    found = {}
    for message in messages(wire):
        if message["kind"] == "reading":
            point, reading = to_reading(message)
            if (point.budget, point.selector) == (name, subject) and point.metric:
                found[point.metric] = reading
    return found


def _errors(
    metrics: frozenset[str], why: str, evidence: tuple[str, ...] = ()
) -> dict[str, Reading]:
    return {metric: Reading(error=why, evidence=evidence) for metric in metrics}
