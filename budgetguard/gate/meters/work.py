"""The work of one call, in exact counts: the bytecodes or the machine instructions it executes.

Both are read in a process of their own, never beside another meter, on the second call of the body.
That process has a fixed hash seed: the order of a set decides how much work there is, so that counts
under other seeds differ by some tenths of a percent. A check takes the first of the seeds that
`baseline update` records under: what has not changed lies within the recorded spread, and what only
changes the order of a set stays within it as a rule. What neither count can see: docs/work.md.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType

from budgetguard.gate.meters.base import Read
from budgetguard.gate.model import Metric, Reading, Step
from budgetguard.units import Unit
from budgetguard_worker.counting import Bytecodes, CannotCount, Counted, Instructions

SEED = 1
"""The hash seed of a check: the first of `record.SEEDS`."""

_FINEST = 0.005
"""What remains of the layout of memory in a count of instructions, as a ratio (docs/work.md)."""
INSTRUCTIONS = Metric(
    name="instructions",
    unit=Unit.COUNT,
    about="machine instructions, without those of allocators and of copying memory",
    keyed=True,
    grain=(Step(_FINEST, of_baseline=True), Step(1000, of_baseline=False)),
)
BYTECODES = Metric(
    name="bytecodes",
    unit=Unit.COUNT,
    about="bytecodes that Python executed, in all threads",
    keyed=True,
)


class _Watch:
    """One count of the block. A class and not a generator: what we do ourselves is counted, too."""

    def __init__(self, metric: Metric, counter: Bytecodes | Instructions) -> None:
        self._metric = metric
        self._counter = counter
        self._failed = ""

    def __enter__(self) -> Read:
        try:
            self._counter.__enter__()
        except CannotCount as error:
            self._failed = str(error)
        return self._read

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._failed:
            self._counter.__exit__(kind, error, trace)

    def _read(self) -> Mapping[str, Reading]:
        name = self._metric.name
        if self._failed:
            return {name: Reading(error=f"{name} were not counted: {self._failed}")}
        try:
            return {name: reading(self._counter.counted())}
        except CannotCount as error:
            return {name: Reading(error=f"{name} were not counted: {error}")}


@dataclass(frozen=True, slots=True)
class _Count:
    """A meter of one metric; two, because both are never on together."""

    metric: Metric
    counter: type[Bytecodes] | type[Instructions]

    @property
    def METRICS(self) -> Mapping[str, Metric]:  # noqa: N802  # as a meter's module has it
        """The one metric, by name."""
        return {self.metric.name: self.metric}

    def watch(self, wanted: frozenset[str]) -> AbstractContextManager[Read]:
        """Count the block; outside of a process made for it (`callgrind.py`), instructions are an error."""
        del wanted  # there is one
        return _Watch(self.metric, self.counter())


instructions = _Count(INSTRUCTIONS, Instructions)
bytecodes = _Count(BYTECODES, Bytecodes)


def reading(counted: Counted) -> Reading:
    """A count as a reading; the functions that executed most are its evidence."""
    evidence = tuple(f"{amount:,} in {name[:60]}" for name, amount in counted.largest)
    return Reading(value=float(counted.value), evidence=evidence, made_with=counted.made_with)
