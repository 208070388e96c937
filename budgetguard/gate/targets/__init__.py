"""The one table of targets. A target is one module and one row here."""

from typing import TYPE_CHECKING

from budgetguard.gate.model import Request
from budgetguard.gate.side import Side
from budgetguard.gate.targets import bundle, command, test
from budgetguard.gate.targets.base import Duel, Job, Probe, Target

if TYPE_CHECKING:
    from budgetguard.gate.sides.reaper import Reaper

TARGETS: dict[str, Target] = {target.NAME: target for target in (bundle, command, test)}
COMPARED = (test.NAME, command.NAME)
"""The targets whose sampled metrics are compared with the base, side by side."""

__all__ = ["COMPARED", "TARGETS", "Duel", "Job", "Probe", "Target", "duel_of"]


def duel_of(target: str, base: Side, head: Side, request: Request, reaper: "Reaper") -> Duel:
    """Both sides of one of the targets that are compared."""
    # here, because whoever reads a configuration needs the table, and not what measures
    from budgetguard.gate.targets.command.duel import CommandDuel
    from budgetguard.gate.targets.duel_of_tests import TestDuel

    if target == command.NAME:
        return CommandDuel(base, head)
    return TestDuel(base, head, request, reaper)
