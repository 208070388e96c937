"""Every budget is broken on purpose, and has to turn red: in copies and processes of ours alone.

Bundles grow by bytes in a copy; the bodies of tests, and commands, do more while they are measured.
The judge is that of every check, with today's baseline.
"""

import json
import math
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from budgetguard.errors import MeasureError
from budgetguard.gate.baseline import read_baseline
from budgetguard.gate.config import Config
from budgetguard.gate.contest import contest
from budgetguard.gate.inference import CEILING_READINGS, readings_for
from budgetguard.gate.judge import Yardstick, allowed, in_force, judge
from budgetguard.gate.model import Budget, Limit, Point, Reading, Readings, Request, Rule
from budgetguard.gate.run import Measured, check_names, measure, yardstick
from budgetguard.gate.sampling import sample
from budgetguard.gate.side import Side
from budgetguard.gate.sides.reaper import Reaper
from budgetguard.gate.sides.subjects import SweepOptions
from budgetguard.gate.targets import TARGETS
from budgetguard.gate.targets.bundle.growing import copy_grown
from budgetguard.gate.targets.command.duel import CommandDuel
from budgetguard.gate.targets.command.more import TWICE, with_more
from budgetguard.gate.targets.duel_of_tests import TestDuel
from budgetguard.gate.targets.test import METRICS
from budgetguard.gate.verdict import Outcome, Verdict
from budgetguard.units import Unit, show

SLOWDOWN = 0.15
"""By how much beyond its room a test is slowed down; any relative limit has to notice."""
_BEYOND = 1.2
_LONGEST_S = 60.0
"""What the readings that decide one absolute limit on time may take together."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a test does more to break a limit: the work, the least of it and the most that is tried."""

    work: str
    least: float
    most: float


_KINDS: Mapping[str, Kind] = {
    "cpu": Kind("burn", 1e-4, 10.0),
    "peak": Kind("hold", 1e6, 1e9),
    "allocated": Kind("hold", 1e6, 1e9),
    "allocations": Kind("allocate", 1000, 1e6),
    "queries": Kind("query", 2, 1e4),
    "rows": Kind("query", 2, 1e4),
    "roundtrips": Kind("query", 2, 1e4),
    "n_plus_one": Kind("ask again", 1, 100),
    "query_time": Kind("query slowly", 1e-4, 10.0),
    "slowest_query": Kind("query slowly", 1e-4, 10.0),
    "http_requests": Kind("request", 1, 1000),
    "fds": Kind("files", 1, 100),
    "sockets": Kind("sockets", 1, 100),
    "threads": Kind("threads", 1, 100),
    "children": Kind("children", 1, 20),
    "tasks": Kind("tasks", 1, 1000),
    "leaked": Kind("leak", 1e6, 1e7),
    "bytecodes": Kind("execute", 1000, 1e7),
    "instructions": Kind("execute", 1000, 1e6),
}
_COMMAND_KINDS: Mapping[str, Kind] = {
    "wall": Kind("sleep", 1e-3, 10.0),
    "blocked": Kind("sleep", 1e-3, 10.0),
    "time": Kind("burn", 1e-3, 10.0),
    "cpu": Kind("burn", 1e-3, 10.0),
    "peak_rss": Kind("hold", 1e6, 2e9),
}
_WAITING = Kind("sleep", 1e-4, 10.0)
_WAITS = frozenset({"wall", "time", "blocked", "mean", "max"})
_RECORDING = Kind("record", 0.0, math.inf)
"""Of a number that a test reports itself: it reports another."""
_GROUPS = tuple(dict.fromkeys(kind.work for kind in (_WAITING, *_KINDS.values(), _RECORDING)))
"""One session for each, so that no limit turns red by what was meant for another."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One limit that was broken and the outcome, or why it was not tried."""

    budget: str
    limit: str
    what: str
    """What was done more, or why nothing was."""
    outcome: Outcome | None = None
    reason: str = ""

    @property
    def asleep(self) -> bool:
        """Whether it was broken and is not red."""
        return self.outcome not in (None, Outcome.FAIL)


def selftest(config: Config, request: Request) -> list[Tried]:
    """Break every limit of the budgets that `request` wants, one kind of work at a time."""
    by = yardstick(config, read_baseline(config.baseline_file))
    measured = measure(config, request)
    check_names(request, [*measured.budgets, *config.budgets])
    run = _Selftest(config, request, by, measured)
    tried = {(one.budget, one.limit): one for one in run.all()}
    return [
        tried.get((budget.name, limit.text))
        or Tried(budget.name, limit.text, _untried(budget, limit))
        for budget in measured.budgets
        for limit in budget.limits
    ]


