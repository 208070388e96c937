"""The clock that users live by: seconds since the run began, standing still outside of own slices."""

import time

import gevent  # type: ignore[import-untyped] # gevent has no types of its own

from budgetguard.gate.targets.load.traffic import Turns

_LONGEST_S = 3600.0  # a timer of infinity is an error to gevent


def sleep(seconds: float) -> None:
    """Let other greenlets run; gevent alone counts from when its loop last looked at the time."""
    gevent.get_hub().loop.update_now()
    gevent.sleep(max(0.0, seconds))


class Clock:
    """How long users have lived."""

    def __init__(self, turns: Turns | None) -> None:
        self.turns = turns
        self.started = 0.0
        """When the run began, in seconds since the epoch; 0 before that."""
        self._counter = 0.0

    def start(self) -> None:
        """Begin, if the run has not begun."""
        if not self.started:
            self.started = time.time()
            self._counter = time.perf_counter()

    def lived(self) -> float:
        """Seconds that users have lived so far."""
        if self.turns is not None:
            return self.turns.lived(time.time())
        return time.perf_counter() - self._counter

    def counter(self) -> float:
        """As `time.perf_counter`, in the time of users."""
        return self._counter + self.lived()

    def sleep(self, seconds: float) -> None:
        """Sleep so many seconds of the users' time."""
        self.sleep_until(self.lived() + seconds)

    def sleep_until(self, lived: float) -> None:
        """Sleep until users have lived so long; into the next own slice, if none runs."""
        while (left := self._left(lived)) > 0:
            sleep(min(left, _LONGEST_S))

    def _left(self, lived: float) -> float:
        if self.turns is not None:
            return self.turns.wall(lived) - time.time()
        return lived - self.lived()
