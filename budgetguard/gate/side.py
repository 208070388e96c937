"""The two things that are compared, and what measuring them in turn gives. Frozen values, without I/O."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from budgetguard.gate.model import Point


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two things compared: a checkout with its interpreter.

    `folder` is the configuration's on that side, `root` the top of its checkout: no module below the
    other side's root may be loaded. `path` stands first on `sys.path`, where both sides share an
    environment.
    """

    name: Literal["head", "base"]
    folder: Path
    python: str
    root: Path | None = None
    path: tuple[str, ...] = ()

    def first_on_path(self, environ: Mapping[str, str]) -> dict[str, str]:
        """An environment in which what is started finds this side's code first."""
        before = environ.get("PYTHONPATH")
        folders = [*self.path, *([before] if before else [])]
        return {**environ, "PYTHONPATH": os.pathsep.join(folders)} if self.path else {**environ}


CANARY = "budgetguard canary"
"""The budget of the same code on both sides: where it changes, nothing measured beside it counts."""
CANARY_POINT = Point(CANARY, "", "time")


class Witness(NamedTuple):
    """Counted work of head to that of base, and what was counted or why nothing could be."""

    ratio: float | None
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block of rounds in turn: values per call in the metric's unit, pair by pair."""

    base: tuple[float, ...] = ()
    head: tuple[float, ...] = ()
    error: str = ""
    new: bool = False
    """Whether `error` says that the base has no such benchmark."""
    note: str = ""
    unsettled: str = ""
    """Why it does not count, such as a load generator that was too slow."""
