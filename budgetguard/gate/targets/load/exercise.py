"""One run of a budget's load against one side: start the app, let users come, keep what was told."""

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from budgetguard.errors import MeasureError
from budgetguard.gate.model import Limit
from budgetguard.gate.serve.app import served
from budgetguard.gate.serve.server import Sample, Server, sampled
from budgetguard.gate.side import Side
from budgetguard.gate.sides.reaper import Reaper
from budgetguard.gate.sides.surroundings import environment
from budgetguard.gate.targets.load import figures
from budgetguard.gate.targets.load.abort import hopeless
from budgetguard.gate.targets.load.environments import Environment, is_header_value
from budgetguard.gate.targets.load.generator import Generator, generate
from budgetguard.gate.targets.load.interval import Interval
from budgetguard.gate.targets.load.load_run import LoadRun
from budgetguard.gate.targets.load.options import LoadOptions, Served
from budgetguard.gate.targets.load.profiles import Plan
from budgetguard.gate.targets.load.seconds import Window, merged
from budgetguard.gate.targets.load.traffic import Traffic
from budgetguard.units import Unit, show

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
SAMPLE_S = 0.5
"""Between two readings of what the app uses."""
_LOOK_EVERY = 5
"""Seconds between two looks at whether the rest of a run can change anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exercise:
    """What is run where; `limits` are those that can end it early."""

    options: LoadOptions
    environment: Environment
    plan: Plan | None
    limits: Sequence[Limit] = ()


def exercise(
    what: Exercise, side: Side, reaper: Reaper, watch: Callable[[str], object] = str
) -> LoadRun:
    """Run it. Raises `MeasureError` where the app cannot be served or a header's variable is not set."""
    with ExitStack() as stack:
        app, usages, host = None, list[Sample](), what.environment.host
        if what.options.served and not host:
            app = stack.enter_context(app_of(what.options.served, side, reaper))
            usages, host = stack.enter_context(sampled(app, SAMPLE_S)), app.url
        traffic = traffic_of(what, host)
        watcher = _Watcher(what, traffic, watch)
        scratch = stack.enter_context(scratch_of(reaper))
        generator = generator_of(what.options, side.folder)
        run = generate(generator, traffic, told=watcher.told, scratch=scratch)
        died = app.ended if app else ""
    return LoadRun(
        environment=what.environment.name,
        host=host,
        traffic=traffic,
        plan=what.plan,
        seconds=merged(run.intervals),
        usages=tuple(usages),
        problem=f"the app ended during the run: {died}" if died else run.problem,
        evidence=run.evidence,
        notes=run.notes,
        ended_early=watcher.why,
    )


@contextmanager
def app_of(
    what: Served, side: Side, reaper: Reaper, seed: int | None = None, other: Side | None = None
) -> Iterator[Server]:
    """The app of a side while the context lasts; `other` is the side it is compared with."""

    def surroundings(settings: Mapping[str, str]) -> Mapping[str, str]:
        env = environment(settings, what.cwd, side, seed, other)
        return {**env, **reaper.environment}

    with served(what.of(side), side.python, environ=surroundings, made=reaper.folder) as app:
        yield app
    reaper.keep(app.folder)


@contextmanager
def scratch_of(reaper: Reaper) -> Iterator[Path]:
    """A folder for the temporary files of generators while the context lasts; a killed run leaves none."""
    with tempfile.TemporaryDirectory(prefix="budgetguard-load-") as folder:
        reaper.folder(Path(folder))
        try:
            yield Path(folder)
        finally:
            reaper.keep(Path(folder))


def generator_of(options: LoadOptions, folder: Path) -> Generator:
    """How locust is started: by our own interpreter, which has it, whatever side is loaded."""
    return Generator(
        python=sys.executable,
        folder=folder,
        locustfile=folder / options.locustfile,
        processes=options.processes,
        external=options.external,
    )


def traffic_of(what: Exercise, host: str) -> Traffic:
    """What the generator is told; raises `MeasureError` for a header whose variable is not set."""
    options, environment = what.options, what.environment
    return Traffic(
        host=host,
        stages=what.plan.stages if what.plan else (),
        model=options.model,
        rate=options.rate,
        seed=options.seed,
        headers=_with_variables(environment.headers, environment.name),
        allow_remote=environment.allow_remote,
    )


def capped(plan: Plan | None, users: int | None) -> Plan | None:
    """The same plan with at most so many users."""
    if plan is None or users is None:
        return plan
    return replace(
        plan,
        stages=tuple(replace(stage, users=min(stage.users, users)) for stage in plan.stages),
    )


class _Watcher:
    """Hears each second of a run: shows it, and ends the run where the rest cannot change anything."""

    def __init__(self, what: Exercise, traffic: Traffic, watch: Callable[[str], object]) -> None:
        self.why = ""
        self._what, self._traffic, self._watch = what, traffic, watch
        self._told: list[Interval] = []

    def told(self, interval: Interval) -> bool:
        """Whether to end the run now."""
        self._told.append(interval)
        self._watch(self._line(interval))
        if self._what.plan is None or interval.number % _LOOK_EVERY:
            return False
        plan = self._what.plan
        self.why = self.why or self._hopeless(plan) or self._broken(plan)
        return bool(self.why)

    def _line(self, interval: Interval) -> str:
        """The state of the run, from the last second of one process."""
        tally = Window(merged([interval])).tally()
        share = tally.failed / tally.count if tally.count else 0.0
        p95 = show(tally.quantile_s(0.95), Unit.SECONDS, digits=2) if tally.count else "none"
        planned = f" of {self._traffic.seconds:.0f}" if self._traffic.seconds else ""
        return (
            f"{interval.number + 1}{planned} s · {interval.users} users · {tally.count} /s · "
            f"p95 {p95} · {share:.1%} failed"
        )

    def _hopeless(self, plan: Plan) -> str:
        return hopeless(self._what.limits, Window.of(merged(self._told), plan.warmup_s), plan)

    def _broken(self, plan: Plan) -> str:
        """A run that looks for the breaking point is over when it has found it."""
        if all(limit.metric.name != "breaking_point" for limit in self._what.limits):
            return ""
        found = figures.breaking_point(merged(self._told), plan)
        known = found.interval and found.interval[1] < float("inf")
        return f"ended at the breaking point: {found.note}" if known else ""


def _with_variables(headers: Mapping[str, str], environment: str) -> dict[str, str]:
    """The headers with the values of the variables they name."""
    missing = sorted(
        {name for value in headers.values() for name in _VARIABLE.findall(value)}
        - os.environ.keys()
    )
    if missing:
        raise MeasureError(
            f"headers of the environment {environment} need {', '.join(missing)}, which is not set; "
            f"set it, in CI as a secret: export {missing[0]}=…"
        )
    filled = {
        name: _VARIABLE.sub(lambda found: os.environ[found[1]], value)
        for name, value in headers.items()
    }
    for name, value in filled.items():
        if not is_header_value(value):
            raise MeasureError(
                f"the header {name} of the environment {environment} would hold a line break or another "
                f"character that HTTP cannot carry; correct the variables it names: {headers[name]}"
            )
    return filled
