"""The commit that broke a budget: a binary search whose every step is measured.

The benchmark is that of the work tree at every commit; time is compared with GOOD, side by side, and
what was recorded is what GOOD measures. A commit that cannot be measured is passed over, as
`git bisect skip` does.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace

from budgetguard.errors import BudgetguardError, MeasureError, UsageError
from budgetguard.gate import machine
from budgetguard.gate.compare import files_of, waiting
from budgetguard.gate.config import Config
from budgetguard.gate.confirm import CONFIRMING_SEEDS, doubted, lower
from budgetguard.gate.contest import SECONDS, contest
from budgetguard.gate.judge import Yardstick
from budgetguard.gate.model import (
    Baseline,
    Budget,
    Compared,
    Limit,
    Point,
    Reading,
    Readings,
    Request,
    Stored,
)
from budgetguard.gate.run import check_names, measure, yardstick
from budgetguard.gate.settle import Scope, settle
from budgetguard.gate.side import Side
from budgetguard.gate.sides import history
from budgetguard.gate.sides.history import Commit
from budgetguard.gate.sides.prepare import prepare
from budgetguard.gate.sides.reaper import Reaper
from budgetguard.gate.targets import COMPARED, duel_of
from budgetguard.gate.verdict import Outcome, Verdict


@dataclass(frozen=True, slots=True)
class Step:
    """One commit, measured: red, green, or why it cannot be told."""

    commit: Commit
    verdicts: tuple[Verdict, ...] = ()
    unknown: str = ""

    @property
    def red(self) -> bool:
        """Whether the budget is broken here."""
        return any(verdict.outcome is Outcome.FAIL for verdict in self.verdicts)


@dataclass(frozen=True, slots=True)
class Found:
    """The first commit that is red, and those before it that could not be measured."""

    first: Step
    suspects: tuple[Commit, ...]
    steps: tuple[Step, ...]


def bisect(
    config: Config,
    name: str,
    good: str,
    bad: str,
    *,
    seconds: float = SECONDS,
    watch: Callable[[str], object] = str,
) -> Found:
    """The first commit after `good`, up to `bad`, that breaks the budget `name`.

    At each commit a benchmark may be timed for `seconds`, three times as long to confirm a red.
    Raises `UsageError` where the commits are not in a line, and `MeasureError` where `bad` keeps the
    budget, `good` breaks it, or one of them cannot be measured.
    """
    first, last = history.resolve(config.folder, good), history.resolve(config.folder, bad)
    commits = history.line(first, last)
    with Reaper() as reaper:
        search = _Search(config, name, first, seconds, watch, reaper)
        search.check_ends(first, last)
        low, high = -1, len(commits) - 1  # the last one known to be good, the first known to be bad
        steps = [search.step(last)]
        unknown: set[int] = set()
        while (middle := _middle(low, high, unknown)) is not None:
            step = search.step(commits[middle])
            steps.append(step)
            if step.unknown:
                unknown.add(middle)
            elif step.red:
                high = middle
            else:
                low = middle
        found = next(step for step in steps if step.commit == commits[high])
        suspects = tuple(commits[number] for number in sorted(unknown) if low < number < high)
        return Found(found, suspects, tuple(steps))


def _middle(low: int, high: int, unknown: set[int]) -> int | None:
    """The untried commit nearest to the middle of those between the two."""
    open_ones = [number for number in range(low + 1, high) if number not in unknown]
    centre = (low + high) / 2
    return min(open_ones, key=lambda number: abs(number - centre), default=None)


@dataclass(slots=True)
class _Search:
    config: Config
    name: str
    good: Commit
    seconds: float
    watch: Callable[[str], object]
    reaper: Reaper
    steps: dict[Commit, Step] = field(default_factory=dict)
    read: dict[Commit, Readings] = field(default_factory=dict)
    budgets: Sequence[Budget] = ()
    by: Yardstick = field(default_factory=Yardstick)

    def check_ends(self, good: Commit, bad: Commit) -> None:
        """Measure both ends; nothing can be found between two that do not differ."""
        self.budgets = self._of_work_tree()
        readings = self._readings(good)
        self.by = replace(
            yardstick(self.config, Baseline()), entries=_recorded(self.budgets, readings)
        )
        for commit, wanted in ((good, False), (bad, True)):
            step = self.step(commit)
            if step.unknown:
                raise MeasureError(f"{commit.short} cannot be measured: {step.unknown}")
            if step.red is not wanted:
                raise MeasureError(self._not_as_said(step))

    def _of_work_tree(self) -> Sequence[Budget]:
        """The budgets as the work tree has them, which says what is measured at every commit."""
        self.watch("the work tree")
        here = measure(self.config, self._request())
        check_names(self._request(), [*here.budgets, *self.config.budgets])
        for budget in here.budgets:
            whole = here.readings.get(Point(budget.name, "", ""))
            if whole and whole.error:
                raise MeasureError(
                    f"{budget.name} cannot be measured in the work tree, whose benchmark is used at "
                    f"every commit: {whole.error}; mend it first"
                )
        if not any(budget.limits for budget in here.budgets):
            raise UsageError(f"{self.name} has no limit that could be broken")
        return here.budgets

    def step(self, commit: Commit) -> Step:
        """Measure one commit, once."""
        if commit not in self.steps:
            self.watch(f"{commit.short} {commit.subject}")
            self.steps[commit] = self._measured(commit)
        return self.steps[commit]

    def _measured(self, commit: Commit) -> Step:
        try:
            readings, in_turn = self._readings(commit), self._in_turn(commit)
        except UsageError:
            raise
        except BudgetguardError as error:
            return Step(commit, unknown=str(error))
        verdicts = self._settled(readings, in_turn)
        told = [one for one in verdicts if one.outcome in (Outcome.PASS, Outcome.FAIL)]
        if any(one.outcome is Outcome.FAIL for one in told) or len(told) == len(verdicts):
            return Step(commit, verdicts)
        first = next(one for one in verdicts if one not in told)
        return Step(
            commit,
            verdicts,
            unknown=_broken_around(first.budget, {**readings, **in_turn}) or first.reason,
        )

    def _readings(self, commit: Commit) -> Readings:
        """What is read of one side alone: counts, and times with an absolute bound."""
        if not any(one.metric.exact or not one.bound.relative for one in self._limits()):
            return {}
        if commit not in self.read:
            with self._at(commit, self.budgets) as side:
                self.read[commit] = self._confirmed(replace(side, name="head"))
        return self.read[commit]

    def _confirmed(self, side: Side) -> Readings:
        """A red that another session might not see is measured in two further ones, as a check does."""
        readings = measure(self.config, self._request(), side).readings
        for seed in CONFIRMING_SEEDS:
            names = doubted(self._settled(readings), self.budgets)
            if not names:
                break
            again = replace(self._request(), names=names, seed=seed, exact=True)
            readings = lower(readings, measure(self.config, again, side).readings, self.budgets)
        return readings

    def _settled(self, readings: Readings, in_turn: Readings | None = None) -> tuple[Verdict, ...]:
        return settle(self.budgets, readings, self.by, Scope(), in_turn or {}).verdicts

    @contextmanager
    def _at(self, commit: Commit, budgets: Sequence[Budget]) -> Iterator[Side]:
        """A commit as a side, with the work tree's benchmarks and configuration."""
        with prepare(
            self.config.folder,
            commit,
            files_of(self.config, budgets),
            setup=self.config.setup,
            watch=self.watch,
            reaper=self.reaper,
        ) as side:
            shutil.copyfile(self.config.file, side.folder / self.config.file.name)
            yield side

    def _in_turn(self, commit: Commit) -> Readings:
        """What GOOD and a commit, measured in turn, say of the relative limits on time."""
        timed = self._timed()
        if not timed:
            return {}
        if commit == self.good:
            same = Reading(compared=Compared(same="this is GOOD itself", commit=commit.short))
            return {point: same for budget in timed for point in budget.points}
        readings: dict[Point, Reading] = {}
        with ExitStack() as stack:
            base, head = (stack.enter_context(self._at(one, timed)) for one in (self.good, commit))
            for target in COMPARED:
                own = [budget for budget in timed if budget.target == target]
                if own:
                    sides = base, replace(head, name="head")
                    duel = duel_of(target, *sides, self._request(), self.reaper)
                    seconds = self.seconds * COMPARED[target]
                    readings |= contest(duel, own, self.by, seconds=seconds, watch=self.watch)
        return readings

    def _not_as_said(self, step: Step) -> str:
        commit = f"{step.commit.short} ({step.commit.subject})"
        if step.red:
            why = next(one.reason for one in step.verdicts if one.outcome is Outcome.FAIL)
            return f"{self.name} is over budget at GOOD {commit} already: {why}; name an older GOOD"
        against = ""
        if any(limit.bound.relative for limit in self._limits()):
            against = f", compared with GOOD {self.good.short}"
        return (
            f"{self.name} is within budget at BAD {commit}{against}; "
            f"name a BAD that is over it, or a GOOD before the change"
        )

    def _limits(self) -> Iterator[Limit]:
        return (limit for budget in self.budgets for limit in budget.limits)

    def _timed(self) -> list[Budget]:
        return waiting(self.budgets, self._request())

    def _request(self) -> Request:
        return Request(names=(self.name,), watch=self.watch)


def _recorded(budgets: Sequence[Budget], readings: Readings) -> dict[Point, dict[str, Stored]]:
    """What GOOD measures, as the baseline that exact values are compared with."""
    entries = {}
    for budget in budgets:
        for limit in budget.limits:
            reading = readings.get(Point.of(budget, limit))
            if limit.metric.exact and reading and not reading.error:
                stored = Stored(
                    unit=limit.metric.unit,
                    target=budget.target,
                    value=reading.value,
                    made_with=reading.made_with,
                    better=limit.metric.better,
                )
                key = machine.key() if limit.metric.keyed else ""
                entries[Point.of(budget, limit)] = {key: stored}
    return entries


def _broken_around(name: str, readings: Readings) -> str:
    """Why the file of a test, or the whole session, told nothing of it."""
    around = (name.partition("::")[0], "pytest")
    return next(
        (readings[at].error for one in around if (at := Point(one, "", "")) in readings), ""
    )
