"""The flow of `baseline update --time`: compare with the base of time once more, then start anew."""

from dataclasses import dataclass, replace

from budgetguard.gate.baseline import timestamp
from budgetguard.gate.compare import DEFAULT, compare, waiting
from budgetguard.gate.config import Config
from budgetguard.gate.model import Baseline, Request
from budgetguard.gate.run import measure, yardstick
from budgetguard.gate.settle import Scope, settle
from budgetguard.gate.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Rebased:
    """The baseline whose base of time is now, and what was lost since the old one."""

    baseline: Baseline
    verdicts: tuple[Verdict, ...]
    notes: tuple[str, ...]


def rebase(config: Config, request: Request, old: Baseline) -> Rebased:
    """Measure every relative limit on time against the old base, and move the line `time` to now."""
    by = yardstick(config, old)
    found = waiting(measure(config, request).budgets, request)
    compared = compare(config, request, found, by, DEFAULT)
    verdicts = settle(found, {}, by, Scope(), compared.readings).verdicts
    return Rebased(replace(old, time=timestamp(), exists=True), verdicts, compared.notes)
