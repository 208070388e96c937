"""The values of a sweep: what is asked for, and what both sides served."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from budgetguard.gate.side import CANARY
from budgetguard.gate.sides.reaper import Reaper


class Subject(NamedTuple):
    """What is measured: an item by its node id relative to the side's folder, or a block in its body."""

    item: str
    block: str = ""


CANARY_SUBJECT = Subject(CANARY)
"""The same code on both sides."""


class Cost(NamedTuple):
    """What one round cost; `blocked_s` is None where it could not be read."""

    cpu_s: float
    blocked_s: float | None
    wall_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One subject served by both sides: pairs of rounds (base, head), or why there are none."""

    rounds: tuple[tuple[Cost, Cost], ...] = ()
    units: int = 0
    """How many calls a round made, the same on both sides."""
    mode: str = ""
    """How calls were repeated: in place, with fresh fixtures, or in a process each."""
    error: str = ""
    new: bool = False
    """Whether `error` says that the base has no such test."""
    note: str = ""
    prints: tuple[Mapping[str, Any], Mapping[str, Any]] | None = None
    """What a recording told, (base, head)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """How a sweep is run; times are in seconds."""

    reaper: Reaper
    record: bool = False
    """Record what code runs (`prints`) in place of timing it."""
    canary: bool = True
    """Serve the canary first, where anything is timed."""
    pairs: int = 16
    """At most; of long rounds there are fewer."""
    subject_s: float = 4.0
    """What the rounds of one subject may take: of long ones there are fewer pairs."""
    start_s: float = 120.0
    """Until both sides have collected."""
    reach_s: float = 300.0
    """Until a subject is ready: its fixtures, its first call and the calibration."""
    round_s: float = 30.0
    """What a round may take beyond many times what it was calibrated for."""
    slowdown: float = 0.0
    """By how much, as a ratio, head makes more calls than it is said to (`selftest.py`)."""
    watch: Callable[[str], object] = str
    """Told what is being measured."""
    pytest_args: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None
    """In place of this process's own."""
