"""What users and the generator did, counted second by second, or own slice by own slice."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count

import psutil

from budgetguard.gate.targets.load.interval import ABANDONED, Interval
from budgetguard.gate.targets.load.shim.clock import Clock, sleep
from budgetguard.gate.targets.load.shim.guard import RefusedError
from budgetguard.gate.targets.load.tally import Counting

_PULSE_S = 0.02
_SHORTEST_S = 0.001  # over which the use of the processor is a number
_MOST_ENDPOINTS = 300
"""Different endpoints that are told apart; a locustfile may put a number into each."""
OTHER_ENDPOINTS = "(other endpoints)"
_LONGEST_ERROR = 200


@dataclass(slots=True)
class Window:
    """An interval that is not told yet; times in seconds since the epoch."""

    number: int
    start: float
    end: float
    tallies: dict[str, Counting] = field(default_factory=dict)
    lag: Counting = field(default_factory=Counting)
    due: int = 0
    running: int = 0
    """Tasks that began in it and have not ended; only counted where sides take turns."""
    told: Interval | None = None
    """What is to be told of it, once its time is over."""

    def count(self, endpoint: str, seconds: float, error: str) -> None:
        """Count one request."""
        if endpoint not in self.tallies:
            self.tallies[endpoint] = Counting()
        self.tallies[endpoint].add(seconds, error)


class Recorder:
    """Counts into the windows that are open, and tells each when it is complete.

    `users` and `waiting` are asked for at the end of a window; `delay_s` for each request, how long
    after its due time its task began. What `hide` takes out of error texts is never told.
    """

    def __init__(self, worker: str, clock: Clock, tell: Callable[[str], None]) -> None:
        self.users: Callable[[], int] = lambda: 0
        self.waiting: Callable[[], int] = lambda: 0
        self.delay_s: Callable[[], float] = lambda: 0.0
        self.hide: Callable[[str], str] = lambda text: text
        self._worker = worker
        self._clock = clock
        self._tell = tell
        self._windows: list[Window] = []
        self._ahead = self._spans()
        self._next = next(self._ahead, None)
        self._endpoints: dict[tuple[str, str], str] = {}
        self._process = psutil.Process()
        self._read = (time.time(), time.process_time())
        self._cpu = 0.0
        self._edge = 0.0
        """When the next window opens or closes."""

    def request(
        self,
        *,
        request_type: str,
        name: str,
        response_time: float | None,
        exception: object = None,
        start_time: float | None = None,
        **_: object,
    ) -> None:
        """Count a request that has ended; a listener of locust's event."""
        now = time.time()
        if now >= self._edge:
            self.roll(now)
        if not self._windows:
            return
        window = (
            self._windows[-1] if self._clock.turns is None else self._begun_at(start_time or now)
        )
        seconds = (response_time or 0.0) / 1000 + self.delay_s()
        endpoint = self._endpoints.get((request_type, name)) or self._endpoint(request_type, name)
        window.count(endpoint, seconds, self._text(exception) if exception else "")

    def abandon(self, seconds: float, error: str) -> None:
        """Count what had not ended, or not begun, when it was given up."""
        if self._windows:
            self._windows[-1].count(ABANDONED, seconds, self._cut(error))

    def due(self) -> None:
        """Count a task that should begin now."""
        self.roll(time.time())
        if self._windows:
            self._windows[-1].due += 1

    def task_begins(self) -> Window | None:
        """The window that a task belongs to which begins now; it is told after that task's end."""
        self.roll(time.time())
        if not self._windows:
            return None
        self._windows[-1].running += 1
        return self._windows[-1]

    def pulse(self) -> None:
        """Note how late this process wakes, and tell what is complete; never returns."""
        while True:
            before = time.perf_counter()
            sleep(_PULSE_S)
            late_s = max(0.0, time.perf_counter() - before - _PULSE_S)
            now = time.time()
            if self._windows and now - late_s < self._windows[-1].end:
                self._windows[-1].lag.add(late_s)
            self.roll(now)

    def roll(self, now: float) -> None:
        """Open the windows that have begun, and tell those that are complete."""
        self._close(now)
        while self._next is not None and now >= self._next.start:
            if self._clock.turns is not None:
                self._read = (now, time.process_time())  # the time between slices is not its own
            self._windows.append(self._next)
            self._next = next(self._ahead, None)
            self._close(now)
        last = self._windows[-1] if self._windows else None
        if last is not None and last.told is None:
            self._edge = last.end
        else:
            self._edge = self._next.start if self._next is not None else math.inf
        self._send(
            [one for one in self._windows if one.told and (not one.running or self._is_late(one))]
        )

    def _is_late(self, window: Window) -> bool:
        """Whether it need not wait for its tasks any longer: the next slice is over, too."""
        last = self._windows[-1]
        return window is not last and last.told is not None

    def end(self) -> None:
        """Tell all that is left: the run is over."""
        now = time.time()
        self.roll(now)
        self._close(now, early=True)
        self._next = None
        self._send([one for one in self._windows if one.tallies or one.due or one.end <= now])
        self._windows.clear()

    def _spans(self) -> Iterator[Window]:
        turns = self._clock.turns
        if turns is None:
            start = self._clock.started
            yield from (Window(number, start + number, start + number + 1) for number in count())
        else:
            for number in turns.own:
                start = turns.start + number * turns.slice_s
                yield Window(number, start, start + turns.slice_s)

    def _begun_at(self, moment: float) -> Window:
        begun = (one for one in reversed(self._windows) if one.start <= moment)
        return next(begun, self._windows[0])

    def _close(self, now: float, *, early: bool = False) -> None:
        """Note what is true of windows at their end only; several, where this process was stuck."""
        over = [one for one in self._windows if one.told is None and (early or now >= one.end)]
        if not over:
            return
        before, cpu_before = self._read
        if now - before > _SHORTEST_S:
            self._read = (now, time.process_time())
            self._cpu = (self._read[1] - cpu_before) / (now - before)
        for window in over:
            window.told = Interval(
                worker=self._worker,
                number=window.number,
                start=window.start,
                seconds=min(window.end, now) - window.start,
                users=self.users(),
                cpu=self._cpu,
                rss_bytes=self._process.memory_info().rss,
                waiting=self.waiting(),
            )

    def _send(self, windows: list[Window]) -> None:
        for window in list(windows):
            self._windows.remove(window)
            if window.told is not None:
                tallies = {name: one.tally() for name, one in window.tallies.items()}
                told = replace(window.told, tallies=tallies, lag=window.lag.tally(), due=window.due)
                self._tell(told.to_json())

    def _endpoint(self, request_type: str, name: str) -> str:
        if len(self._endpoints) >= _MOST_ENDPOINTS:
            return OTHER_ENDPOINTS
        return self._endpoints.setdefault((request_type, name), f"{request_type} {name}")

    def _text(self, error: object) -> str:
        named = isinstance(error, BaseException) and not isinstance(error, RefusedError)
        return self._cut(f"{type(error).__name__}: {error}" if named else str(error))

    def _cut(self, error: str) -> str:
        return self.hide(error)[:_LONGEST_ERROR]
