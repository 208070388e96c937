"""The target `load`: what an app does under the users of a locustfile, which runs unchanged.

`load:` is the locustfile. `serve:` starts the app on a free {port}, with a fresh {dir}; `host:` names
one that runs already. A `profile` or `stages` say what users come, else the locustfile's own shape;
with `model: open` tasks begin at a constant `rate`, and a time counts from when its task was due.

The whole is all requests together; the parts are the endpoints, as "GET /items" and as "/items".
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from budgetguard.gate.model import Budget, Metric, Request
from budgetguard.gate.section import Section
from budgetguard.gate.side import Side
from budgetguard.gate.targets.load.metrics import METRICS
from budgetguard.gate.targets.load.options import OPTIONS, LoadOptions
from budgetguard.gate.targets.load.options import parse as read_options

if TYPE_CHECKING:
    from budgetguard.gate.targets.load.probe import LoadProbe

__all__ = ["METRICS", "NAME", "OPTIONS", "metrics", "parse", "plan"]

NAME = "load"


def parse(section: Section) -> LoadOptions:
    """The locustfile, its users and where they go."""
    return read_options(section)


def metrics(options: object) -> Mapping[str, Metric]:  # noqa: ARG001  # the same for every load
    """The metrics of every load."""
    return METRICS


def plan(
    budgets: Sequence[Budget],
    request: Request,
    folder: Path,  # noqa: ARG001  # that of the side counts
) -> Sequence["LoadJob"]:
    """One job per budget: two loads never run beside each other."""
    return [LoadJob(budget, request) for budget in budgets]


@dataclass(frozen=True, slots=True)
class LoadJob:
    """The measuring of one load."""

    budget: Budget
    request: Request

    @contextmanager
    def start(self, side: Side) -> Iterator["LoadProbe"]:
        """Nothing runs between two rounds; what a killed run leaves behind is removed."""
        # here, because whoever reads a configuration needs the table, and not what measures
        from budgetguard.gate.sides.reaper import Reaper
        from budgetguard.gate.targets.load.probe import LoadProbe

        with Reaper() as reaper:
            yield LoadProbe(self.budget, side, reaper, self.request.watch)
