"""An app of the base and one of the head, loaded in turn by the same users.

A block serves both afresh, with one hash seed, and starts a generator for each. Slices of a second
belong to base and head in random order; the users of the other side stand still meanwhile, so that
both meet the same machine. The first slice of each side, in which connections are opened, is not
counted.
"""

import random
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

from budgetguard.errors import MeasureError
from budgetguard.gate.limits import select
from budgetguard.gate.model import Budget, Limit, Point, Reading
from budgetguard.gate.serve.server import Sample, Server, sampled
from budgetguard.gate.side import Block, Side, Witness
from budgetguard.gate.sides.reaper import Reaper
from budgetguard.gate.targets.base import Prints
from budgetguard.gate.targets.command.duel import CommandDuel
from budgetguard.gate.targets.load import figures
from budgetguard.gate.targets.load.environments import LOCAL
from budgetguard.gate.targets.load.exercise import (
    SAMPLE_S,
    Exercise,
    app_of,
    generator_of,
    scratch_of,
    traffic_of,
)
from budgetguard.gate.targets.load.generator import Run, generate
from budgetguard.gate.targets.load.load_run import FAILED_SHARE
from budgetguard.gate.targets.load.metrics import BY_ENDPOINT, METRICS
from budgetguard.gate.targets.load.options import LoadOptions
from budgetguard.gate.targets.load.seconds import Window, merged
from budgetguard.gate.targets.load.traffic import Stage, Turns
from budgetguard.gate.targets.load.trust import saturated

Name = Literal["base", "head"]
SLICE_S = 1.0
OWN_SLICES = 6
"""Of each side in a block, with the one that is not counted."""
_LEAD_S = 4.0
"""How long a generator may take until its users stand ready."""
_LEAST_SLICES = 3
_LATE_SHARE, _LATE_S = 0.5, 0.050
"""A late generator delays both sides alike, so that it may be later than where times are absolute."""


class LoadDuel:
    """Base and head of the load budgets of a run; between two blocks nothing runs."""

    def __init__(self, base: Side, head: Side, reaper: Reaper) -> None:
        self._base, self._head, self._reaper = base, head, reaper
        self._canary = CommandDuel(base, head)

    def block(
        self, wanted: Sequence[Budget], seed: int, *, canary: bool = True
    ) -> Mapping[Point, Block]:
        """One block of each budget with a relative limit, and the canary; `seed` draws every order."""
        draw = random.Random(seed)  # noqa: S311 -- an order, no secret
        found: dict[Point, Block] = dict(self._canary.block([], seed)) if canary else {}
        for budget in wanted:
            limits = budget.in_turn.limits
            if limits:
                found |= self._blocks(budget, limits, draw)
        return found

    def prints(self, wanted: Sequence[Budget], seed: int) -> Mapping[str, Prints]:  # noqa: ARG002
        """None: what an app runs is recorded of Python tests only."""
        return {}

    def witness(self, budget: Budget) -> Witness:  # noqa: ARG002
        """None: the work of an app is not counted."""
        return Witness(None, "the work of a served app is not counted")

    def _blocks(
        self, budget: Budget, limits: Sequence[Limit], draw: random.Random
    ) -> dict[Point, Block]:
        options = cast("LoadOptions", budget.options)
        try:
            encounter = self._encounter(options, draw)
            return {Point.of(budget, limit): encounter.block(limit) for limit in limits}
        except MeasureError as error:
            return {Point.of(budget, limit): Block(error=str(error)) for limit in limits}

    def _encounter(self, options: LoadOptions, draw: random.Random) -> "_Encounter":
        """Both apps under load in turn, once."""
        what = _exercise(options)
        assert options.served is not None  # noqa: S101 -- `_exercise` has seen to it; this is for mypy
        seed = draw.randrange(1 << 31)
        sides: dict[Name, Side] = {"base": self._base, "head": self._head}
        with ExitStack() as stack:
            apps = {
                name: stack.enter_context(
                    app_of(options.served, side, self._reaper, seed, _other(sides, name))
                )
                for name, side in sides.items()
            }
            usages = {
                name: stack.enter_context(sampled(app, SAMPLE_S)) for name, app in apps.items()
            }
            scratch = stack.enter_context(scratch_of(self._reaper))
            runs = self._in_turn(what, apps, _drawn(draw), seed, scratch)
            for name, app in apps.items():
                if app.ended:
                    raise MeasureError(f"on the {name}, the app ended during the run: {app.ended}")
            return _Encounter(
                {name: _Told.of(name, run, usages[name]) for name, run in runs.items()}
            )

    def _in_turn(
        self,
        what: Exercise,
        apps: Mapping[Name, Server],
        turns: Mapping[Name, Turns],
        seed: int,
        scratch: Path,
    ) -> dict[Name, Run]:
        """Two generators at the same time, whose users live in turn."""
        generator, stop = generator_of(what.options, self._head.folder), threading.Event()
        with ThreadPoolExecutor(len(apps), "load") as pool:
            try:
                futures = {
                    name: pool.submit(
                        generate,
                        generator,
                        replace(traffic_of(what, app.url), seed=seed, turns=turns[name]),
                        told=lambda _: stop.is_set(),
                        scratch=scratch,
                    )
                    for name, app in apps.items()
                }
                return {name: future.result() for name, future in futures.items()}
            finally:
                stop.set()  # one side alone says nothing: it shall not outlive the other, or a Ctrl-C


