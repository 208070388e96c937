"""The target `bundle`: what files weigh as they are served, one by one.

`bundle:` takes one entry or a list: a file, a folder (everything below it) or a glob with `*`, `?`,
`[…]` and `**`. Paths are relative to the folder of the configuration.

The whole is the sum over the files, each compressed for itself; the parts are the files, named by
their path from the configuration's folder. An entry that ends in .whl, .zip, .tar.gz or .tgz names
an archive. Of an archive the whole is the file that is downloaded (`raw` its own size, `gzip` that
size compressed once more), and `files` counts its members. The parts are the members, unpacked;
where the budget has more than this one archive, their names begin with the archive's path.

`raw` comes from the file system and everything else from one pass of 1 MiB pieces, so the memory
needed does not grow with the files. Only the encoders run that a limit asks for.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from budgetguard.errors import MeasureError
from budgetguard.gate.model import Budget, Metric, Readings, Request
from budgetguard.gate.section import Section
from budgetguard.gate.side import Side
from budgetguard.gate.targets.bundle.finding import find
from budgetguard.gate.targets.bundle.reading import failed, read
from budgetguard.units import Unit

NAME = "bundle"
METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(name="raw", unit=Unit.BYTES, about="size of the files"),
        Metric(name="gzip", unit=Unit.BYTES, about="size after gzip, level 9"),
        Metric(name="brotli", unit=Unit.BYTES, about="size after brotli, quality 11"),
        Metric(name="zstd", unit=Unit.BYTES, about="size after zstd, level 19"),
        Metric(name="files", unit=Unit.COUNT, about="how many files there are"),
    )
}
OPTIONS: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BundleOptions:
    """What a bundle is made of: files, folders and globs."""

    entries: tuple[str, ...]


def parse(section: Section) -> BundleOptions:
    """The entries of `bundle:`."""
    entries = tuple(entry.strip() for entry in section.texts(NAME))
    for entry in entries:
        if "\0" in entry:
            section.problem(NAME, f"expected a path or a glob; got a NUL character in {entry!r}")
    return BundleOptions(entries)


def metrics(options: object) -> Mapping[str, Metric]:  # noqa: ARG001  # the same for every bundle
    """The metrics a limit of this budget may name."""
    return METRICS


def plan(
    budgets: Sequence[Budget],
    request: Request,  # noqa: ARG001  # a bundle is always read as a whole
    folder: Path,  # noqa: ARG001  # that of the side counts
) -> Sequence["BundleJob"]:
    """One job per budget: nothing is shared between bundles."""
    return [BundleJob((budget,)) for budget in budgets]


@dataclass(frozen=True, slots=True)
class BundleJob:
    """The measuring of one bundle."""

    budgets: tuple[Budget, ...]

    @contextmanager
    def start(self, side: Side) -> Iterator["BundleProbe"]:
        """Begin on one side; nothing runs between two rounds."""
        yield BundleProbe(self.budgets, side.folder)


@dataclass(frozen=True, slots=True)
class BundleProbe:
    """Reads the files of one checkout, anew in every round."""

    known: tuple[Budget, ...]
    folder: Path

    def budgets(self) -> Sequence[Budget]:
        """The budgets it was started for."""
        return self.known

    def round(self, wanted: Collection[Budget]) -> Readings:
        """Find the files and read the sizes that the limits of `wanted` ask for.

        An entry that matches nothing, or something that has no size, fails its budget as a whole.
        """
        known = {budget.name for budget in self.known}
        return {
            point: reading
            for budget in wanted
            if budget.name in known
            for point, reading in self._read(budget).items()
        }

    def _read(self, budget: Budget) -> Readings:
        options = cast("BundleOptions", budget.options)
        try:
            return read(budget, find(options.entries, self.folder))
        except MeasureError as error:
            return failed(budget, str(error))
