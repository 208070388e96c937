"""What came of one load run, all that is known of it. Frozen values, without I/O."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from budgetguard.gate.model import Budget, Limit, Point, Reading
from budgetguard.gate.serve.server import Sample
from budgetguard.gate.targets.load import figures
from budgetguard.gate.targets.load.metrics import BY_ENDPOINT, METRICS, SERVER
from budgetguard.gate.targets.load.profiles import Plan
from budgetguard.gate.targets.load.seconds import Second, Window
from budgetguard.gate.targets.load.tally import Tally
from budgetguard.gate.targets.load.traffic import Traffic
from budgetguard.gate.targets.load.trust import empty, saturated

FAILED_SHARE = 0.05
"""Times of a run in which more requests failed say nothing, unless a limit says how many may fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRun:
    """One run: its seconds, the app's usage beside them, and why it may not count."""

    environment: str
    host: str
    traffic: Traffic
    plan: Plan | None
    seconds: tuple[Second, ...] = ()
    usages: tuple[Sample, ...] = ()
    problem: str = ""
    evidence: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    ended_early: str = ""
    """Why it was cut short on purpose."""

    @property
    def warmup_s(self) -> float:
        """What is not counted at its begin, in seconds."""
        return self.plan.warmup_s if self.plan else 0.0

    @property
    def began(self) -> float:
        """When its first second began, in seconds since the epoch."""
        return self.seconds[0].start - self.seconds[0].at if self.seconds else 0.0

    @property
    def window(self) -> Window:
        """What counts: all but the warm-up."""
        return Window.of(self.seconds, self.warmup_s)

    @property
    def error(self) -> str:
        """Why it is no measurement; "" where it is one."""
        if self.problem:
            return self.problem
        counted_from_s = math.ceil(self.warmup_s)  # a second counts as a whole or not at all
        planned_s = 0.0 if self.ended_early else self.traffic.seconds - counted_from_s
        return empty(self.window, self.traffic.host, planned_s)

    @property
    def unsettled(self) -> str:
        """Why its times are the load generator's and not the app's; "" where they are the app's."""
        counts = self.plan and self.traffic.model == "closed" and not self.ended_early
        return saturated(self.window, self.plan.most_users if self.plan and counts else 0)

    @property
    def usages_in_window(self) -> tuple[Sample, ...]:
        """The app's usage while it counts."""
        seconds = self.window.seconds
        if not seconds:
            return ()
        begin, end = seconds[0].start, seconds[-1].start + seconds[-1].seconds
        return tuple(one for one in self.usages if begin <= one.at <= end)


def readings(run: LoadRun, budget: Budget, all_limits: Sequence[Limit]) -> dict[Point, Reading]:
    """What a run says of the absolute limits of a budget, which has `all_limits` altogether."""
    whole = Point(budget.name, "", "")
    if run.error:
        return {whole: Reading(error=run.error, evidence=run.evidence)}
    if broken := _mostly_failed(run, all_limits):
        return {whole: broken}
    found: dict[Point, Reading] = {}
    for limit in budget.limits:
        if limit.in_turn:
            continue
        for selector, reading in _of_limit(run, limit).items():
            found[Point(budget.name, selector, limit.metric.name)] = _told(run, reading)
    return found


def _of_limit(run: LoadRun, limit: Limit) -> dict[str, Reading]:
    """By selector: the whole, and where the limit has a selector each endpoint."""
    metric, window = METRICS[limit.metric.name], run.window
    if metric.name not in BY_ENDPOINT:
        return {"": _of_whole(metric.name, run)}
    names = ["", *(window.endpoints() if limit.selector else ())]
    return {name: figures.of_requests(metric, window, name) for name in names}


def _of_whole(name: str, run: LoadRun) -> Reading:
    seconds, plan = run.seconds, run.plan
    if name in SERVER:
        return _of_the_app(name, run)
    if name == "users_reached":
        return figures.of_users(seconds)
    if name == "breaking_point":
        return figures.breaking_point(seconds, plan)
    return figures.recovery(seconds, plan) if name == "recovery" else figures.p95_growth(run.window)


def _of_the_app(name: str, run: LoadRun) -> Reading:
    usages = run.usages_in_window
    if not run.usages:
        return Reading(error=f"{name} can only be read of an app that serve: starts here")
    if name == "server_cpu":
        return figures.server_cpu(usages, run.window)
    if name == "server_peak_rss":
        return figures.server_peak_rss(usages)
    return figures.server_rss_growth(usages)


def _mostly_failed(run: LoadRun, limits: Sequence[Limit]) -> Reading | None:
    tally: Tally = run.window.tally()
    judged = any(limit.metric.name == "failures" for limit in limits)
    if judged or tally.failed <= FAILED_SHARE * tally.count:
        return None
    return Reading(
        error=f"{tally.failed} of {tally.count} requests failed, so that times say little; see why, "
        f"or say how many may: failures <= 10%",
        evidence=figures.worst_errors(tally),
    )


def _told(run: LoadRun, reading: Reading) -> Reading:
    """With what is true of the whole run; what a run that was cut short did not get to stays open."""
    if reading.error and run.ended_early:
        return Reading(unsettled=f"{reading.error}; {run.ended_early}")
    ended = "" if reading.note and reading.note in run.ended_early else run.ended_early
    notes = [reading.note, ended, *run.notes]
    note = "; ".join(one for one in notes if one)
    return replace(reading, note=note, unsettled=run.unsettled)
