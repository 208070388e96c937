"""A reading in a fresh process, for a body that cannot be called twice in one."""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from budgetguard import process
from budgetguard.errors import BudgetguardError
from budgetguard.gate.model import Reading
from budgetguard.gate.wire import messages, to_reading
from pytest_budgetguard.declared import Bound

TIMEOUT_S = 300.0


def read_in_fresh_process(
    bound: Bound, subject: str, meter: str, metrics: frozenset[str], why: str
) -> Mapping[str, Reading]:
    """Run the item alone in a process of its own, with one meter on during its own call."""
    try:
        with tempfile.TemporaryDirectory(prefix="budgetguard-") as folder:
            wire = Path(folder) / "wire.jsonl"
            finished = process.run(
                _command(bound, wire, f"{meter}:{subject}"),
                cwd=bound.item.config.invocation_params.dir,
                env=_environment(),
                timeout_s=TIMEOUT_S,
            )
            readings = _readings(wire, bound.name, subject)
    except BudgetguardError as error:
        return _errors(metrics, str(error))
    lines = tuple(finished.stdout.strip().splitlines()[-5:])
    failed = (
        f"cannot be called again ({why}), nor in a fresh process, exit code {finished.exit_code}"
    )
    missed = _errors(metrics - set(readings), f"the body {failed}", lines)
    return missed | {name: readings[name] for name in metrics & set(readings)}


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
