"""What of a plan is loaded next, and when to stop: money, rate and failures. No call is made here."""

import datetime as dt
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from budgetguard.cache.operation import Operation, Request, Response
from budgetguard.cache.plan import Wanted
from budgetguard.cache.prices import known
from budgetguard.errors import UsageError

_MOST_FAILURES = 5
"""In a row: then it is the service that fails, and not a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmed:
    """What was done of a plan."""

    loaded: int = 0
    fresh: int = 0
    """Held already, or loaded by another meanwhile."""
    refused: int = 0
    """Loaded and not kept, as the operation says of such answers."""
    failed: int = 0
    left_out: int = 0
    """Not begun: for the money, for a cost that nobody knows, or because it was stopped."""
    spent_usd: Decimal = Decimal(0)
    seconds: float = 0.0
    stopped: str = ""
    """Why not all of it was tried; "" where it was."""


@dataclass(slots=True)
class Outcome:
    """What came of one request."""

    fresh: bool = False
    sent: bool = False
    refused: str = ""
    usd: Decimal = Decimal(0)
    error: Exception | None = None

    def paid(self, operation: Operation, request: Request, answer: Response) -> None:
        """Note what an answer cost, and whether it may be kept."""
        self.sent = True
        self.usd = operation.cost(request, answer, dt.datetime.now(dt.UTC).date())
        self.refused = operation.refused(request, answer)


class Session:
    """Hands out what is next; any thread may ask."""

    def __init__(
        self,
        wanted: Sequence[Wanted],
        budget_usd: Decimal,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Raise `UsageError` for a budget or a rate that cannot be."""
        if not (budget_usd.is_finite() and budget_usd >= 0):
            raise UsageError(f"expected a budget of 0 US dollars or more; got {budget_usd}")
        if not rate > 0:
            raise UsageError(f"expected a rate above 0 calls per second; got {rate}")
        self._queue, self._budget, self._gap_s, self._clock = (
            deque(wanted),
            budget_usd,
            1 / rate,
            clock,
        )
        self._lock = threading.Lock()
        self._began = self._next_turn = clock()
        self._reserved: dict[int, Decimal] = {}
        """What requests under way are expected to cost."""
        self._largest: dict[str, Decimal] = {}
        self._unpriced: set[str] = set()
        self._failures = 0
        self._done = Warmed()

    @property
    def over(self) -> bool:
        """Whether nothing more is begun."""
        with self._lock:
            return bool(self._done.stopped) or not self._queue

    def take(self) -> Wanted | None:
        """The next request; None where it has to wait for one that is under way, or where none is left."""
        with self._lock:
            while self._queue and not self._done.stopped:
                one = self._queue[0]
                free = self._budget - self._done.spent_usd - sum(self._reserved.values())
                expected = self._expected(one)
                unknown = expected is None and one.operation not in self._unpriced
                fits = unknown and free > 0 if expected is None else expected <= free
                if self._reserved and (unknown or not fits):
                    return None  # what is under way may cost less, or tell what such a call costs
                self._queue.popleft()
                if fits:
                    self._reserved[id(one)] = free if expected is None else expected
                    return one
                self._done = replace(self._done, left_out=self._done.left_out + 1)
            return None

    def _expected(self, one: Wanted) -> Decimal | None:
        if one.operation in self._unpriced:
            return None
        return self._largest.get(one.operation) if one.usd is None else one.usd

    def turn_s(self) -> float:
        """How long the next call has to wait for its turn."""
        with self._lock:
            now = self._clock()
            turn = max(now, self._next_turn)
            self._next_turn = turn + self._gap_s
            return turn - now

    def settle(self, one: Wanted, outcome: Outcome) -> None:
        """Note what came of a request that was taken."""
        with self._lock:
            self._reserved.pop(id(one), None)
            done = self._done
            if outcome.sent and known(outcome.usd):
                done = replace(done, spent_usd=done.spent_usd + outcome.usd)
                self._largest[one.operation] = max(
                    self._largest.get(one.operation, Decimal(0)), outcome.usd
                )
            elif outcome.sent:
                self._unpriced.add(one.operation)
            if outcome.error is not None:
                done = self._failed(done, outcome.error)
            else:
                self._failures = 0
                done = _counted(done, outcome)
            self._done = done

    def _failed(self, done: Warmed, error: Exception) -> Warmed:
        self._failures += 1
        stopped = done.stopped
        if self._failures >= _MOST_FAILURES and not stopped:
            stopped = (
                f"{self._failures} failures in a row, the last: {type(error).__name__}: {error}"
            )
        return replace(done, failed=done.failed + 1, stopped=stopped)

    def stop(self, why: str) -> None:
        """Begin nothing more."""
        with self._lock:
            if not self._done.stopped:
                self._done = replace(self._done, stopped=why)

    def so_far(self) -> Warmed:
        """What was done; what is not begun counts as left out where it never will be."""
        with self._lock:
            waiting = len(self._queue) if self._done.stopped else 0
            return replace(
                self._done,
                left_out=self._done.left_out + waiting,
                seconds=self._clock() - self._began,
                stopped=self._done.stopped or self._lacking(),
            )

    def _lacking(self) -> str:
        if not self._done.left_out:
            return ""
        if self._unpriced:
            return f"nobody knows what {', '.join(sorted(self._unpriced))} costs: the rest was left out"
        return f"the budget of {self._budget} USD is spent"


def _counted(done: Warmed, outcome: Outcome) -> Warmed:
    if not outcome.sent:
        return replace(done, fresh=done.fresh + 1)
    if outcome.refused:
        return replace(done, refused=done.refused + 1)
    return replace(done, loaded=done.loaded + 1)
