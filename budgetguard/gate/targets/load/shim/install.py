"""Puts the parts of the shim in their places and ties them to locust's events."""

import random
import sys
from collections import Counter
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import gevent  # type: ignore[import-untyped] # gevent has no types of its own
import locust.main
from locust.runners import MasterRunner, WorkerRunner

from budgetguard.gate.targets.load.interval import TOLD, TRAFFIC
from budgetguard.gate.targets.load.shim import client, guard, pace
from budgetguard.gate.targets.load.shim.clock import Clock
from budgetguard.gate.targets.load.shim.link import (
    FileLink,
    MasterLink,
    WorkerLink,
    keep_host,
    note,
    problem,
)
from budgetguard.gate.targets.load.shim.record import Recorder
from budgetguard.gate.targets.load.shim.shape import BudgetguardStages
from budgetguard.gate.targets.load.traffic import Traffic
from budgetguard.redaction import Redaction

SHIM = Path(__file__).with_name("budgetguard_shim.py")
_ENDLESS_S = float("inf")
_MOST_NOTES = 3


def install(environ: MutableMapping[str, str]) -> dict[str, object]:
    """Set all up, before the user's locustfile is loaded; return what locust is to find in ours."""
    traffic = Traffic.from_json(
        environ.pop(TRAFFIC)
    )  # headers may be secrets, the locustfile may print
    shim = _Shim(traffic, environ.pop(TOLD, ""))
    if not traffic.allow_remote:
        guard.stay_here()
    if traffic.headers:
        client.send_headers(traffic.headers, traffic.host)
    client.refuse_redirects(traffic.host)
    client.count_abandoned(shim.abandon)
    _keep_pytest_away()
    events: Any = locust.events
    events.init.add_listener(shim.begin)
    if not traffic.stages:
        return {}
    BudgetguardStages.traffic, BudgetguardStages.clock = traffic, shim.clock
    return {BudgetguardStages.__name__: BudgetguardStages}


def _keep_pytest_away() -> None:
    """Where there is no user class, locust looks for tests of pytest: not in our file."""
    main: Any = locust.main
    collect = main.load_locustfile_pytest
    main.load_locustfile_pytest = lambda path: {} if Path(path) == SHIM else collect(path)


class _Shim:
    """The parts of the shim in one process of locust."""

    def __init__(self, traffic: Traffic, path: str) -> None:
        self.clock = Clock(traffic.turns)
        self._traffic = traffic
        self._hide = Redaction(traffic.headers)
        self._file = FileLink(path)
        self._link: FileLink | WorkerLink = self._file
        self._recorder: Recorder | None = None
        self._arrivals: pace.Arrivals | None = None
        self._pulse: gevent.Greenlet | None = None
        self._errors: Counter[str] = Counter()

    def begin(self, environment: Any, runner: Any, **_: object) -> None:
        """A listener of locust's `init`: all is imported, no user is there yet."""
        gevent.get_hub().loop.update_now()  # or timers count from before the imports
        if not isinstance(runner, WorkerRunner):
            self._check(environment)
        if isinstance(runner, MasterRunner):
            BudgetguardStages.master = MasterLink(runner, self._file)
            return
        if isinstance(runner, WorkerRunner):
            self._link = WorkerLink(runner)
            keep_host(runner, self._traffic.host)
        environment.events.test_start.add_listener(self._start)
        environment.events.test_stopping.add_listener(self._stop)
        environment.events.test_stop.add_listener(self._end)
        environment.events.user_error.add_listener(self._failed)

    def abandon(self, seconds: float, error: str) -> None:
        """Count a request that was given up."""
        if self._recorder is not None:
            late_s = self._recorder.delay_s()
            self._recorder.abandon(seconds + late_s, error)

    def _check(self, environment: Any) -> None:
        """Tell what is odd about the locustfile; end locust where nothing says how many users come."""
        if self._traffic.stages:
            environment.parsed_options.run_time = None  # of a locust.conf: the stages say how long
            for name in set(environment.available_shape_classes) - {BudgetguardStages.__name__}:
                self._file.tell(note(f"the locustfile's own shape {name} is not used"))
        elif environment.shape_class is None:
            self._file.tell(
                problem(
                    "the locustfile has no LoadTestShape, and the budget no stages: add one of both"
                )
            )
            sys.exit(1)

    def _start(self, environment: Any, **_: object) -> None:
        """Begin to count, and make the run repeatable, before the first user is spawned."""
        runner, traffic = environment.runner, self._traffic
        index = max(0, runner.worker_index)
        workers = environment.parsed_options.expect_workers if self._link is not self._file else 1
        name = f"worker-{index}" if self._link is not self._file else "local"
        random.seed(traffic.seed + index)
        self.clock.start()
        self._link.begun()
        recorder = self._recorder = Recorder(name, self.clock, self._link.tell)
        recorder.users, recorder.hide = lambda: runner.user_count, self._hide
        environment.events.request.add_listener(recorder.request)
        if traffic.turns is not None:
            pace.in_own_time(self.clock, recorder)
        if traffic.model == "open":
            self._arrivals = pace.Arrivals(
                self.clock, recorder, traffic.rate, index % workers, workers
            )
            self._arrivals.install()
            self._arrivals.begin(traffic.seconds or _ENDLESS_S)
        self._pulse = gevent.spawn(recorder.pulse)

    def _stop(self, **_: object) -> None:
        if self._arrivals is not None:
            self._arrivals.end()

    def _end(self, **_: object) -> None:
        """Tell what is left, once all users have stopped."""
        if self._pulse is not None and self._recorder is not None:
            self._pulse.kill()
            self._recorder.end()
        for text, number in self._errors.most_common(_MOST_NOTES):
            self._link.tell(note(f"{number} tasks ended with {text}"))
        self._link.done()

    def _failed(self, exception: BaseException, **_: object) -> None:
        self._errors[self._hide(f"{type(exception).__name__}: {exception}")] += 1
