"""The one table of targets. A target is one module and one row here."""

from budgetguard.gate.targets import bundle, command, test
from budgetguard.gate.targets.base import Job, Probe, Target

TARGETS: dict[str, Target] = {target.NAME: target for target in (bundle, command, test)}

__all__ = ["TARGETS", "Job", "Probe", "Target"]
