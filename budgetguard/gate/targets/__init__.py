"""The one table of targets. A target is one module and one row here."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from budgetguard.gate.model import Request
from budgetguard.gate.side import Side
from budgetguard.gate.targets import bundle, command, load, test
from budgetguard.gate.targets.base import Duel, Job, Probe, Target

if TYPE_CHECKING:
    from budgetguard.gate.sides.reaper import Reaper

TARGETS: dict[str, Target] = {target.NAME: target for target in (bundle, command, load, test)}
COMPARED: Mapping[str, float] = {test.NAME: 1, command.NAME: 1, load.NAME: 10}
"""The targets whose sampled metrics are compared with the base, side by side, and how many times the
seconds of a benchmark one of them may take."""

__all__ = ["COMPARED", "TARGETS", "Duel", "Job", "Probe", "Target", "duel_of"]


def duel_of(target: str, base: Side, head: Side, request: Request, reaper: "Reaper") -> Duel:
    """Both sides of one of the targets that are compared."""
    # here, because whoever reads a configuration needs the table, and not what measures
    from budgetguard.gate.targets.command.duel import CommandDuel
    from budgetguard.gate.targets.duel_of_tests import TestDuel
    from budgetguard.gate.targets.load.duel import LoadDuel

    if target == command.NAME:
        return CommandDuel(base, head)
    if target == load.NAME:
        return LoadDuel(base, head, reaper)
    return TestDuel(base, head, request, reaper)
