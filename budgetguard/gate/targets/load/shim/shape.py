"""How many users there are, and when: the stages of the traffic, followed to their end."""

from typing import ClassVar

from locust import LoadTestShape

from budgetguard.gate.targets.load.shim.clock import Clock, sleep
from budgetguard.gate.targets.load.shim.link import MasterLink
from budgetguard.gate.targets.load.traffic import Traffic

_STEP_S = 0.1
_EDGE_S = 0.001  # two clocks may differ by rounding; the end of a run is never missed for that


class BudgetguardStages(LoadTestShape):
    """Follows the stages; locust makes it without arguments, so what it needs stands on the class.

    locust asks a shape once a second, too seldom for a ramp of seconds and for a run of 2.5 s. So
    the first answer comes when all is over.
    """

    traffic: ClassVar[Traffic]
    clock: ClassVar[Clock]
    master: ClassVar[MasterLink | None] = None
    """Knows when all that share the users have begun."""

    def tick(self) -> None:
        """Start and stop users until the last stage is over."""
        before = self.traffic.users_at(0.0) or 0
        self._reach(before, before)  # even 0 of them begin the run
        if self.master is not None:
            self.master.await_workers()
        self.clock.start()
        while (users := self.traffic.users_at(second := self._second())) is not None:
            if users != before:
                self._reach(users, abs(users - before))
                before = users
            sleep(min(_STEP_S, max(self._left(second), _EDGE_S)))

    def _reach(self, users: int, change: int) -> None:
        if self.runner is not None:
            self.runner.start(users, float(max(1, change)))  # all within a second

    def _second(self) -> float:
        turns = self.clock.turns
        lived = self.clock.lived()
        over = turns is not None and lived >= len(turns.own) * turns.slice_s - _EDGE_S
        return max(lived, self.traffic.seconds) if over else lived

    def _left(self, second: float) -> float:
        return self.traffic.seconds - second
