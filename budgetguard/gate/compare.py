"""Relative limits on sampled metrics: find the base, prepare it, measure both sides in turn.

Nothing is judged here; every limit gets a reading that says what was compared, or why nothing could
be.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from budgetguard.errors import BudgetguardError, UsageError
from budgetguard.gate import fingerprint
from budgetguard.gate.baseline import parse_baseline
from budgetguard.gate.committed import text_at
from budgetguard.gate.config import Config
from budgetguard.gate.contest import SECONDS, contest
from budgetguard.gate.fingerprint import ChangedFile, Doubt, Same
from budgetguard.gate.judge import Yardstick
from budgetguard.gate.judge_pairs import needs_witness
from budgetguard.gate.model import Budget, Compared, Point, Reading, Readings, Request
from budgetguard.gate.paired import decide
from budgetguard.gate.side import Side
from budgetguard.gate.sides import bytecode, history
from budgetguard.gate.sides.head import differing, head_beside
from budgetguard.gate.sides.history import Commit, NoBaseYet
from budgetguard.gate.sides.prepare import prepare
from budgetguard.gate.sides.reaper import Reaper
from budgetguard.gate.targets import COMPARED, Duel, duel_of
from budgetguard.gate.targets.base import Prints
from budgetguard.redaction import Redaction

_OWN = "the base ran its own version of this benchmark, because head's does not run there"
RETIMED_SHARE = 0.05
"""Of the benchmarks that run the same code, so many are timed all the same: an A/A test for free."""
_REASONS_TOLD = 2
RECORDINGS = 2
"""How many times, under as many hash seeds, it is recorded what code a benchmark runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparing:
    """How the sides are compared."""

    against: str = ""
    """The base; "" is the commit that last moved the baseline's line `time`."""
    same_code: bool = True
    """Whether equal code on both sides settles a benchmark without timing it."""
    seconds: float = SECONDS
    """How long one benchmark may take."""


DEFAULT = Comparing()


@dataclass(frozen=True, slots=True)
class Comparison:
    """What was compared, and what to tell of it."""

    readings: Readings
    notes: tuple[str, ...] = ()


def waiting(budgets: Sequence[Budget], request: Request) -> list[Budget]:
    """The budgets that `request` wants, with those limits only that a comparison has to decide."""
    wanted = [] if request.exact else [one.in_turn for one in budgets if request.wants(one)]
    return [budget for budget in wanted if budget.limits]


def compare(
    config: Config, request: Request, budgets: Sequence[Budget], by: Yardstick, how: Comparing
) -> Comparison:
    """Read what the limits of `budgets` need from both sides. Raises `UsageError` for a wrong REF."""
    if not budgets:
        return Comparison({})
    try:
        commit = find_base(config, how.against)
    except NoBaseYet as error:
        return Comparison(_all(budgets, Reading(compared=Compared(new=str(error)))), (str(error),))
    except UsageError:
        raise
    except BudgetguardError as error:
        return Comparison(_all(budgets, Reading(error=Redaction()(str(error)))))
    note = f"time was compared with {commit.short} of {commit.when}: {commit.subject}"
    if how.same_code and history.is_clean_copy(commit):
        same = Compared(same="the work tree is the base commit", commit=commit.short)
        return Comparison(_all(budgets, Reading(compared=same)), (note,))
    readings: dict[Point, Reading] = {}
    with Reaper() as reaper, bytecode.written(reaper):
        encounter = _Encounter(config, request, commit, by, how, reaper)
        for target in COMPARED:
            own = [budget for budget in budgets if budget.target == target]
            readings |= encounter.of(target, own) if own else {}
    dated = {point: _dated(reading, commit) for point, reading in readings.items()}
    return Comparison(dated, (note, *_why_timed(dated)))


def find_base(config: Config, against: str) -> Commit:
    """The commit that time is compared with; raises `NoBaseYet`, `MeasureError` or `UsageError`."""
    if against:
        return history.resolve(config.folder, against)
    return history.base_of_time(config.baseline_file)


