"""The values that flow through the gate. Frozen, without I/O; numbers are in canonical units."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal, NamedTuple

from budgetguard.gate.shard import Shard
from budgetguard.units import Unit

Better = Literal["lower", "higher"]
Operator = Literal["<=", "<", ">=", ">"]


class Rule(StrEnum):
    """How an absolute limit on a metric is decided from readings (`inference.py`)."""

    EXACT = "exact"
    CEILING = "ceiling"
    QUANTILE = "quantile"
    MEAN = "mean"
    MAXIMUM = "maximum"
    INTERVAL = "interval"
    TWICE = "twice"
    """An interval, too; beyond the bound as a whole it is measured once more, and both have to say so."""


class Step(NamedTuple):
    """How far a value may move from the baseline: a ratio of it, or an amount in the metric's unit."""

    amount: float
    of_baseline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number that a target offers."""

    name: str
    unit: Unit
    about: str
    better: Better = "lower"
    exact: bool = True
    rule: Rule = Rule.EXACT
    quantile: float | None = None
    keyed: bool = False
    """Whether its value depends on interpreter and machine, so that the baseline holds one per key."""
    relative: bool = True
    """Whether a `baseline` bound makes sense for it."""
    grain: tuple[Step, ...] = ()
    """How finely it repeats beyond the spread that was seen; over a limit by less is UNSETTLED."""


@dataclass(frozen=True, slots=True)
class Bound:
    """The right side of a limit: a number, or the baseline and the steps it may move by."""

    value: float | None = None
    steps: tuple[Step, ...] = ()

    @property
    def relative(self) -> bool:
        """Whether it refers to the baseline."""
        return self.value is None


@dataclass(frozen=True, slots=True)
class Where:
    """The place in a file that a person has to change."""

    file: str
    line: int | None = None
    key: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place} {self.key}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One sentence of the limit language, such as `gzip <= baseline + 2%`."""

    text: str
    metric: Metric
    operator: Operator
    bound: Bound
    selector: str = ""
    enforce: bool = True
    where: Where | None = None
    """Where it is written, if not where its budget is: a test has limits of markers and of groups."""

    @property
    def in_turn(self) -> bool:
        """Whether only base and head, measured in turn, decide it: time is in no baseline."""
        return self.bound.relative and not self.metric.exact


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A name, a target and its limits."""

    name: str
    target: str
    limits: tuple[Limit, ...]
    where: Where
    options: object = None
    group: str = ""
    """The names of the groups it came from, one a line."""
    enforce: bool = True
    may_skip: str = ""

    def called(self, name: str) -> bool:
        """Whether a person who says `name` means this budget, the group it came from or its test."""
        return bool(name) and (
            name == self.name
            or name in self.group.split("\n")
            or self.name.startswith((f"{name}::", f"{name}["))
        )

    def measuring(self, *, exact: bool) -> "Budget":
        """The same budget with the limits on exact metrics only, or as it is."""
        return (
            replace(self, limits=tuple(one for one in self.limits if one.metric.exact))
            if exact
            else self
        )

    @property
    def in_turn(self) -> "Budget":
        """The same budget with those limits only that base and head decide in turn."""
        return replace(self, limits=tuple(one for one in self.limits if one.in_turn))

    @property
    def points(self) -> "tuple[Point, ...]":
        """What its limits are on."""
        return tuple(Point.of(self, limit) for limit in self.limits)


class Point(NamedTuple):
    """What one reading is of: a budget, the part of its target ("" is the whole) and a metric."""

    budget: str
    selector: str
    metric: str

    @classmethod
    def of(cls, budget: Budget, limit: Limit) -> "Point":
        """What a limit is on, as it is written: its selector may match several parts."""
        return cls(budget.name, limit.selector, limit.metric.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What base and head said of one point, measured in turn or found to run the same code.

    `values` are log ratios of head to base, one a block, in the order they were taken; `base` and
    `head` are medians per call in the metric's unit. At most one of `same`, `new` and `unsettled`
    says, as a sentence, why the values do not decide.
    """

    base: float = 0.0
    head: float = 0.0
    values: tuple[float, ...] = ()
    room: float = 0.0
    """How far it may move, as a ratio of `base`."""
    risk: float = 0.001
    """Of a false red, for the verdict on this point."""
    commit: str = ""
    same: str = ""
    new: str = ""
    unsettled: str = ""
    witness: float | None = None
    """The ratio by which counted work moved, where a tight limit needs a second witness."""
    witnessed: str = ""
    """What was counted, or why nothing could be."""
    doubt: str = ""
    """Why the same code could not be told, so that it was timed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A value, or why there is none, with its evidence.

    `samples` holds the single readings of a sampled metric, `interval` the confidence interval of an
    estimate, and `made_with` the tool that counted where another version may count otherwise.
    """

    value: float = 0.0
    samples: tuple[float, ...] = ()
    interval: tuple[float, float] | None = None
    evidence: tuple[str, ...] = ()
    made_with: str = ""
    error: str = ""
    unsettled: str = ""
    """Why what was measured does not count: the noise of the machine, a load generator too slow."""
    skipped: bool = False
    left: bool = False
    """Whether `error` is only why this run cannot read it, and `budgetguard check` can."""
    note: str = ""
    compared: Compared | None = None


Readings = Mapping[Point, Reading]


def by_subject(readings: Readings) -> dict[tuple[str, str], list[Point]]:
    """The points of each budget and metric: the whole of the target and its parts."""
    found: dict[tuple[str, str], list[Point]] = {}
    for point in readings:
        found.setdefault((point.budget, point.metric), []).append(point)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the baseline holds of one point under one key.

    A sampled metric has no stored value: its entry only says that it exists, so that it can vanish.
    """

    unit: Unit
    target: str
    value: float | None = None
    spread: tuple[float, float] | None = None
    made_with: str = ""
    better: Better = "lower"

    @property
    def low(self) -> float:
        """The lowest value that is not news."""
        return self.spread[0] if self.spread else self.value or 0.0

    @property
    def high(self) -> float:
        """The highest value that is not news."""
        return self.spread[1] if self.spread else self.value or 0.0


@dataclass(frozen=True, slots=True)
class Baseline:
    """The committed file: stored values by point and key, and the start of time comparisons."""

    entries: Mapping[Point, Mapping[str, Stored]] = field(default_factory=dict)
    time: str = ""
    exists: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A regression that the team took on, with its reason and the day it ends."""

    budget: str
    limit: Limit
    reason: str
    until: str
    where: Where


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a run is asked for; the default is everything."""

    names: tuple[str, ...] = ()
    only: str = ""
    exact: bool = False
    shard: Shard | None = None
    config: Path = Path()
    inject: Path | None = None
    """A file that says what tests do more (`selftest.py`)."""
    seed: int | None = None
    """For the order of tests and the hash seed of processes, where several sessions are compared."""
    watch: Callable[[str], object] = str
    """Told what is being measured, for a progress line."""

    @property
    def whole(self) -> bool:
        """Whether completeness can be judged: of everything, or of a shard."""
        return not self.names

    def wants(self, budget: Budget) -> bool:
        """Whether a budget is part of it."""
        named = not self.names or any(budget.called(name) for name in self.names)
        mine = self.shard is None or self.shard.holds(budget.name)
        return named and mine and self.only in ("", budget.target)
