"""One budgeted item, measured: its own run, then the further passes that its limits need."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

import pytest

from budgetguard.errors import BudgetguardError, MeasureError
from budgetguard.gate.inference import LOOKS, readings_for
from budgetguard.gate.judge import in_force
from budgetguard.gate.meters import ALONE, COUNTERS
from budgetguard.gate.model import Budget, Limit, Point, Reading, Readings
from budgetguard.gate.sampling import joined, missing
from pytest_budgetguard.declared import Bound
from pytest_budgetguard.fresh import FIRST, read_in_fresh_process
from pytest_budgetguard.passes import (
    WHOLE,
    Pass,
    Runner,
    Unrepeatable,
    by_meter,
    of_nothing,
    uses_benchmark,
)
from pytest_budgetguard.secret import without_secrets
from pytest_budgetguard.tracing import ALTERED, tracer

ITEM_RUN = pytest.StashKey["ItemRun"]()
SAMPLING_S = 60.0
"""How long further readings of one test may take; what is undecided then has too few readings."""
FRESH_READINGS = 10
"""How many fresh processes one limit may start, where the body cannot be called again."""
MEMORY = "memory"
MEMORY_PASSES = 3
LEAKED = "leaked"
NUMBERS = "numbers"
"""What stands for a meter where the test itself reports the number."""


class ItemRun:
    """What is measured of one item. Subjects are the body ("") and the blocks of the `budget` fixture."""

    def __init__(
        self, bound: Bound, *, exact: bool = False, only: tuple[str, str] | None = None
    ) -> None:
        self.bound = bound
        self.runner = Runner(bound.item)
        self.limits: dict[str, tuple[Limit, ...]] = {}
        self._exact = exact
        self._only = only
        meter = only[0].removesuffix(FIRST) if only else ""
        self._counts = meter if meter in ALONE else ""
        """The meter of work that this process was started for."""
        self._readings: dict[tuple[str, str], Reading] = {}
        self._unrepeatable = ""
        self._own: dict[str, Pass] = {}
        if bound.budget:
            self._take(WHOLE, bound.budget.limits)

    def own_run(self) -> AbstractContextManager[None]:
        """Around the item's own call: the counters, or the one meter this process was started for."""
        if WHOLE in self.limits:
            self._own[WHOLE] = self._own_pass(WHOLE)
        return self.runner.own_run(self._own, rounds=not self._counts)

    def block(self, name: str, limits: tuple[Limit, ...]) -> Pass | None:
        """What watches a block now; in the own run every block is met for the first time."""
        if self.runner.watching is not self._own:
            return self.runner.watching.get(name)
        if name in self._own:
            raise MeasureError(
                f"budget(): a second block called {name!r}; give it a name= of its own"
            )
        self._take(name, limits)
        self._own[name] = self._own_pass(name)
        return self._own[name]

    def finish(self) -> None:
        """Take what the own run read, then make the further passes."""
        for subject, watched in self._own.items():
            self._keep(subject, self._without_ours(watched.result()))
        self._keep(WHOLE, self._numbers())
        if self._only is None:
            self._keep(WHOLE, self._rounds())
            self._further()
        elif self._only[0] in ALONE:
            self._second_call(self._only[1])

    @property
    def budget(self) -> Budget | None:
        """The budget with the limits of the blocks that were met."""
        limits = tuple(limit for own in self.limits.values() for limit in own)
        if not limits:
            return None
        enforce = any(limit.enforce for limit in limits)
        return replace(self.bound.known_budget, limits=limits, enforce=enforce)

    @property
    def readings(self) -> Readings:
        """All readings by point, fit to be shown."""
        return {
            Point(self.bound.name, subject, metric): without_secrets(reading)
            for (subject, metric), reading in self._readings.items()
        }

    def _numbers(self) -> dict[str, Reading]:
        """The declared numbers that limits ask for, as the test recorded them."""
        wanted = [name for name in self._metrics(WHOLE) if name in self.bound.numbers]
        unrecorded = Reading(
            error="the test did not record it; expected budget.record(name, value, unit)"
        )
        return {name: self.runner.numbers.get(name, unrecorded) for name in wanted}

    def _rounds(self) -> dict[str, Reading]:
        """The rounds that pytest-benchmark timed: as many as a decision can take, of maybe 100 000."""
        rounds = self.runner.rounds
        found = {}
        for limit in self.limits.get(WHOLE, ()):
            name = limit.metric.name
            if name in rounds and not limit.bound.relative:
                most = (max(LOOKS) + 1) * readings_for(limit.metric)
                found[name] = replace(rounds[name], samples=rounds[name].samples[:most])
        return found

    def _take(self, subject: str, limits: Sequence[Limit]) -> None:
        self.limits[subject] = tuple(
            limit if limit.where or subject == WHOLE else replace(limit, where=self.bound.where)
            for limit in limits
            if limit.metric.exact or not self._exact
        )

    def _in_force(self, limit: Limit) -> Limit:
        """The limit with what the team has accepted: it says how many readings are enough."""
        return in_force(self.bound.known_budget, limit, self.bound.home.yardstick)[0]

    def _own_pass(self, subject: str) -> Pass:
        wanted = by_meter(self._metrics(subject))
        if self._only is None:
            return Pass({name: metrics for name, metrics in wanted.items() if name in COUNTERS})
        meter, only = self._only
        if meter in ALONE:  # then this is the call before
            return Pass({})
        meter = meter.removesuffix(FIRST)
        return Pass(
            {name: metrics for name, metrics in wanted.items() if (name, subject) == (meter, only)}
        )

    def _metrics(self, subject: str) -> list[str]:
        """What is read of a subject: not what only a comparison with the base can decide."""
        return [
            limit.metric.name
            for limit in self.limits.get(subject, ())
            if limit.metric.exact or not limit.bound.relative
        ]

    def _leave_altered(self, name: str) -> None:
        """Leave to `budgetguard check` what a tracer alters."""
        reading = Reading(
            error=f"{name} traces this process and would be measured with it", left=True
        )
        for subject in self.limits:
            wanted = by_meter(self._metrics(subject))
            altered = {metric for meter in ALTERED for metric in wanted.get(meter, ())}
            altered |= {LEAKED} & set(self._metrics(subject))
            self._readings |= {(subject, metric): reading for metric in altered}

    def _further(self, now: Callable[[], float] = time.monotonic) -> None:
        # The clock is bound at import: a body may still have the module's frozen.
        name = tracer()
        if name:
            self._leave_altered(name)
        until = now() + SAMPLING_S
        for subject in self.limits:
            for meter, metrics in by_meter(self._metrics(subject)).items():
                unread = frozenset(
                    metric for metric in metrics if (subject, metric) not in self._readings
                )
                if unread:
                    self._read(subject, meter, unread)
                if unread and meter == MEMORY:
                    self._steady(subject, unread)
            if LEAKED in self._metrics(subject) and not name:
                self._readings[subject, LEAKED] = self._leaked(subject)
        while (lacking := list(self._lacking())) and now() < until:
            for subject, meter, metrics in lacking:
                self._read(subject, meter, metrics)

    def _steady(self, subject: str, metrics: frozenset[str]) -> None:
        """Take the lowest of a few passes, unless two agree: what other threads did only adds."""
        for _ in range(MEMORY_PASSES - 1):
            watched = Pass({MEMORY: metrics})
            try:
                if self._unrepeatable:
                    return
                self.runner.again({subject: watched})
            except Unrepeatable:
                return  # one reading there is
            found = watched.result()
            kept = {metric: self._readings[subject, metric] for metric in metrics}
            if all(found[metric].value == kept[metric].value for metric in metrics):
                return
            for metric in metrics:
                if not found[metric].error and found[metric].value < kept[metric].value:
                    self._readings[subject, metric] = found[metric]

    def _lacking(self) -> Iterator[tuple[str, str, frozenset[str]]]:
        for subject, limits in self.limits.items():
            wanted = []
            for limit in limits:
                name = limit.metric.name
                reading = self._readings.get((subject, name))
                if reading is None or not missing(self._in_force(limit), reading):
                    continue
                if self._unrepeatable and readings_for(limit.metric) > FRESH_READINGS:
                    self._readings[subject, name] = self._too_many(limit)
                elif not self._exhausted(reading):
                    wanted.append(name)
            for meter, metrics in by_meter(wanted).items():
                yield subject, meter, metrics
            if subject == WHOLE and any(name in self.bound.numbers for name in wanted):
                yield subject, NUMBERS, frozenset(wanted) & frozenset(self.bound.numbers)

    def _too_many(self, limit: Limit) -> Reading:
        """Why there is no point in the readings that a limit still lacks: each takes a process."""
        name = limit.metric.name
        return Reading(
            error=f"the body cannot be called again ({self._unrepeatable}), "
            f"so {name} cannot take its {readings_for(limit.metric)} readings; limit wall"
        )

    def _exhausted(self, reading: Reading) -> bool:
        return bool(self._unrepeatable) and len(reading.samples) >= FRESH_READINGS

    def _read(self, subject: str, meter: str, metrics: frozenset[str]) -> None:
        """One reading by one meter: the body again in this process or, where it cannot be, in a fresh one."""
        if meter in ALONE:
            meter += FIRST if self._unrepeatable else ""
        elif not self._unrepeatable:
            watched = Pass({} if meter == NUMBERS else {meter: metrics})
            try:
                self.runner.again({subject: watched})
            except Unrepeatable as error:
                self._unrepeatable = str(error)
            else:
                self._keep(subject, self._numbers() if meter == NUMBERS else watched.result())
                return
        found = read_in_fresh_process(self.bound, subject, meter, metrics, self._unrepeatable)
        self._keep(subject, found)

    def _second_call(self, subject: str) -> None:
        """Count the call after the own run's or, where there cannot be one, the first call of a process."""
        meter = self._counts
        metrics = by_meter(self._metrics(subject)).get(meter, frozenset())
        watched = Pass({meter: metrics} if metrics else {})
        of_nothing({meter: metrics})  # the first time, our own part is dearer
        try:
            self.runner.again({subject: watched})
        except Unrepeatable as error:
            why = str(error)
            self._keep(
                subject, read_in_fresh_process(self.bound, subject, meter + FIRST, metrics, why)
            )
        else:
            self._keep(subject, self._without_ours(watched.result()))

    def _without_ours(self, found: Mapping[str, Reading]) -> Mapping[str, Reading]:
        """Counts of work less what the passes themselves add to them."""
        if not self._counts or not found:
            return found
        ours = of_nothing({self._counts: frozenset(found)})
        return {
            metric: replace(reading, value=max(0.0, reading.value - ours[metric].value))
            for metric, reading in found.items()
        }

    def _keep(self, subject: str, readings: Mapping[str, Reading]) -> None:
        for metric, reading in readings.items():
            self._readings[subject, metric] = joined(self._readings.get((subject, metric)), reading)

    def _leaked(self, subject: str) -> Reading:
        from budgetguard.gate.meters.leaked import read_leaked

        if subject != WHOLE:
            return Reading(error="leaked is read of a whole test, not of a block")
        if uses_benchmark(self.bound.item):
            return Reading(
                error="leaked is read of a test without the benchmark fixture, whose rounds keep data"
            )
        try:
            return read_leaked(lambda: self.runner.again({}))
        except Unrepeatable as error:
            return Reading(
                error=f"leaked calls the body many times, and this one cannot be called again: {error}"
            )
        except BudgetguardError as error:
            return Reading(error=str(error))
