"""The instructions of a whole command, counted in a run of its own under callgrind."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from budgetguard.errors import BudgetguardError
from budgetguard.gate.meters.callgrind import for_command, of_command
from budgetguard.gate.meters.work import SEED, reading
from budgetguard.gate.model import Reading
from budgetguard.process import Finished

SLOWER = 50
"""How many times the command's own time limit it is given: it runs so much slower."""
LONGEST_S = 1800.0

Run = Callable[[tuple[str, ...], Mapping[str, str]], Finished | Reading]
"""Runs the command behind a prefix, with this environment; a `Reading` is why that did not work."""


def read_instructions(
    run: Run, environment: Mapping[str, str], given: Mapping[str, str], seed: int | None
) -> Reading:
    """Run it once under callgrind; `given` is what the configuration sets, and stays as it is."""
    try:
        with tempfile.TemporaryDirectory(prefix="budgetguard-") as folder:
            start = for_command(environment, SEED if seed is None else seed, Path(folder))
            ended = run(start.prefix, {**start.environment, **given})
            if isinstance(ended, Reading):
                return Reading(
                    error=f"instructions were not counted: under callgrind {ended.error}",
                    evidence=ended.evidence,
                )
            return reading(of_command(Path(folder)))
    except BudgetguardError as error:
        return Reading(error=f"instructions were not counted: {error}")
