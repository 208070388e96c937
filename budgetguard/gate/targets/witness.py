"""The second witness of a tight limit on time: the work of one test, counted on both sides.

Time alone moves by up to 3 % where only lines elsewhere have changed; counts of work do not. Each side
is a fresh worker with one hash seed; instructions are counted where callgrind can be had, else
bytecodes.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from budgetguard.errors import BudgetguardError, MeasureError
from budgetguard.gate.meters.callgrind import Start, for_block, for_bytecodes
from budgetguard.gate.meters.work import SEED
from budgetguard.gate.side import Side, Witness
from budgetguard.gate.sides.subjects import Subject
from budgetguard.gate.sides.workers import environment, program
from budgetguard.process import run

TIMEOUT_S = 600.0
KINDS = ("instructions", "bytecodes")


def witness(
    base: Side,
    head: Side,
    subject: Subject,
    *,
    seed: int = SEED,
    timeout_s: float = TIMEOUT_S,
    given: Mapping[str, str] | None = None,
    kinds: tuple[str, ...] = KINDS,
) -> Witness:
    """Count the subject's work per call on both sides, by the first of `kinds` that both can.

    `given` is the environment in place of ours; a side may take `timeout_s`. Nothing raises: why
    nothing was counted is what the witness says.
    """
    whys = []
    for kind in kinds:
        try:
            values = [
                _count(
                    kind,
                    side,
                    head,
                    subject,
                    seed,
                    os.environ if given is None else given,
                    timeout_s,
                )
                for side in (base, head)
            ]
        except BudgetguardError as error:
            whys.append(f"{kind}: {error}")
            continue
        if min(values) <= 0:
            whys.append(f"{kind}: the body executes none that could be counted")
            continue
        return Witness(values[1] / values[0], kind)
    return Witness(None, f"no work could be counted ({'; '.join(whys)})")


def _count(
    kind: str,
    side: Side,
    head: Side,
    subject: Subject,
    seed: int,
    given: Mapping[str, str],
    timeout_s: float,
) -> float:
    """The work of one call on one side. Raises `BudgetguardError`."""
    with tempfile.TemporaryDirectory(prefix="bg-", ignore_cleanup_errors=True) as folder:
        scratch = Path(folder)
        file = scratch / "order.json"
        file.write_text(json.dumps(_configuration(side, subject, seed, scratch)), encoding="utf-8")
        start = _start(kind, environment(given, side, head), seed, scratch)
        entry = Path(program()).with_name("counted.py")
        finished = run(
            [*start.prefix, side.python, "-P", str(entry), str(file)],
            cwd=side.folder,
            env={**start.environment, "TMPDIR": folder},
            timeout_s=timeout_s,
        )
        if finished.timed_out:
            raise MeasureError(f"{side.name} did not end within {timeout_s:.0f} s")
        try:
            told = json.loads(Path(f"{file}.told").read_text(encoding="utf-8"))
            value, error = told["value"], told["error"]
        except (OSError, ValueError, KeyError, TypeError):
            said = " / ".join(finished.stderr.strip().splitlines()[-3:])
            raise MeasureError(
                f"{side.name} ended with exit code {finished.exit_code} and told no count: {said}"
            ) from None
    if error or not isinstance(value, int | float):
        raise MeasureError(f"{side.name}: {error}")
    return float(value)


def _start(kind: str, given: Mapping[str, str], seed: int, scratch: Path) -> Start:
    if kind == "instructions":
        return for_block(given, seed, scratch)
    return for_bytecodes(given, seed)


def _configuration(side: Side, subject: Subject, seed: int, scratch: Path) -> dict[str, object]:
    """What a worker of a sweep is told (`sweep.py`), for one subject and without the canary."""
    return {
        "folder": str(side.folder),
        "path": list(side.path),
        "root": str(side.root or ""),
        "other": "",
        "wanted": [[1, subject.item, subject.block, "straight"]],
        "canary": False,
        "seed": seed,
        "scratch": str(scratch),
        "pytest_args": [],
    }
