"""Runs a budget's load once a round and turns what came of it into readings."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import cast

from budgetguard.errors import MeasureError
from budgetguard.gate.model import Budget, Limit, Point, Reading, Readings
from budgetguard.gate.side import Side
from budgetguard.gate.sides.reaper import Reaper
from budgetguard.gate.targets.load.environments import LOCAL
from budgetguard.gate.targets.load.exercise import Exercise, capped, exercise
from budgetguard.gate.targets.load.load_run import LoadRun, readings
from budgetguard.gate.targets.load.options import LoadOptions
from budgetguard.gate.targets.load.profiles import Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """In what a run differs from its budget as it is written."""

    environment: str = LOCAL
    profile: Profile | None = None
    full: bool = False
    """As long as the profile is meant."""
    alone: bool = False
    """Also where no absolute limit asks for it."""


class LoadProbe:
    """The load of one budget on one side; every round is a run of its own."""

    def __init__(
        self,
        budget: Budget,
        side: Side,
        reaper: Reaper,
        watch: Callable[[str], object],
        how: How = How(),
    ) -> None:
        """`watch` is told how a run stands, second by second."""
        self._budget = _with_limits(budget, how.environment)
        self._side, self._reaper, self._how = side, reaper, how
        self._watch = lambda line: watch(f"{budget.name}: {line}")
        self.runs: list[LoadRun] = []
        """What came of each run, in order."""

    def budgets(self) -> Sequence[Budget]:
        """The one budget it was started for, with the limits of its environment."""
        return (self._budget,)

    def round(self, wanted: Collection[Budget]) -> Readings:
        """Run the load once, if an absolute limit asks for it; base and head in turn are a duel's."""
        name = self._budget.name
        limits = tuple(
            limit for one in wanted if one.name == name for limit in one.limits if not limit.in_turn
        )
        if not limits and not self._how.alone:
            return {}
        # limits made for the load as it is written end no other load early
        ending = limits if self._how.profile is None else ()
        try:
            what = exercise_of(self._budget, self._how, ending)
            run = exercise(what, self._side, self._reaper, self._watch)
        except MeasureError as error:
            return {Point(name, "", ""): Reading(error=str(error))}
        self.runs.append(run)
        return readings(run, replace(self._budget, limits=limits), self._budget.limits)


def exercise_of(budget: Budget, how: How, limits: Sequence[Limit] = ()) -> Exercise:
    """What is run where; raises `MeasureError` for an environment that the budget does not have."""
    options = cast("LoadOptions", budget.options)
    environment = options.environments.get(how.environment)
    if environment is None:
        known = list(options.environments)
        raise MeasureError(
            f"no environment {how.environment!r}; it has {', '.join(known)}: run it by "
            f"budgetguard load run {budget.name} --environment {known[0]}"
        )
    plan = options.plan(profile=how.profile, full=how.full)
    if plan is None and environment.users is not None:
        raise MeasureError(
            f"users: {environment.users} of the environment {how.environment} cannot hold back the "
            f"locustfile's own shape; expected profile: or stages: in the budget"
        )
    return Exercise(
        options=options,
        environment=environment,
        plan=capped(plan, environment.users),
        limits=limits,
    )


def _with_limits(budget: Budget, environment: str) -> Budget:
    """The budget with the own limits of an environment in the place of those they are on."""
    chosen = cast("LoadOptions", budget.options).environments.get(environment)
    own = chosen.limits if chosen else ()
    subjects = {(limit.selector, limit.metric.name) for limit in own}
    kept = [one for one in budget.limits if (one.selector, one.metric.name) not in subjects]
    return replace(budget, limits=(*kept, *own)) if own else budget
