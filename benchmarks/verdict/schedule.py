"""What is measured next, so that a stop at any moment leaves every experiment its share of the time."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.verdict.results import Record


@dataclass(frozen=True, slots=True)
class Experiment:
    """A set of cells with a share of the time; in one that is done `once`, a cell needs one record."""

    name: str
    share: float
    cells: tuple[str, ...]
    once: bool = False


def following(
    experiments: Sequence[Experiment], records: Sequence[Record], left_s: float
) -> tuple[Experiment, str] | None:
    """The experiment furthest behind its share and its cell with the fewest records; None at the end.

    An experiment whose jobs usually take longer than is left is passed over.
    """
    spent: defaultdict[str, float] = defaultdict(float)
    for record in records:
        spent[record.experiment] += record.took_s
    for experiment in sorted(experiments, key=lambda one: spent[one.name] / one.share):
        cell = _cell(experiment, records)
        if cell is not None and usual_s(experiment.name, records) <= left_s:
            return experiment, cell
    return None


def tries(experiment: str, cell: str, records: Sequence[Record]) -> int:
    """How often a cell was tried, with or without success."""
    return sum(record.experiment == experiment and record.cell == cell for record in records)


def usual_s(experiment: str, records: Sequence[Record]) -> float:
    """How long a job of an experiment takes; 0 when there was none."""
    took = [record.took_s for record in records if record.experiment == experiment]
    return statistics.median(took) if took else 0.0


def _cell(experiment: Experiment, records: Sequence[Record]) -> str | None:
    counts = Counter(
        record.cell
        for record in records
        if record.experiment == experiment.name and not (experiment.once and record.error)
    )
    cell = min(experiment.cells, key=lambda one: counts[one], default=None)
    return None if cell is None or (experiment.once and counts[cell]) else cell
