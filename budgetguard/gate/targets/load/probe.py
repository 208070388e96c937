"""Runs a budget's load once a round and turns what came of it into readings."""

import subprocess
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import cast

from budgetguard.errors import MeasureError
from budgetguard.gate.model import Budget, Limit, Point, Reading, Readings
from budgetguard.gate.side import Side
from budgetguard.gate.sides.reaper import Reaper
from budgetguard.gate.targets.load.environments import LOCAL
from budgetguard.gate.targets.load.exercise import (
    Exercise,
    capped,
    exercise,
    generator_of,
    traffic_of,
)
from budgetguard.gate.targets.load.generator import MASTER_PORT, worker_command
from budgetguard.gate.targets.load.load_run import LoadRun, readings
from budgetguard.gate.targets.load.options import LoadOptions
from budgetguard.gate.targets.load.profiles import Profile


class LoadProbe:
    """The load of one budget on one side; every round is a run of its own."""

    def __init__(  # noqa: PLR0913 -- each is another way in which a run differs from its budget
        self,
        budget: Budget,
        side: Side,
        reaper: Reaper | None = None,
        watch: Callable[[str], object] = str,
        *,
        environment: str = LOCAL,
        profile: Profile | None = None,
        full: bool = False,
        alone: bool = False,
    ) -> None:
        """`alone` runs the load also where no absolute limit asks for it."""
        self._options = cast("LoadOptions", budget.options)
        self._environment = self._options.environments.get(environment)
        self._budget = _with_limits(budget, self._environment.limits if self._environment else ())
        self._side, self._reaper, self._watch = side, reaper, watch
        self._name, self._alone = environment, alone
        self._plan = self._options.plan(profile=profile, full=full)
        self._as_written = profile is None
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
        if not limits and not self._alone:
            return {}
        try:
            run = self._run(limits)
        except MeasureError as error:
            return {Point(name, "", ""): Reading(error=str(error))}
        self.runs.append(run)
        return readings(run, replace(self._budget, limits=limits), self._budget.limits)

    def work(self, host: str, master: str, port: int | None) -> int:
        """Be a worker of a run elsewhere until it has ended; the exit code of locust."""
        what = self._exercise(())
        if not (host or what.environment.host):
            raise MeasureError(
                f"serve: starts the app of {self._budget.name} beside the master; "
                f"expected --host, as a worker reaches it: --host http://10.0.0.5:8000"
            )
        traffic = traffic_of(what, host or what.environment.host)
        generator = generator_of(self._options, self._side.folder)
        argv, env = worker_command(generator, traffic, master, port or MASTER_PORT)
        return subprocess.run(argv, cwd=self._side.folder, env=env, check=False).returncode

    def _run(self, limits: Sequence[Limit]) -> LoadRun:
        assert self._reaper is not None  # noqa: S101 -- who runs it here has given one; this is for mypy
        name = self._budget.name
        return exercise(
            self._exercise(limits),
            self._side,
            self._reaper,
            lambda line: self._watch(f"{name}: {line}"),
        )

    def _exercise(self, limits: Sequence[Limit]) -> Exercise:
        if self._environment is None:
            known = ", ".join(self._options.environments)
            raise MeasureError(
                f"no environment {self._name!r}; it has {known}: run it by "
                f"budgetguard load run {self._budget.name} --environment {known.split(', ')[0]}"
            )
        if self._plan is None and self._environment.users is not None:
            raise MeasureError(
                f"users: {self._environment.users} of the environment {self._name} cannot hold back the "
                f"locustfile's own shape; expected profile: or stages: in the budget"
            )
        return Exercise(
            options=self._options,
            environment=self._environment,
            plan=capped(self._plan, self._environment.users),
            limits=limits
            if self._as_written
            else (),  # made for another load, they end nothing early
        )


def _with_limits(budget: Budget, own: Sequence[Limit]) -> Budget:
    """The budget with an environment's own limits in the place of those they are on."""
    subjects = {(limit.selector, limit.metric.name) for limit in own}
    kept = [one for one in budget.limits if (one.selector, one.metric.name) not in subjects]
    return replace(budget, limits=(*kept, *own)) if own else budget
