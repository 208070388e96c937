"""What a budget with a command says about how it is run."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from budgetguard.gate.model import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOptions:
    """A command, its surroundings and the numbers it prints; what `env` holds is never shown."""

    argv: tuple[str, ...]
    setup: tuple[str, ...] = ()
    cwd: str = ""
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    timeout_s: float
    numbers: Mapping[str, Metric] = field(default_factory=dict)
