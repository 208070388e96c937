"""What a target is: one module that satisfies `Target`."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from budgetguard.gate.model import Budget, Metric, Point, Readings, Request
from budgetguard.gate.section import Section
from budgetguard.gate.side import Block, Side, Witness

Prints = tuple[Mapping[str, Any], Mapping[str, Any]]
"""What base and head recorded of one benchmark, as `fingerprint.compare` takes it."""


class Probe(Protocol):
    """One fresh measuring process of a job, or what stands for it."""

    def budgets(self) -> Sequence[Budget]:
        """The budgets found; those of tests are known only after collection."""

    def round(self, wanted: Collection[Budget]) -> Readings:
        """Read once what the limits of `wanted` ask for; a later call is a fresh reading.

        The whole of a target has the selector ""; its parts are added where a limit has a selector.
        A budget that could not be measured at all has one error at `Point(name, "", "")`.
        """


class Duel(Protocol):
    """Base and head of one target, measured in turn."""

    def block(
        self, wanted: Sequence[Budget], seed: int, *, canary: bool = True
    ) -> Mapping[Point, Block]:
        """Fresh processes on both sides, for the relative limits of `wanted`.

        `seed` is the hash seed of both sides and orders everything that is drawn. The canary's block
        stands at `CANARY_POINT`, where it is asked for.
        """

    def prints(self, wanted: Sequence[Budget], seed: int) -> Mapping[str, Prints]:
        """By budget, what base and head run (`fingerprint.py`); none where it cannot be recorded."""

    def witness(self, budget: Budget) -> Witness:
        """Count the work of both sides, where time alone is too uncertain."""


class Job(Protocol):
    """Budgets that are measured together."""

    def start(self, side: Side) -> AbstractContextManager[Probe]:
        """Begin measuring on one side; everything begun has ended when the context ends."""


class Target(Protocol):
    """The members of a target's module."""

    @property
    def NAME(self) -> str:  # noqa: N802  # a module's constant
        """The key that names it in a configuration."""

    @property
    def METRICS(self) -> Mapping[str, Metric]:  # noqa: N802
        """What it can measure."""

    @property
    def OPTIONS(self) -> frozenset[str]:  # noqa: N802
        """The keys it takes beside its own name and those that every budget has."""

    def parse(self, section: Section) -> object:
        """Its options as a frozen value; problems are noted in the section."""

    def metrics(self, options: object) -> Mapping[str, Metric]:
        """What a budget with these options can limit: `METRICS` and the numbers it declares."""

    def plan(self, budgets: Sequence[Budget], request: Request, folder: Path) -> Sequence[Job]:
        """The jobs that measure these budgets of the configuration in `folder`."""