def _drawn(draw: random.Random) -> dict[Name, Turns]:
    """The slices of both, in pairs of random order."""
    start = time.time() + _LEAD_S
    order = [name for _ in range(OWN_SLICES) for name in draw.sample(("base", "head"), 2)]
    return {
        name: Turns(
            start=start,
            slice_s=SLICE_S,
            own=tuple(number for number, one in enumerate(order) if one == name),
        )
        for name in ("base", "head")
    }


@dataclass(frozen=True, slots=True)
class _Told:
    """What one side told in a block."""

    window: Window
    usages: tuple[Sample, ...]

    @classmethod
    def of(cls, name: Name, run: Run, usages: Sequence[Sample]) -> "_Told":
        """Without its first slice; raises `MeasureError` where it says too little."""
        if run.problem:
            raise MeasureError(f"on the {name}, {run.problem}")
        seconds = merged(run.intervals)[1:]
        if len(seconds) < _LEAST_SLICES:
            raise MeasureError(
                f"on the {name}, the generator was not ready in {_LEAD_S:g} s; run it again"
            )
        return cls(Window(seconds), tuple(usages))


@dataclass(frozen=True, slots=True)
class _Encounter:
    """What both sides told in a block."""

    told: Mapping[Name, _Told]

    def block(self, limit: Limit) -> Block:
        """One pair of values of the metric of a limit."""
        for name, told in self.told.items():
            if why := _untrue(name, told.window, limit):
                return Block(error=why)
            if why := saturated(told.window, late_share=_LATE_SHARE, late_s=_LATE_S):
                return Block(unsettled=why)
        base, head = (self._reading(self.told[name], limit) for name in ("base", "head"))
        if error := base.error or head.error:
            return Block(error=error)
        return Block(base=(base.value,), head=(head.value,))

    def _reading(self, told: _Told, limit: Limit) -> Reading:
        metric = METRICS[limit.metric.name]
        if metric.name in BY_ENDPOINT:
            return figures.of_requests(metric, told.window, limit.selector)
        if metric.name == "server_cpu":
            return figures.server_cpu(told.usages, told.window)
        return figures.server_peak_rss(told.usages)


def _other(sides: Mapping[Name, Side], name: Name) -> Side:
    return sides["head" if name == "base" else "base"]


def _exercise(options: LoadOptions) -> Exercise:
    """The load of both sides; raises `MeasureError` where two apps cannot stand side by side."""
    plan, environment = options.plan(), options.environments.get(LOCAL)
    if options.served is None or environment is None:
        raise MeasureError(
            "base and head are compared side by side, so that both are started here; expected "
            "serve: uvicorn shop.web:app --port {port}"
        )
    if options.served.port is not None:
        raise MeasureError(
            "base and head cannot both have one port; leave port: out, and write {port}"
        )
    if options.external:
        raise MeasureError("workers: external cannot load two sides in turn; leave it out")
    if plan is None:
        raise MeasureError(
            "the users of a comparison are those of a profile; expected profile: or stages:"
        )
    users = Stage(users=plan.most_users, seconds=2 * OWN_SLICES * SLICE_S)
    return Exercise(
        options=options, environment=environment, plan=replace(plan, stages=(users,), warmup_s=0.0)
    )


def _untrue(name: Name, window: Window, limit: Limit) -> str:
    """Why what a side told cannot be compared; "" where it can."""
    tally = window.tally(limit.selector)
    if not tally.count:
        several = select(limit.selector, window.endpoints()) if limit.selector else []
        if several:
            return (
                f"{limit.selector!r} means {', '.join(several)}; a limit with `baseline` is on one "
                f"endpoint, as in `{several[0]} {limit.metric.name} <= baseline + 10%`"
            )
        asked = f" {limit.selector!r}" if limit.selector else ""
        return f"on the {name}, no request{asked} ended in a block; give it more users or a shorter wait"
    if limit.metric.name != "failures" and tally.failed > FAILED_SHARE * tally.count:
        worst = figures.worst_errors(tally)[0]
        return f"on the {name}, {tally.failed} of {tally.count} requests failed: {worst}"
    return ""
