"""What a session was told about its budgets; on a worker of pytest-xdist it is packed for the controller."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from budgetguard.gate.meters import METRICS
from budgetguard.gate.model import Budget, Point, Reading, Readings
from budgetguard.gate.verdict import Outcome, Verdict
from budgetguard.gate.wire import budget_message, to_budget, to_reading
from pytest_budgetguard.declared import Bound, Home, Homes


@dataclass
class Budgets:
    """The budgets of one home, their readings, and those that this session did not measure.

    `numbers` are those of `budgets` and of `left`; `bare` ran, and had no limit to judge.
    """

    home: Home
    budgets: dict[str, Budget] = field(default_factory=dict)
    readings: dict[Point, Reading] = field(default_factory=dict)
    numbers: dict[str, Mapping[str, str]] = field(default_factory=dict)
    left: dict[str, tuple[Budget, str]] = field(default_factory=dict)
    """By name, with the reason."""
    bare: set[str] = field(default_factory=set)


class Told:
    """Collects what items were found to be."""

    def __init__(self) -> None:
        self._homes: dict[str, Budgets] = {}

    def found(self, home: Home) -> Budgets:
        """Note a home of this session; it may have lost all its tests. Raises `BaselineError`."""
        home.baseline  # noqa: B018  # read now, so that an unsound one stops the session before a test runs
        return self._homes.setdefault(_key(home), Budgets(home))

    def measured(
        self, home: Home, budget: Budget, readings: Readings, numbers: Mapping[str, str]
    ) -> None:
        """Note the readings of one item; those of a rerun take the place of a first try's failure."""
        budgets = self.found(home)
        budgets.budgets[budget.name] = budget
        budgets.readings.pop(Point(budget.name, "", ""), None)
        budgets.readings |= readings
        budgets.numbers[budget.name] = numbers
        budgets.left.pop(budget.name, None)

    def unmeasured(self, bound: Bound, reading: Reading) -> None:
        """Note why an item has no readings."""
        whole = {Point(bound.name, "", ""): reading}
        self.measured(bound.home, bound.known_budget, whole, bound.numbers)

    def bare(self, bound: Bound) -> None:
        """Note that an item ran without a limit; it is not left."""
        told = self.found(bound.home)
        told.bare.add(bound.name)
        told.left.pop(bound.name, None)

    def left(self, bound: Bound, why: str) -> None:
        """Note that this session does not judge an item."""
        told = self.found(bound.home)
        if bound.name not in told.budgets and bound.name not in told.bare:
            told.left.setdefault(bound.name, (bound.known_budget, why))
            told.numbers[bound.name] = bound.numbers

    def knows(self, bound: Bound) -> bool:
        """Whether an item was measured already."""
        return bound.name in self.found(bound.home).budgets

    @property
    def homes(self) -> list[Budgets]:
        """All homes with what was told of each."""
        return list(self._homes.values())

    def packed(self) -> list[dict[str, Any]]:
        """All of it as plain data."""
        return [_packed(told) for told in self.homes]

    def unpack(self, packed: Iterable[Mapping[str, Any]], homes: Homes) -> None:
        """Take in what a worker packed; what one left another may have measured."""
        for part in packed:
            told = self.found(homes.at(Path(part["file"]) if part["file"] else None))
            for message in part["budgets"]:
                budget = to_budget(message, METRICS)
                told.budgets[budget.name] = budget
                told.numbers[budget.name] = message["numbers"]
            for message, why in part["left"]:
                budget = to_budget(message, METRICS)
                told.left.setdefault(budget.name, (budget, why))
                told.numbers[budget.name] = message["numbers"]
            told.bare.update(part["bare"])
            told.readings |= dict(map(to_reading, part["readings"]))
            for name in (*told.budgets, *told.bare):
                told.left.pop(name, None)


def beside_others(verdict: Verdict, budget: Budget) -> Verdict:
    """A red on a clock that other workers of pytest-xdist compete with is not told as one."""
    sampled = {limit.metric.name for limit in budget.limits if not limit.metric.exact}
    if verdict.outcome is not Outcome.FAIL or verdict.metric not in sampled - {"leaked"}:
        return verdict
    if verdict.change is not None:  # measured after the workers had ended
        return verdict
    return replace(
        verdict,
        outcome=Outcome.UNSETTLED,
        reason=f"{verdict.reason}; read beside the other workers of pytest-xdist",
        hint="read it alone: budgetguard check, or pytest -n 0",
    )


def _packed(told: Budgets) -> dict[str, Any]:
    return {
        "file": _key(told.home),
        "budgets": [
            budget_message(budget, told.numbers[name]) for name, budget in told.budgets.items()
        ],
        "left": [
            [budget_message(budget, told.numbers[name]), why]
            for name, (budget, why) in told.left.items()
        ],
        "bare": sorted(told.bare),
        "readings": [
            {"point": list(point), "reading": asdict(reading)}
            for point, reading in told.readings.items()
        ],
    }


def _key(home: Home) -> str:
    return str(home.config.file) if home.config else ""