@dataclass(slots=True)
class _Encounter:
    """One run's budgets on both sides, target by target."""

    config: Config
    request: Request
    commit: Commit
    by: Yardstick
    how: Comparing
    reaper: Reaper
    # hash seeds and orders, no secret
    draw: random.Random = field(default_factory=random.Random)

    def of(self, target: str, budgets: Sequence[Budget]) -> dict[Point, Reading]:
        """Readings of all limits; what head's benchmark cannot do on the base, the base's own may."""
        readings = self._against_base(target, budgets, own=False)
        failed = [budget for budget in budgets if _failed(budget, readings)]
        if failed and target == "test":
            again = self._against_base(target, failed, own=True)
            readings |= {point: _own_told(one) for point, one in again.items() if not one.error}
        return {point: self._told(point, one) for point, one in readings.items()}

    def _against_base(
        self, target: str, budgets: Sequence[Budget], *, own: bool
    ) -> dict[Point, Reading]:
        """With head's benchmark files on both sides, or with each side's `own`."""
        try:
            with prepare(
                self.config.folder,
                self.commit,
                files_of(self.config, budgets),
                setup=self.config.setup,
                watch=self.request.watch,
                reaper=self.reaper,
                own_benchmarks=own,
            ) as base:
                head = head_beside(base, self.config.folder, self.commit.root)
                duel = duel_of(target, base, head, self.request, self.reaper)
                return self._duel(duel, budgets, base)
        except UsageError:
            raise
        except BudgetguardError as error:
            return _all(budgets, Reading(error=Redaction()(str(error))))

    def _duel(self, duel: Duel, budgets: Sequence[Budget], base: Side) -> dict[Point, Reading]:
        recorded = self.how.same_code and budgets[0].target == "test"  # of a command nothing is
        same, doubts = self._same_code(duel, budgets, base) if recorded else ({}, {})
        timed = [
            budget
            for budget in budgets
            if budget.name not in same or self.draw.random() < RETIMED_SHARE
        ]
        readings = contest(
            duel,
            timed,
            self.by,
            seconds=self.how.seconds * COMPARED[budgets[0].target],
            watch=self.request.watch,
            draw=self.draw,
        )
        for budget in budgets:
            for point in budget.points:
                if budget.name in same:
                    readings[point] = _settled(same[budget.name], readings.get(point))
                else:
                    readings[point] = self._witnessed(duel, budget, point, readings[point])
                    readings[point] = _doubted(readings[point], doubts.get(budget.name, ""))
        return readings

    def _same_code(
        self, duel: Duel, budgets: Sequence[Budget], base: Side
    ) -> tuple[dict[str, str], dict[str, str]]:
        """What settles a benchmark without timing, by its name, and why the others have to be timed."""
        changed = [ChangedFile(one.path, one.status) for one in differing(self.commit, base)]
        results = self._recorded(duel, budgets, changed)
        if alone := [budget for budget in budgets if _alone(results[budget.name])]:
            results |= self._recorded(duel, alone, changed)  # without those whose code differs
        same = {name: str(one) for name, one in results.items() if isinstance(one, Same)}
        return same, {name: str(one) for name, one in results.items() if name not in same}

    def _recorded(
        self, duel: Duel, budgets: Sequence[Budget], changed: Sequence[ChangedFile]
    ) -> dict[str, Same | Doubt]:
        """What two recordings of both sides say, under two hash seeds and in one order."""
        pairs: dict[str, list[Prints]] = {budget.name: [] for budget in budgets}
        results: dict[str, Same | Doubt] = {}
        for _ in range(RECORDINGS):
            self.request.watch("compares what code the benchmarks run")
            prints = duel.prints(budgets, self.draw.randrange(2**32))
            for name, taken in pairs.items():
                if name not in prints:
                    results[name] = Doubt(("what it runs could not be recorded",))
                    continue
                taken.append(prints[name])
                results[name] = fingerprint.compare(taken, changed)
            if not any(isinstance(one, Same) or _alone(one) for one in results.values()):
                break
        return results

    def _witnessed(self, duel: Duel, budget: Budget, point: Point, reading: Reading) -> Reading:
        """A tight limit that is red needs counted work to have moved, too."""
        limit = next(one for one in budget.limits if Point.of(budget, one) == point)
        compared = reading.compared
        if not compared or not needs_witness(compared, limit.metric.better):
            return reading
        found = duel.witness(budget)
        told = replace(compared, witness=found.ratio, witnessed=found.what)
        return replace(reading, compared=told)

    def _told(self, point: Point, reading: Reading) -> Reading:
        """NEW is only what the base does not know; what it has recorded and does not run is an ERROR."""
        if not reading.compared or not reading.compared.new:
            return reading
        text = text_at(self.config.baseline_file, self.commit.sha)
        known = parse_baseline(text, self.config.baseline_file).entries if text else {}
        if any(entry.budget == point.budget for entry in known):
            return Reading(
                error=f"{reading.compared.new}; but the baseline of {self.commit.short} has it"
            )
        return reading


def _settled(same: str, timed: Reading | None) -> Reading:
    """What runs the same code; where it was timed all the same and went red, that is told."""
    compared = timed.compared if timed else None
    note = ""
    if compared and compared.values and not compared.unsettled:
        found = decide(compared.values, compared.room, alpha=compared.risk)
        if found.state == "over":
            note = f"timed at {found.change:+.1%}, though it is the {same}; please report this"
    return Reading(compared=Compared(same=same), note=note)


def _own_told(reading: Reading) -> Reading:
    """The base ran another text of the benchmark than the head: a person has to know."""
    if not reading.compared or reading.compared.new:
        return reading
    note = f"{reading.note}; {_OWN}" if reading.note else _OWN
    return replace(reading, note=note)


def _alone(result: Same | Doubt) -> bool:
    """Whether only what other benchmarks ran before it in the same process stands against it."""
    return isinstance(result, Doubt) and result.alone


def files_of(config: Config, budgets: Sequence[Budget]) -> list[Path]:
    """Where the tests among `budgets` are written."""
    names = {one.name.partition("::")[0] for one in budgets if one.target == "test"}
    return [config.folder / name for name in sorted(names)]


def _why_timed(readings: Readings) -> Iterator[str]:
    """The commonest reasons why benchmarks had to be timed, with how many each concerns."""
    reasons = Counter(
        {(point.budget, one.compared.doubt) for point, one in readings.items() if one.compared}
    )
    doubts = Counter(doubt for _, doubt in reasons if doubt)
    for doubt, number in doubts.most_common(_REASONS_TOLD):
        yield f"{number} of {len({point.budget for point in readings})} {doubt}"


def _all(budgets: Sequence[Budget], reading: Reading) -> dict[Point, Reading]:
    return {point: reading for budget in budgets for point in budget.points}


def _failed(budget: Budget, readings: Readings) -> bool:
    return any(readings[point].error for point in budget.points)


def _doubted(reading: Reading, doubt: str) -> Reading:
    """Why it was timed, for a report that tells everything."""
    if not reading.compared or not doubt:
        return reading
    return replace(reading, compared=replace(reading.compared, doubt=doubt))


def _dated(reading: Reading, commit: Commit) -> Reading:
    if not reading.compared:
        return reading
    return replace(reading, compared=replace(reading.compared, commit=commit.short))
