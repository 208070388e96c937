"""What a meter is: one module that satisfies `Meter`. It reads metrics of one call of a test's body."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from budgetguard.gate.model import Metric, Reading

Read = Callable[[], Mapping[str, Reading]]
"""Called after the block: one reading for each wanted metric, by its name."""


class Meter(Protocol):
    """The members of a meter's module."""

    @property
    def METRICS(self) -> Mapping[str, Metric]:  # noqa: N802  # a module's constant
        """What it can read, by name."""

    def watch(self, wanted: frozenset[str]) -> AbstractContextManager[Read]:
        """Read the `wanted` metrics of the block.

        What goes wrong in measuring becomes a reading's `error`; an exception of the block passes
        through unchanged and leaves nothing switched on.
        """