def _untried(budget: Budget, limit: Limit) -> str:
    return f"not tried: nothing here makes {limit.metric.name} of a {budget.target} grow"


@dataclass(frozen=True, slots=True)
class _Selftest:
    config: Config
    request: Request
    by: Yardstick
    measured: Measured

    def all(self) -> Iterator[Tried]:
        """What came of every limit that can be broken."""
        yield from self._bundles()
        yield from self._tests()
        yield from self._slowed()
        yield from self._commands()

    def _of(self, target: str) -> list[Budget]:
        return [budget for budget in self.measured.budgets if budget.target == target]

    def _bundles(self) -> Iterator[Tried]:
        """In a copy, files grow until the whole has more bytes than any limit of the budget allows."""
        for budget in self._of("bundle"):
            bounds = [self._bound(budget, limit) for limit in budget.limits]
            largest = max((bound for bound in bounds if bound is not None), default=0.0)
            more = int(largest * _BEYOND) + 1000
            self.request.watch(f"{budget.name}: {more:,} bytes more a file, in a copy")
            try:
                readings = self._read_grown(budget, more)
            except MeasureError as error:
                for limit in budget.limits:
                    yield Tried(budget.name, limit.text, f"not tried: {error}")
                continue
            for limit in budget.limits:
                what = f"{more:,} random bytes more a file, and a file more"
                yield self._tried(budget, limit, readings, what)

    def _read_grown(self, budget: Budget, more_bytes: int) -> Readings:
        readings: dict[Point, Reading] = {}
        with tempfile.TemporaryDirectory(prefix="budgetguard-") as folder:
            copy_grown(budget, self.config.folder, Path(folder), more_bytes)
            side = Side("head", Path(folder), sys.executable)
            for job in TARGETS["bundle"].plan([budget], self.request, Path(folder)):
                with job.start(side) as probe:
                    readings |= probe.round([budget])
        return readings

    def _tests(self) -> Iterator[Tried]:
        """A session for each kind of work, in which the measured bodies do more of it."""
        for work in _GROUPS:
            wanted: dict[str, list[list[object]]] = {}
            limits: list[tuple[Budget, Limit, str]] = []
            for budget in self._of("test"):
                for limit in budget.limits:
                    kind = _kind(limit)
                    if kind is None or kind.work != work:
                        continue
                    amount, why = self._amount(budget, limit, kind)
                    if why:
                        yield Tried(budget.name, limit.text, f"not tried: {why}")
                        continue
                    subject = limit.selector
                    if kind is _RECORDING:
                        subject = f"{work} {limit.metric.name}"
                    wanted.setdefault(budget.name, []).append([subject, work, amount])
                    limits.append((budget, limit, _done(work, amount, limit)))
            if limits:
                readings = self._session(wanted, work)
                for budget, limit, what in limits:
                    yield self._tried(budget, limit, readings, what)

    def _session(self, wanted: Mapping[str, list[list[object]]], work: str) -> Readings:
        self.request.watch(f"tests do more: {work}")
        with tempfile.TemporaryDirectory(prefix="budgetguard-") as folder:
            file = Path(folder) / "inject.json"
            file.write_text(json.dumps(wanted), encoding="utf-8")
            request = replace(self.request, inject=file, only="test", names=self._names(wanted))
            return measure(self.config, request).readings

    def _names(self, wanted: Mapping[str, object]) -> tuple[str, ...]:
        """The tests alone, unless there are too many for a command line."""
        return tuple(wanted) if len(wanted) <= 200 else self.request.names

    def _amount(self, budget: Budget, limit: Limit, kind: Kind) -> tuple[float, str]:
        """How much more breaks a limit, or why it is not tried."""
        bound = self._bound(budget, limit)
        if bound is None:
            return 0.0, "no value in the baseline yet"
        if kind is _RECORDING:
            return _worse(bound, limit), ""
        amount = max(bound, kind.least) * _BEYOND
        if limit.metric.unit != Unit.SECONDS:
            amount = math.ceil(amount) + 1
        readings = CEILING_READINGS
        if limit.metric.rule in (Rule.QUANTILE, Rule.MEAN, Rule.MAXIMUM):
            readings = readings_for(limit.metric)
        seconds = amount * readings if limit.metric.unit == Unit.SECONDS else 0.0
        if amount > kind.most or seconds > _LONGEST_S:
            return 0.0, "breaking it would take too long, or too much"
        return amount, ""

    def _bound(self, budget: Budget, limit: Limit) -> float | None:
        limit = in_force(budget, limit, self.by)[0]
        if limit.bound.value is not None:
            return limit.bound.value
        stored, _ = self.by.stored(Point.of(budget, limit), keyed=limit.metric.keyed)
        return None if stored is None or stored.value is None else allowed(limit, stored)

    def _slowed(self) -> Iterator[Tried]:
        """The work tree against itself, where one side makes more calls than it is said to."""
        budgets = [timed for budget in self._of("test") if (timed := budget.in_turn).limits]
        if not budgets:
            return
        slowdown = max(_room(limit) for budget in budgets for limit in budget.limits) + SLOWDOWN
        self.request.watch(f"tests run {slowdown:.0%} slower than their base")
        head = Side("head", self.config.folder, sys.executable)
        with Reaper() as reaper:
            options = SweepOptions(reaper=reaper, slowdown=slowdown, watch=self.request.watch)
            duel = TestDuel(replace(head, name="base"), head, self.request, reaper, options)
            readings = contest(duel, budgets, self.by)
        for budget in budgets:
            for limit in budget.limits:
                yield self._tried(budget, limit, readings, f"{slowdown:.0%} slower")

    def _commands(self) -> Iterator[Tried]:
        """A program of ours goes before: it works, waits or holds memory, then becomes the command."""
        for budget in self._of("command"):
            for limit in budget.limits:
                yield (
                    self._slowed_command(budget, limit)
                    if limit.in_turn
                    else self._command(budget, limit)
                )

    def _command(self, budget: Budget, limit: Limit) -> Tried:
        """One limit that one side decides."""
        kind = _COMMAND_KINDS.get(limit.metric.name)
        if kind is None:
            return Tried(budget.name, limit.text, _untried(budget, limit))
        amount, why = self._amount(budget, limit, kind)
        if why:
            return Tried(budget.name, limit.text, f"not tried: {why}")
        more = with_more(replace(budget, limits=(limit,)), kind.work, amount)
        self.request.watch(f"{budget.name}: {_done(kind.work, amount, limit)}")
        side = Side("head", self.config.folder, sys.executable)
        readings: dict[Point, Reading] = {}
        for job in TARGETS["command"].plan([more], self.request, self.config.folder):
            with job.start(side) as probe:
                readings |= sample(probe, [more], self.by)
        return self._tried(budget, limit, readings, _done(kind.work, amount, limit))

    def _slowed_command(self, budget: Budget, limit: Limit) -> Tried:
        """The command against itself, run twice where it is the head."""
        if limit.metric.name not in ("time", "cpu"):
            return Tried(budget.name, limit.text, _untried(budget, limit))
        twice = with_more(replace(budget, limits=(limit,)), TWICE, 0.0)
        self.request.watch(f"{budget.name}: runs twice")
        base = Side("base", self.config.folder, sys.executable)
        head = Side("head", self.config.folder, sys.executable, path=(TWICE,))
        readings = contest(CommandDuel(base, head), [twice], self.by)
        return self._tried(budget, limit, readings, "twice the work")

    def _tried(self, budget: Budget, limit: Limit, readings: Readings, what: str) -> Tried:
        point = Point.of(budget, limit)
        whole = readings.get(Point(budget.name, "", ""))
        verdict = judge(budget, limit, limit.selector, whole or readings.get(point), self.by)
        return Tried(budget.name, limit.text, what, verdict.outcome, _why(verdict))


def _done(work: str, amount: float, limit: Limit) -> str:
    """What was done more, such as "hold 2.5 MB more"."""
    if work == _RECORDING.work:
        return f"reports {show(amount, limit.metric.unit)}"
    return f"{work} {show(amount, limit.metric.unit)} more"


def _room(limit: Limit) -> float:
    return max((step.amount for step in limit.bound.steps if step.of_baseline), default=0.0)


def _worse(bound: float, limit: Limit) -> float:
    """A value on the wrong side of a bound."""
    beyond = abs(bound) * (_BEYOND - 1) + 1
    return bound + beyond if limit.metric.better == "lower" else bound - beyond


def _kind(limit: Limit) -> Kind | None:
    """How a limit that one side decides is broken."""
    if limit.in_turn:
        return None
    if limit.metric.name not in METRICS:
        return _RECORDING
    if limit.metric.name in _WAITS or limit.metric.rule is Rule.QUANTILE:
        return _WAITING
    return _KINDS.get(limit.metric.name)


def _why(verdict: Verdict) -> str:
    return verdict.reason or str(verdict.outcome)
