"""When a task begins: in own time only, and in the open model when it is due, not when a user is free."""

import inspect
from collections.abc import Callable
from itertools import count
from typing import Any, TypeVar

import gevent  # type: ignore[import-untyped] # gevent has no types of its own
from gevent.queue import SimpleQueue  # type: ignore[import-untyped] # gevent has no types of its own
from locust import TaskSet
from locust.exception import InterruptTaskSet
from locust.user import wait_time
from locust.user.task import LOCUST_STATE_RUNNING, LOCUST_STATE_WAITING

from budgetguard.gate.targets.load.shim.client import was_asked_to_stop
from budgetguard.gate.targets.load.shim.clock import Clock
from budgetguard.gate.targets.load.shim.record import Recorder

_T = TypeVar("_T")
_task_set: Any = TaskSet  # what is replaced here is a method
_wait_time: Any = wait_time
NEVER_BEGUN = "never begun: all users were busy"
_UNANSWERED = "still running when its user was stopped"


def in_own_time(clock: Clock, recorder: Recorder) -> None:
    """Let users wait, and begin their tasks, by the clock of own slices."""
    execute = _task_set.execute_next_task

    def execute_next_task(tasks: Any) -> None:
        if not _is_leaf(tasks):
            execute(tasks)
            return
        _wait(tasks, lambda: clock.sleep(0.0))
        window = recorder.task_begins()
        try:
            execute(tasks)
        finally:
            if window is not None:
                window.running -= 1

    _task_set.execute_next_task = execute_next_task
    _task_set._sleep = lambda _, seconds: clock.sleep(seconds)  # noqa: SLF001 -- there is no other place to wait by
    _wait_time.perf_counter = clock.counter  # constant_pacing and constant_throughput


class Arrivals:
    """Begins tasks at a constant rate, in place of the users' own wait times.

    Task n of this process is due `(first + n * every) / rate` seconds after the start. A user takes
    a due task when it is free, so the queue holds what all users are too busy for. How late a task
    began is added to the time of its first request.
    """

    def __init__(
        self, clock: Clock, recorder: Recorder, rate: float, first: int, every: int
    ) -> None:
        self._clock = clock
        self._recorder = recorder
        self._due = ((first + number * every) / rate for number in count())
        self._queue: SimpleQueue[float] = SimpleQueue()
        self._late_s: dict[object, float] = {}
        """By greenlet: the delay of its task, until a request has taken it."""
        self._busy: set[object] = set()
        """Greenlets that are in a task."""
        self._kept: dict[object, float] = {}
        """By user: the due time that a task without a request, ended by an interrupt, left over."""
        self._issuing: gevent.Greenlet | None = None
        recorder.waiting = self._queue.qsize
        recorder.delay_s = self.delay_s

    def begin(self, seconds: float) -> None:
        """Begin to make tasks due, for so long."""
        self._issuing = gevent.spawn(self._issue, seconds)

    def end(self) -> None:
        """Make no more tasks due; what no user has begun counts as failed."""
        if self._issuing is not None:
            self._issuing.kill()
            gevent.sleep(0)  # who was just given a task begins it
        left = self._queue.qsize()
        self._recorder.waiting = lambda: left  # also of the last second, which may not be told yet
        while self._queue.qsize():
            self._recorder.abandon(self._clock.lived() - self._queue.get(), NEVER_BEGUN)

    def delay_s(self) -> float:
        """How late the task of this greenlet began, or of the one that spawned it; once for each task."""
        greenlet = gevent.getcurrent() if self._late_s else None
        while greenlet is not None:
            if greenlet in self._late_s:
                return self._late_s.pop(greenlet)
            spawner = getattr(greenlet, "spawning_greenlet", None)
            greenlet = spawner() if spawner is not None else None
        return 0.0

    def install(self) -> None:
        """Take the place of wait times in all kinds of task sets."""
        execute, pause = _task_set.execute_next_task, _task_set._sleep  # noqa: SLF001

        def execute_next_task(tasks: Any) -> None:
            if _is_leaf(tasks):
                self._run(tasks, lambda: execute(tasks))
            else:
                execute(tasks)

        def sleep(tasks: Any, seconds: float) -> None:
            if gevent.getcurrent() in self._busy:  # a wait that a task itself asked for
                pause(tasks, seconds)

        _task_set.execute_next_task = execute_next_task
        _task_set._sleep = sleep  # noqa: SLF001

    def _issue(self, seconds: float) -> None:
        for due in self._due:
            if due >= seconds:
                return
            self._clock.sleep_until(due)
            self._recorder.due()
            # its own late waking is told as lag, and is no time of the app
            self._queue.put(max(due, self._clock.lived()))

    def _run(self, tasks: Any, execute: Callable[[], None]) -> None:
        me = gevent.getcurrent()
        due = self._kept.pop(tasks.user, None)
        if due is None:
            due = _wait(tasks, self._queue.get)
        self._late_s[me] = max(0.0, self._clock.lived() - due)
        self._busy.add(me)
        try:
            execute()
        except InterruptTaskSet:
            if me in self._late_s:
                self._kept[tasks.user] = due
            raise
        except gevent.GreenletExit:
            if me in self._late_s and was_asked_to_stop(tasks.user):
                self._recorder.abandon(self._clock.lived() - due, _UNANSWERED)
            raise
        finally:
            self._late_s.pop(me, None)
            self._busy.discard(me)


def _is_leaf(tasks: Any) -> bool:
    """Whether its next task is a function, and not a task set with tasks of its own."""
    queue = tasks._task_queue  # noqa: SLF001 -- locust itself looks there, right after this
    return not (queue and inspect.isclass(queue[0]) and issubclass(queue[0], TaskSet))


def _wait(tasks: Any, wait: Callable[[], _T]) -> _T:
    """Wait as in `TaskSet.wait`: a user that is to stop need not wait to the end."""
    tasks.user._state = LOCUST_STATE_WAITING  # noqa: SLF001
    result = wait()
    tasks.user._state = LOCUST_STATE_RUNNING  # noqa: SLF001
    return result
